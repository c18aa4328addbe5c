//! The file sets that ran, on disk: what `history` lists and what a start with bad files falls back to.
//!
//! `STATE_DIR/generations/N/` holds a manifest and the exact bytes of every configuration file. Secrets
//! and private keys are never written; they are read from where they are when a generation is loaded.
//! A directory appears whole or not at all.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::Files;
use super::state::GenerationInfo;
use crate::config::source::Loader;

const MANIFEST: &str = "manifest.json";
/// How a directory is called until it is complete.
const UNFINISHED: &str = ".new-";

/// The stored generations of one state directory.
#[derive(Debug, Clone)]
pub(super) struct Generations {
    directory: Option<PathBuf>,
}

/// What is stored of one generation.
#[derive(Debug)]
pub(super) struct Texts {
    /// The main file.
    pub(super) main: PathBuf,
    /// Configuration files, without secrets.
    pub(super) files: BTreeMap<PathBuf, Vec<u8>>,
    /// Patterns and what they matched.
    pub(super) globs: BTreeMap<PathBuf, Vec<PathBuf>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    version: u32,
    number: u64,
    parent: u64,
    digest: String,
    cause: String,
    actor: Option<String>,
    time_ms: u64,
    summary: String,
    warnings: usize,
    #[serde(default)]
    reason: Option<String>,
    main: PathBuf,
    /// Original path and name here.
    files: Vec<(PathBuf, String)>,
    globs: BTreeMap<PathBuf, Vec<PathBuf>>,
}

impl Generations {
    /// Those below `state_dir`; none are kept without it.
    pub(super) fn new(state_dir: Option<&Path>) -> Self {
        Self { directory: state_dir.map(|dir| dir.join("generations")) }
    }

    /// Everything stored, oldest first. What cannot be read is not there.
    pub(super) fn list(&self) -> Vec<GenerationInfo> {
        self.manifests().into_iter().map(|manifest| manifest.info()).collect()
    }

    /// The highest number ever stored here, readable or not; 0 for none.
    pub(super) fn highest(&self) -> u64 {
        self.numbers().last().copied().unwrap_or(0)
    }

    /// The stored sets of the main file `main`, newest first, each as a loader that takes from `files`
    /// what is not stored.
    pub(super) fn candidates(&self, main: &Path, files: &Files) -> Vec<Stored> {
        let same_main = |manifest: &Manifest| absolute(&manifest.main) == absolute(main);
        let newest_first = self.manifests().into_iter().rev().filter(same_main);
        newest_first.filter_map(|manifest| self.stored(manifest, files).ok()).collect()
    }

    /// The stored set of this number, as a loader that takes from `files` what is not stored.
    pub(super) fn find(&self, number: u64, files: &Files) -> Option<Stored> {
        let manifest = self.manifests().into_iter().find(|manifest| manifest.number == number)?;
        self.stored(manifest, files).ok()
    }

    /// Stores a generation, and forgets the oldest so that `keep` remain.
    pub(super) fn save(&self, info: &GenerationInfo, texts: &Texts, keep: usize) -> io::Result<()> {
        let Some(directory) = &self.directory else { return Ok(()) };
        private_directory(directory)?;
        remove_unfinished(directory)?;
        let temporary = directory.join(format!("{UNFINISHED}{}", info.number));
        private_directory(&temporary)?;
        let mut files = Vec::new();
        for (at, (path, bytes)) in texts.files.iter().enumerate() {
            let stored = format!("{at}.kdl");
            write_durably(&temporary.join(&stored), bytes)?;
            files.push((path.clone(), stored));
        }
        let manifest = Manifest::new(info, texts, files);
        write_durably(&temporary.join(MANIFEST), &serde_json::to_vec_pretty(&manifest)?)?;
        File::open(&temporary)?.sync_all()?;
        let target = directory.join(info.number.to_string());
        if target.exists() {
            fs::remove_dir_all(&target)?;
        }
        fs::rename(&temporary, target)?;
        File::open(directory)?.sync_all()?;
        self.prune(keep)
    }

