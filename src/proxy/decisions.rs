//! What was decided lately, by request: a ring of fixed slots for each worker, looked at on demand.
//!
//! Writing one copies some hundred bytes and allocates nothing; names are kept as text, so that no route, pool or
//! server outlives its generation here. Texts stand one behind the other: a request of short names touches three lines
//! of the cache, and not seven. Only its own worker touches a ring: who asks sends an order.

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use super::request_id::{LONGEST, RequestId};

/// Requests that each worker remembers.
const KEPT: usize = 2048;
/// Bytes of a name that are kept.
const NAME: usize = 48;

/// A request that ended, or became a tunnel, told to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Its `X-Request-Id`.
    pub id: String,
    /// When it ended, or became a tunnel.
    pub at: SystemTime,
    /// The client.
    pub client: IpAddr,
    /// The listener.
    pub listener: String,
    /// The generation that it saw.
    pub generation: u64,
    /// The route.
    pub route: Option<String>,
    /// The pool.
    pub pool: Option<String>,
    /// The last server that it was sent to.
    pub server: Option<String>,
    /// How that server was chosen, or `lbd` when it was answered here.
    pub how: &'static str,
    /// How often it was sent again.
    pub retries: u32,
    /// The answer's status; 0 when there was none.
    pub status: u16,
    /// Why it failed.
    pub reason: Option<&'static str>,
    /// Until the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// Until its end.
    pub took: Duration,
}

/// What is noted of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note<'a> {
    pub(crate) id: &'a RequestId,
    pub(crate) began: Instant,
    pub(crate) client: IpAddr,
    pub(crate) listener: &'a str,
    pub(crate) generation: u64,
    pub(crate) route: Option<&'a str>,
    pub(crate) pool: Option<&'a str>,
    pub(crate) server: Option<&'a str>,
    pub(crate) how: &'static str,
    pub(crate) retries: u32,
    pub(crate) status: u16,
    pub(crate) reason: Option<&'static str>,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) took: Duration,
}

/// One worker's ring.
#[derive(Debug)]
pub(crate) struct Decisions {
    slots: Vec<Slot>,
    next: usize,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    began: Instant,
    client: IpAddr,
    status: u16,
    retries: u32,
    generation: u64,
    how: &'static str,
    reason: Option<&'static str>,
    first_byte: Option<Duration>,
    took: Duration,
    texts: Texts,
}

/// The request's name, and the beginnings of those of listener, route, pool and server, without anything between them.
#[derive(Debug, Clone, Copy)]
struct Texts {
    ends: [u16; TEXTS],
    bytes: [u8; LONGEST + (TEXTS - 1) * NAME],
}

/// How many they are.
const TEXTS: usize = 5;

impl Default for Decisions {
    fn default() -> Self {
        Self { slots: Vec::with_capacity(KEPT), next: 0 }
    }
}

impl Decisions {
    /// Notes one; the oldest makes room.
    pub(crate) fn note(&mut self, note: &Note<'_>) {
        // Room for all of them was made at the beginning.
        if self.next == self.slots.len() {
            self.slots.push(Slot::empty(note));
        }
        // In place: a new one beside it would be filled with zeroes and copied as a whole.
        let Some(slot) = self.slots.get_mut(self.next) else { return };
        (slot.began, slot.client, slot.generation) = (note.began, note.client, note.generation);
        slot.texts.set(note.id, [Some(note.listener), note.route, note.pool, note.server]);
        (slot.how, slot.reason, slot.retries) = (note.how, note.reason, note.retries);
        (slot.status, slot.first_byte, slot.took) = (note.status, note.first_byte, note.took);
        self.next = (self.next + 1) % KEPT;
    }

    /// The latest of this name.
    pub(crate) fn find(&self, id: &str) -> Option<Decision> {
        let (newer, older) = self.slots.split_at(self.next.min(self.slots.len()));
        let slot = newer.iter().rev().chain(older.iter().rev()).find(|slot| slot.texts.is(id))?;
        let [name, listener, route, pool, server] = slot.texts.all();
        Some(Decision {
            id: name.unwrap_or_default(),
            at: SystemTime::now() - slot.began.elapsed() + slot.took,
            client: slot.client,
            listener: listener.unwrap_or_default(),
            generation: slot.generation,
            route,
            pool,
            server,
            how: slot.how,
            retries: slot.retries,
            status: slot.status,
            reason: slot.reason,
            first_byte: slot.first_byte,
            took: slot.took,
        })
    }
}

impl Slot {
    fn empty(note: &Note<'_>) -> Self {
        Self {
            began: note.began,
            client: note.client,
            status: 0,
            retries: 0,
            generation: 0,
            how: "",
            reason: None,
            first_byte: None,
            took: Duration::ZERO,
            texts: Texts { ends: [0; TEXTS], bytes: [0; _] },
        }
    }
}

impl Texts {
    fn set(&mut self, id: &RequestId, names: [Option<&str>; TEXTS - 1]) {
        let (first, ends) = self.ends.split_at_mut(1);
        let mut at = id.as_bytes().len();
        self.bytes[..at].copy_from_slice(id.as_bytes());
        first[0] = at as u16;
        for (name, end) in names.into_iter().zip(ends) {
            let name = name.unwrap_or_default();
            let length = if name.len() <= NAME { name.len() } else { name.floor_char_boundary(NAME) };
            self.bytes[at..at + length].copy_from_slice(&name.as_bytes()[..length]);
            at += length;
            *end = at as u16;
        }
    }

    fn is(&self, id: &str) -> bool {
        self.bytes.get(..usize::from(self.ends[0])) == Some(id.as_bytes())
    }

    fn all(&self) -> [Option<String>; TEXTS] {
        let mut begin = 0;
        self.ends.map(|end| {
            let text = self.bytes.get(std::mem::replace(&mut begin, usize::from(end))..usize::from(end))?;
            (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn note<'a>(id: &'a RequestId, route: &'a str, retries: u32) -> Note<'a> {
        Note {
            id,
            began: Instant::now(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
            listener: "front",
            generation: 3,
            route: Some(route),
            pool: None,
            server: None,
            how: "balanced",
            retries,
            status: 200,
            reason: None,
            first_byte: None,
            took: Duration::from_millis(2),
        }
    }

    #[test]
    fn the_latest_are_kept_and_found() {
        let mut ring = Decisions::default();
        assert_eq!(ring.find("0"), None);
        for number in 0..KEPT as u32 + 10 {
            ring.note(&note(&RequestId::named(&number.to_string()), "/", number));
            assert_eq!(ring.find(&number.to_string()).map(|found| found.retries), Some(number));
        }
        assert_eq!(ring.slots.capacity(), KEPT, "nothing was allocated on the way");
        assert_eq!(ring.find("9"), None, "it made room");
        assert_eq!(ring.find("10").map(|found| found.retries), Some(10));
        ring.note(&note(&RequestId::named("twice"), "/", 1));
        ring.note(&note(&RequestId::named("twice"), "/", 2));
        assert_eq!(ring.find("twice").map(|found| found.retries), Some(2), "of two the later one");
    }

    #[test]
    fn names_are_cut_between_letters() {
        let mut ring = Decisions::default();
        let long = "é".repeat(NAME);
        ring.note(&note(&RequestId::named("a"), &long, 0));
        let found = ring.find("a").expect("it was noted");
        assert_eq!(found.route.as_deref(), Some(&*"é".repeat(NAME / 2)));
        assert_eq!((found.listener.as_str(), found.pool, found.generation), ("front", None, 3));
    }
}
