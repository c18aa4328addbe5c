//! What a TLS listener shows its clients.

use std::sync::Arc;

use rustls::ServerConfig;

use super::{Stage, Store};
use crate::config::diagnostic::Report;
use crate::config::model::{Listener, Site};

/// The server side of `listener`, with the certificates of its own `tls` node first and those of
/// `sites` after them. `None` when the listener is plain, or when `report` got an error.
pub fn listener_config(
    store: &mut Store,
    listener: &Listener,
    sites: &[&Site],
    stage: Stage,
    report: &mut Report,
) -> Option<Arc<ServerConfig>> {
    let _ = (store, listener, sites, stage, report);
    None
}
