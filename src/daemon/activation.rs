//! Listening sockets that the service manager made for this process (`LISTEN_FDS`): a listener of the same address uses
//! them, so that not even a restart refuses a connection.

use std::net::SocketAddr;

use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};
use tracing::{info, warn};

use crate::proxy::listeners::Given;

/// Those that there are.
pub(super) fn sockets() -> Vec<Given> {
    let mut passed = ListenFd::from_env();
    let mut given = Vec::new();
    for at in 0..passed.len() {
        match passed.take_tcp_listener(at) {
            Ok(Some(socket)) => {
                // A program that this one starts has no business with them.
                let ours = fcntl_setfd(&socket, FdFlags::CLOEXEC).map_err(std::io::Error::from);
                if let Err(error) = ours.and_then(|()| socket.set_nonblocking(true)) {
                    warn!(%error, at, "a socket of the service manager cannot be used");
                    continue;
                }
                given.push(Given { wanted: None, socket });
            }
            Ok(None) => {}
            Err(error) => {
                warn!(%error, at, "a socket of the service manager is not a TCP listener: not used")
            }
        }
    }
    if !given.is_empty() {
        info!(sockets = given.len(), "the service manager listens for us");
    }
    given
}

/// Nothing listens there.
pub(super) fn unused(address: SocketAddr) {
    warn!(%address, "the service manager gave a socket that no `listen` names: closed");
}
