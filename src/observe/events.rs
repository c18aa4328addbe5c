//! A bounded ring of events, numbered without gaps, that any number of readers follow at their own pace.
//!
//! Emitting is rare (a transition, a drain, a reload), so a mutex holds the ring; it is never taken per request.
//! A reader that falls more than [`RING`] events behind sees a gap in the numbers and can say how many it missed.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::Value;
use tokio::sync::watch;

use super::kinds;
use super::tally::Tally;

/// How many events are kept.
pub const RING: usize = 4096;
/// How many of a server's own are kept besides, however much happens elsewhere.
pub const HISTORY: usize = 60;
/// Servers with a history, at most; the one that was silent for longest is forgotten.
const HISTORIES: usize = 4096;

/// Something that happened once.
#[derive(Debug, Clone)]
pub struct Event {
    /// Position in the stream; the first is 1.
    pub seq: u64,
    /// When.
    pub time: SystemTime,
    /// What, as `noun.verb`: `server.down`, `config.applied`.
    pub kind: &'static str,
    /// To what: `pool/server`, a file, a listener.
    pub subject: String,
    /// Facts, as an object.
    pub data: Value,
    /// The generation that was running.
    pub generation: u64,
    /// Who asked for it, when somebody did.
    pub actor: Option<String>,
}

/// The last [`RING`] events, and the last [`HISTORY`] of each server.
#[derive(Debug)]
pub struct Events {
    kept: Mutex<Kept>,
    kinds: Tally<64>,
    last: watch::Sender<u64>,
    generation: AtomicU64,
}

#[derive(Debug, Default)]
struct Kept {
    ring: VecDeque<Arc<Event>>,
    /// By `pool/server`.
    histories: HashMap<String, VecDeque<Arc<Event>>>,
}

impl Kept {
    fn push(&mut self, event: Event) {
        let event = Arc::new(event);
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back(Arc::clone(&event));
        // Streams that an operator closes are many, and none of a server's own doing.
        if !["server.", "drain."].iter().any(|start| event.kind.starts_with(start)) {
            return;
        }
        if self.histories.len() >= HISTORIES && !self.histories.contains_key(&event.subject) {
            let last = |history: &VecDeque<Arc<Event>>| history.back().map_or(0, |event| event.seq);
            let oldest = self.histories.iter().min_by_key(|(_, history)| last(history));
            if let Some(subject) = oldest.map(|(subject, _)| subject.clone()) {
                self.histories.remove(&subject);
            }
        }
        let history = self.histories.entry(event.subject.clone()).or_default();
        if history.len() == HISTORY {
            history.pop_front();
        }
        history.push_back(event);
    }
}

