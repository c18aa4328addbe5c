//! The keys that sign sticky cookies: the first signs, all verify.
//!
//! They stand in the state directory, one per line, readable by their owner only, so that cookies outlive a restart.
//! A key that was made here signs for 30 days, then a new one does; it verifies for 90 days more, or for the longest
//! `max-life` of a cookie, if that is longer. Keys that somebody else wrote stay as they are, for example where several
//! lbd share them. Without a state directory they live as long as the process. An unreadable file is an error and never
//! replaced: new keys would move every client.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac, rand};
use data_encoding::HEXLOWER;

use super::verified::Verified;

/// A key of our own making signs this long; then a new one does.
const SIGNS_FOR: u64 = 30 * 24 * 60 * 60;
/// A key verifies this long at least after it signed.
const VERIFIES_FOR: u64 = 90 * 24 * 60 * 60;
/// Keys that are kept at most, the one that signs included.
const MOST_KEYS: usize = 128;
/// Before the time (unix seconds) at which the first key was made; without it the keys are somebody else's.
const MADE: &str = "# made ";
/// The file's name in the state directory.
const FILE: &str = "sticky.keys";
/// Bytes of a key.
const KEY: usize = 32;
/// Bytes of a signature that are kept: 128 bits cannot be guessed online.
pub(super) const TAG: usize = 16;

/// Keys for cookies. Never printed.
pub struct KeyRing {
    keys: Vec<hmac::Key>,
    bytes: Vec<[u8; KEY]>,
    /// When the first was made (unix seconds), if that was here.
    made: Option<u64>,
    /// What they were found to have signed.
    pub(super) verified: Verified,
}

/// Which key made a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signed {
    /// The one that signs now.
    Now,
    /// One that signed before.
    Earlier,
}

impl KeyRing {
    /// The keys of a state directory; the first start makes one at this time (unix seconds).
    pub fn load_or_create(state_dir: &Path, now: u64) -> io::Result<Arc<Self>> {
        match read(state_dir) {
            Ok((keys, made)) => Ok(Self::of(&keys, made)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = [new_key()?];
                save(&state_dir.join(FILE), &keys, now)?;
                Ok(Self::of(&keys, Some(now)))
            }
            Err(error) => Err(error),
        }
    }

    /// A key that ends with the process.
    pub fn ephemeral(now: u64) -> io::Result<Arc<Self>> {
        Ok(Self::of(&[new_key()?], Some(now)))
    }

    /// The keys that another process of ours has, written by [`KeyRing::text`].
    pub fn of_text(text: &str) -> Result<Arc<Self>, String> {
        Ok(Self::of(&parse(text)?, made(text)))
    }

    /// The keys in the form of the file. A secret: for a process that takes over from this one.
    pub fn text(&self) -> String {
        text(&self.bytes, self.made.unwrap_or_default())
    }

    /// When a new key is to sign (unix seconds); never, when the keys are somebody else's.
    pub fn due(&self) -> Option<u64> {
        self.made.map(|made| made + SIGNS_FOR)
    }

    /// The keys from now on, when the first has signed for long enough: a new one before those that some cookie may
    /// still need, when cookies live for `life`. What the state directory holds by now counts, and is brought in step.
    pub fn follow(&self, state_dir: Option<&Path>, life: Duration, now: u64) -> io::Result<Arc<Self>> {
        let kept = life.as_secs().max(VERIFIES_FOR).div_ceil(SIGNS_FOR) as usize;
        let kept = kept.min(MOST_KEYS - 1);
        let Some(state_dir) = state_dir else {
            let keys: Vec<_> =
                std::iter::once(new_key()?).chain(self.bytes.iter().take(kept).copied()).collect();
            return Ok(Self::of(&keys, Some(now)));
        };
        let (mut keys, made) = read(state_dir)?;
        if made.is_none_or(|made| now < made + SIGNS_FOR) {
            return Ok(Self::of(&keys, made));
        }
        keys.truncate(kept);
        keys.insert(0, new_key()?);
        save(&state_dir.join(FILE), &keys, now)?;
        Ok(Self::of(&keys, Some(now)))
    }

    /// Signs with the first key. The parts are signed with their lengths, so they cannot be shifted.
    pub(super) fn sign(&self, parts: [&[u8]; 2]) -> [u8; TAG] {
        tag(&self.keys[0], parts)
    }

    /// Which key made this signature, if any did.
    pub(super) fn verify(&self, parts: [&[u8]; 2], signature: &[u8]) -> Option<Signed> {
        let matches = |key| constant_time::verify_slices_are_equal(&tag(key, parts), signature).is_ok();
        match self.keys.iter().position(matches)? {
            0 => Some(Signed::Now),
            _ => Some(Signed::Earlier),
        }
    }

    fn of(keys: &[[u8; KEY]], made: Option<u64>) -> Arc<Self> {
        let bytes = keys.to_vec();
        let keys = keys.iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, key)).collect();
        Arc::new(Self { keys, bytes, made, verified: Verified::default() })
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({} keys)", self.keys.len())
    }
}

/// The keys of a state directory, and when the first was made, if that was here.
fn read(state_dir: &Path) -> io::Result<(Vec<[u8; KEY]>, Option<u64>)> {
    let path = state_dir.join(FILE);
    let text = fs::read_to_string(&path)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let keys = parse(&text).map_err(|reason| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{}: {reason}", path.display()))
    })?;
    Ok((keys, made(&text)))
}

