//! Long-lived streams at the end of a process: closed at the pace of their pools, as in a drain of every server.

use std::sync::Arc;
use std::time::Duration;

use crate::drain::Drains;
use crate::pool::{DrainPolicy, Pool, Server};
use crate::snapshot::Current;

/// Every server of a pool that may still have somebody.
pub(super) fn servers(pool: &Pool) -> impl Iterator<Item = &Arc<Server>> {
    pool.members.iter().map(|member| &member.server).chain(&pool.leaving)
}

/// Begins to close the streams of every server that has any, unless that has begun. Those that are left after `most`,
/// or the pool's own deadline, are closed at once. To be called again and again: who comes late is to leave, too.
pub(super) fn by_pace(current: &Current, drains: &Arc<Drains>, most: Duration, reason: &str) {
    if most.is_zero() {
        return;
    }
    for snap in current.load().pools.values() {
        let policy = snap.pool.drain;
        let policy = DrainPolicy { deadline: policy.deadline.min(most), ..policy };
        for server in servers(&snap.pool).filter(|server| server.sessions.count() > 0) {
            drains.let_go(server, &policy, reason);
        }
    }
}
