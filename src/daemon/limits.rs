//! The process's limit of open files: raised as far as the system lets it, and compared with what the
//! configuration promises.

use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::config::model::Limits;
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

/// For how many connections there is room: each that is proxied needs two descriptors, and the process some of its own.
pub(super) fn room(limit: u64) -> u64 {
    limit.saturating_sub(100) / 2
}

/// Says whether there is room for as many connections as the configuration promises, once for each change of `limits`:
/// as a warning where there is not.
pub(super) fn check_open_files(limit: Option<u64>, before: &Snapshot, snapshot: &Snapshot) {
    let said = |snapshot: &Snapshot| snapshot.listeners.iter().filter_map(|l| l.limits.max_connections).max();
    let (was, promised) = (said(before), said(snapshot));
    let changed = before.generation == 0 || was != promised;
    let Some(limit) = limit.filter(|_| changed) else { return };
    let room = room(limit);
    match promised {
        Some(promised) if u64::from(promised) > room => warn!(
            open_files = limit,
            max_connections = promised,
            room,
            "limits max-connections is more than the limit of open files has room for: raise LimitNOFILE \
             (systemd) or ulimit -n, or lower max-connections"
        ),
        None if u64::from(Limits::CONNECTIONS) > room => {
            info!(open_files = limit, room, "the limit of open files has room for this many connections");
        }
        _ => {}
    }
}
