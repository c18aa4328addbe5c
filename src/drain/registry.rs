//! The drains that go on and those that ended lately.

use super::machine::{Act, Machine, Phase, Seen};
use crate::observe::Events;
use crate::pool::{Closing, DrainSticky, Server, Stamp, Wish};
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::{Notify, watch};
use tracing::info;

/// How often drains are stepped.
const STEP: Duration = Duration::from_millis(100);
/// How many drains are remembered, those that go on included.
const KEPT: usize = 256;
/// The close code of WebSockets at the deadline: service restart, come back.
const CLOSE_CODE: u16 = 1012;

/// Every drain.
#[derive(Debug)]
pub struct Drains {
    state: Mutex<State>,
    wake: Notify,
    events: Arc<Events>,
}

/// What a drain is asked to do.
#[derive(Clone, Debug, Default)]
pub struct DrainAsk {
    /// After this the rest is cut.
    pub deadline: Option<Duration>,
    /// What sticky clients do.
    pub sticky: DrainSticky,
    /// Who asks.
    pub actor: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// Why a server is being emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// An operator wants it to drain; the wish in its admin cell says so.
    Asked,
    /// The file no longer names it: it has no place in its pool, only what is left on it.
    Removed,
}

/// One drain.
#[derive(Debug)]
pub struct Operation {
    /// Its number.
    pub id: u64,
    /// The server.
    pub server: Arc<Server>,
    /// Why it is being emptied.
    pub cause: Cause,
    /// When it began.
    pub started: SystemTime,
    cell: Mutex<Cell>,
    progress: watch::Sender<Progress>,
}

/// What a drain has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Grows with each change.
    pub seq: u64,
    /// Where it stands.
    pub phase: Phase,
    /// Requests in flight on the server.
    pub requests: u64,
    /// Sessions on the server.
    pub sessions: u64,
    /// Sessions that ended since it began.
    pub closed: u64,
    /// Sessions that were asked to end.
    pub forced: u64,
    /// When the rest is cut.
    pub deadline: Option<SystemTime>,
    /// When it ended.
    pub ended: Option<SystemTime>,
    /// Who asked last.
    pub actor: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    operations: VecDeque<Arc<Operation>>,
    last: u64,
}

#[derive(Debug)]
struct Cell {
    machine: Machine,
    ask: DrainAsk,
    deadline: Option<SystemTime>,
}

impl Drains {
    /// None yet.
    pub fn new(events: Arc<Events>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), wake: Notify::new(), events })
    }

    /// Begins to empty a server that the running configuration no longer names, unless that has begun. Its admin
    /// cell is left alone: it belongs to the name, which may live on at another address.
    pub fn let_go(&self, server: &Arc<Server>, deadline: Duration, reason: &str) -> Arc<Operation> {
        let ask =
            DrainAsk { deadline: Some(deadline), reason: Some(reason.to_owned()), ..DrainAsk::default() };
        self.enter(server, ask, Cause::Removed)
    }

    /// Sets the server's wish to drain and begins to watch it; a drain of that server which goes on already takes
    /// the new parameters instead.
    pub fn begin(&self, server: &Arc<Server>, ask: DrainAsk) -> Arc<Operation> {
        let deadline = ask.deadline.and_then(|span| SystemTime::now().checked_add(span));
        let wish = Wish::Drain { sticky: ask.sticky, deadline };
        server.admin.set(wish, Stamp::now(ask.actor.clone(), ask.reason.clone()));
        self.enter(server, ask, Cause::Asked)
    }

    /// Takes up a drain that was wished before this process began; `None` when none is wished.
    pub fn resume(&self, server: &Arc<Server>) -> Option<Arc<Operation>> {
        let state = server.admin.get();
        let Wish::Drain { sticky, deadline } = state.wish else { return None };
        let deadline = deadline.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        let stamp = state.stamp;
        let actor = stamp.as_ref().and_then(|stamp| stamp.by.clone());
        let reason = stamp.and_then(|stamp| stamp.reason);
        Some(self.enter(server, DrainAsk { deadline, sticky, actor, reason }, Cause::Asked))
    }

    fn enter(&self, server: &Arc<Server>, ask: DrainAsk, cause: Cause) -> Arc<Operation> {
        let deadline = ask.deadline.and_then(|span| SystemTime::now().checked_add(span));
        let mut state = lock(&self.state);
        let running = state.operations.iter().find(|operation| {
            Arc::ptr_eq(&operation.server, server)
                && operation.cause == cause
                && !operation.progress.borrow().phase.is_final()
        });
        let operation = match running {
            // It was let go by an earlier reload: its time runs since then.
            Some(running) if cause == Cause::Removed => Arc::clone(running),
            Some(running) => {
                running.change(ask, deadline);
                Arc::clone(running)
            }
            None => {
                state.last += 1;
                let operation = Arc::new(Operation::new(state.last, server, cause, ask, deadline));
                state.operations.push_back(Arc::clone(&operation));
                operation
            }
        };
        if state.operations.len() > KEPT
            && let Some(ended) =
                state.operations.iter().position(|one| one.progress.borrow().phase.is_final())
        {
            state.operations.remove(ended);
        }
        drop(state);
        self.wake.notify_one();
        operation
    }

    /// Brings the server of a drain back. `None`: it has ended, or the server has no place to come back to.
    pub fn cancel(&self, operation: &Operation, stamp: Stamp) -> Option<Progress> {
        if operation.progress.borrow().phase.is_final() || operation.cause == Cause::Removed {
            return None;
        }
        operation.server.admin.set(Wish::Ready, stamp);
        lock(&operation.cell).machine.cancel();
        self.step(operation, Instant::now());
        Some(operation.progress())
    }

    /// All that are remembered, oldest first.
    pub fn list(&self) -> Vec<Arc<Operation>> {
        lock(&self.state).operations.iter().cloned().collect()
    }

    /// Those that go on.
    pub fn active(&self) -> Vec<Arc<Operation>> {
        let mut all = self.list();
        all.retain(|operation| !operation.progress.borrow().phase.is_final());
        all
    }

    /// One of them.
    pub fn get(&self, id: u64) -> Option<Arc<Operation>> {
        lock(&self.state).operations.iter().find(|operation| operation.id == id).cloned()
    }

    /// Steps every drain until the daemon ends. Costs nothing while none goes on.
    pub async fn run(self: Arc<Self>) {
        loop {
            let active = self.active();
            if active.is_empty() {
                self.wake.notified().await;
                continue;
            }
            for operation in active {
                self.step(&operation, Instant::now());
            }
            tokio::time::sleep(STEP).await;
        }
    }

    /// One step of one drain. Public for tests of whoever waits for it.
    pub fn step(&self, operation: &Operation, now: Instant) {
        let before = operation.progress.borrow().phase;
        let after = operation.step(now);
        if before == after.phase {
            return;
        }
        let subject = format!("{}/{}", operation.server.pool, operation.server.name);
        let kind = match after.phase {
            Phase::Settling => return,
            Phase::InFlight => "drain.waiting",
            Phase::Closing => "drain.closing",
            Phase::Drained => "drain.done",
            Phase::Forced => "drain.forced",
            Phase::Cancelled => "drain.cancelled",
        };
        let (requests, sessions) = (after.requests, after.sessions);
        info!(server = subject, requests, sessions, closed = after.closed, forced = after.forced, "{kind}");
        let facts = json!({
            "operation": operation.id,
            "requests": requests,
            "sessions": sessions,
            "closed": after.closed,
            "forced": after.forced,
        });
        self.events.emit(kind, subject, facts, after.actor);
    }
}

