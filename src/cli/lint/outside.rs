//! What a configuration that is checked sees of the world: the files, some of them with a text that is not saved,
//! and an environment that may be another one than ours.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::fix::Texts;
use crate::config::source::{FileFacts, FsLoader, Loader};

/// The name under which standard input is shown.
pub(super) const STDIN: &str = "<stdin>";

/// Where environment variables come from, besides our own environment.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// Those of an `--env-file`; they win.
    pub(super) given: BTreeMap<String, String>,
    /// Whether one that is not set is taken for set.
    pub(super) assumed: bool,
}

impl Environment {
    /// Reads a file of `NAME=value` lines, as systemd's `EnvironmentFile=` is written.
    pub(super) fn read(path: &Path) -> Result<BTreeMap<String, String>, String> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        let mut given = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let line = line.strip_prefix("export ").unwrap_or(line);
            let Some((name, value)) = line.split_once('=').filter(|(name, _)| is_name(name)) else {
                return Err(format!("{shown}:{}: this is no `NAME=value`", number + 1));
            };
            given.insert(name.to_owned(), unquoted(value).to_owned());
        }
        Ok(given)
    }
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn unquoted(value: &str) -> &str {
    let inside = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(value)
}

/// The loader that all this makes.
pub(super) struct Outside<'a> {
    /// Variables.
    pub(super) environment: &'a Environment,
    /// What standard input said, once it was read.
    pub(super) stdin: Option<&'a str>,
    /// Texts that are not saved.
    pub(super) texts: &'a Texts,
    /// Whether files and the machine here are those that will run it.
    pub(super) is_here: bool,
}

impl Loader for Outside<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match (self.texts.get(path), self.stdin) {
            (Some(text), _) => Ok(text.clone().into_bytes()),
            (None, Some(text)) if path == Path::new(STDIN) => Ok(text.as_bytes().to_vec()),
            _ => FsLoader.read(path),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        FsLoader.glob(pattern)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.environment.given.get(name).cloned().or_else(|| FsLoader.env(name))
    }

    fn assumes_env(&self) -> bool {
        self.environment.assumed
    }

    fn facts(&self, path: &Path) -> Option<FileFacts> {
        // What is not saved has no facts.
        FsLoader.facts(path).filter(|_| self.is_here && !self.texts.contains_key(path))
    }

    fn memory(&self) -> Option<u64> {
        FsLoader.memory().filter(|_| self.is_here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, String>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("env");
        std::fs::write(&path, text).unwrap();
        Environment::read(&path).map_err(|error| error.replace(&format!("{}/", dir.path().display()), ""))
    }

    #[test]
    fn a_file_of_variables_is_read_as_systemd_reads_it() {
        let text = "# a comment\n; another\n\nA=1\nexport B=\"two words\"\n C='x=y'\nD=\n";
        let expected = [("A", "1"), ("B", "two words"), ("C", "x=y"), ("D", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read("A=1\nno value\n"), Err("env:2: this is no `NAME=value`".to_owned()));
        assert_eq!(read("1A=1\n"), Err("env:1: this is no `NAME=value`".to_owned()));
    }
}
