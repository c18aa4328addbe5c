//! The long-lived streams of one server (WebSockets, tunnels): who they are, what they carried, and a way to ask
//! each of them to close.
//!
//! Opening and closing one costs one short lock of a shard; carrying bytes costs an atomic; nothing here waits.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;

use super::server::ServerId;
use super::sticky::Ties;

const SHARDS: usize = 16;

/// What a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    /// A WebSocket: it can be closed with a frame.
    WebSocket,
    /// Another upgrade or a CONNECT: it can only be cut.
    Tunnel,
    /// A connection of a `tcp` listener: it can only be cut.
    Tcp,
    /// A response that streams for long (server-sent events).
    Stream,
}

impl SessionKind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Tunnel => "tunnel",
            Self::Tcp => "tcp",
            Self::Stream => "stream",
        }
    }
}

/// What a pool wants for its WebSockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebSocketPolicy {
    /// Both sides are pinged when neither said anything for this long.
    pub ping: Option<Duration>,
    /// The close code for a client whose server is gone.
    pub lost_code: u16,
}

impl Default for WebSocketPolicy {
    fn default() -> Self {
        // 1012, service restart: clients come back.
        Self { ping: None, lost_code: 1012 }
    }
}

/// What a stream has carried so far; each pair is towards the server, then from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: (u64, u64),
    /// Messages of a WebSocket.
    pub messages: (u64, u64),
    /// It should be a WebSocket, and its bytes are no frames.
    pub opaque: bool,
    /// How long a WebSocket's client took to answer the last ping of lbd's own; none before the first answer.
    pub round_trip: Option<Duration>,
    /// When (unix seconds).
    pub now: u64,
}

/// A request to close.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The WebSocket close code for the client: 1012 says "come back, elsewhere".
    pub code: u16,
    /// Why, for the close frame and the log.
    pub reason: Arc<str>,
}

/// One long-lived stream.
#[derive(Debug)]
pub struct Session {
    /// Unique within the process, but for bad luck: half of it is random for each server.
    pub id: u64,
    /// What it is.
    pub kind: SessionKind,
    /// Who holds it.
    pub client: SocketAddr,
    /// Since when.
    pub since: SystemTime,
    bytes: [AtomicU64; 2],
    messages: [AtomicU64; 2],
    opaque: AtomicBool,
    /// Microseconds; 0 while it is not known.
    round_trip: AtomicU64,
    active: AtomicU64,
    route: OnceLock<Arc<str>>,
    closing: OnceLock<Closing>,
    wake: Notify,
    ties: Mutex<Ties>,
}

impl Session {
    /// Notes what it has carried in all. Only its relay does: plain stores, no lock, no read-modify-write.
    fn note(&self, traffic: &Traffic) {
        self.bytes[0].store(traffic.bytes.0, Ordering::Relaxed);
        self.bytes[1].store(traffic.bytes.1, Ordering::Relaxed);
        self.messages[0].store(traffic.messages.0, Ordering::Relaxed);
        self.messages[1].store(traffic.messages.1, Ordering::Relaxed);
        if let Some(took) = traffic.round_trip {
            self.round_trip.store((took.as_micros() as u64).max(1), Ordering::Relaxed);
        }
        self.active.store(traffic.now, Ordering::Relaxed);
    }

    /// What it has carried so far.
    pub fn traffic(&self) -> Traffic {
        let pair =
            |cells: &[AtomicU64; 2]| (cells[0].load(Ordering::Relaxed), cells[1].load(Ordering::Relaxed));
        Traffic {
            bytes: pair(&self.bytes),
            messages: pair(&self.messages),
            opaque: self.opaque.load(Ordering::Relaxed),
            round_trip: match self.round_trip.load(Ordering::Relaxed) {
                0 => None,
                micros => Some(Duration::from_micros(micros)),
            },
            now: self.last_active(),
        }
    }

    /// When it was last said to be active (unix seconds); its start when nobody said so.
    pub fn last_active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// The name of the route by which it came; none for a connection of a `tcp` listener.
    pub fn route(&self) -> Option<&str> {
        self.route.get().map(|name| &**name)
    }

