//! Who gets a request: stickiness in its order, else the balancer; then all stickiness is brought in step.
//!
//! Takes no lock but that of a sticky table's shard and does not allocate for the choice.

use std::net::IpAddr;
use std::sync::Arc;

use super::balance::{Candidates, HashKey};
use super::lease::Lease;
use super::pool::Pool;
use super::server::{Eligibility, ServerId, Why};
use super::sticky::{Known, OnDown, SetCookie, Sticky};

/// How many `sticky` of a pool are used.
pub const MOST_STICKY: usize = 8;

/// A request, as far as a pool needs to know it.
pub struct Ask<'a> {
    /// The client.
    pub client_ip: IpAddr,
    /// What else may be asked of the request.
    pub affinity: &'a dyn Affinity,
    /// Servers that were tried for it and failed.
    pub tried: &'a [ServerId],
    /// Unix seconds.
    pub now: u64,
    /// The asking worker: whose shard of the counters is written.
    pub worker: usize,
}

/// What a pool may ask of a request.
pub trait Affinity {
    /// Offers each value of the cookie of this name until `test` takes one; says whether it did.
    fn any_cookie(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;

    /// A hash of what the key names in this request: equal for equal values, on every worker and after a restart
    /// ([`super::balance::hash`]).
    fn hash_key(&self, key: &HashKey) -> u64;
}

/// A server, held.
#[derive(Debug)]
pub struct Acquired {
    /// The hold.
    pub lease: Lease,
    /// How it was chosen.
    pub how: How,
    /// A cookie for the client. When several cookies of one pool are out of step this is the first; the next
    /// answer brings the next.
    pub set_cookie: Option<SetCookie>,
}

/// How a server was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// By the client's cookie.
    StickyCookie,
    /// By the client's address.
    StickySource,
    /// By the balancer; stickiness knew nothing.
    Balanced,
    /// By the balancer, because the server that stickiness named takes no requests.
    Redispatched,
}

impl How {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StickyCookie => "sticky-cookie",
            Self::StickySource => "sticky-source",
            Self::Balanced => "balanced",
            Self::Redispatched => "redispatched",
        }
    }
}

/// Why no server was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unavailable {
    /// The pool has no servers.
    NoServers,
    /// None takes this request.
    AllDown,
    /// The client's own server does not take it, and no other may (`on-down=fail`).
    StickyDown,
    /// Those that would were tried.
    AllTried,
}

impl Unavailable {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoServers => "no-servers",
            Self::AllDown => "all-down",
            Self::StickyDown => "sticky-down",
            Self::AllTried => "all-tried",
        }
    }
}

impl Pool {
    /// Chooses a server for a request and holds it. Counts stickiness (hit, miss, redispatch) in the pool's
    /// counters.
    pub fn acquire(&self, ask: &Ask<'_>) -> Result<Acquired, Unavailable> {
        if self.members.is_empty() {
            return Err(Unavailable::NoServers);
        }
        let mut known = [Known::Nothing; MOST_STICKY];
        let (index, how) = match self.by_stickiness(ask, &mut known) {
            Stuck::To(index, how) => (index, how),
            Stuck::Down => return Err(Unavailable::StickyDown),
            Stuck::Nowhere => (self.by_balance(ask)?, How::Balanced),
            Stuck::Displaced => (self.by_balance(ask)?, How::Redispatched),
        };
        self.count(how, ask.worker);
        let server = &self.members[index].server;
        let set_cookie = self.bring_in_step(ask, &known, server.id);
        Ok(Acquired { lease: server.begin(), how, set_cookie })
    }

    fn by_stickiness(&self, ask: &Ask<'_>, known: &mut [Known; MOST_STICKY]) -> Stuck {
        let mut result = Stuck::Nowhere;
        for (sticky, known) in self.sticky.iter().zip(known) {
            *known = sticky.find(ask);
            let Known::Server { id, .. } = *known else { continue };
            result = match (result, self.usable(id, ask.tried)) {
                (Stuck::To(index, how), _) => Stuck::To(index, how),
                (_, Usable::Yes(index)) => Stuck::To(index, sticky.how()),
                (Stuck::Down, _) => Stuck::Down,
                // Who drains with `sticky=move` wants its clients moved, whatever else holds.
                (_, Usable::Moving) => Stuck::Displaced,
                (_, Usable::No) if sticky.on_down() == OnDown::Fail => Stuck::Down,
                (_, Usable::No) => Stuck::Displaced,
            };
        }
        result
    }

    fn usable(&self, id: ServerId, tried: &[ServerId]) -> Usable {
        let Some(index) = self.index_of(id) else { return Usable::No };
        if tried.contains(&id) {
            return Usable::No;
        }
        match self.members[index].server.eligibility() {
            Eligibility::Ready | Eligibility::StickyOnly => Usable::Yes(index),
            Eligibility::No(Why::Drain) => Usable::Moving,
            Eligibility::No(_) => Usable::No,
        }
    }

    fn by_balance(&self, ask: &Ask<'_>) -> Result<usize, Unavailable> {
        let overridden = self.overrides.any();
        for tier in &self.tiers {
            let candidates = Candidates { members: &self.members, tier, tried: ask.tried, overridden };
            if let Some(index) = self.balance.pick(&candidates, ask.affinity) {
                return Ok(index);
            }
        }
        let was_ready =
            |id: &ServerId| self.by_id(*id).is_some_and(|m| m.eligibility() == Eligibility::Ready);
        Err(if ask.tried.iter().any(was_ready) { Unavailable::AllTried } else { Unavailable::AllDown })
    }

    fn bring_in_step(
        &self,
        ask: &Ask<'_>,
        known: &[Known; MOST_STICKY],
        chosen: ServerId,
    ) -> Option<SetCookie> {
        let mut set_cookie = None;
        for (sticky, known) in self.sticky.iter().zip(known) {
            match sticky {
                Sticky::Cookie(policy) if set_cookie.is_none() => {
                    set_cookie = policy
                        .renew(known, chosen, ask.now)
                        .map(|value| SetCookie::new(Arc::clone(policy), value));
                }
                Sticky::Cookie(_) => {}
                Sticky::Source(policy) => {
                    if !known.is(chosen) {
                        policy.table.put(ask.client_ip, chosen, ask.now);
                    }
                }
            }
        }
        set_cookie
    }

    fn count(&self, how: How, worker: usize) {
        if self.sticky.is_empty() {
            return;
        }
        let shard = self.counters.shard(worker);
        match how {
            How::StickyCookie | How::StickySource => shard.sticky_hit(),
            How::Balanced => shard.sticky_miss(),
            How::Redispatched => shard.redispatch(),
        }
    }
}

/// What stickiness says.
#[derive(Clone, Copy)]
enum Stuck {
    /// This member.
    To(usize, How),
    /// It knows nothing.
    Nowhere,
    /// A server that takes no requests; another may.
    Displaced,
    /// A server that takes no requests, and no other may.
    Down,
}

/// Whether a server takes a sticky client.
enum Usable {
    Yes(usize),
    No,
    Moving,
}

#[cfg(test)]
mod tests;