impl Operation {
    fn new(id: u64, server: &Arc<Server>, cause: Cause, ask: DrainAsk, deadline: Option<SystemTime>) -> Self {
        let sessions = server.sessions.count() as u64;
        let progress = Progress {
            seq: 1,
            phase: Phase::Settling,
            requests: u64::from(server.in_flight()),
            sessions,
            closed: 0,
            forced: 0,
            deadline,
            ended: None,
            actor: ask.actor.clone(),
            reason: ask.reason.clone(),
        };
        let machine = Machine::new(Instant::now(), ask.deadline, sessions);
        Self {
            id,
            server: Arc::clone(server),
            cause,
            started: SystemTime::now(),
            cell: Mutex::new(Cell { machine, ask, deadline }),
            progress: watch::Sender::new(progress),
        }
    }

    /// What it has come to.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// The same, now and whenever it changes.
    pub fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    fn change(&self, ask: DrainAsk, deadline: Option<SystemTime>) {
        let mut cell = lock(&self.cell);
        cell.machine.set_deadline(Instant::now(), ask.deadline);
        cell.ask = ask;
        cell.deadline = deadline;
        drop(cell);
        self.step(Instant::now());
    }

    /// From the deadline on stickiness moves, whatever the drain began with.
    fn let_nobody_in(&self) {
        let mut state = self.server.admin.get();
        if self.cause == Cause::Asked
            && let Wish::Drain { sticky, .. } = &mut state.wish
            && *sticky == DrainSticky::Keep
        {
            *sticky = DrainSticky::Move;
            let stamp = state.stamp.unwrap_or_else(|| Stamp::now(None, None));
            self.server.admin.set(state.wish, stamp);
        }
    }

    fn step(&self, now: Instant) -> Progress {
        let mut cell = lock(&self.cell);
        let seen = Seen {
            requests: u64::from(self.server.in_flight()),
            sessions: self.server.sessions.count() as u64,
            wanted: self.cause == Cause::Asked && self.server.admin.get().wish == Wish::Ready,
        };
        if cell.machine.on(seen, now) == Act::CloseSessions {
            self.let_nobody_in();
            let reason = cell.ask.reason.as_deref().unwrap_or("the server is being drained");
            let closing = Closing { code: CLOSE_CODE, reason: reason.into() };
            let asked = self.server.sessions.close_all(&closing);
            cell.machine.forced(asked as u64);
        }
        let phase = cell.machine.phase();
        let (closed, forced) = cell.machine.counts();
        self.progress.send_if_modified(|progress| {
            let ended = match progress.ended {
                None if phase.is_final() => Some(SystemTime::now()),
                ended => ended,
            };
            let next = Progress {
                seq: progress.seq,
                phase,
                requests: seen.requests,
                sessions: seen.sessions,
                closed,
                forced,
                deadline: cell.deadline,
                ended,
                actor: cell.ask.actor.clone(),
                reason: cell.ask.reason.clone(),
            };
            let changed = next != *progress;
            if changed {
                *progress = Progress { seq: progress.seq + 1, ..next };
            }
            changed
        });
        drop(cell);
        self.progress()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
