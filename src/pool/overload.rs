//! What a pool does when servers fail or are full: ejection, panic, ramps, the queue. The settings, and what they mean
//! for the pool; what each server remembers of it lives in the server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::acquire::{Acquired, Ask};
use super::admin::Gate;
use super::lease::Lease;
use super::passive::{Ejection, PassiveSpec, Seen};
use super::pool::{Member, Pool};
use super::queue::Queue;
use super::ramp;
use super::server::{Eligibility, Server, Why};
use super::{BalanceKind, sticky::Found};

/// Settings; the default is that nothing of it is done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overload {
    /// Ejection by what requests saw.
    pub passive: Option<PassiveSpec>,
    /// Who waits while servers are full.
    pub queue: QueuePolicy,
    /// How long the share of a server grows once it is ready.
    pub slow_start: Option<Duration>,
    /// With a smaller share of healthy servers all are used.
    pub panic: Option<f64>,
    /// Where this lbd stands: servers of the same zone are preferred.
    pub zone: Option<Arc<str>>,
}

/// Who waits while servers are full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueuePolicy {
    /// Most requests that wait; 0 is none.
    pub size: u32,
    /// How long each.
    pub timeout: Duration,
}

/// What a server takes, and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerLimits {
    /// Most requests in flight.
    pub max_requests: Option<u32>,
    /// Most connections in use.
    pub max_connections: Option<u32>,
    /// Its zone.
    pub zone: Option<Arc<str>>,
}

/// Servers whose share grows, at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ramp {
    /// What the pool says; an operator may have said something else of a member.
    length: Option<Duration>,
    now: Instant,
}

impl Ramp {
    /// A member's share now, in percent.
    pub(super) fn share(&self, member: &Member) -> u32 {
        let Some(length) = member.server.admin.start().or(self.length) else { return 100 };
        let since = member.server.ready_since();
        since.map_or(100, |since| ramp::share(self.now.saturating_duration_since(since), length))
    }
}

impl Pool {
    /// Whether requests should tell what they saw ([`Pool::observe_request`]).
    pub fn is_curious(&self) -> bool {
        self.overload.passive.is_some() || *self.balance.kind() == BalanceKind::Ewma
    }

    /// Takes what a request saw of its server. An ejection is to be told once, by the caller.
    pub fn observe_request(&self, server: &Server, seen: &Seen, now: Instant) -> Option<Ejection> {
        if *self.balance.kind() == BalanceKind::Ewma {
            server.latency.observe(seen.took, seen.failure.is_some(), now);
        }
        let spec = self.overload.passive.as_ref()?;
        // One decision at a time: two servers never take the last place among the ejected.
        let may_one_more = || {
            let out = self.members.iter().filter(|member| member.server.passive.is_out()).count();
            out < spec.most_of(self.members.len())
        };
        let _one_at_a_time =
            seen.failure.map(|_| self.ejecting.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        let ejection = server.passive.observe(seen.failure, spec, now, may_one_more);
        if ejection.is_some() {
            server.counters.seldom.turns.add("ejected");
            self.queue.wake_all();
        }
        ejection
    }

    /// The share in percent of a server that became ready a short while ago.
    pub fn starting(&self, member: &Member) -> Option<u32> {
        let share = Ramp { length: self.overload.slow_start, now: Instant::now() }.share(member);
        (share < 100 && member.eligibility() == Eligibility::Ready).then_some(share)
    }

    /// Requests that wait for a server.
    pub fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    /// How they wait.
    pub fn queue_policy(&self) -> QueuePolicy {
        self.overload.queue
    }

    /// Takes the slot that a waiting request was given, unless the pool has meanwhile other plans for the request or
    /// the server: then the slot goes on to the next.
    pub fn accept(&self, ask: &Ask<'_>, lease: Lease) -> Option<Acquired> {
        let index = self.index_of(lease.server().id)?;
        let member = &self.members[index];
        if !Arc::ptr_eq(&member.server, lease.server()) {
            return None;
        }
        let mut known = [Found::NOTHING; super::MOST_STICKY];
        let panic = self.is_panicking();
        let how = self.place_of(ask, &mut known, panic, index)?;
        Some(self.held(ask, &known, lease, how))
    }

    /// Whether so few servers are healthy that all are used.
    pub(super) fn is_panicking(&self) -> bool {
        let Some(least) = self.overload.panic else { return false };
        let wanted = |member: &&Member| {
            !member.backup && member.effective_weight() > 0 && member.server.admin.gate() == Gate::Open
        };
        let (mut all, mut healthy) = (0_u32, 0_u32);
        for member in self.members.iter().filter(wanted) {
            all += 1;
            healthy += u32::from(!is_unhealthy(member.eligibility()));
        }
        f64::from(healthy) < f64::from(all) * least
    }

    /// The ramp, while the share of any server grows.
    pub(super) fn ramp(&self) -> Option<Ramp> {
        let length = self.overload.slow_start;
        if length.is_none() && !self.overrides.any() {
            return None;
        }
        let ramp = Ramp { length, now: Instant::now() };
        self.members.iter().any(|member| ramp.share(member) < 100).then_some(ramp)
    }

    /// Applies the limits of these settings to what lives.
    pub(super) fn commit_limits(&self) {
        self.queue.limit(self.overload.queue.size);
        for member in &self.members {
            let ServerLimits { max_requests, max_connections, .. } = member.limits;
            member.server.limits.set(max_requests, max_connections, !member.backup && member.weight > 0);
            if self.overload.passive.is_none() {
                member.server.passive.forget();
            }
        }
        self.queue.wake_all();
    }
}

/// Whether it is health that keeps requests away: what a panic passes over.
pub(super) fn is_unhealthy(eligibility: Eligibility) -> bool {
    matches!(eligibility, Eligibility::No(Why::Down | Why::Unchecked | Why::Ejected | Why::Unresolved))
}

/// Whether a panic uses a server all the same.
pub(super) fn is_usable_in_panic(eligibility: Eligibility) -> bool {
    matches!(eligibility, Eligibility::No(Why::Down | Why::Unchecked | Why::Ejected))
}

#[cfg(test)]
mod tests;
