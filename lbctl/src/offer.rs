//! The texts of a candidate: a file or standard input, and what it includes beside it.
//!
//! lbctl does not know the language: the daemon says which files and patterns it meets, and is asked again with them.

use crate::failure::Failure;
use http::Method;
use lbctl::client::Client;
use lbctl::protocol::{Exit, Offer, Planned};
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Includes may include: so often the daemon may ask for more.
const ROUNDS: usize = 16;

/// A candidate on its way to the daemon.
pub(crate) struct Candidate {
    /// Where what it includes is looked for; `None` for standard input, which stands alone.
    directory: Option<PathBuf>,
    offer: Offer,
}

impl Candidate {
    /// The main file; `-` is standard input.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let unreadable = |error: std::io::Error| {
            Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))
        };
        let mut main = String::new();
        let directory = if path == Path::new("-") {
            std::io::stdin().read_to_string(&mut main).map_err(unreadable)?;
            None
        } else {
            main = std::fs::read_to_string(path).map_err(unreadable)?;
            Some(path.parent().unwrap_or(Path::new("")).to_owned())
        };
        Ok(Self { directory, offer: Offer { main, ..Offer::default() } })
    }

    /// Sends it with what the daemon asks for. `body` makes the request of an offer.
    pub(crate) async fn send<T: Serialize>(
        mut self,
        client: &Client,
        path: &str,
        body: impl Fn(Offer) -> T,
    ) -> Result<Planned, Failure> {
        for _ in 0..ROUNDS {
            let answer: Planned = client.send(Method::POST, path, &body(self.offer.clone())).await?;
            if answer.wanted.is_empty() {
                return Ok(answer);
            }
            for wanted in &answer.wanted {
                self.add(wanted)?;
            }
        }
        Err(Failure::new(Exit::Failed, "the daemon asks for more and more files"))
    }

    fn add(&mut self, wanted: &str) -> Result<(), Failure> {
        let Some(directory) = &self.directory else {
            self.offer.files.insert(wanted.to_owned(), None);
            self.offer.globs.insert(wanted.to_owned(), Vec::new());
            return Ok(());
        };
        let path = directory.join(wanted);
        if wanted.contains(['*', '?', '[']) {
            let found = matches(directory, &path)?;
            self.offer.globs.insert(wanted.to_owned(), found);
            return Ok(());
        }
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display())));
            }
        };
        self.offer.files.insert(wanted.to_owned(), text);
        Ok(())
    }
}

/// Files below `directory` that match, by their names from there; not what editors leave behind.
fn matches(directory: &Path, pattern: &Path) -> Result<Vec<String>, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("cannot look for {}: {error}", pattern.display()))
    };
    let mut found = Vec::new();
    for path in glob::glob(&pattern.to_string_lossy()).map_err(|error| wrong(&error))? {
        let path = path.map_err(|error| wrong(&error))?;
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let is_left_behind = name.starts_with('.') || name.starts_with('#') || name.ends_with('~');
        if !is_left_behind && path.is_file() {
            let relative = path.strip_prefix(directory).unwrap_or(&path);
            found.push(relative.display().to_string());
        }
    }
    found.sort();
    Ok(found)
}
