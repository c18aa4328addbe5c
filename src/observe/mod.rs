//! What happened, for whoever asks: a bounded ring of [`Event`]s and per-worker [`Counters`].
//!
//! Nothing here decides anything, and nothing here is global: both are `Arc`-shared by those who write them.

mod counters;
mod events;
mod histogram;

pub use counters::{Counters, Shard, Totals};
pub use events::{Event, Events, RING};
pub use histogram::{BUCKETS, Histogram};