    fn prune(&self, keep: usize) -> io::Result<()> {
        let Some(directory) = &self.directory else { return Ok(()) };
        let numbers = self.numbers();
        let surplus = numbers.len().saturating_sub(keep.max(1));
        for number in numbers.into_iter().take(surplus) {
            fs::remove_dir_all(directory.join(number.to_string()))?;
        }
        Ok(())
    }

    fn numbers(&self) -> Vec<u64> {
        let Some(directory) = &self.directory else { return Vec::new() };
        let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
        let mut numbers: Vec<u64> =
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    fn manifests(&self) -> Vec<Manifest> {
        let Some(directory) = &self.directory else { return Vec::new() };
        let read = |number: u64| -> Option<Manifest> {
            let bytes = fs::read(directory.join(number.to_string()).join(MANIFEST)).ok()?;
            serde_json::from_slice(&bytes).ok().filter(|manifest: &Manifest| manifest.version == 1)
        };
        self.numbers().into_iter().filter_map(read).collect()
    }

    fn stored(&self, manifest: Manifest, files: &Files) -> io::Result<Stored> {
        let directory = self.directory.clone().unwrap_or_default().join(manifest.number.to_string());
        let mut texts = HashMap::new();
        for (path, stored) in &manifest.files {
            texts.insert(absolute(path), fs::read(directory.join(stored))?);
        }
        let globs =
            manifest.globs.iter().map(|(pattern, found)| (absolute(pattern), found.clone())).collect();
        Ok(Stored { info: manifest.info(), texts, globs, files: files.clone() })
    }
}

impl Manifest {
    fn new(info: &GenerationInfo, texts: &Texts, files: Vec<(PathBuf, String)>) -> Self {
        Self {
            version: 1,
            number: info.number,
            parent: info.parent,
            digest: info.digest.clone(),
            cause: info.cause.clone(),
            actor: info.actor.clone(),
            time_ms: info.time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64),
            summary: info.summary.clone(),
            warnings: info.warnings,
            reason: info.reason.clone(),
            main: absolute(&texts.main),
            files,
            globs: texts.globs.clone(),
        }
    }

    fn info(&self) -> GenerationInfo {
        let time: SystemTime = UNIX_EPOCH + Duration::from_millis(self.time_ms);
        GenerationInfo {
            number: self.number,
            parent: self.parent,
            digest: self.digest.clone(),
            cause: self.cause.clone(),
            actor: self.actor.clone(),
            time,
            summary: self.summary.clone(),
            warnings: self.warnings,
            reason: self.reason.clone(),
        }
    }
}

/// A stored file set that reads like the original files.
pub(super) struct Stored {
    pub(super) info: GenerationInfo,
    texts: HashMap<PathBuf, Vec<u8>>,
    globs: HashMap<PathBuf, Vec<PathBuf>>,
    files: Files,
}

impl Stored {
    /// Texts that lie in no directory, as a loader too: those of what runs.
    pub(super) fn kept(
        info: GenerationInfo,
        texts: &BTreeMap<PathBuf, Vec<u8>>,
        globs: &BTreeMap<PathBuf, Vec<PathBuf>>,
        files: Files,
    ) -> Self {
        let texts = texts.iter().map(|(path, bytes)| (absolute(path), bytes.clone())).collect();
        let globs = globs.iter().map(|(pattern, found)| (absolute(pattern), found.clone())).collect();
        Self { info, texts, globs, files }
    }

    /// What its files say.
    pub(super) fn texts(self) -> BTreeMap<PathBuf, String> {
        let text = |(path, bytes): (PathBuf, Vec<u8>)| (path, String::from_utf8_lossy(&bytes).into_owned());
        self.texts.into_iter().map(text).collect()
    }
}

impl Loader for Stored {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.texts.get(&absolute(path)) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.files.read(path),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        match self.globs.get(&absolute(pattern)) {
            Some(found) => Ok(found.clone()),
            None => self.files.glob(pattern),
        }
    }

    fn env(&self, name: &str) -> Option<String> {
        self.files.env(name)
    }
    fn memory(&self) -> Option<u64> {
        self.files.memory()
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// What a process left that ended while it was storing.
fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
