//! Who gets a request: stickiness in its order, else the balancer; then all stickiness is brought in step.
//!
//! Takes no lock but that of a sticky table's shard and does not allocate for the choice.

use std::net::IpAddr;
use std::sync::Arc;

use super::admin::Gate;
use super::balance::{Balancer, Candidates, HashKey, home, pick_by_hash};
use super::lease::Lease;
use super::overload::is_usable_in_panic;
use super::pool::Pool;
use super::server::{Eligibility, Server, ServerId, Why};
use super::sticky::{Found, Headers, Known, OnDown, OnReturn, SetCookie, Sticky, rendezvous};

/// How often a server that filled up between choice and hold is chosen again.
const RACES: u32 = 64;
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

    /// Offers each value of the header of this name (lower-case) until `test` takes one; says whether it did.
    fn any_header(&self, _name: &str, _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    /// The same with each value of a path parameter (`;name=value`) or query parameter of this name.
    fn any_param(&self, _name: &str, _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    /// A hash of what the key names in this request: equal for equal values, on every worker and after a restart
    /// ([`super::balance::hash`]).
    fn hash_key(&self, key: &HashKey) -> u64;

    /// Whether it asks for a session that outlives it.
    fn opens_session(&self) -> bool {
        false
    }
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
    /// By a header of the request.
    StickyHeader,
    /// By a session that the application gave.
    StickyLearned,
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
            Self::StickyHeader => "sticky-header",
            Self::StickyLearned => "sticky-learned",
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
    /// Those that would have no room: the client's own server, or all.
    Busy(Option<ServerId>),
}

impl Unavailable {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoServers => "no-servers",
            Self::AllDown => "all-down",
            Self::StickyDown => "sticky-down",
            Self::AllTried => "all-tried",
            Self::Busy(_) => "all-busy",
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
        let panic = self.is_panicking();
        if self.sticky.is_empty() {
            let lease = self.by_balance(ask, &[], panic)?;
            return Ok(Acquired { lease, how: How::Balanced, set_cookie: None });
        }
        // Most pools have one: room for all would be a kilobyte to fill for each request.
        match self.sticky.len() {
            1 => self.acquire_sticky(ask, &mut [Found::NOTHING], panic),
            _ => self.acquire_sticky(ask, &mut [Found::NOTHING; MOST_STICKY], panic),
        }
    }

    fn acquire_sticky(
        &self,
        ask: &Ask<'_>,
        known: &mut [Found],
        panic: bool,
    ) -> Result<Acquired, Unavailable> {
        let (lease, how) = match self.by_stickiness(ask, known, panic) {
            Stuck::To(index, how) => {
                // Its place is there: a client whose server is full waits, rather than lose what it has there.
                let server = &self.members[index].server;
                (server.try_begin().ok_or(Unavailable::Busy(Some(server.id)))?, how)
            }
            Stuck::Down => return Err(Unavailable::StickyDown),
            Stuck::Nowhere => (self.by_balance(ask, known, panic)?, How::Balanced),
            Stuck::Displaced => (self.by_balance(ask, known, panic)?, How::Redispatched),
        };
        Ok(self.held(ask, known, lease, how))
    }

    /// Chooses by balance alone and holds: for what is no client's own request. Stickiness is neither asked nor told.
    pub fn acquire_plain(&self, ask: &Ask<'_>) -> Result<Lease, Unavailable> {
        if self.members.is_empty() {
            return Err(Unavailable::NoServers);
        }
        self.by_balance(ask, &[], self.is_panicking())
    }

    /// Counts how it came, and brings all stickiness in step.
    pub(super) fn held(&self, ask: &Ask<'_>, known: &[Found], lease: Lease, how: How) -> Acquired {
        self.count(how, ask.worker);
        // A session that goes elsewhere because its server sends sessions away leaves its client at home.
        let away = |found: &Found| matches!(found.known, Known::Server { id, .. } if self.sends_sessions_away(id, ask));
        let set_cookie = if how == How::Redispatched && known.iter().any(away) {
            None
        } else {
            known.iter().filter_map(|found| found.came).for_each(|key| self.moved.came(key));
            self.bring_in_step(ask, known, lease.server().id)
        };
        Acquired { lease, how, set_cookie }
    }

    /// How a request comes to this member, if it may.
    pub(super) fn place_of(
        &self,
        ask: &Ask<'_>,
        known: &mut [Found],
        panic: bool,
        index: usize,
    ) -> Option<How> {
        let member = &self.members[index];
        let how = match self.by_stickiness(ask, known, panic) {
            Stuck::To(own, how) if own == index => return Some(how),
            Stuck::To(..) | Stuck::Down => return None,
            Stuck::Nowhere => How::Balanced,
            Stuck::Displaced => How::Redispatched,
        };
        let takes = member.eligibility() == Eligibility::Ready && !ask.tried.contains(&member.server.id);
        takes.then_some(how)
    }

    fn by_stickiness(&self, ask: &Ask<'_>, found: &mut [Found], panic: bool) -> Stuck {
        self.by_stickiness_with(ask, found, panic, |sticky| sticky.find(ask, self))
    }

    /// The same with another way to find what a `sticky` knows.
    pub(super) fn by_stickiness_with(
        &self,
        ask: &Ask<'_>,
        found: &mut [Found],
        panic: bool,
        find: impl Fn(&Sticky) -> Found,
    ) -> Stuck {
        let mut result = Stuck::Nowhere;
        for (sticky, found) in self.sticky.iter().zip(found) {
            *found = self.homeward(sticky, self.redirected(sticky, ask, find(sticky)), ask.tried);
            let Known::Server { id, .. } = found.known else { continue };
            result = match (result, self.usable(id, ask, panic)) {
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

    /// What one `sticky` knows of a client, or where it was sent since.
    fn redirected(&self, sticky: &Sticky, ask: &Ask<'_>, found: Found) -> Found {
        if self.moved.is_empty() {
            return found;
        }
        let takes = |id| {
            !ask.tried.contains(&id)
                && self.by_id(id).is_some_and(|to| to.eligibility() == Eligibility::Ready)
        };
        sticky.redirected(found, ask, &self.moved, takes)
    }

    /// Who was moved goes back to the server that its key means, once that takes new clients, if the pool says so
    /// and no operator put it where it is.
    pub(super) fn homeward(&self, sticky: &Sticky, found: Found, tried: &[ServerId]) -> Found {
        let (Sticky::Table(policy), Known::Server { id, .. }, Some(key)) = (sticky, found.known, found.key)
        else {
            return found;
        };
        if found.placed || policy.on_return == OnReturn::Stay || !policy.by.is_hashed() {
            return found;
        }
        let home = self.tiers.first().and_then(|tier| {
            home(tier, &self.members, self.overrides.any(), rendezvous(key)).map(|index| &self.members[index])
        });
        match home {
            Some(home)
                if home.server.id != id
                    && home.eligibility() == Eligibility::Ready
                    && !home.server.is_full()
                    && !tried.contains(&home.server.id) =>
            {
                Found { known: Known::Server { id: home.server.id, issued: 0, refresh: true }, ..found }
            }
            _ => found,
        }
    }

    pub(super) fn usable(&self, id: ServerId, ask: &Ask<'_>, panic: bool) -> Usable {
        let Some(index) = self.index_of(id) else { return Usable::No };
        if ask.tried.contains(&id) {
            return Usable::No;
        }
        if self.sends_sessions_away(id, ask) {
            return Usable::Moving;
        }
        match self.members[index].server.eligibility() {
            Eligibility::Ready | Eligibility::StickyOnly => Usable::Yes(index),
            Eligibility::No(Why::Drain) => Usable::Moving,
            unhealthy if panic && is_usable_in_panic(unhealthy) => Usable::Yes(index),
            Eligibility::No(_) => Usable::No,
        }
    }

    /// Whether this is a new session for a server that drains and is closing those that it has.
    fn sends_sessions_away(&self, id: ServerId, ask: &Ask<'_>) -> bool {
        let leaving =
            |server: &Server| server.sessions.are_leaving() && server.admin.gate() == Gate::StickyOnly;
        ask.affinity.opens_session() && self.by_id(id).is_some_and(|member| leaving(&member.server))
    }

    fn by_balance(&self, ask: &Ask<'_>, found: &[Found], panic: bool) -> Result<Lease, Unavailable> {
        // A client that shows a key goes where the names of the servers say: so does the next lbd.
        let key = found.iter().find_map(|found| found.key).map(rendezvous);
        // Who was picked may be full by now: then it is no candidate any more.
        for _ in 0..RACES {
            if let Some(lease) = self.members[self.pick(ask, key, panic)?].server.try_begin() {
                return Ok(lease);
            }
        }
        Err(Unavailable::Busy(None))
    }

    fn pick(&self, ask: &Ask<'_>, key: Option<u64>, panic: bool) -> Result<usize, Unavailable> {
        self.pick_by(&self.balance, ask, key, panic)
    }

    /// The same by another balancer.
    pub(super) fn pick_by(
        &self,
        balance: &Balancer,
        ask: &Ask<'_>,
        key: Option<u64>,
        panic: bool,
    ) -> Result<usize, Unavailable> {
        let ramp = self.ramp();
        let overridden = ramp.is_some() || self.overrides.any();
        let (mut full, mut backups) = (false, false);
        for tier in &self.tiers {
            if full && tier.backup && !backups {
                // Backups stand in for servers that are gone, not for busy ones.
                break;
            }
            backups = tier.backup;
            let candidates =
                Candidates { members: &self.members, tier, tried: ask.tried, overridden, panic, ramp };
            let picked = match key {
                Some(key) => pick_by_hash(&candidates, key, None),
                None => balance.pick(&candidates, ask.affinity),
            };
            if let Some(index) = picked {
                return Ok(index);
            }
            full |= candidates.any_full();
        }
        if full {
            return Err(Unavailable::Busy(None));
        }
        let was_ready =
            |id: &ServerId| self.by_id(*id).is_some_and(|m| m.eligibility() == Eligibility::Ready);
        Err(if ask.tried.iter().any(was_ready) { Unavailable::AllTried } else { Unavailable::AllDown })
    }

    fn bring_in_step(&self, ask: &Ask<'_>, found: &[Found], chosen: ServerId) -> Option<SetCookie> {
        let mut set_cookie = None;
        for (sticky, found) in self.sticky.iter().zip(found) {
            match sticky {
                Sticky::Cookie(policy) if set_cookie.is_none() => {
                    set_cookie = policy
                        .renew(&found.known, chosen, ask.now)
                        .map(|value| SetCookie::new(Arc::clone(policy), value));
                }
                // The application's cookie is marked when the application sets it.
                Sticky::Cookie(_) | Sticky::Marked(_) => {}
                Sticky::Table(policy) => policy.settle(found, chosen, ask.now),
            }
        }
        set_cookie
    }

    /// Whether answers tell something that stickiness needs ([`Self::learn`], [`Self::marked_cookies`]).
    pub fn heeds_answers(&self) -> bool {
        self.sticky.iter().any(|sticky| match sticky {
            Sticky::Cookie(_) => false,
            Sticky::Marked(_) => true,
            Sticky::Table(policy) => !policy.by.is_hashed(),
        })
    }

    /// Learns the sessions that a server's answer gives to its client.
    pub fn learn(&self, headers: &Headers<'_>, server: ServerId, now: u64) {
        for policy in self.sticky.iter().filter_map(Sticky::table_policy) {
            if let Some(key) = policy.by.given(headers)
                && policy.table.find(key, now) != Some(server)
            {
                policy.table.put(key, server, now);
            }
        }
    }

    fn count(&self, how: How, worker: usize) {
        if self.sticky.is_empty() {
            return;
        }
        let shard = self.counters.shard(worker);
        match how {
            How::StickyCookie | How::StickySource | How::StickyHeader | How::StickyLearned => {
                shard.sticky_hit()
            }
            How::Balanced => shard.sticky_miss(),
            How::Redispatched => shard.redispatch(),
        }
    }
}

/// What stickiness says.
#[derive(Clone, Copy)]
pub(super) enum Stuck {
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
pub(super) enum Usable {
    Yes(usize),
    No,
    Moving,
}

#[cfg(test)]
mod tests;
