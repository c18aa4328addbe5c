//! Where the text of a candidate comes from: the caller, an earlier generation, the files with some put back.
//!
//! Each is a [`Loader`] over the real files, under the names that these have: what is read here and then written
//! is the same file set, with the same digest. Only the configuration's own texts can come from a caller;
//! certificates, pages and secrets are always the daemon's.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Files;
use crate::config::source::Loader;

/// The texts of a caller, named from the directory of the main file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// What files say; `None` for one that the caller does not have: then the daemon's own is meant.
    pub files: BTreeMap<PathBuf, Option<String>>,
    /// What patterns match at the caller's; where that is nothing, the daemon's own matches are meant.
    pub globs: BTreeMap<PathBuf, Vec<PathBuf>>,
}

/// An offer that reads like files.
pub(super) struct Offered {
    offer: Offer,
    /// The directory of the main file.
    directory: PathBuf,
    files: Files,
    wanted: Mutex<BTreeSet<String>>,
}

impl Offered {
    pub(super) fn new(offer: Offer, main: &Path, files: Files) -> Self {
        let directory = main.parent().unwrap_or(Path::new("")).to_owned();
        Self { offer, directory, files, wanted: Mutex::default() }
    }

    /// Files and patterns that the offer says nothing of.
    pub(super) fn wanted(&self) -> Vec<String> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn want(&self, path: &Path) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.insert(path.display().to_string());
    }

    /// How the offer names a path; `None` for what no caller may say.
    fn relative<'p>(&self, path: &'p Path) -> Option<&'p Path> {
        let relative = path.strip_prefix(&self.directory).ok().filter(|rest| !rest.is_absolute())?;
        let is_below = relative.components().all(|part| matches!(part, Component::Normal(_)));
        (is_below && relative.extension().is_some_and(|end| end == "kdl")).then_some(relative)
    }
}

impl Loader for Offered {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let Some(relative) = self.relative(path) else { return self.files.read(path) };
        match self.offer.files.get(relative) {
            Some(Some(text)) => return Ok(text.clone().into_bytes()),
            Some(None) => {}
            None => self.want(relative),
        }
        self.files.read(path)
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let Some(relative) = self.relative(pattern) else { return self.files.glob(pattern) };
        match self.offer.globs.get(relative) {
            Some(found) if !found.is_empty() => {
                // A caller says what lies beside the main file, and of nothing else that it is there.
                let joined = found.iter().map(|path| self.directory.join(path));
                return Ok(joined.filter(|path| self.relative(path).is_some()).collect());
            }
            Some(_) => {}
            None => self.want(relative),
        }
        self.files.glob(pattern)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.files.env(name)
    }
    fn memory(&self) -> Option<u64> {
        self.files.memory()
    }
}

/// The real files with some of them as they were.
pub(super) struct Restored {
    /// `None` for a file that was not there.
    files: HashMap<PathBuf, Option<String>>,
    now: Files,
}

impl Restored {
    pub(super) fn new(before: impl Iterator<Item = (PathBuf, Option<String>)>, now: Files) -> Self {
        Self { files: before.collect(), now }
    }
}

impl Loader for Restored {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.files.get(path) {
            Some(Some(text)) => Ok(text.clone().into_bytes()),
            Some(None) => Err(io::ErrorKind::NotFound.into()),
            None => self.now.read(path),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found: BTreeSet<PathBuf> = self.now.glob(pattern)?.into_iter().collect();
        let matching = pattern.to_str().and_then(|text| glob::Pattern::new(text).ok());
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        for (path, text) in &self.files {
            if text.is_none() {
                found.remove(path);
            } else if matching.as_ref().is_some_and(|matching| matching.matches_path_with(path, options)) {
                found.insert(path.clone());
            }
        }
        let mut found: Vec<PathBuf> = found.into_iter().collect();
        found.sort_by(|a, b| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
        Ok(found)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.now.env(name)
    }
    fn memory(&self) -> Option<u64> {
        self.now.memory()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::source::MemLoader;

    fn disk() -> Files {
        let files = MemLoader::new().file("/etc/lbd/lbd.kdl", "old").file("/etc/lbd/conf.d/a.kdl", "a");
        Arc::new(files.file("/etc/lbd/secret", "s").file("/etc/lbd/conf.d/b.kdl", "b"))
    }

    #[test]
    fn an_offer_answers_for_texts_and_asks_for_what_it_lacks() {
        let offer = Offer {
            files: [("lbd.kdl".into(), Some("new".into())), ("conf.d/a.kdl".into(), None)].into(),
            globs: BTreeMap::new(),
        };
        let offered = Offered::new(offer, Path::new("/etc/lbd/lbd.kdl"), disk());
        let read = |path: &str| String::from_utf8(offered.read(Path::new(path)).unwrap()).unwrap();
        assert_eq!(read("/etc/lbd/lbd.kdl"), "new");
        assert_eq!(read("/etc/lbd/conf.d/a.kdl"), "a", "the daemon's own");
        assert_eq!(read("/etc/lbd/secret"), "s", "never a caller's");
        assert_eq!(offered.wanted(), [""; 0]);
        assert_eq!(read("/etc/lbd/conf.d/b.kdl"), "b");
        offered.glob(Path::new("/etc/lbd/conf.d/*.kdl")).unwrap();
        assert_eq!(offered.wanted(), ["conf.d/*.kdl", "conf.d/b.kdl"]);
        assert_eq!(offered.relative(Path::new("/etc/lbd/../x.kdl")), None);
        assert_eq!(offered.relative(Path::new("/opt/x.kdl")), None);
    }

    #[test]
    fn a_pattern_of_the_caller_is_the_whole_answer() {
        let names = ["conf.d/new.kdl", "/etc/shadow", "/opt/x.kdl", "../x.kdl", "conf.d/../../x.kdl"];
        let globs = [("conf.d/*.kdl".into(), names.map(PathBuf::from).to_vec())].into();
        let offer = Offer { files: BTreeMap::new(), globs };
        let offered = Offered::new(offer, Path::new("/etc/lbd/lbd.kdl"), disk());
        let found = offered.glob(Path::new("/etc/lbd/conf.d/*.kdl")).unwrap();
        assert_eq!(found, [Path::new("/etc/lbd/conf.d/new.kdl")]);
    }

    #[test]
    fn what_is_put_back_is_found_again_and_what_was_not_there_is_not() {
        let before = [
            (PathBuf::from("/etc/lbd/conf.d/a.kdl"), None),
            (PathBuf::from("/etc/lbd/conf.d/0.kdl"), Some("zero".to_owned())),
        ];
        let restored = Restored::new(before.into_iter(), disk());
        let found = restored.glob(Path::new("/etc/lbd/conf.d/*.kdl")).unwrap();
        assert_eq!(found, [Path::new("/etc/lbd/conf.d/0.kdl"), Path::new("/etc/lbd/conf.d/b.kdl")]);
        assert!(restored.read(Path::new("/etc/lbd/conf.d/a.kdl")).is_err());
        assert_eq!(restored.read(Path::new("/etc/lbd/conf.d/0.kdl")).unwrap(), b"zero");
    }
}
