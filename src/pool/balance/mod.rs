//! Who gets a request that is not sticky: one file per algorithm, all without locks and without allocation.
//!
//! Each chooses among candidates: members of one tier (primaries, else backups) that are ready, have a weight
//! and were not tried for this request.

mod draw;
mod ewma;
mod hash;
mod least;
mod p2c;
mod round_robin;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub(super) use self::ewma::Latency;
pub use self::hash::hash;
pub(super) use self::hash::{home, pick as pick_by_hash};
use self::round_robin::smooth_sequence;
use super::acquire::Affinity;
use super::overload::{Ramp, is_usable_in_panic};
use super::pool::Member;
use super::server::{Eligibility, Server, ServerId};

/// An algorithm, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BalanceKind {
    /// Smooth weighted round robin.
    RoundRobin,
    /// Fewest requests in flight, by weight.
    LeastRequests,
    /// Fewest requests and sessions, by weight.
    LeastConnections,
    /// The less busy of two drawn at random.
    P2c,
    /// The quicker of two drawn at random, by peak EWMA of latency.
    Ewma,
    /// Weighted draw.
    Random,
    /// Rendezvous hash of a key.
    Hash(HashKey),
    /// The same; a server that is too busy passes its keys on.
    BoundedHash {
        /// Of what.
        key: HashKey,
        /// How far above the mean load a server may be, in thousandths.
        headroom: u32,
    },
}

/// What a hash is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The client's address.
    SourceIp,
    /// A request header, lower-case.
    Header(Arc<str>),
    /// A cookie.
    Cookie(Arc<str>),
    /// A query parameter.
    Query(Arc<str>),
    /// The path.
    Path,
    /// The host.
    Host,
}

/// An algorithm at work.
#[derive(Debug)]
pub struct Balancer {
    kind: BalanceKind,
    /// Where round robin stands, and who wins a tie; shared by all workers, kept across reloads.
    turn: Arc<AtomicU64>,
}

impl Balancer {
    pub(super) fn new(kind: BalanceKind, turn: Arc<AtomicU64>) -> Self {
        Self { kind, turn }
    }

    /// Which one it is.
    pub fn kind(&self) -> &BalanceKind {
        &self.kind
    }

    /// Its name in the language.
    pub fn as_str(&self) -> &'static str {
        match self.kind {
            BalanceKind::RoundRobin => "round-robin",
            BalanceKind::LeastRequests => "least-requests",
            BalanceKind::LeastConnections => "least-connections",
            BalanceKind::P2c => "p2c",
            BalanceKind::Ewma => "ewma",
            BalanceKind::Random => "random",
            BalanceKind::Hash(_) | BalanceKind::BoundedHash { .. } => "hash",
        }
    }

    pub(super) fn pick(&self, among: &Candidates<'_>, affinity: &dyn Affinity) -> Option<usize> {
        // Most pools have few members, and of one there is nothing to choose.
        match *among.tier.members {
            [] => return None,
            [only] => return (among.weight(only as usize) > 0).then_some(only as usize),
            _ => {}
        }
        match &self.kind {
            BalanceKind::RoundRobin => round_robin::pick(among, &self.turn),
            BalanceKind::LeastRequests => least::pick(among, &self.turn, Server::in_flight),
            BalanceKind::LeastConnections => least::pick(among, &self.turn, busy),
            BalanceKind::P2c => p2c::pick(among, busy),
            BalanceKind::Ewma => ewma::pick(among),
            BalanceKind::Random => draw::one(among),
            BalanceKind::Hash(key) => hash::pick(among, affinity.hash_key(key), None),
            BalanceKind::BoundedHash { key, headroom } => {
                hash::pick(among, affinity.hash_key(key), Some(*headroom))
            }
        }
    }
}

/// Requests in flight and sessions.
fn busy(server: &Server) -> u32 {
    server.in_flight().saturating_add(u32::try_from(server.sessions.count()).unwrap_or(u32::MAX))
}

/// Primaries or backups, with what can be computed once.
#[derive(Debug)]
pub(super) struct Tier {
    /// Whether they are backups.
    pub(super) backup: bool,
    /// Their indexes in the pool; those without a weight included, as an operator may give them one.
    members: Box<[u32]>,
    /// What their names add to a rendezvous hash.
    seeds: Box<[u64]>,
    /// Whether all weights in the file are the same.
    even: bool,
    /// The largest of them.
    max_weight: u32,
    /// The order of round robin; empty for other algorithms.
    sequence: Box<[u32]>,
}

