//! What outlives the process of what reading certificates made: the keys of session tickets.

use std::sync::{Arc, PoisonError};

use super::World;
use super::reloader::Reloader;
use crate::tls::Tickets;

impl<W: World> Reloader<W> {
    /// What clients resume their TLS sessions by.
    pub fn tickets(&self) -> Arc<Tickets> {
        Arc::clone(self.store.lock().unwrap_or_else(PoisonError::into_inner).tickets())
    }
}
