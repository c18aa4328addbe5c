//! The one atomic pointer of the program.

use std::sync::Arc;

#[allow(clippy::disallowed_types, reason = "this is the one place where the pointer lives")]
use arc_swap::ArcSwap;
use arc_swap::Cache;

use super::Snapshot;

#[allow(clippy::disallowed_types, reason = "this is the one place where the pointer lives")]
type Cell = Arc<ArcSwap<Snapshot>>;

/// The current snapshot. Clones share it.
#[derive(Debug, Clone)]
pub struct Current {
    cell: Cell,
}

impl Current {
    /// Begins with the empty world, generation 0.
    pub fn new() -> Self {
        Self { cell: Cell::new(Arc::new(Snapshot::empty()).into()) }
    }

    /// The world now. For everyone but workers, who use a [`Reader`].
    pub fn load(&self) -> Arc<Snapshot> {
        self.cell.load_full()
    }

    /// A worker's view: 0.3 ns a read while nothing changed, against 11 for a load.
    pub fn reader(&self) -> Reader {
        Reader { cache: Cache::new(Arc::clone(&self.cell)) }
    }

    /// Makes `snapshot` the world. Cannot fail.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.cell.store(snapshot);
    }
}

impl Default for Current {
    fn default() -> Self {
        Self::new()
    }
}

/// One worker's cached view of [`Current`].
pub struct Reader {
    cache: Cache<Cell, Arc<Snapshot>>,
}

impl Reader {
    /// The world now.
    pub fn snapshot(&mut self) -> &Arc<Snapshot> {
        self.cache.load()
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_sees_what_was_published_and_an_old_world_is_freed() {
        let current = Current::new();
        let mut reader = current.reader();
        assert_eq!(reader.snapshot().generation, 0);
        let old = Arc::downgrade(reader.snapshot());
        current.publish(Arc::new(Snapshot { generation: 1, ..Snapshot::empty() }));
        assert_eq!(reader.snapshot().generation, 1);
        assert!(old.upgrade().is_none(), "nobody holds generation 0 any more");
    }
}
