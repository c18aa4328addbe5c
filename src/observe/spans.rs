//! Spans of requests on their way out: workers hand them over in parcels, somebody takes them. Who hands over never
//! waits: what does not fit is dropped and counted.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Spans that a worker gathers before it hands them over; at each sweep it does so anyway.
const PARCEL: usize = 64;

/// One span.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The trace.
    pub trace: [u8; 16],
    /// Its own number.
    pub id: [u8; 8],
    /// The span that it is a part of.
    pub parent: Option<[u8; 8]>,
    /// Whether that one is of another process.
    pub remote_parent: bool,
    /// `tracestate`, as it came.
    pub state: String,
    /// On which side.
    pub kind: SpanKind,
    /// What it is called.
    pub name: String,
    /// When it began.
    pub began: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// What is known of it, by the names of OpenTelemetry's conventions.
    pub facts: Vec<(&'static str, Fact)>,
    /// Whether it failed.
    pub failed: bool,
}

/// Which side of a request a span tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// It was asked.
    Server,
    /// It asked.
    Client,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

/// What waits, and what became of all that was handed over.
#[derive(Debug)]
pub struct Spans {
    sender: UnboundedSender<Vec<Span>>,
    waiting: AtomicUsize,
    most: AtomicUsize,
    exported: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

impl Spans {
    /// A place to hand them over, and its other end. Nothing fits until there is a limit.
    pub fn new() -> (Arc<Self>, UnboundedReceiver<Vec<Span>>) {
        let (sender, receiver) = unbounded_channel();
        let spans = Self {
            sender,
            waiting: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            exported: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        };
        (Arc::new(spans), receiver)
    }

    /// So many may wait from now on.
    pub fn limit(&self, most: usize) {
        self.most.store(most, Ordering::Relaxed);
    }

    /// A worker's end.
    pub fn sink(self: &Arc<Self>) -> SpanSink {
        SpanSink { parcel: RefCell::default(), spans: Arc::clone(self) }
    }

    fn hand_over(&self, parcel: Vec<Span>) {
        let count = parcel.len();
        // The queue's bound: what waits is counted here, and taken off when its fate is known.
        let waiting = self.waiting.fetch_add(count, Ordering::Relaxed);
        if waiting + count > self.most.load(Ordering::Relaxed) || self.sender.send(parcel).is_err() {
            self.waiting.fetch_sub(count, Ordering::Relaxed);
            self.dropped.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// Of those that waited, so many were taken and so many were not.
    pub fn settle(&self, exported: usize, failed: usize) {
        self.waiting.fetch_sub(exported + failed, Ordering::Relaxed);
        self.exported.fetch_add(exported as u64, Ordering::Relaxed);
        self.failed.fetch_add(failed as u64, Ordering::Relaxed);
    }

    /// What became of them so far, by word.
    pub fn counts(&self) -> [(&'static str, u64); 3] {
        [("exported", &self.exported), ("failed", &self.failed), ("dropped", &self.dropped)]
            .map(|(word, count)| (word, count.load(Ordering::Relaxed)))
    }
}

/// One worker's spans on their way out.
#[derive(Debug)]
pub struct SpanSink {
    parcel: RefCell<Vec<Span>>,
    spans: Arc<Spans>,
}

impl SpanSink {
    /// Adds one.
    pub fn push(&self, span: Span) {
        let mut parcel = self.parcel.borrow_mut();
        parcel.push(span);
        if parcel.len() >= PARCEL {
            self.spans.hand_over(std::mem::take(&mut parcel));
        }
    }

    /// Hands over what there is.
    pub fn flush(&self) {
        let parcel = self.parcel.take();
        if !parcel.is_empty() {
            self.spans.hand_over(parcel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span() -> Span {
        Span {
            trace: [1; 16],
            id: [2; 8],
            parent: None,
            remote_parent: false,
            state: String::new(),
            kind: SpanKind::Server,
            name: "GET".to_owned(),
            began: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
            facts: Vec::new(),
            failed: false,
        }
    }

    #[test]
    fn no_more_wait_than_may_and_the_rest_is_counted() {
        let (spans, mut receiver) = Spans::new();
        let sink = spans.sink();
        let push = |count| (0..count).for_each(|_| sink.push(span()));
        // Nobody wants them.
        push(PARCEL);
        assert_eq!(spans.counts(), [("exported", 0), ("failed", 0), ("dropped", PARCEL as u64)]);
        spans.limit(PARCEL + 10);
        push(PARCEL + 10);
        sink.flush();
        sink.flush();
        assert_eq!(receiver.try_recv().map(|parcel| parcel.len()), Ok(PARCEL));
        assert_eq!(receiver.try_recv().map(|parcel| parcel.len()), Ok(10));
        assert!(receiver.try_recv().is_err());
        // Taken by the receiver is not yet settled.
        push(1);
        sink.flush();
        assert_eq!(spans.counts()[2].1, PARCEL as u64 + 1);
        spans.settle(PARCEL, 10);
        push(PARCEL);
        assert_eq!(receiver.try_recv().map(|parcel| parcel.len()), Ok(PARCEL));
        assert_eq!(spans.counts(), [("exported", 64), ("failed", 10), ("dropped", PARCEL as u64 + 1)]);
    }
}
