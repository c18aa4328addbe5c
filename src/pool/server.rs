//! A server: its identity, its load, and the one place where health and the operator's wish meet.
//!
//! Whether it may take a request is computed from those two each time ([`Server::eligibility`]) and never stored.
//! What workers read are atomics; mutexes guard only what is shown.

mod known;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sha2::{Digest, Sha256};

use super::address::Addresses;
use super::admin::{Admin, Gate};
use super::balance::Latency;
use super::check::CheckSpec;
use super::health::{Machine, Outcome, State, Transition};
use super::lease::{IdleHold, Lease};
use super::limits::Limits;
use super::passive;
use super::queue::Queue;
use super::ramp::Moment;
use super::sessions::Sessions;
use crate::observe::Counters;

pub use known::Known;

/// What a name is in cookies and tables: stable over restarts, nodes and versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerId(pub u64);

impl ServerId {
    /// The id of the server of this name.
    pub fn of(name: &str) -> Self {
        let digest = Sha256::digest(name.as_bytes());
        Self(digest.iter().take(8).fold(0, |id, &byte| id << 8 | u64::from(byte)))
    }
}

/// Whether a server may take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Eligibility {
    /// Yes.
    Ready,
    /// Only of a client that stickiness sends there: it drains.
    StickyOnly,
    /// No.
    No(Why),
}

/// Why a server takes no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its checks fail.
    Down,
    /// It was not checked yet.
    Unchecked,
    /// It drains, and sticky clients move.
    Drain,
    /// Maintenance.
    Maint,
    /// Its name has not resolved yet.
    Unresolved,
    /// Requests saw it fail.
    Ejected,
}

impl Why {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Unchecked => "unchecked",
            Self::Drain => "drain",
            Self::Maint => "maint",
            Self::Unresolved => "unresolved",
            Self::Ejected => "ejected",
        }
    }
}

/// A server, live. Its identity is pool, name, host and port; whatever keeps those is the same server.
///
/// What a request reads or writes lies at the front, in two lines of the cache: with hundreds of servers each of them
/// is fetched anew for nearly every request. In the order of the compiler a request among 200 servers missed the
/// first cache 97 times more often than among two, now 59 times.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Server {
    pub(super) load: Load,
    pub(super) limits: Limits,
    /// What health lets through ([`OPEN`] and its kin), for the hot path.
    gate: AtomicU8,
    /// The port.
    pub port: u16,
    /// Its name's id.
    pub id: ServerId,
    /// The operator's wish; it belongs to the name.
    pub admin: Arc<Admin>,
    /// Counts; they belong to the name.
    pub counters: Arc<Counters>,
    pub(super) queue: Arc<Queue>,
    pub(super) passive: passive::Cell,
    literal: Option<IpAddr>,
    /// Its pool's name.
    pub pool: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
    /// Where: a name, or an IP literal without brackets.
    pub host: Arc<str>,
    pub(super) latency: Latency,
    resolved: Addresses,
    /// When its checks last brought it up, or it began without any.
    pub(super) up_since: Moment,
    origin: Mutex<Option<Arc<Origin>>>,
    health: Mutex<Health>,
    /// Long-lived streams.
    pub sessions: Sessions,
}

/// How a server was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The source, as the file names it.
    pub source: Arc<str>,
    /// The host whose address it is.
    pub host: Arc<str>,
    /// The source names it no longer, or not yet: it stays for a while.
    pub unnamed: bool,
}

/// What changes with each request.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) in_flight: AtomicU32,
    pub(super) idle: AtomicU32,
}

impl Server {
    /// A new server; with a check that says so, it takes no traffic before the first good one.
    pub(super) fn new(identity: Identity, check: Option<&Arc<CheckSpec>>) -> Self {
        let Identity { pool, name, host, port, admin, counters, queue } = identity;
        let born = Instant::now();
        let health = Health {
            machine: Machine::new(initial(check), born),
            spec: check.cloned(),
            changed: SystemTime::now(),
            reason: None,
            last: None,
        };
        Self {
            id: ServerId::of(&name),
            literal: host.parse().ok(),
            gate: AtomicU8::new(health.gate()),
            pool,
            name,
            host,
            port,
            admin,
            counters,
            sessions: Sessions::default(),
            load: Load::default(),
            limits: Limits::default(),
            queue,
            passive: passive::Cell::new(born),
            latency: Latency::new(born),
            up_since: Moment::never(born),
            resolved: Addresses::default(),
            origin: Mutex::default(),
            health: Mutex::new(health),
        }
    }

