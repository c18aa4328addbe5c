//! What a daemon on this machine knows of a server that the text names. Where none answers at once, nothing is said:
//! an editor must not wait.

use std::path::PathBuf;
use std::time::Duration;

use lbctl::client::{Client, encode};
use lbctl::protocol::units::format_count;
use lbctl::protocol::{DEFAULT_SOCKET, Server};
use lbctl::render::server_state;

/// How long an editor waits for the daemon.
const PATIENCE: Duration = Duration::from_millis(500);

/// How a server of the running configuration is: `up, 12 requests and 3 sessions now`.
pub(super) fn state(pool: &str, server: &str) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let client = Client::new(socket()).timeout(Some(PATIENCE));
    let path = format!("/v1/pools/{}/servers/{}", encode(pool), encode(server));
    let found: Server = runtime.block_on(client.get(&path)).ok()?;
    let (requests, sessions) =
        (format_count(found.in_flight, "request"), format_count(found.sessions, "session"));
    Some(format!("In the running lbd: **{}**, {requests} and {sessions} now.", server_state(&found).0))
}

/// The control socket, as `lbctl` finds it.
fn socket() -> PathBuf {
    std::env::var_os("LBD_SOCKET").map_or_else(|| PathBuf::from(DEFAULT_SOCKET), PathBuf::from)
}
