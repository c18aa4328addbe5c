//! Requests that wait while every server that may take them is full: in order, and never more than fit.
//!
//! A slot that comes free passes to the first who may use it, without ever looking free to others: nobody is
//! overtaken, and one slot wakes one. What a slot cannot say (a server came up, a limit was lifted) wakes the first to
//! look again; who leaves the queue on its own account passes that on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::lease::Lease;
use super::server::{Eligibility, Server, ServerId};

/// A pool's waiting requests, over all workers; it survives reloads.
#[derive(Debug, Default)]
pub struct Queue {
    most: AtomicU32,
    waiting: AtomicUsize,
    /// How many ever came: who gives a slot back sees by it that somebody came meanwhile.
    arrivals: AtomicU64,
    line: Mutex<VecDeque<Entry>>,
}

#[derive(Debug)]
struct Entry {
    /// Grows along the line, so that a place is found without walking it.
    number: u64,
    waiter: Arc<Waiter>,
    /// The one server that it waits for; any, when none.
    want: Option<ServerId>,
    /// Whose slots are of no use to it.
    useless: Box<[ServerId]>,
}

#[derive(Debug, Default)]
struct Waiter {
    cell: Mutex<Cell>,
}

#[derive(Debug, Default)]
struct Cell {
    turn: Option<Turn>,
    waker: Option<Waker>,
}

/// What a waiting request is woken for.
#[derive(Debug)]
pub enum Turn {
    /// It has a slot.
    Slot(Lease),
    /// Something changed: it should look again, and keeps its place.
    Look,
}

/// A place in the queue; dropped, it is given up.
#[derive(Debug)]
#[must_use = "a place that is dropped at once is given up"]
pub struct Place {
    queue: Arc<Queue>,
    number: u64,
    waiter: Arc<Waiter>,
}

impl Queue {
    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Goes to the end of the line, for `want` or for any server but the useless ones; none when the queue is full. Who
    /// has a place looks for a free slot once more before it waits: one may have come free just before.
    pub fn enter(self: &Arc<Self>, want: Option<ServerId>, useless: &[ServerId]) -> Option<Place> {
        let mut line = self.lock();
        if line.len() >= self.most.load(Ordering::Relaxed) as usize {
            return None;
        }
        let waiter = Arc::<Waiter>::default();
        // It changes under the lock only: the order of numbers is the order of the line.
        let number = self.arrivals.load(Ordering::SeqCst);
        line.push_back(Entry { number, waiter: Arc::clone(&waiter), want, useless: useless.into() });
        self.waiting.store(line.len(), Ordering::SeqCst);
        self.arrivals.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        Some(Place { queue: Arc::clone(self), number, waiter })
    }

    /// How many may wait from now on.
    pub(super) fn limit(&self, most: u32) {
        self.most.store(most, Ordering::Relaxed);
    }

    pub(super) fn arrivals(&self) -> u64 {
        self.arrivals.load(Ordering::SeqCst)
    }

    /// Passes a slot that its holder no longer needs to the first who may use it; says whether somebody took it.
    pub(super) fn hand_over(&self, server: &Arc<Server>) -> bool {
        if self.waiting() == 0 {
            return false;
        }
        let (own, anybody) = match server.eligibility() {
            Eligibility::Ready => (true, server.limits.takes_anybody() && server.admin.weight() != Some(0)),
            Eligibility::StickyOnly => (true, false),
            Eligibility::No(_) => (false, false),
        };
        let may = |entry: &Entry| match entry.want {
            Some(want) => own && want == server.id && !entry.useless.contains(&server.id),
            None => anybody && !entry.useless.contains(&server.id),
        };
        let mut line = self.lock();
        let taken = line.iter().position(may).and_then(|at| line.remove(at));
        self.waiting.store(line.len(), Ordering::SeqCst);
        drop(line);
        match taken {
            Some(entry) => {
                entry.waiter.wake(Turn::Slot(Lease::adopt(server)));
                true
            }
            None => false,
        }
    }

    /// The first of those who wait for `want`, or for any server, looks again.
    pub(super) fn wake_first(&self, want: Option<ServerId>) {
        let line = self.lock();
        let first = line.iter().find(|entry| entry.want == want).map(|entry| Arc::clone(&entry.waiter));
        drop(line);
        if let Some(waiter) = first {
            waiter.wake(Turn::Look);
        }
    }

    /// All look again: servers came or went.
    pub(super) fn wake_all(&self) {
        if self.waiting() == 0 {
            return;
        }
        let all: Vec<_> = self.lock().iter().map(|entry| Arc::clone(&entry.waiter)).collect();
        all.iter().for_each(|waiter| waiter.wake(Turn::Look));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    fn wake(&self, turn: Turn) {
        let waker = {
            let mut cell = self.lock();
            // A slot is never forgotten for a look.
            if !matches!(cell.turn, Some(Turn::Slot(_))) {
                cell.turn = Some(turn);
            }
            cell.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cell> {
        self.cell.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits for a turn. With a slot the place is used up.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<Turn> {
        let mut cell = self.waiter.lock();
        match cell.turn.take() {
            Some(turn) => Poll::Ready(turn),
            None => {
                if !cell.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    cell.waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// Another server is wanted, or any: the client's own went down meanwhile.
    pub fn wants(&self, want: Option<ServerId>) {
        let mut line = self.queue.lock();
        if let Some(at) = self.find(&line) {
            line[at].want = want;
        }
    }

    /// Whether nobody is before it who wants the same.
    pub fn is_first(&self) -> bool {
        let line = self.queue.lock();
        let Some(own) = self.find(&line).map(|at| &line[at]) else { return true };
        line.iter().find(|entry| entry.want == own.want).is_some_and(|first| first.number == own.number)
    }

    /// Where it stands; nowhere, once it was given a slot.
    fn find(&self, line: &VecDeque<Entry>) -> Option<usize> {
        line.binary_search_by_key(&self.number, |entry| entry.number).ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.queue.lock();
        let at = self.find(&line);
        let entry = at.and_then(|at| line.remove(at));
        self.queue.waiting.store(line.len(), Ordering::SeqCst);
        drop(line);
        // A slot that came too late passes on when it drops here, outside of every lock.
        let turn = self.waiter.lock().turn.take();
        drop(turn);
        if let Some(entry) = entry {
            // It found a slot by looking, or gave up: the next may find one too.
            self.queue.wake_first(entry.want);
        }
    }
}

#[cfg(test)]
mod tests;
