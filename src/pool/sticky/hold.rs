//! A long-lived stream's hold on the table entries of its client: while one is held it neither grows old nor makes
//! room for others, and its idleness starts when the last hold ends.

use std::sync::Arc;
use std::time::SystemTime;

use super::table::ClientTable;
use crate::pool::acquire::Ask;
use crate::pool::pool::Pool;

/// See the module. Not `Clone`: a stream is counted once.
#[derive(Debug)]
#[must_use = "a hold that is dropped at once holds nothing"]
pub struct Hold {
    table: Arc<ClientTable>,
    key: u128,
    held: Option<Arc<()>>,
}

impl Hold {
    fn new(table: &Arc<ClientTable>, key: u128) -> Option<Self> {
        let held = table.hold(key)?;
        Some(Self { table: Arc::clone(table), key, held: Some(held) })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.held = None;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.table.find(self.key, now);
    }
}

impl Pool {
    /// Holds the entries of a request that becomes a long-lived stream.
    pub fn hold(&self, ask: &Ask<'_>) -> Vec<Hold> {
        let policies = self.sticky.iter().filter_map(super::Sticky::table_policy);
        policies.filter_map(|policy| Hold::new(&policy.table, policy.by.of(ask)?)).collect()
    }
}
