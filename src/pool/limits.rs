//! How much a server takes at once, and the two ways to hold it: without asking, and only while there is room.
//!
//! A request in flight and a long-lived stream each use a connection; unused ones that are kept do not count. Over
//! HTTP/2 they share connections, and each counts as if it had its own: what bounds a server's work is what it does at
//! once, not how it is wired. HAProxy's `maxconn` counts the same; Envoy's `max_connections` counts connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::lease::Lease;
use super::server::Server;

const OFF: u32 = u32::MAX;

/// A server's limits, as the file says; replaced when a generation is published.
#[derive(Debug)]
pub(super) struct Limits {
    requests: AtomicU32,
    connections: AtomicU32,
    /// Whether its slots are for whoever waits: it is no backup, and has a share.
    anybody: AtomicBool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: AtomicU32::new(OFF),
            connections: AtomicU32::new(OFF),
            anybody: AtomicBool::new(true),
        }
    }
}

impl Limits {
    pub(super) fn set(&self, requests: Option<u32>, connections: Option<u32>, anybody: bool) {
        self.requests.store(requests.unwrap_or(OFF), Ordering::Relaxed);
        self.connections.store(connections.unwrap_or(OFF), Ordering::Relaxed);
        self.anybody.store(anybody, Ordering::Relaxed);
    }

    pub(super) fn takes_anybody(&self) -> bool {
        self.anybody.load(Ordering::Relaxed)
    }
}

impl Server {
    /// How many requests it takes at once; `None`: any number.
    pub fn max_requests(&self) -> Option<u32> {
        Some(self.limits.requests.load(Ordering::Relaxed)).filter(|most| *most != OFF)
    }

    /// Whether it takes no more requests until one ends.
    pub fn is_full(&self) -> bool {
        !self.has_room(self.in_flight())
    }

    /// Holds it for a request if it has room.
    pub fn try_begin(self: &Arc<Self>) -> Option<Lease> {
        self.try_hold().then(|| Lease::adopt(self))
    }

    fn try_hold(&self) -> bool {
        let mut held = self.load.in_flight.load(Ordering::Relaxed);
        loop {
            if !self.has_room(held) {
                return false;
            }
            // A stream that begins leaves the requests in flight in the same breath: the exchange fails then.
            match self.load.in_flight.compare_exchange_weak(
                held,
                held + 1,
                Ordering::SeqCst,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => held = now,
            }
        }
    }

    /// Room for one more beside so many.
    fn has_room(&self, held: u32) -> bool {
        let (requests, connections) =
            (self.limits.requests.load(Ordering::Relaxed), self.limits.connections.load(Ordering::Relaxed));
        held < requests && (connections == OFF || held.saturating_add(self.streams()) < connections)
    }

    fn streams(&self) -> u32 {
        u32::try_from(self.sessions.count()).unwrap_or(OFF)
    }

    /// A request ends: its slot goes to who waits for it, or is free.
    pub(super) fn give_back(self: &Arc<Self>) {
        let arrivals = self.queue.arrivals();
        // Its own slot is among those held; over a lowered limit it is not passed on.
        if self.queue.waiting() > 0
            && self.has_room(self.in_flight().saturating_sub(1))
            && self.queue.hand_over(self)
        {
            return;
        }
        self.load.in_flight.fetch_sub(1, Ordering::SeqCst);
        if self.queue.arrivals() != arrivals {
            self.offer();
        } else if self.queue.waiting() > 0 {
            self.queue.wake_first(None);
        }
    }

    /// There may be room: somebody who waits may have it.
    pub(super) fn offer(self: &Arc<Self>) {
        let mut arrivals = self.queue.arrivals();
        while self.queue.waiting() > 0 && self.try_hold() {
            if self.queue.hand_over(self) {
                return;
            }
            self.load.in_flight.fetch_sub(1, Ordering::SeqCst);
            let before = std::mem::replace(&mut arrivals, self.queue.arrivals());
            if before == arrivals {
                // Who waits wants other servers, or must find out by itself whether this one is for it.
                return self.queue.wake_first(None);
            }
        }
    }

    /// Whether another unused connection to it may be kept: those in use and unused stay below its limit.
    pub fn may_keep_idle(&self) -> bool {
        let connections = self.limits.connections.load(Ordering::Relaxed);
        let used = self.in_flight().saturating_add(self.streams()).saturating_add(self.idle_connections());
        connections == OFF || used < connections.saturating_add(1)
    }
}
