//! What an attempt saw of its server goes to the pool: passive checks and latencies live on it.

use std::sync::Arc;
use std::time::Instant;

use tracing::warn;

use super::forward::Forward;
use crate::pool::{Ejection, Pool, Seen, Server};
use crate::proxy::failure::{Blame, Failure};

/// Tells the pool of an attempt that began then and ended in this failure, or in the answer in the scratch.
pub(super) fn tell(
    forward: &Forward<'_>,
    server: &Arc<Server>,
    began: Option<Instant>,
    failure: Option<Failure>,
) {
    let Some(began) = began else { return };
    let ended = failure.map_or_else(|| Ok(forward.scratch.answer.head.status()), Err);
    saw(&forward.pool.pool, server, began, ended);
}

/// The same of any attempt at a server of that pool.
pub(super) fn saw(pool: &Pool, server: &Arc<Server>, began: Instant, ended: Result<u16, Failure>) {
    let failure = match ended {
        Ok(status) => bad_status(status),
        Err(failure) if failure.verdict().blame == Blame::Server => Some(failure.verdict().reason),
        // The client went away, or we stop: nothing is learned.
        Err(_) => return,
    };
    let now = Instant::now();
    let seen = Seen { failure, took: now.saturating_duration_since(began) };
    if let Some(Ejection { length, reason, last }) = pool.observe_request(server, &seen, now) {
        warn!(pool = &*server.pool, server = &*server.name, reason, last, r#for = ?length, "server ejected");
    }
}

/// When the attempt begins, if anybody wants to know.
pub(super) fn begin(forward: &Forward<'_>) -> Option<Instant> {
    forward.pool.pool.is_curious().then(Instant::now)
}

/// A server that says that it cannot do a thing is well; other 5xx say that it is not.
fn bad_status(status: u16) -> Option<&'static str> {
    match status {
        500 => Some("status 500"),
        502 => Some("status 502"),
        503 => Some("status 503"),
        504 => Some("status 504"),
        506..=599 => Some("status 5xx"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_answers_are_failures() {
        let check = |status, failed: bool| assert_eq!(bad_status(status).is_some(), failed, "{status}");
        for status in [200, 302, 404, 429, 499, 501, 505] {
            check(status, false);
        }
        for status in [500, 502, 503, 504, 507, 599] {
            check(status, true);
        }
    }
}
