//! Files of a configuration, by the contract; the real module replaces this one.
use std::io;
use std::path::{Path, PathBuf};

use super::diagnostic::Report;
use super::model::Model;

/// Where files come from.
pub trait Loader {
    /// The bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Files that match.
    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>>;
    /// An environment variable.
    fn env(&self, name: &str) -> Option<String>;
}
/// Texts.
#[derive(Debug, Clone, Default)]
pub struct Sources;
/// A result.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The model.
    pub model: Option<Model>,
    /// The findings.
    pub report: Report,
    /// The texts.
    pub sources: Sources,
}