impl Events {
    /// An empty ring.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::default(),
            kinds: Tally::default(),
            last: watch::Sender::new(0),
            generation: AtomicU64::new(0),
        })
    }

    /// Adds an event and wakes the subscribers; returns its number.
    pub fn emit(
        &self,
        kind: &'static str,
        subject: impl Into<String>,
        data: Value,
        actor: Option<String>,
    ) -> u64 {
        let subject = subject.into();
        debug_assert!(
            kind.starts_with("test.") || kinds::is_known(kind),
            "{kind} is in no row of observe/kinds.rs"
        );
        self.kinds.add(kind);
        let mut kept = self.kept();
        let seq = *self.last.borrow() + 1;
        let generation = self.generation();
        kept.push(Event { seq, time: SystemTime::now(), kind, subject, data, generation, actor });
        // Under the lock, so that numbers become visible in their order.
        self.last.send_replace(seq);
        seq
    }

    /// What was emitted so far follows on `seq`, another process's last event. For a process that takes over, before
    /// anybody reads.
    pub fn follow_on(&self, seq: u64) {
        let mut kept = self.kept();
        let Kept { ring, histories } = &mut *kept;
        for event in ring.iter_mut().chain(histories.values_mut().flatten()) {
            *event = Arc::new(Event { seq: event.seq + seq, ..Event::clone(event) });
        }
        self.last.send_modify(|last| *last += seq);
    }

    /// The events after `seq` that are still kept, oldest first; 0 gives all.
    pub fn since(&self, seq: u64) -> Vec<Arc<Event>> {
        let kept = self.kept();
        let start = kept.ring.partition_point(|event| event.seq <= seq);
        kept.ring.range(start..).cloned().collect()
    }

    /// The last events of a server, oldest first: of its health, its drains and what operators wanted of it.
    pub fn history(&self, server: &str) -> Vec<Arc<Event>> {
        self.kept().histories.get(server).into_iter().flatten().cloned().collect()
    }

    /// How many there were of each kind, since this process began.
    pub fn kinds(&self) -> BTreeMap<&'static str, u64> {
        self.kinds.counts()
    }

    /// The number of the last event, now and whenever it changes.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// The number of the last event; 0 before the first.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Says which generation runs from now on; later events carry it.
    pub fn set_generation(&self, generation: u64) {
        self.generation.store(generation, Ordering::Relaxed);
    }

    /// The generation that events carry now.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_dense_and_since_is_exclusive() {
        let events = Events::new();
        assert_eq!(events.since(0).len(), 0);
        assert_eq!(events.emit("server.down", "app/a", json!({"reason": "refused"}), None), 1);
        events.set_generation(7);
        assert_eq!(events.emit("server.up", "app/a", json!({}), Some("uid 0".into())), 2);
        let after = events.since(1);
        assert_eq!(after.len(), 1);
        assert_eq!((after[0].seq, after[0].kind, after[0].generation), (2, "server.up", 7));
        assert_eq!(events.since(0)[0].generation, 0);
        assert!(events.since(2).is_empty());
        assert!(events.since(99).is_empty());
    }

    #[test]
    fn numbers_go_on_where_another_process_stopped() {
        let events = Events::new();
        events.emit("config.applied", "config", json!({}), None);
        events.follow_on(40);
        assert_eq!((events.last(), events.since(40)[0].seq), (41, 41));
        assert_eq!(events.emit("server.up", "app/a", json!({}), None), 42);
        assert_eq!(events.since(41).len(), 1);
    }

    #[test]
    fn the_ring_forgets_the_oldest() {
        let events = Events::new();
        for _ in 0..RING + 10 {
            events.emit("test.tick", "x", json!(null), None);
        }
        let all = events.since(0);
        assert_eq!(all.len(), RING);
        assert_eq!(all[0].seq, 11);
        assert_eq!(all[RING - 1].seq, (RING + 10) as u64);
        assert_eq!(events.kinds(), [("test.tick", (RING + 10) as u64)].into());
    }

    #[test]
    fn a_server_keeps_its_history_whatever_else_happens() {
        let events = Events::new();
        let seqs = |server: &str| events.history(server).iter().map(|event| event.seq).collect::<Vec<_>>();
        for _ in 0..HISTORY {
            events.emit("server.down", "app/a", json!({}), None);
        }
        events.emit("drain.begun", "app/a", json!({}), None);
        events.emit("connection.closed", "app/b", json!({}), None);
        for _ in 0..RING {
            events.emit("test.tick", "x", json!(null), None);
        }
        assert_eq!(seqs("app/a"), (2..=HISTORY as u64 + 1).collect::<Vec<_>>());
        assert!(seqs("app/b").is_empty() && seqs("x").is_empty());
        events.follow_on(1000);
        assert_eq!(seqs("app/a").first(), Some(&1002));
        for server in 0..HISTORIES {
            events.emit("server.up", format!("other/{server}"), json!({}), None);
        }
        assert!(seqs("app/a").is_empty(), "the one that was silent for longest is forgotten");
        assert_eq!(seqs("other/0").len(), 1);
    }

    #[tokio::test]
    async fn subscribers_are_woken_and_see_the_event() {
        let events = Events::new();
        let mut follow = events.subscribe();
        assert_eq!(*follow.borrow_and_update(), 0);
        let emitter = Arc::clone(&events);
        let (changed, seq) =
            tokio::join!(follow.changed(), async move { emitter.emit("test.tick", "x", json!(null), None) });
        changed.expect("the ring lives");
        assert_eq!(*follow.borrow(), seq);
        assert_eq!(events.since(seq - 1)[0].subject, "x");
    }
}
