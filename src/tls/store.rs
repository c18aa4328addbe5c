//! Everything parsed from certificate files, kept over reloads.

/// When certificates are read. At start an expired one is an error; at a reload it is a warning, so
/// that one old certificate cannot block a fix of something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Nothing runs yet.
    Start,
    /// Another generation is running.
    Reload,
}

/// Parsed certificates and the configurations made of them, by content.
#[derive(Debug, Default)]
pub struct Store {}

impl Store {
    /// An empty store, with fresh ticket keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what the generation just published does not use. Call it after a publish.
    pub fn commit(&mut self) {}
}
