//! Mirrors, compiled, and the live counts of what was copied to a pool.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::PoolSnap;
use crate::config::model::{self, Timeouts};

/// Where copies of a route's requests go.
#[derive(Debug)]
pub struct MirrorSnap {
    /// Who gets them.
    pub pool: Arc<PoolSnap>,
    /// Their clocks.
    pub timeout: Timeouts,
    percent: f64,
}

impl MirrorSnap {
    pub(super) fn of(mirror: &model::Mirror, pools: &BTreeMap<Arc<str>, Arc<PoolSnap>>) -> Option<Self> {
        let pool = Arc::clone(pools.get(&mirror.pool)?);
        Some(Self { pool, timeout: mirror.timeout, percent: mirror.fraction_percent })
    }

    /// Whether this request is one of the share.
    pub fn draws(&self) -> bool {
        fastrand::f64() * 100.0 < self.percent
    }
}

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyEnd {
    /// The mirror answered.
    Answered,
    /// Too many copies were on their way.
    Full,
    /// The request's body was too large, or did not come whole.
    Body,
    /// No server of the mirror took it.
    NoServer,
    /// The mirror could not be reached, broke off, or was too slow.
    Failed,
}

impl CopyEnd {
    /// Every end, in the order of declaration.
    pub const ALL: [Self; 5] = [Self::Answered, Self::Full, Self::Body, Self::NoServer, Self::Failed];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Full => "full",
            Self::Body => "body",
            Self::NoServer => "no-server",
            Self::Failed => "failed",
        }
    }
}

/// Copies on their way to a pool, over all routes and workers, and what became of the others. Survives reloads.
#[derive(Debug, Default)]
pub struct Copies {
    under_way: AtomicU32,
    ends: [AtomicU64; CopyEnd::ALL.len()],
}

impl Copies {
    /// Copies that may be under way at once, each with at most 64 KiB of body.
    pub const MOST: u32 = 128;

    /// A place for one more; else it is counted as dropped.
    pub fn begin(self: &Arc<Self>) -> Option<CopyHold> {
        let hold = CopyHold { copies: Arc::clone(self), end: CopyEnd::Body };
        if self.under_way.fetch_add(1, Ordering::Relaxed) >= Self::MOST {
            hold.ended(CopyEnd::Full);
            return None;
        }
        Some(hold)
    }

    /// How many ended so.
    pub fn ended(&self, end: CopyEnd) -> u64 {
        self.ends[end as usize].load(Ordering::Relaxed)
    }

    /// How many are on their way.
    pub fn under_way(&self) -> u32 {
        self.under_way.load(Ordering::Relaxed)
    }
}

/// One copy; dropped before its request's body was whole, it ends as [`CopyEnd::Body`].
#[derive(Debug)]
#[must_use = "a copy that is dropped at once is counted as dropped"]
pub struct CopyHold {
    copies: Arc<Copies>,
    end: CopyEnd,
}

impl CopyHold {
    /// From now on, to be dropped means to have failed.
    pub fn is_sent(&mut self) {
        self.end = CopyEnd::Failed;
    }

    /// It ended so.
    pub fn ended(mut self, end: CopyEnd) {
        self.end = end;
    }
}

impl Drop for CopyHold {
    fn drop(&mut self) {
        self.copies.under_way.fetch_sub(1, Ordering::Relaxed);
        self.copies.ends[self.end as usize].fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_copy_ends_once_and_there_are_never_too_many() {
        let copies = Arc::new(Copies::default());
        let mut held: Vec<CopyHold> = (0..Copies::MOST).map(|_| copies.begin().unwrap()).collect();
        assert!(copies.begin().is_none());
        assert_eq!((copies.under_way(), copies.ended(CopyEnd::Full)), (Copies::MOST, 1));
        held.pop().unwrap().ended(CopyEnd::Answered);
        let mut sent = held.pop().unwrap();
        sent.is_sent();
        drop(sent);
        drop(held);
        let ends = CopyEnd::ALL.map(|end| copies.ended(end));
        assert_eq!(ends, [1, 1, u64::from(Copies::MOST) - 2, 0, 1]);
        assert_eq!(copies.under_way(), 0);
    }
}
