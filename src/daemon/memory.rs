//! Sticky tables in the background: what nobody used makes room, and all of it is written down for the next start.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use crate::pool::{Pool, Remembered, Sticky};
use crate::snapshot::Current;

/// How often old entries are looked for, and tables written down.
const EVERY: Duration = Duration::from_secs(30);

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

/// Forgets the idle, also in tables that nobody asks, and writes the rest down.
pub(super) async fn run(current: Current, state_dir: Option<PathBuf>) {
    let mut every = tokio::time::interval(EVERY);
    every.tick().await;
    loop {
        every.tick().await;
        let (pools, dir) = (pools(&current), state_dir.clone());
        // Not here: a slow disk must not keep operators waiting.
        let done = tokio::task::spawn_blocking(move || {
            let now = now();
            pools.iter().flat_map(|pool| &pool.sticky).filter_map(Sticky::table).for_each(|table| {
                table.sweep(now);
            });
            save(dir.as_deref(), &pools);
        });
        drop(done.await);
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
