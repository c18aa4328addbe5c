//! Ejection by what requests saw: outcomes and time in, ejections out. The machine is pure; the cell around it keeps
//! successful requests of healthy servers away from its lock.
//!
//! Failures in a row eject when none is further than the window from the next; a share of failures ejects once
//! enough requests were seen in the window. Each ejection of a server that did not stay well is twice as long as the
//! last, up to ten times the first. An ejected server comes back by time alone.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The longest ejection, in lengths of the first.
const LONGEST: u32 = 10;

/// When a server is ejected, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PassiveSpec {
    /// Failures in a row.
    pub failures: u32,
    /// Share of failures in the window.
    pub rate: Option<f64>,
    /// Requests in the window that make a share.
    pub min_requests: u32,
    /// What counts as recent.
    pub window: Duration,
    /// The first ejection's length.
    pub eject: Duration,
    /// Most of the pool's servers that are out at once, as a share.
    pub max_ejected: f64,
}

impl PassiveSpec {
    /// How many of so many servers may be out at once.
    pub fn most_of(&self, servers: usize) -> usize {
        (servers as f64 * self.max_ejected + 1e-9) as usize
    }
}

/// What a request saw of its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What went wrong, in a word.
    pub failure: Option<&'static str>,
    /// From the attempt's begin to the answer's head, or to the failure.
    pub took: Duration,
}

/// A server was ejected, to be told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejection {
    /// For how long.
    pub length: Duration,
    /// Why: `5 failures`, `60% failures`.
    pub reason: String,
    /// What the last of them was.
    pub last: &'static str,
}

/// One server's record.
#[derive(Debug, Default)]
pub struct Machine {
    streak: u32,
    last_failure: Option<Instant>,
    /// The window as two halves: the one that runs, and the one before.
    half: Option<Instant>,
    seen: [u32; 2],
    failed: [u32; 2],
    /// The current ejection's end, or the last one's.
    until: Option<Instant>,
    length: Duration,
}

impl Machine {
    /// Takes what a request saw; `may` says whether one more server may go.
    pub fn on(
        &mut self,
        failure: Option<&'static str>,
        spec: &PassiveSpec,
        now: Instant,
        may: impl FnOnce() -> bool,
    ) -> Option<Ejection> {
        if self.until.is_some_and(|until| now < until) {
            // Requests that were under way when it was ejected say nothing new.
            return None;
        }
        self.turn(spec.window / 2, now);
        self.seen[0] = self.seen[0].saturating_add(1);
        let Some(last) = failure else {
            self.streak = 0;
            return None;
        };
        self.failed[0] = self.failed[0].saturating_add(1);
        let is_recent =
            self.last_failure.is_some_and(|last| now.saturating_duration_since(last) <= spec.window);
        self.streak = if is_recent { self.streak.saturating_add(1) } else { 1 };
        self.last_failure = Some(now);
        let reason = self.verdict(spec)?;
        if !may() {
            return None;
        }
        let rested = self.until.is_none_or(|until| now.saturating_duration_since(until) > self.length);
        let longest = spec.eject.saturating_mul(LONGEST);
        let length = if rested { spec.eject } else { self.length.saturating_mul(2).min(longest) };
        *self = Self { until: now.checked_add(length), length, ..Self::default() };
        Some(Ejection { length, reason, last })
    }

    /// Failures in a row so far.
    pub fn streak(&self) -> u32 {
        self.streak
    }

    fn verdict(&self, spec: &PassiveSpec) -> Option<String> {
        if self.streak >= spec.failures {
            let plural = if self.streak == 1 { "" } else { "s" };
            return Some(format!("{} failure{plural}", self.streak));
        }
        let seen = self.seen[0].saturating_add(self.seen[1]);
        let share = f64::from(self.failed[0].saturating_add(self.failed[1])) / f64::from(seen.max(1));
        let much = spec.rate.is_some_and(|rate| seen >= spec.min_requests && share >= rate);
        much.then(|| format!("{:.0}% failures", share * 100.0))
    }

    /// Begins another half of the window when this one is over.
    fn turn(&mut self, length: Duration, now: Instant) {
        let age = self.half.map(|half| now.saturating_duration_since(half));
        match age {
            Some(age) if age < length => {}
            Some(age) if age < length * 2 => {
                (self.seen, self.failed) = ([0, self.seen[0]], [0, self.failed[0]]);
                self.half = self.half.map(|half| half + length);
            }
            _ => {
                (self.seen, self.failed) = ([0; 2], [0; 2]);
                self.half = Some(now);
            }
        }
    }
}

/// A server's ejection, as workers read it.
#[derive(Debug)]
pub(super) struct Cell {
    born: Instant,
    /// Milliseconds since `born` until which it is out; 0 when it never was.
    until: AtomicU64,
    /// The machine's streak: while it is 0 a success tells the machine nothing.
    streak: AtomicU32,
    /// Elsewhere: what workers read with each request is to lie together.
    record: Box<Mutex<Record>>,
}

#[derive(Debug, Default)]
struct Record {
    machine: Machine,
    reason: String,
}

impl Cell {
    pub(super) fn new(born: Instant) -> Self {
        Self { born, until: AtomicU64::new(0), streak: AtomicU32::new(0), record: Box::default() }
    }

    /// Whether it is out now.
    pub(super) fn is_out(&self) -> bool {
        self.left().is_some()
    }

    /// How long it is still out.
    pub(super) fn left(&self) -> Option<Duration> {
        match self.until.load(Ordering::Relaxed) {
            0 => None,
            until => {
                Duration::from_millis(until).checked_sub(self.born.elapsed()).filter(|left| !left.is_zero())
            }
        }
    }

    /// When it last came back; none while it is out or when it never was.
    pub(super) fn back_since(&self) -> Option<Instant> {
        match self.until.load(Ordering::Relaxed) {
            0 => None,
            until => {
                self.born.checked_add(Duration::from_millis(until)).filter(|back| *back <= Instant::now())
            }
        }
    }

    /// Why it is out.
    pub(super) fn reason(&self) -> String {
        self.lock().reason.clone()
    }

    /// Takes what a request saw.
    pub(super) fn observe(
        &self,
        failure: Option<&'static str>,
        spec: &PassiveSpec,
        now: Instant,
        may: impl FnOnce() -> bool,
    ) -> Option<Ejection> {
        if failure.is_none() && spec.rate.is_none() && self.streak.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let mut record = self.lock();
        let ejection = record.machine.on(failure, spec, now, may);
        self.streak.store(record.machine.streak(), Ordering::Relaxed);
        if let Some(ejection) = &ejection {
            record.reason.clone_from(&ejection.reason);
            let until = now.saturating_duration_since(self.born).saturating_add(ejection.length);
            self.until.store((until.as_millis() as u64).max(1), Ordering::Relaxed);
        }
        ejection
    }

    /// It is out for so long, by what another process saw.
    pub(super) fn restore(&self, left: Duration, reason: &str) {
        let now = Instant::now();
        let mut record = self.lock();
        record.machine = Machine { until: now.checked_add(left), length: left, ..Machine::default() };
        reason.clone_into(&mut record.reason);
        let until = now.saturating_duration_since(self.born).saturating_add(left);
        self.until.store((until.as_millis() as u64).max(1), Ordering::Relaxed);
    }

    /// It has no record from now on: the pool ejects nobody.
    pub(super) fn forget(&self) {
        if self.until.load(Ordering::Relaxed) == 0 && self.streak.load(Ordering::Relaxed) == 0 {
            return;
        }
        *self.lock() = Record::default();
        self.until.store(0, Ordering::Relaxed);
        self.streak.store(0, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
