//! The task that owns reloading.

use std::sync::Arc;

use super::state::{Applied, Rejected};
use super::{Files, Load, Options, ReloadHandle, World};
use crate::observe::Events;

/// Why nothing could be started.
#[derive(Debug)]
pub enum BootError {
    /// The main file is not there. Nothing is guessed, also when an older generation is stored.
    Missing(Arc<Rejected>),
    /// The files are bad, and there is no older generation to run, or it is not wanted.
    Rejected(Arc<Rejected>),
}

/// Owns the files' way into the process. Runs on the steering thread.
pub struct Reloader<W> {
    world: W,
}

impl<W: World> Reloader<W> {
    /// A reloader of `options.main`, and the handle to it. Nothing is read before [`Reloader::boot`].
    pub fn new(
        options: Options,
        load: Load,
        files: Files,
        world: W,
        events: Arc<Events>,
    ) -> (Self, ReloadHandle) {
        let _ = (options, load, files, world, events);
        unreachable!("being built")
    }

    /// The first reload: the files, or the last good generation when they are bad.
    pub async fn boot(&mut self) -> Result<Applied, BootError> {
        let _ = &mut self.world;
        unreachable!("being built")
    }

    /// Watches and obeys until every [`ReloadHandle`] is gone.
    pub async fn run(self) {}
}
