//! Tells when a pool begins and ends to turn upgrades away: one line and one event each, not one for each client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tracing::{info, warn};

use crate::observe::Events;
use crate::snapshot::Current;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(1);
/// A rush is over when for so many looks nobody was turned away.
const CALM: u32 = 5;

/// What is known of a pool.
#[derive(Default)]
struct Rush {
    /// Turned away by the last look.
    seen: u64,
    /// And before the rush.
    before: u64,
    /// Looks without anybody; `None`: there is no rush.
    calm: Option<u32>,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Begun,
    Over(u64),
}

impl Rush {
    fn look(&mut self, turned_away: u64) -> Option<News> {
        // Other terms begin a new count.
        if turned_away < self.seen {
            *self = Self::default();
        }
        let more = turned_away > self.seen;
        self.seen = turned_away;
        match (&mut self.calm, more) {
            (None, false) => {
                self.before = turned_away;
                None
            }
            (None, true) => {
                self.calm = Some(0);
                Some(News::Begun)
            }
            (Some(calm), true) => {
                *calm = 0;
                None
            }
            (Some(calm), false) => {
                *calm += 1;
                if *calm < CALM {
                    return None;
                }
                let during = turned_away - self.before;
                (self.before, self.calm) = (turned_away, None);
                Some(News::Over(during))
            }
        }
    }
}

/// Looks until the daemon ends.
pub(super) async fn watch(current: Current, events: Arc<Events>) {
    let mut rushes: BTreeMap<Arc<str>, Rush> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let snapshot = current.load();
        rushes.retain(|pool, _| snapshot.pools.get(pool).is_some_and(|snap| snap.admission.is_some()));
        for (pool, snap) in &snapshot.pools {
            let Some(admission) = &snap.admission else { continue };
            let rush = rushes.entry(Arc::clone(pool)).or_default();
            match rush.look(admission.turned_away()) {
                None => {}
                Some(News::Begun) => {
                    warn!(pool = &**pool, "more upgrades than are admitted: some are told to come later");
                    events.emit("admission.begun", &**pool, json!({}), None);
                }
                Some(News::Over(turned_away)) => {
                    info!(pool = &**pool, turned_away, "all upgrades are admitted again");
                    events.emit("admission.over", &**pool, json!({ "turned_away": turned_away }), None);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_is_told_once_at_its_beginning_and_once_at_its_end() {
        let mut rush = Rush::default();
        let counts = [0, 0, 5, 9, 9, 9, 12, 12, 12, 12, 12, 12, 12, 13];
        let told: Vec<_> = counts.into_iter().map(|count| rush.look(count)).enumerate().collect();
        let told: Vec<_> = told.into_iter().filter_map(|(at, news)| Some((at, news?))).collect();
        assert_eq!(told, [(2, News::Begun), (11, News::Over(12)), (13, News::Begun)]);
    }

    #[test]
    fn other_terms_count_anew() {
        let mut rush = Rush::default();
        assert_eq!((rush.look(7), rush.look(3)), (Some(News::Begun), Some(News::Begun)));
    }
}
