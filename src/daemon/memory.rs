//! Sticky tables in the background: what nobody used makes room, and all of it is written down for the next start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tracing::{debug, info, warn};

use crate::pool::{Pool, Remembered, Sticky};
use crate::snapshot::Current;

/// How often it is looked whether entries came, moved or left: what a crash forgets.
const LOOK: Duration = Duration::from_secs(2);
/// How often old entries are looked for, and everything is written down, with the times of last use.
const EVERY: Duration = Duration::from_secs(30);
/// Writing takes one in so many parts of the time at most: very large tables are written less often.
const SHARE: u32 = 20;

/// Unix seconds.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What the last process remembered. Nothing of it is worth not starting.
pub(super) fn load(state_dir: Option<&Path>) -> Remembered {
    let Some(dir) = state_dir else { return Remembered::default() };
    Remembered::load(dir).unwrap_or_else(|error| {
        warn!(dir = %dir.display(), %error, "sticky entries are not remembered: clients are balanced anew");
        Remembered::default()
    })
}

/// Gives new pools what is remembered of them.
pub(super) fn recall<'p>(remembered: &Remembered, pools: impl Iterator<Item = &'p Pool>) {
    let now = now();
    let entries: usize = pools.map(|pool| remembered.fill(pool, now)).sum();
    if entries > 0 {
        info!(entries, "sticky entries are remembered");
    }
}

/// Takes up what another process that serves, or did, says of its tables. Not for a thread that serves.
pub(super) fn merge(current: &Current, dump: Vec<u8>) {
    let Some(dump) = Remembered::read(dump) else {
        return warn!("sticky entries of the old process are not whole: some clients may be balanced anew");
    };
    let now = now();
    let entries: usize = pools(current).iter().map(|pool| dump.merge(pool, now)).sum();
    if entries > 0 {
        debug!(entries, "sticky entries of the old process");
    }
}

/// Forgets the idle, also in tables that nobody asks, and writes the rest down.
pub(super) async fn run(current: Current, state_dir: Option<PathBuf>) {
    let mut rhythm = Rhythm::new(Instant::now());
    let mut written = Vec::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let pools = pools(&current);
        let state = state(&pools);
        let Some(sweeps) = rhythm.due(Instant::now(), state != written) else { continue };
        written = state;
        let dir = state_dir.clone();
        // Not here: a slow disk must not keep operators waiting.
        let done = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            if sweeps {
                pools.iter().for_each(|pool| pool.sweep(now()));
            }
            save(dir.as_deref(), &pools);
            began.elapsed()
        });
        rhythm.done(Instant::now(), done.await.unwrap_or_default());
    }
}

/// What tells whether tables have to be written anew: which there are, and how often each changed.
fn state(pools: &[Arc<Pool>]) -> Vec<(usize, u64)> {
    let tables = pools.iter().flat_map(|pool| &pool.sticky).filter_map(Sticky::table);
    tables.map(|table| (Arc::as_ptr(table).addr(), table.changes())).collect()
}

/// When tables are written down. Pure: the time goes in.
#[derive(Debug)]
struct Rhythm {
    sweep: Instant,
    rest: Instant,
}

impl Rhythm {
    fn new(now: Instant) -> Self {
        Self { sweep: now + EVERY, rest: now }
    }

    /// Whether something is to be done now, and whether that begins with forgetting the idle.
    fn due(&mut self, now: Instant, changed: bool) -> Option<bool> {
        let sweeps = now >= self.sweep;
        if now < self.rest || !(sweeps || changed) {
            return None;
        }
        if sweeps {
            self.sweep = now + EVERY;
        }
        Some(sweeps)
    }

    /// It was done, and took so long.
    fn done(&mut self, now: Instant, took: Duration) {
        self.rest = now + took * SHARE;
    }
}

/// Writes down what there is at the end.
pub(super) fn finish(current: &Current, state_dir: Option<&Path>) {
    save(state_dir, &pools(current));
}

fn save(state_dir: Option<&Path>, pools: &[Arc<Pool>]) {
    let has_table = pools.iter().flat_map(|pool| &pool.sticky).any(|sticky| sticky.table().is_some());
    let Some(dir) = state_dir.filter(|_| has_table) else { return };
    if let Err(error) = Remembered::save(dir, pools, now()) {
        warn!(%error, "sticky entries are not written down: a restart would forget them");
    }
}

fn pools(current: &Current) -> Vec<Arc<Pool>> {
    current.load().pools.values().map(|snap| Arc::clone(&snap.pool)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_written_soon_and_never_all_the_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut rhythm = Rhythm::new(start);
        assert_eq!(rhythm.due(at(2), false), None);
        assert_eq!(rhythm.due(at(4), true), Some(false));
        rhythm.done(at(4), Duration::from_millis(10));
        assert_eq!(rhythm.due(at(6), true), Some(false));
        rhythm.done(at(6), Duration::from_millis(500));
        assert_eq!(rhythm.due(at(15), true), None, "a large table");
        assert_eq!(rhythm.due(at(16), true), Some(false));
        rhythm.done(at(16), Duration::ZERO);
        assert_eq!(rhythm.due(at(30), false), Some(true), "the idle leave, and uses are written down");
        assert_eq!(rhythm.due(at(32), false), None);
        assert_eq!(rhythm.due(at(60), true), Some(true));
    }
}
