//! A server that goes down while a request waits for its answer: the request need not wait for its own clock.
//!
//! A process that hangs keeps its connections open and says nothing. Checks, or the failures of other requests, find
//! it out first; what may be sent again then goes to another server.

use std::time::Duration;

use crate::pool::{Eligibility, Server, ServerId, Why};
use crate::snapshot::PoolSnap;

/// How often a request that waits looks at its server. A look costs a wake-up, and a server that is hung is found out
/// after seconds.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// The server of a request that may be sent again.
pub(super) struct Watch<'a> {
    pub(super) server: &'a Server,
    pub(super) pool: &'a PoolSnap,
}

impl Watch<'_> {
    /// Whether the request is to go elsewhere: its server is out, another one is there that was not tried, and the
    /// budget of retries allows it.
    pub(super) fn gives_up(&self, tried: &[ServerId]) -> bool {
        let is_out = matches!(self.server.eligibility(), Eligibility::No(Why::Down | Why::Ejected));
        let other = |server: &Server| {
            server.id != self.server.id
                && !tried.contains(&server.id)
                && matches!(server.eligibility(), Eligibility::Ready)
        };
        is_out
            && self.pool.pool.members.iter().any(|member| other(&member.server))
            && self.pool.retries.withdraw()
    }
}