    pub(super) fn set_route(&self, name: Arc<str>) {
        // It came by one route, which is said once.
        let _ = self.route.set(name);
    }

    /// What remembers its client's server, until it is over.
    pub(super) fn tie(&self, ties: Ties) {
        *lock(&self.ties) = ties;
    }

    /// It is over, whoever still looks at it.
    pub(super) fn untie(&self) {
        drop(std::mem::take(&mut *lock(&self.ties)));
    }

    /// Its client goes from `from` to `to` when it comes next, also where stickiness would have it stay.
    pub fn send_to(&self, from: ServerId, to: ServerId, now: u64) {
        lock(&self.ties).move_to(from, to, now);
    }

    /// Asks it to close; the first request wins. Says whether this was the first.
    pub fn close(&self, closing: Closing) -> bool {
        let first = self.closing.set(closing).is_ok();
        self.wake.notify_waiters();
        first
    }

    /// The request to close, once there is one.
    pub fn closing(&self) -> Option<&Closing> {
        self.closing.get()
    }

    /// Waits until the operator wants this session closed. The relay awaits it beside its bytes.
    pub async fn closed_by_operator(&self) -> &Closing {
        loop {
            let mut woken = std::pin::pin!(self.wake.notified());
            // Listen first, look second: a request in between is not missed.
            woken.as_mut().enable();
            if let Some(closing) = self.closing.get() {
                return closing;
            }
            woken.await;
        }
    }
}

/// All sessions of one server.
#[derive(Debug)]
pub struct Sessions {
    shards: [Mutex<Shard>; SHARDS],
    next: AtomicU64,
    count: AtomicUsize,
    opaque: AtomicU64,
    leaving: AtomicBool,
}

#[derive(Debug, Default)]
struct Shard {
    open: HashMap<u64, Arc<Session>>,
    /// Of those that are over.
    over: Carried,
}

/// What the sessions of a server have carried since it has been known; each pair is towards it, then from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Carried {
    /// Sessions that were opened.
    pub sessions: u64,
    /// Bytes.
    pub bytes: (u64, u64),
    /// Messages of WebSockets.
    pub messages: (u64, u64),
}

impl Carried {
    fn add(&mut self, session: &Session) {
        let Traffic { bytes, messages, .. } = session.traffic();
        self.sessions += 1;
        self.bytes = (self.bytes.0 + bytes.0, self.bytes.1 + bytes.1);
        self.messages = (self.messages.0 + messages.0, self.messages.1 + messages.1);
    }

    /// The sum of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            sessions: self.sessions + other.sessions,
            bytes: (self.bytes.0 + other.bytes.0, self.bytes.1 + other.bytes.1),
            messages: (self.messages.0 + other.messages.0, self.messages.1 + other.messages.1),
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        // The upper half of an id tells the registries of a process apart.
        let first = u64::from(fastrand::u32(..)) << 32;
        Self {
            shards: Default::default(),
            next: AtomicU64::new(first),
            count: AtomicUsize::new(0),
            opaque: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
        }
    }
}

impl Sessions {
    /// Sessions are being closed here: who comes back with another one goes elsewhere, also a sticky client.
    pub fn set_leaving(&self, leaving: bool) {
        self.leaving.store(leaving, Ordering::Relaxed);
    }

