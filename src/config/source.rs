//! The files of one configuration: how they are read, what they said, and where in them a byte stands.
//!
//! Spans are bytes inside; lines and columns are made at the edge, here. A column counts code points from 1.
//! [`Loader`] is the only door to the outside: whatever came through it is an input, and the inputs
//! together decide [`Sources::digest`].

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::num::NonZeroU64;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::diagnostic::{FileId, Place, Span};

/// How a configuration reaches files and the environment. `Sync`, because reading has a thread of its own.
pub trait Loader: Sync {
    /// The bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// The files that match a pattern, sorted bytewise; hidden files and what editors leave behind are not among them.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
    /// A variable of the environment.
    fn env(&self, name: &str) -> Option<String>;
    /// Whether a variable that is not set is taken for one that is, with a value that fits wherever it stands.
    fn assumes_env(&self) -> bool {
        false
    }
    /// What is known of a file or directory besides its bytes; nothing where files have no such facts.
    fn facts(&self, path: &Path) -> Option<FileFacts> {
        let _ = path;
        None
    }
    /// Bytes of memory of the machine that the configuration is read on; nothing where nobody knows.
    fn memory(&self) -> Option<u64> {
        None
    }
}

/// What a file system says of a file besides its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileFacts {
    /// Its permissions, with the sticky bit.
    pub mode: u32,
    /// Whether it is a file that is mounted by itself: a new file in its directory never takes its place.
    pub mounted: bool,
}

/// The file system and the environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct FsLoader;

impl Loader for FsLoader {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        use io::Read as _;
        let mut bytes = Vec::new();
        let most = super::guard::MAX_BYTES as u64 + 1; // one more than the guard lets through, so that it sees the excess
        std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let pattern = pattern.to_str().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let matches =
            glob::glob(pattern).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.msg))?;
        let mut found = Vec::new();
        for path in matches {
            let path = path.map_err(io::Error::from)?;
            if !is_no_part(&path) && !path.is_dir() {
                found.push(path);
            }
        }
        sort_bytewise(&mut found);
        Ok(found)
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn facts(&self, path: &Path) -> Option<FileFacts> {
        use std::os::unix::fs::MetadataExt as _;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let about = std::fs::metadata(path).ok()?;
        let whole = std::fs::canonicalize(path).ok()?;
        // Only Linux tells; elsewhere nothing is a mount.
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let mut points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        let mounted = about.is_file() && points.any(|point| Path::new(point) == whole);
        Some(FileFacts { mode: about.mode() & 0o7777, mounted })
    }

    fn memory(&self) -> Option<u64> {
        // Only Linux tells, in KiB (proc_meminfo(5)).
        let facts = std::fs::read_to_string("/proc/meminfo").ok()?;
        let total = facts.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
        total.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }
}

/// Files and variables held in memory: for tests, and for text that is not saved yet.
#[derive(Debug, Clone, Default)]
pub struct MemLoader {
    files: BTreeMap<PathBuf, Vec<u8>>,
    env: BTreeMap<String, String>,
    facts: BTreeMap<PathBuf, FileFacts>,
    memory: Option<u64>,
}

impl MemLoader {
    /// No files, no variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a file.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), bytes.into());
        self
    }

    /// With facts about a file or directory.
    #[must_use]
    pub fn about(mut self, path: impl Into<PathBuf>, facts: FileFacts) -> Self {
        self.facts.insert(path.into(), facts);
        self
    }

    /// On a machine with so many bytes of memory.
    #[must_use]
    pub fn on_machine(mut self, memory: u64) -> Self {
        self.memory = Some(memory);
        self
    }

    /// With a variable.
    #[must_use]
    pub fn var(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }
}

