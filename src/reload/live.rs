//! What only the running pools tell about a configuration, beside what its files do.
//!
//! LB507: a server has more open streams than a drain closes in time. The files alone can only say how many it may
//! have; where the pool runs, what it has counts.

use std::sync::Arc;

use super::state::Findings;
use crate::config::diagnostic::{Diagnostic, Severity};
use crate::config::values::show_duration;
use crate::snapshot::{PoolSnap, Snapshot};

/// The rule that is judged by what runs.
const RULE: &str = "LB507";

/// What was found in the files of the generation that runs, as it is now.
pub fn judged(findings: &Findings, running: &Snapshot) -> Findings {
    let mut report = findings.report.clone();
    report.findings.retain(|finding| finding.code != RULE);
    report.findings.extend(slow_drains(running));
    report.settle();
    // What is denied keeps files from loading; these are loaded.
    let denied = |finding: &&mut Diagnostic| finding.code == RULE && finding.severity == Severity::Error;
    report.findings.iter_mut().filter(denied).for_each(|finding| finding.severity = Severity::Warning);
    Findings { report, sources: Arc::clone(&findings.sources) }
}

/// LB507 of every pool: its fullest server, at the pace of its drains.
pub fn slow_drains(snapshot: &Snapshot) -> impl Iterator<Item = Diagnostic> {
    snapshot.pools.values().filter_map(|snap| slow_drain(snap))
}

fn slow_drain(snap: &PoolSnap) -> Option<Diagnostic> {
    let (pool, drain) = (&snap.pool, &snap.pool.drain);
    let members = pool.members.iter();
    let (streams, server) =
        members.map(|member| (member.server.sessions.count(), &member.server.name)).max()?;
    let count = u32::try_from(streams).unwrap_or(u32::MAX);
    let needed = drain.close_rate.per.saturating_mul(count) / drain.close_rate.count.max(1);
    if drain.deadline.is_zero() || needed <= drain.deadline {
        return None;
    }
    let takes = show_duration(needed);
    let message = format!(
        "{}/{server} has {streams} open streams: closing them one after another takes {takes}",
        pool.name
    );
    let hint = Diagnostic::new(RULE, Severity::Hint, None, message);
    let hint = hint.help(format!("a drain cuts what is left after {}", show_duration(drain.deadline)));
    Some(hint.help("raise `close-rate`, or the drain's `deadline`").subject(format!("pool/{}", pool.name)))
}
