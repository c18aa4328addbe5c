//! The process's limit of open files: raised as far as the system lets it, and compared with what the
//! configuration promises.

use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::snapshot::Snapshot;

/// Raises the soft limit to the hard one; says what it is now (`None` is unlimited).
pub(super) fn raise_open_files() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let wanted = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        match setrlimit(Resource::Nofile, wanted) {
            Ok(()) => {
                info!(from = ?limit.current, to = ?limit.maximum, "raised the limit of open files");
                limit.current = limit.maximum;
            }
            Err(error) => warn!(%error, limit = ?limit.current, "cannot raise the limit of open files"),
        }
    }
    limit.current
}

/// Each proxied connection needs two descriptors, and the process some of its own. Says so once for each
/// change of `limits`.
pub(super) fn check_open_files(limit: Option<u64>, before: &Snapshot, snapshot: &Snapshot) {
    let most = |snapshot: &Snapshot| snapshot.listeners.iter().map(|l| l.limits.max_connections).max();
    let Some(limit) = limit.filter(|_| most(before) != most(snapshot)) else { return };
    let promised: u64 =
        snapshot.listeners.iter().map(|l| u64::from(l.limits.max_connections)).max().unwrap_or(0);
    let needed = promised * 2 + 100;
    if needed > limit {
        warn!(
            open_files = limit,
            needed,
            max_connections = promised,
            "the limit of open files is too low for limits max-connections: raise LimitNOFILE (systemd) or \
             ulimit -n, or lower max-connections"
        );
    }
}
