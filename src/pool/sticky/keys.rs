//! The keys that sign sticky cookies: the first signs, all verify.
//!
//! They stand in the state directory, one per line, readable by their owner only, so that cookies outlive a restart;
//! without a state directory they live as long as the process. An unreadable file is an error and never replaced:
//! new keys would move every client.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::{constant_time, hmac, rand};
use data_encoding::HEXLOWER;

/// The file's name in the state directory.
const FILE: &str = "sticky.keys";
/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a signature that are kept: 128 bits cannot be guessed online.
pub(super) const TAG: usize = 16;

/// Keys for cookies. Never printed.
pub struct KeyRing {
    keys: Vec<hmac::Key>,
}

impl KeyRing {
    /// The keys of a state directory; the first start makes one.
    pub fn load_or_create(state_dir: &Path) -> io::Result<Arc<Self>> {
        let path = state_dir.join(FILE);
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text).map(Arc::new).map_err(|reason| {
                io::Error::new(io::ErrorKind::InvalidData, format!("{}: {reason}", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = new_key()?;
                write_atomically(&path, &format!("{}\n", HEXLOWER.encode(&key)))?;
                Ok(Arc::new(Self::of(&[key])))
            }
            Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
        }
    }

    /// A key that ends with the process.
    pub fn ephemeral() -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self::of(&[new_key()?])))
    }

    /// Signs with the first key. The parts are signed with their lengths, so they cannot be shifted.
    pub(super) fn sign(&self, parts: [&[u8]; 2]) -> [u8; TAG] {
        tag(&self.keys[0], parts)
    }

    /// Whether any key made this signature.
    pub(super) fn verify(&self, parts: [&[u8]; 2], signature: &[u8]) -> bool {
        let matches = |key| constant_time::verify_slices_are_equal(&tag(key, parts), signature).is_ok();
        self.keys.iter().any(matches)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let key = |line: &str| {
            let bytes = HEXLOWER.decode(line.as_bytes()).ok();
            bytes.and_then(|bytes| <[u8; KEY]>::try_from(bytes).ok())
        };
        let keys: Option<Vec<_>> = lines.map(key).collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self::of(&keys)),
            Some(_) => Err("no key".into()),
            None => Err(format!("a line is not a key of {} hexadecimal digits", 2 * KEY)),
        }
    }

    fn of(keys: &[[u8; KEY]]) -> Self {
        Self { keys: keys.iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)).collect() }
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({} keys)", self.keys.len())
    }
}

fn tag(key: &hmac::Key, parts: [&[u8]; 2]) -> [u8; TAG] {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let signature = context.sign();
    let mut tag = [0; TAG];
    tag.copy_from_slice(&signature.as_ref()[..TAG]);
    tag
}

fn new_key() -> io::Result<[u8; KEY]> {
    let mut key = [0; KEY];
    rand::fill(&mut key).map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(key)
}

/// A crash leaves the old file or the new one, never half of it.
fn write_atomically(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let temporary = directory.join(format!("{FILE}.{}.new", std::process::id()));
    let written = (|| {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        // Best effort: what is reported is why the write failed.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const PARTS: [&[u8]; 2] = [b"name", b"payload"];

    #[test]
    fn keys_outlive_a_restart_and_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = KeyRing::load_or_create(dir.path()).unwrap();
        let tag = first.sign(PARTS);
        let second = KeyRing::load_or_create(dir.path()).unwrap();
        assert!(second.verify(PARTS, &tag));
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn an_older_key_still_verifies() {
        let (old, new) = ([1; KEY], [2; KEY]);
        let tag = KeyRing::of(&[old]).sign(PARTS);
        let text = format!("# newest first\n{}\n\n{}\n", HEXLOWER.encode(&new), HEXLOWER.encode(&old));
        let ring = KeyRing::parse(&text).unwrap();
        assert!(ring.verify(PARTS, &tag));
        assert_ne!(ring.sign(PARTS), tag, "the first one signs");
        assert!(!KeyRing::of(&[new]).verify(PARTS, &tag));
    }

    #[test]
    fn a_broken_file_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "# only a comment\n", "zz\n", "abcd\n"] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = KeyRing::load_or_create(dir.path()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text:?}");
            assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), text);
        }
    }

    #[test]
    fn parts_cannot_be_shifted_and_tags_cannot_be_cut() {
        let ring = KeyRing::ephemeral().unwrap();
        let tag = ring.sign([b"ab", b"c"]);
        assert!(ring.verify([b"ab", b"c"], &tag));
        assert!(!ring.verify([b"a", b"bc"], &tag));
        assert!(!ring.verify([b"ab", b"c"], &tag[..8]));
        assert!(!ring.verify([b"ab", b"c"], &[]));
    }
}
