//! What happened, for whoever asks: a bounded ring of [`Event`]s and per-worker [`Counters`].
//!
//! Nothing here decides anything, and nothing here is global: both are `Arc`-shared by those who write them.

mod counters;
mod events;
mod exchanges;
mod histogram;
mod kinds;
mod lines;
mod seldom;
mod spans;
mod tally;
mod timing;

pub use counters::{Counters, Shard, Totals};
pub use events::{Event, Events, HISTORY, RING};
pub use exchanges::{Exchange, ExchangeTotals, Exchanges};
pub use histogram::{BUCKETS, Histogram};
pub use kinds::{EVENT_KINDS, EventKind};
pub use lines::LogLines;
pub use seldom::Seldom;
pub use spans::{Fact, Span, SpanKind, SpanSink, Spans};
pub use tally::Tally;
pub use timing::Timing;