impl Tier {
    /// Primaries, then backups; of each those of the zone first, when there are any.
    pub(super) fn all(all: &[Member], zone: Option<&str>, kind: &BalanceKind) -> Vec<Self> {
        let is_near = |member: &Member| zone.is_some() && member.limits.zone.as_deref() == zone;
        let mut tiers = Vec::with_capacity(4);
        for backup in [false, true] {
            let near = Self::new(all, backup, kind, is_near);
            if !near.members.is_empty() {
                tiers.push(near);
            }
            tiers.push(Self::new(all, backup, kind, |_| true));
        }
        tiers
    }

    fn new(all: &[Member], backup: bool, kind: &BalanceKind, holds: impl Fn(&Member) -> bool) -> Self {
        let in_tier = |(_, member): &(u32, &Member)| member.backup == backup && holds(member);
        let members: Box<[u32]> = (0_u32..).zip(all).filter(in_tier).map(|(i, _)| i).collect();
        let weights: Vec<u32> = members.iter().map(|&i| all[i as usize].weight).collect();
        let sequence = match kind {
            BalanceKind::RoundRobin => smooth_sequence(&weights).into_iter().map(|i| members[i]).collect(),
            _ => Box::default(),
        };
        let seeds = members.iter().map(|&i| hash::seed(all[i as usize].server.id)).collect();
        let even = weights.windows(2).all(|pair| pair[0] == pair[1]);
        Self {
            backup,
            seeds,
            even,
            max_weight: weights.iter().copied().max().unwrap_or(0),
            members,
            sequence,
        }
    }
}

/// Among whom to choose.
pub(super) struct Candidates<'a> {
    pub(super) members: &'a [Member],
    pub(super) tier: &'a Tier,
    pub(super) tried: &'a [ServerId],
    /// Whether any weight differs from the file.
    pub(super) overridden: bool,
    /// Whether servers that are not healthy are used as well.
    pub(super) panic: bool,
    /// Whose share grows: all weights are a hundred times what they were.
    pub(super) ramp: Option<Ramp>,
}

impl Candidates<'_> {
    /// How many are in the tier, candidates or not.
    fn len(&self) -> usize {
        self.tier.members.len()
    }

    /// The pool's index of the tier's `at`th member.
    fn index(&self, at: usize) -> usize {
        self.tier.members[at] as usize
    }

    fn server(&self, index: usize) -> &Server {
        &self.members[index].server
    }

    /// A member's weight now, candidate or not.
    fn raw_weight(&self, index: usize) -> u32 {
        let member = &self.members[index];
        let weight = if self.overridden { member.effective_weight() } else { member.weight };
        match &self.ramp {
            None => weight,
            Some(ramp) => weight.saturating_mul(ramp.share(member)),
        }
    }

    /// Whether somebody would be a candidate, and is full.
    pub(super) fn any_full(&self) -> bool {
        let is_full = |&index: &u32| {
            let member = &self.members[index as usize];
            member.server.is_full() && self.raw_weight(index as usize) > 0 && self.takes(&member.server)
        };
        self.tier.members.iter().any(is_full)
    }

    /// Whether a server takes this request, room aside.
    fn takes(&self, server: &Server) -> bool {
        let eligibility = server.eligibility();
        let takes = eligibility == Eligibility::Ready || self.panic && is_usable_in_panic(eligibility);
        takes && !self.tried.contains(&server.id)
    }

    /// A member's weight now; 0 when it is no candidate.
    fn weight(&self, index: usize) -> u32 {
        let member = &self.members[index];
        let weight = self.raw_weight(index);
        if weight == 0 || member.server.is_full() || !self.takes(&member.server) { 0 } else { weight }
    }
}

/// Spreads positions 0, 1, 2 … over `0..total` so that each part gets its share at any time (the golden ratio's
/// multiples are the evenest such sequence).
fn spread(position: u64, total: u64) -> u64 {
    let fraction = position.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((u128::from(fraction) * u128::from(total)) >> 64) as u64
}

#[cfg(test)]
mod tests;
