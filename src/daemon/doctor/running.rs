//! The lbd that serves on this machine, if one does: what it has is better evidence than what a shell has.

use std::path::PathBuf;
use std::time::Duration;

use lbctl::client::Client;
use lbctl::protocol::Api;

use crate::config::model::Model;
use crate::daemon::sockets::default_socket;

/// Patience with the control socket.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the control socket said.
#[derive(Debug)]
pub(super) enum Running {
    /// A process serves.
    Yes { socket: PathBuf, about: Box<Api> },
    /// There is no socket.
    No { socket: PathBuf },
    /// There is one, and no answer to be had from it.
    Mute { socket: PathBuf, why: String },
}

impl Running {
    /// Asks the control socket that the model names.
    pub(super) fn find(model: &Model) -> Self {
        let socket = model.control.socket.clone().unwrap_or_else(default_socket);
        if !socket.exists() {
            return Self::No { socket };
        }
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Self::Mute { socket, why: error.to_string() },
        };
        let client = Client::new(&socket).timeout(Some(PATIENCE));
        match runtime.block_on(client.get::<Api>("/v1")) {
            Ok(about) => Self::Yes { socket, about: Box::new(about) },
            Err(error) => Self::Mute { socket, why: error.to_string() },
        }
    }

    /// The process that serves.
    pub(super) fn process(&self) -> Option<u32> {
        match self {
            Self::Yes { about, .. } => Some(about.pid),
            Self::No { .. } | Self::Mute { .. } => None,
        }
    }
}