impl Loader for MemLoader {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let text = pattern.to_str().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let pattern = glob::Pattern::new(text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error.msg))?;
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        let mut found: Vec<PathBuf> = self
            .files
            .keys()
            .filter(|path| pattern.matches_path_with(path, options) && !is_no_part(path))
            .cloned()
            .collect();
        sort_bytewise(&mut found);
        Ok(found)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).cloned()
    }

    fn facts(&self, path: &Path) -> Option<FileFacts> {
        self.facts.get(path).copied()
    }

    fn memory(&self) -> Option<u64> {
        self.memory
    }
}

/// Something outside that decides what a configuration says; a watcher looks at these.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Input {
    /// A file: the main one, an included one, one named by `${file:…}`. It need not exist (yet).
    File(PathBuf),
    /// A directory whose listing counts, because a pattern looks into it.
    Directory(PathBuf),
}

/// One file that was read.
#[derive(Debug, Clone)]
pub struct File {
    path: Arc<PathBuf>,
    text: Arc<str>,
    /// Where each line begins.
    lines: Vec<u32>,
}

impl File {
    /// The path as the user named it, or as the including file made it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The number, from 1, and the first byte of the line that holds byte `at`.
    pub fn line(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|&start| start as usize <= at).max(1);
        (line, self.lines[line - 1] as usize)
    }
}

/// Every file read for one configuration, and everything else that it was made of.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<File>,
    /// Content of each file input; `None` for one that could not be read.
    contents: BTreeMap<PathBuf, Option<[u8; 32]>>,
    /// Matches of each pattern.
    globs: BTreeMap<PathBuf, Vec<PathBuf>>,
    incomplete: bool,
    assumed: bool,
    /// Bytes of memory of the machine, where somebody knows.
    memory: Option<NonZeroU64>,
}

impl Sources {
    /// The file of an id.
    pub fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(id.0 as usize)
    }

    /// All files with text, the main one first.
    pub fn files(&self) -> impl Iterator<Item = (FileId, &File)> {
        self.files.iter().enumerate().map(|(index, file)| (FileId(index as u32), file))
    }

    /// The text at `span`; empty when the span is not one of these sources.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).and_then(|file| file.text.get(span.range())).unwrap_or_default()
    }

    /// Line and column of the span's beginning, both from 1, the column in code points.
    pub fn line_column(&self, span: Span) -> (u32, u32) {
        let Some(file) = self.file(span.file) else { return (1, 1) };
        let at = floor_char_boundary(&file.text, span.start as usize);
        let (line, start) = file.line(at);
        (line as u32, file.text[start..at].chars().count() as u32 + 1)
    }

    /// Where the span begins, for people.
    pub fn place(&self, span: Span) -> Place {
        let file = self.file(span.file).map(|file| Arc::clone(&file.path)).unwrap_or_default();
        Place { file, line: self.line_column(span).0 }
    }

    /// False when a file could not be read or its structure is unknown (a block never closed): then what the
    /// nodes lack means nothing, and only the report of the reading itself counts.
    pub fn complete(&self) -> bool {
        !self.incomplete
    }

    /// True when something stands for a variable that is not set: what it says is in no model.
    pub fn assumed(&self) -> bool {
        self.assumed
    }

    /// Everything that a watcher must look at, sorted: files first, then directories.
    pub fn inputs(&self) -> Vec<Input> {
        let files = self.contents.keys().cloned().map(Input::File);
        let directories: BTreeSet<PathBuf> = self.globs.keys().map(|pattern| glob_root(pattern)).collect();
        files.chain(directories.into_iter().map(Input::Directory)).collect()
    }

    /// A fingerprint over the paths and bytes of all inputs. Equal digests: nothing changed.
    pub fn digest(&self) -> [u8; 32] {
        digest(&self.contents, &self.globs)
    }

    /// What [`Sources::digest`] would be if the same inputs were read now; nothing is parsed.
    pub fn digest_now(&self, loader: &dyn Loader) -> [u8; 32] {
        let contents =
            self.contents.keys().map(|path| (path.clone(), loader.read(path).ok().map(hash))).collect();
        let globs =
            self.globs.keys().map(|pattern| (pattern.clone(), loader.glob(pattern).unwrap_or_default()));
        digest(&contents, &globs.collect())
    }

    /// Reads a file's bytes and makes it an input, whether or not that succeeds.
    pub(super) fn read(&mut self, path: &Path, loader: &dyn Loader) -> io::Result<Vec<u8>> {
        let bytes = loader.read(path);
        self.contents.insert(path.to_owned(), bytes.as_ref().ok().map(hash));
        bytes
    }

    /// The matches of a pattern, which becomes an input.
    pub(super) fn glob(&mut self, pattern: &Path, loader: &dyn Loader) -> io::Result<Vec<PathBuf>> {
        let found = loader.glob(pattern);
        self.globs.insert(pattern.to_owned(), found.as_ref().ok().cloned().unwrap_or_default());
        found
    }

    /// Adds a text, to point into.
    pub(super) fn add(&mut self, path: PathBuf, text: impl Into<Arc<str>>) -> FileId {
        let text = text.into();
        let lines = std::iter::once(0)
            .chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at as u32 + 1))
            .collect();
        self.files.push(File { path: Arc::new(path), text, lines });
        FileId(self.files.len() as u32 - 1)
    }

    /// The id of a file that was read under this path.
    pub(super) fn find(&self, path: &Path) -> Option<FileId> {
        self.files().find(|(_, file)| file.path() == path).map(|(id, _)| id)
    }

    /// Says what the machine has.
    pub(super) fn set_memory(&mut self, memory: Option<u64>) {
        self.memory = memory.and_then(NonZeroU64::new);
    }

    /// Bytes of memory of the machine, where somebody knows.
    pub(super) fn memory(&self) -> Option<u64> {
        self.memory.map(NonZeroU64::get)
    }

    /// Says that a value was assumed.
    pub(super) fn mark_assumed(&mut self) {
        self.assumed = true;
    }

    /// Says that part of the configuration could not be seen.
    pub(super) fn mark_incomplete(&mut self) {
        self.incomplete = true;
    }
}