fn parse(text: &str) -> Result<Vec<[u8; KEY]>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let key = |line: &str| {
        let bytes = HEXLOWER.decode(line.as_bytes()).ok();
        bytes.and_then(|bytes| <[u8; KEY]>::try_from(bytes).ok())
    };
    let keys: Option<Vec<_>> = lines.map(key).collect();
    match keys {
        Some(keys) if !keys.is_empty() => Ok(keys),
        Some(_) => Err("no key".into()),
        None => Err(format!("a line is not a key of {} hexadecimal digits", 2 * KEY)),
    }
}

/// When the first key was made, if that was here.
fn made(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(MADE))?.trim().parse().ok()
}

fn save(path: &Path, keys: &[[u8; KEY]], now: u64) -> io::Result<()> {
    write_atomically(path, text(keys, now).as_bytes())
}

fn text(keys: &[[u8; KEY]], made: u64) -> String {
    let lines: String = keys.iter().map(|key| format!("{}\n", HEXLOWER.encode(key))).collect();
    format!("{MADE}{made}\n{lines}")
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
pub(super) fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!("{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(bytes)?;
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

    const NOW: u64 = 1_800_000_000;
    const PARTS: [&[u8]; 2] = [b"name", b"payload"];

    #[test]
    fn keys_outlive_a_restart_and_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let first = KeyRing::load_or_create(dir.path(), NOW).unwrap();
        let tag = first.sign(PARTS);
        let second = KeyRing::load_or_create(dir.path(), NOW).unwrap();
        assert_eq!(second.verify(PARTS, &tag), Some(Signed::Now));
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn an_older_key_still_verifies() {
        let (old, new) = ([1; KEY], [2; KEY]);
        let tag = KeyRing::of(&[old], None).sign(PARTS);
        let text = format!("# newest first\n{}\n\n{}\n", HEXLOWER.encode(&new), HEXLOWER.encode(&old));
        let ring = KeyRing::of(&parse(&text).unwrap(), None);
        assert_eq!(ring.verify(PARTS, &tag), Some(Signed::Earlier));
        assert_ne!(ring.sign(PARTS), tag, "the first one signs");
        assert_eq!(KeyRing::of(&[new], None).verify(PARTS, &tag), None);
    }

    #[test]
    fn keys_follow_one_another_unless_they_are_somebody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let after = |days: u64| NOW + days * 86_400;
        let life = |days: u64| Duration::from_secs(days * 86_400);
        let rings = [
            (Some(dir.path()), KeyRing::load_or_create(dir.path(), NOW).unwrap()),
            (None, KeyRing::ephemeral(NOW).unwrap()),
        ];
        for (dir, mut ring) in rings {
            let first = ring.sign(PARTS);
            assert_eq!(ring.due(), Some(after(30)));
            for days in [30, 60, 90, 120, 150] {
                let now = ring.due().expect("keys of our own");
                assert_eq!(now, after(days));
                ring = ring.follow(dir, life(0), now).unwrap();
                // The last cookie that it signed is 90 days old when it goes.
                let expected = (days <= 90).then_some(Signed::Earlier);
                assert_eq!(ring.verify(PARTS, &first), expected, "after {days} days");
                assert_eq!(ring.verify(PARTS, &ring.sign(PARTS)), Some(Signed::Now));
            }
            for _ in 0..3 {
                ring = ring.follow(dir, life(200), ring.due().unwrap()).unwrap();
            }
            assert_eq!(ring.keys.len(), 7, "cookies live for 200 days: so do keys");
            ring = ring.follow(dir, life(1_000_000), ring.due().unwrap()).unwrap();
            assert_eq!(ring.keys.len(), 8);
        }
        let ring = KeyRing::load_or_create(dir.path(), after(10_000)).unwrap();
        let again = ring.follow(Some(dir.path()), life(0), ring.due().unwrap() - 1).unwrap();
        assert_eq!(again.sign(PARTS), ring.sign(PARTS), "not before its time");
        let own = format!("{}\n", HEXLOWER.encode(&[1; KEY]));
        fs::write(dir.path().join(FILE), &own).unwrap();
        let theirs = ring.follow(Some(dir.path()), life(0), after(20_000)).unwrap();
        assert_eq!((theirs.due(), theirs.sign(PARTS)), (None, KeyRing::of(&[[1; KEY]], None).sign(PARTS)));
        assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), own);
    }

    #[test]
    fn another_process_of_ours_believes_and_signs_the_same() {
        let ring = KeyRing::ephemeral(NOW).unwrap().follow(None, Duration::ZERO, NOW + SIGNS_FOR).unwrap();
        let other = KeyRing::of_text(&ring.text()).unwrap();
        assert_eq!((other.sign(PARTS), other.due()), (ring.sign(PARTS), ring.due()));
        assert_eq!(other.keys.len(), 2);
    }

    #[test]
    fn a_broken_file_is_an_error_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "# only a comment\n", "zz\n", "abcd\n"] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = KeyRing::load_or_create(dir.path(), NOW).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text:?}");
            assert_eq!(fs::read_to_string(dir.path().join(FILE)).unwrap(), text);
        }
    }

    #[test]
    fn parts_cannot_be_shifted_and_tags_cannot_be_cut() {
        let ring = KeyRing::ephemeral(NOW).unwrap();
        let tag = ring.sign([b"ab", b"c"]);
        assert_eq!(ring.verify([b"ab", b"c"], &tag), Some(Signed::Now));
        assert_eq!(ring.verify([b"a", b"bc"], &tag), None);
        assert_eq!(ring.verify([b"ab", b"c"], &tag[..8]), None);
        assert_eq!(ring.verify([b"ab", b"c"], &[]), None);
    }
}
