//! One drain: what was asked of it, where it stands, and its next step.

use super::leaving::Leaving;
use super::machine::{Act, Machine, Phase, Seen};
use super::registry::DrainAsk;
use crate::pool::{Choice, Closing, DrainSticky, DrainTerms, Pacing, Server, Stamp, Wish};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};
use tokio::sync::watch;

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
    /// How WebSockets are closed before that.
    pub pacing: Option<Pacing>,
    /// Which of them.
    pub only: Choice,
    /// Nobody is closed for now.
    pub paused: bool,
    /// When the server comes back by itself.
    pub until: Option<SystemTime>,
    /// When it ended.
    pub ended: Option<SystemTime>,
    /// Who asked last.
    pub actor: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

#[derive(Debug)]
struct Cell {
    machine: Machine,
    ask: DrainAsk,
    deadline: Option<SystemTime>,
    leaving: Option<Leaving>,
    /// When the next session may be closed, while some are.
    next_close: Option<Instant>,
}

impl Cell {
    fn new(server: &Server, ask: DrainAsk, deadline: Option<SystemTime>) -> Self {
        let sessions = server.sessions.count() as u64;
        let machine = Machine::new(Instant::now(), ask.deadline, sessions);
        let mut cell = Self { machine, ask, deadline, leaving: None, next_close: None };
        cell.set_pace(Instant::now());
        cell
    }

    /// The machine and the pacer follow what was asked.
    fn set_pace(&mut self, now: Instant) {
        let DrainTerms { pacing, paused, .. } = self.ask.terms;
        let only = self.ask.terms.only.clone();
        self.machine.set_paced(pacing.is_some() && !paused);
        match (&mut self.leaving, pacing) {
            (Some(leaving), Some(pacing)) => leaving.set(pacing, only, now),
            (None, Some(pacing)) => self.leaving = Some(Leaving::new(pacing, only, now)),
            // Who paused, or closes nobody, may go on later at the same pace.
            (_, None) => {}
        }
    }

    fn closing(&self) -> Closing {
        let reason = self.ask.reason.as_deref().unwrap_or("the server is being drained");
        Closing { code: self.ask.terms.close_code, reason: reason.into() }
    }
}

impl Operation {
    pub(super) fn new(
        id: u64,
        server: &Arc<Server>,
        cause: Cause,
        ask: DrainAsk,
        deadline: Option<SystemTime>,
    ) -> Self {
        let cell = Cell::new(server, ask, deadline);
        let progress = Progress {
            seq: 1,
            phase: Phase::Settling,
            requests: u64::from(server.in_flight()),
            sessions: server.sessions.count() as u64,
            closed: 0,
            forced: 0,
            deadline,
            pacing: cell.ask.terms.pacing,
            only: cell.ask.terms.only.clone(),
            paused: cell.ask.terms.paused,
            until: cell.ask.terms.until,
            ended: None,
            actor: cell.ask.actor.clone(),
            reason: cell.ask.reason.clone(),
        };
        Self {
            id,
            server: Arc::clone(server),
            cause,
            started: SystemTime::now(),
            cell: Mutex::new(cell),
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

    /// Whether nothing more will happen to its sessions.
    pub(super) fn is_over(&self) -> bool {
        self.progress.borrow().phase.is_final()
    }

    /// Ends it; what is left on the server stays.
    pub(super) fn cancel(&self) {
        lock(&self.cell).machine.cancel();
    }

    /// Closes nobody for now, or goes on; so does who takes it up after a restart.
    pub(super) fn pause(&self, paused: bool) {
        let mut cell = lock(&self.cell);
        cell.ask.terms.paused = paused;
        cell.machine.hold(false);
        cell.set_pace(Instant::now());
        if self.cause == Cause::Asked {
            self.server.admin.pause(paused);
        }
    }

    /// It was paused before this process began: that nobody is there yet is no end.
    pub(super) fn await_return(&self) {
        lock(&self.cell).machine.hold(true);
    }

    /// What it promised is void.
    pub(super) fn forget_return(&self) {
        lock(&self.cell).ask.terms.until = None;
    }

    /// Whether its server comes back by itself.
    pub(super) fn returns(&self) -> bool {
        lock(&self.cell).ask.terms.until.is_some()
    }

    /// Brings the server back when its time has come, unless somebody has changed the wish since.
    pub(super) fn bring_back_in_time(&self) -> bool {
        let mut cell = lock(&self.cell);
        if cell.ask.terms.until.is_none_or(|until| until > SystemTime::now()) {
            return false;
        }
        cell.ask.terms.until = None;
        let drains = matches!(self.server.admin.get().wish, Wish::Drain { .. });
        if drains {
            let stamp =
                Stamp::now(cell.ask.actor.clone(), Some("the time that the drain was for".to_owned()));
            self.server.admin.set(Wish::Ready, stamp);
        }
        drains
    }

    /// When the next session may be closed, while some are.
    pub(super) fn next_close(&self) -> Option<Instant> {
        lock(&self.cell).next_close
    }

    pub(super) fn change(&self, ask: DrainAsk, deadline: Option<SystemTime>) {
        let mut cell = lock(&self.cell);
        cell.machine.set_deadline(Instant::now(), ask.deadline);
        cell.ask = ask;
        cell.deadline = deadline;
        cell.set_pace(Instant::now());
        drop(cell);
        self.step(Instant::now());
    }

    /// From the deadline on stickiness moves, whatever the drain began with.
    fn let_nobody_in(&self) {
        if self.cause == Cause::Asked
            && matches!(self.server.admin.get().wish, Wish::Drain { sticky: DrainSticky::Keep, .. })
        {
            self.server.admin.move_everybody();
        }
    }

    pub(super) fn step(&self, now: Instant) -> Progress {
        let mut cell = lock(&self.cell);
        let seen = Seen {
            requests: u64::from(self.server.in_flight()),
            sessions: self.server.sessions.count() as u64,
            wanted: self.cause == Cause::Asked && self.server.admin.get().wish == Wish::Ready,
        };
        cell.next_close = None;
        let act = cell.machine.on(seen, now);
        let phase = cell.machine.phase();
        let DrainTerms { pacing, paused, until, .. } = cell.ask.terms;
        let left = matches!(phase, Phase::Closing | Phase::Drained | Phase::Forced);
        // Before the first is told to leave: workers tell it at once, and it may come back sooner than this returns.
        self.server.sessions.set_leaving(left && pacing.is_some() && !paused);
        match act {
            Act::Wait => {}
            Act::Pace => {
                let closing = cell.closing();
                if let Some(leaving) = &mut cell.leaving {
                    leaving.close_some(&self.server, &closing, now, u64::MAX, |_| {});
                    cell.next_close = leaving.next();
                }
            }
            Act::CloseSessions => {
                self.let_nobody_in();
                let asked = self.server.sessions.close_all(&cell.closing());
                cell.machine.forced(asked as u64);
            }
        }
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
                pacing,
                only: cell.ask.terms.only.clone(),
                paused,
                until,
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