/// `path` seen from the file `from`, with `.` and `..` resolved in the text (symbolic links are not followed).
pub(super) fn beside(from: &Path, path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in from.parent().unwrap_or(Path::new("")).join(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

/// Whether a path holds characters of a pattern.
pub(super) fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The directory that a pattern looks into: everything before its first wildcard.
fn glob_root(pattern: &Path) -> PathBuf {
    let plain = |part: &Component<'_>| !part.as_os_str().to_str().is_some_and(is_glob);
    let root: PathBuf = pattern.components().take_while(plain).collect();
    if root.as_os_str().is_empty() { PathBuf::from(".") } else { root }
}

/// What vim, Emacs and others leave beside a file while it is edited; and files of expectations, which lie beside it.
fn is_no_part(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    name.starts_with('.')
        || name.ends_with('~')
        || name.ends_with(super::expectations::SUFFIX)
        || (name.starts_with('#') && name.ends_with('#'))
        || name == "4913"
}

fn sort_bytewise(paths: &mut [PathBuf]) {
    paths.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn hash(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes.as_ref()).into()
}

fn digest(
    contents: &BTreeMap<PathBuf, Option<[u8; 32]>>,
    globs: &BTreeMap<PathBuf, Vec<PathBuf>>,
) -> [u8; 32] {
    let mut all = Sha256::new();
    for (path, content) in contents {
        feed_path(&mut all, b"file", path);
        match content {
            Some(content) => all.update(content),
            None => all.update(b"absent"),
        }
    }
    for (pattern, found) in globs {
        feed_path(&mut all, b"glob", pattern);
        found.iter().for_each(|path| feed_path(&mut all, b"match", path));
    }
    all.finalize().into()
}

/// With its length in front, so that two paths never read as another two.
fn feed_path(all: &mut Sha256, kind: &[u8], path: &Path) {
    let bytes = path.as_os_str().as_encoded_bytes();
    all.update(kind);
    all.update((bytes.len() as u64).to_le_bytes());
    all.update(bytes);
}

#[cfg(test)]
mod tests;
