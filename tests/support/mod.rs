//! What the integration tests stand on: scripted origins, a daemon in a directory of its own, and clients
//! that say exactly the bytes that a test means.
//!
//! Everything here blocks and has a deadline; nothing sleeps for luck.

use std::time::{Duration, Instant};

pub(crate) mod client;
pub(crate) mod daemon;
pub(crate) mod dns;
pub(crate) mod http2;
pub(crate) mod http2_server;
pub(crate) mod lbctl;
pub(crate) mod message;
pub(crate) mod mutant;
pub(crate) mod origin;
pub(crate) mod secure;
pub(crate) mod websocket;

pub(crate) use client::Client;
pub(crate) use daemon::{Daemon, lbd_bin};
pub(crate) use dns::Dns;
pub(crate) use http2_server::Http2Server;
pub(crate) use message::{Message, Tail};
pub(crate) use origin::{After, Nobody, Origin, Wire};

/// Longer than anything here takes on a busy machine; only a failure waits for it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Settings of a check under which nothing that a machine does to the balancer or to a server takes the server down
/// again: once it has passed, the next one is due in an hour.
pub(crate) const CHECKED_ONCE: &str = "interval=\"1h\" down-interval=\"500ms\" timeout=\"500ms\" rise=1";

/// Settings of a check that finds a failing server down within seconds; only a machine that stands still for all of
/// them takes down one that is well.
pub(crate) const CHECKED_OFTEN: &str = "interval=\"300ms\" timeout=\"300ms\" rise=1 fall=10";

/// Looks again and again until `look` gives something, and says `what` was waited for when it never does.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