    /// Whether it may take a request now.
    pub fn eligibility(&self) -> Eligibility {
        let wish = self.admin.gate();
        let health = self.gate.load(Ordering::Relaxed);
        match (wish, health) {
            (Gate::Shut, _) => Eligibility::No(Why::Maint),
            (_, DOWN) => Eligibility::No(Why::Down),
            (_, UNCHECKED) => Eligibility::No(Why::Unchecked),
            (Gate::Moving, _) => Eligibility::No(Why::Drain),
            _ if self.literal.is_none() && !self.resolved.any() => Eligibility::No(Why::Unresolved),
            _ if self.passive.is_out() => Eligibility::No(Why::Ejected),
            (Gate::StickyOnly, _) | (_, WANTS_DRAIN) => Eligibility::StickyOnly,
            (Gate::Open, _) => Eligibility::Ready,
        }
    }

    /// Where to connect: a literal at once, a name once it has resolved (its addresses take turns).
    pub fn endpoint(&self) -> Option<SocketAddr> {
        self.endpoint_at(self.port)
    }

    /// The same address with another port, for a check.
    pub fn endpoint_at(&self, port: u16) -> Option<SocketAddr> {
        let ip = self.literal.or_else(|| self.resolved.next())?;
        Some(SocketAddr::new(ip, port))
    }

    /// Whether its host is a name.
    pub fn needs_resolving(&self) -> bool {
        self.literal.is_none()
    }

    /// What its name resolves to from now on; says whether that is news. Ports are ignored.
    pub fn set_resolved(&self, addresses: Vec<SocketAddr>) -> bool {
        let ips: Vec<IpAddr> = addresses.iter().map(|address| address.ip().to_canonical()).collect();
        self.resolved.set(&ips)
    }

    /// Whether it is still where a connection to it was made to.
    pub fn is_at(&self, ip: IpAddr) -> bool {
        self.literal.is_some() || self.resolved.contains(ip.to_canonical())
    }

    /// The addresses that it has now.
    pub fn addresses(&self) -> Vec<IpAddr> {
        match self.literal {
            Some(ip) => vec![ip],
            None => self.resolved.list(),
        }
    }

    /// The name that it is known by, for TLS and checks: its host, or the name that it was found by.
    pub fn known_as(&self) -> Arc<str> {
        let origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
        origin.as_ref().map_or_else(|| Arc::clone(&self.host), |origin| Arc::clone(&origin.host))
    }

    pub(super) fn set_origin(&self, origin: Option<Arc<Origin>>) {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
    }

    /// Holds it for a request.
    pub fn begin(self: &Arc<Self>) -> Lease {
        Lease::new(self)
    }

    /// Counts an unused connection to it.
    pub fn hold_idle(self: &Arc<Self>) -> IdleHold {
        IdleHold::new(self)
    }

    /// Requests in flight.
    pub fn in_flight(&self) -> u32 {
        self.load.in_flight.load(Ordering::Relaxed)
    }

    /// Unused connections to it, over all workers.
    pub fn idle_connections(&self) -> u32 {
        self.load.idle.load(Ordering::Relaxed)
    }

    /// Whether anybody still uses it: what a drain waits for.
    pub fn is_busy(&self) -> bool {
        self.in_flight() > 0 || self.sessions.count() > 0
    }

    /// Takes what a check found. A transition is to be told (log, event) once, by the caller.
    pub fn observe(&self, outcome: &Outcome, now: Instant) -> Option<Transition> {
        let mut health = self.lock();
        let (rise, fall) = health.spec.as_ref().map_or((1, 1), |spec| (spec.rise, spec.fall));
        let transition = health.machine.on(outcome, rise, fall, now);
        self.counters.seldom.checks.add(outcome.word());
        health.last = Some(LastCheck {
            at: SystemTime::now(),
            took: outcome.took(),
            failure: match outcome {
                Outcome::CheckFailed { reason, .. } => Some(reason.clone()),
                _ => None,
            },
        });
        if let Some(transition) = &transition {
            self.counters.seldom.turns.add(transition.to.as_str());
            health.changed = SystemTime::now();
            health.reason = Some(transition.reason.clone());
            if transition.from != State::Up {
                self.up_since.set(now);
            }
        }
        self.gate.store(health.gate(), Ordering::Relaxed);
        drop(health);
        if transition.is_some() {
            self.queue.wake_all();
        }
        transition
    }

