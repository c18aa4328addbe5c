//! Everything that one reading of a configuration was made of, and whether it is still so.
//!
//! A [`Capture`] stands between the language and the file system and notes what passes. The digest of
//! its [`Record`] decides whether anything changed; events and times never do.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::config::source::{FileFacts, Loader};

/// Sha-256 over the paths and bytes of a file set.
pub(super) type Digest = [u8; 32];

/// `digest`, for people.
pub(super) fn hex(digest: &Digest) -> String {
    data_encoding::HEXLOWER.encode(digest)
}

/// The inputs of one reading: content of each file, matches of each pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// `None` for a file that could not be read.
    files: BTreeMap<PathBuf, Option<Digest>>,
    globs: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl Record {
    /// The fingerprint of the whole set.
    pub(super) fn digest(&self) -> Digest {
        let mut all = Sha256::new();
        for (path, content) in &self.files {
            feed(&mut all, b"file", path);
            all.update(content.as_ref().map_or(&b"absent"[..], |digest| &digest[..]));
        }
        for (pattern, found) in &self.globs {
            feed(&mut all, b"glob", pattern);
            found.iter().for_each(|path| feed(&mut all, b"match", path));
        }
        all.finalize().into()
    }

    /// The same inputs, read now.
    pub(super) fn again(&self, files: &dyn Loader) -> Self {
        let mut now = Self::default();
        for path in self.files.keys() {
            now.read(path, files);
        }
        for pattern in self.globs.keys() {
            now.globs.insert(pattern.clone(), files.glob(pattern).unwrap_or_default());
        }
        now
    }

    /// Adds a file that is not part of the configuration's text: a certificate, a key, a bundle.
    pub(super) fn read(&mut self, path: &Path, files: &dyn Loader) {
        let content = files.read(path).ok().map(|bytes| Sha256::digest(bytes).into());
        self.files.insert(path.to_owned(), content);
    }

    /// Whether `path` was read well.
    pub(super) fn has(&self, path: &Path) -> bool {
        matches!(self.files.get(path), Some(Some(_)))
    }

    /// Every file, readable or not.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// Patterns and what they matched.
    pub(super) fn globs(&self) -> &BTreeMap<PathBuf, Vec<PathBuf>> {
        &self.globs
    }

    /// The directories that patterns look into: everything before the first wildcard. A new file below a
    /// directory that is itself matched by a wildcard is found by polling.
    pub(super) fn roots(&self) -> impl Iterator<Item = PathBuf> {
        self.globs.keys().map(|pattern| {
            let plain = |part: &Component<'_>| {
                !part.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
            };
            let root: PathBuf = pattern.components().take_while(plain).collect();
            if root.as_os_str().is_empty() { PathBuf::from(".") } else { root }
        })
    }
}

/// With its length in front, so that two paths never read as another two.
fn feed(all: &mut Sha256, kind: &[u8], path: &Path) {
    let bytes = path.as_os_str().as_encoded_bytes();
    all.update(kind);
    all.update((bytes.len() as u64).to_be_bytes());
    all.update(bytes);
}

/// A loader that notes what is asked of another.
pub(super) struct Capture<'a> {
    files: &'a dyn Loader,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    record: Record,
    bytes: BTreeMap<PathBuf, Vec<u8>>,
}

impl<'a> Capture<'a> {
    /// Nothing seen yet.
    pub(super) fn new(files: &'a dyn Loader) -> Self {
        Self { files, seen: Mutex::default() }
    }

    /// What was seen, and the bytes of every file that could be read.
    pub(super) fn finish(self) -> (Record, BTreeMap<PathBuf, Vec<u8>>) {
        let seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        (seen.record, seen.bytes)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loader for Capture<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let bytes = self.files.read(path);
        let content = bytes.as_ref().ok().map(|bytes| Sha256::digest(bytes).into());
        let mut seen = self.seen();
        seen.record.files.insert(path.to_owned(), content);
        if let Ok(bytes) = &bytes {
            seen.bytes.insert(path.to_owned(), bytes.clone());
        }
        bytes
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let found = self.files.glob(pattern);
        let matches = found.as_ref().map_or_else(|_| Vec::new(), Clone::clone);
        self.seen().record.globs.insert(pattern.to_owned(), matches);
        found
    }

    fn env(&self, name: &str) -> Option<String> {
        self.files.env(name)
    }

    fn facts(&self, path: &Path) -> Option<FileFacts> {
        self.files.facts(path)
    }

    fn memory(&self) -> Option<u64> {
        self.files.memory()
    }
}