    /// Whether sessions are being closed here.
    pub fn are_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Notes what one of them has carried.
    pub(super) fn note(&self, session: &Session, traffic: &Traffic) {
        session.note(traffic);
        if traffic.opaque && !session.opaque.swap(true, Ordering::Relaxed) {
            self.opaque.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many WebSockets carried bytes that are no frames, since the server has been known.
    pub fn opaque(&self) -> u64 {
        self.opaque.load(Ordering::Relaxed)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// All of them, oldest first. Each shard is locked only while it is copied.
    pub fn list(&self) -> Vec<Arc<Session>> {
        let mut all: Vec<_> = self
            .shards
            .iter()
            .flat_map(|shard| lock(shard).open.values().cloned().collect::<Vec<_>>())
            .collect();
        all.sort_unstable_by_key(|session| session.id);
        all
    }

    /// What all of them have carried, those that are over included; it only grows.
    pub fn carried(&self) -> Carried {
        self.shards.iter().fold(Carried::default(), |sum, shard| {
            let shard = lock(shard);
            let mut all = shard.over;
            shard.open.values().for_each(|session| all.add(session));
            sum.and(all)
        })
    }

    /// One of them.
    pub fn get(&self, id: u64) -> Option<Arc<Session>> {
        lock(self.shard(id)).open.get(&id).cloned()
    }

    /// Asks all of them to close; says how many had not been asked before.
    pub fn close_all(&self, closing: &Closing) -> usize {
        self.list().iter().filter(|session| session.close(closing.clone())).count()
    }

    /// Enters a session; whoever enters it takes it out again ([`super::SessionLease`] does both).
    pub(super) fn enter(&self, kind: SessionKind, client: SocketAddr) -> Arc<Session> {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let since = SystemTime::now();
        let seconds = since.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let session = Arc::new(Session {
            id,
            kind,
            client,
            since,
            bytes: Default::default(),
            messages: Default::default(),
            round_trip: Default::default(),
            opaque: AtomicBool::new(false),
            active: AtomicU64::new(seconds),
            route: OnceLock::new(),
            closing: OnceLock::new(),
            wake: Notify::new(),
            ties: Mutex::default(),
        });
        lock(self.shard(id)).open.insert(id, Arc::clone(&session));
        self.count.fetch_add(1, Ordering::Relaxed);
        session
    }

    pub(super) fn leave(&self, id: u64) {
        let mut shard = lock(self.shard(id));
        if let Some(session) = shard.open.remove(&id) {
            // Under the lock: a session is among the open ones or among those that are over, and never in both.
            shard.over.add(&session);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn shard(&self, id: u64) -> &Mutex<Shard> {
        &self.shards[id as usize % SHARDS]
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> SocketAddr {
        "127.0.0.1:4711".parse().unwrap()
    }

    #[test]
    fn entering_and_leaving() {
        let sessions = Sessions::default();
        let a = sessions.enter(SessionKind::WebSocket, client());
        let b = sessions.enter(SessionKind::Tunnel, client());
        let traffic = Traffic {
            bytes: (5, 7),
            messages: (1, 2),
            opaque: true,
            round_trip: Some(Duration::from_micros(7)),
            now: 99,
        };
        sessions.note(&a, &traffic);
        sessions.note(&a, &traffic);
        assert_eq!(sessions.opaque(), 1, "each is counted once");
        assert_eq!((sessions.count(), sessions.list().len()), (2, 2));
        let found = sessions.get(a.id).expect("it is there");
        assert_eq!(found.traffic(), traffic);
        let both = Carried { sessions: 2, bytes: (5, 7), messages: (1, 2) };
        assert_eq!(sessions.carried(), both);
        sessions.leave(a.id);
        sessions.leave(a.id);
        assert_eq!(sessions.carried(), both, "what ended stays counted, once");
        assert_eq!(sessions.count(), 1, "leaving twice counts once");
        assert!(sessions.get(a.id).is_none());
        assert_eq!(sessions.list()[0].id, b.id);
    }

    #[tokio::test]
    async fn a_close_request_wakes_who_waits_and_who_comes_late() {
        let sessions = Sessions::default();
        let session = sessions.enter(SessionKind::WebSocket, client());
        let closing = Closing { code: 1012, reason: "kernel update".into() };
        let (seen, asked) =
            tokio::join!(session.closed_by_operator(), async { sessions.close_all(&closing) });
        assert_eq!((seen, asked), (&closing, 1));
        assert_eq!(session.closed_by_operator().await.code, 1012, "late");
        let second = Closing { code: 1001, reason: "again".into() };
        assert_eq!(sessions.close_all(&second), 0);
        assert_eq!(session.closing(), Some(&closing), "the first request stays");
    }
}