    /// How long it is still ejected, and why.
    pub fn ejected(&self) -> Option<(Duration, String)> {
        self.passive.left().map(|left| (left, self.passive.reason()))
    }

    /// Since when nothing but its load keeps requests away; none when it always was so.
    pub(super) fn ready_since(&self) -> Option<Instant> {
        [self.up_since.get(), self.admin.opened(), self.passive.back_since()].into_iter().flatten().max()
    }

    /// What is known of its health.
    pub fn health(&self) -> HealthView {
        let health = self.lock();
        HealthView {
            checked: health.spec.is_some(),
            state: health.machine.state,
            wants_drain: health.machine.wants_drain,
            since: health.changed,
            reason: health.reason.clone(),
            good: health.machine.good,
            bad: health.machine.bad,
            last: health.last.clone(),
        }
    }

    /// The check definition that holds from now on. The same one changes nothing; another one keeps what is known
    /// and counts anew; the first one for a server that took traffic without lets it go on until it fails.
    pub(super) fn apply_check(&self, check: Option<&Arc<CheckSpec>>) {
        let mut health = self.lock();
        if health.spec.as_deref() == check.map(|spec| &**spec) {
            return;
        }
        let was_checked = health.spec.is_some();
        health.spec = check.cloned();
        health.machine.restart_counting();
        if check.is_none() {
            health.machine = Machine::new(State::Unknown, Instant::now());
            (health.reason, health.last) = (None, None);
        } else if !was_checked {
            health.machine = Machine::new(State::Up, Instant::now());
        }
        self.gate.store(health.gate(), Ordering::Relaxed);
    }

    /// It left its pool and is checked no more: should it return, it is as unknown as a new one.
    pub(super) fn forget_health(&self) {
        let mut health = self.lock();
        health.machine = Machine::new(initial(health.spec.as_ref()), Instant::now());
        health.changed = SystemTime::now();
        (health.reason, health.last) = (None, None);
        self.gate.store(health.gate(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a server is before its first check.
fn initial(check: Option<&Arc<CheckSpec>>) -> State {
    match check {
        Some(spec) if spec.initial_up => State::Up,
        _ => State::Unknown,
    }
}

/// What makes a server, beside its check.
pub(super) struct Identity {
    pub(super) pool: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    pub(super) admin: Arc<Admin>,
    pub(super) counters: Arc<Counters>,
    pub(super) queue: Arc<Queue>,
}

/// A server's health, as shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthView {
    /// Whether there is a check at all.
    pub checked: bool,
    /// What is known.
    pub state: State,
    /// It answers, and asks for no new clients.
    pub wants_drain: bool,
    /// Since when.
    pub since: SystemTime,
    /// Why it last changed.
    pub reason: Option<String>,
    /// Good checks in a row.
    pub good: u32,
    /// Bad checks in a row.
    pub bad: u32,
    /// The last check.
    pub last: Option<LastCheck>,
}

/// A check that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastCheck {
    /// When it ended.
    pub at: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// Why it failed; `None` when it passed.
    pub failure: Option<String>,
}

/// What health lets through, for the hot path.
const OPEN: u8 = 0;
const WANTS_DRAIN: u8 = 1;
const DOWN: u8 = 2;
const UNCHECKED: u8 = 3;

#[derive(Debug)]
struct Health {
    machine: Machine,
    spec: Option<Arc<CheckSpec>>,
    changed: SystemTime,
    reason: Option<String>,
    last: Option<LastCheck>,
}

impl Health {
    fn gate(&self) -> u8 {
        match self.machine.state {
            _ if self.spec.is_none() => OPEN,
            State::Unknown => UNCHECKED,
            State::Down => DOWN,
            State::Up if self.machine.wants_drain => WANTS_DRAIN,
            State::Up => OPEN,
        }
    }
}

#[cfg(test)]
mod tests;
