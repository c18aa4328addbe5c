//! A split, compiled: a choice among routes that differ in their pool only. Pure; the request is given as facts.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::RouteSnap;
use crate::config::model::SplitBy;
use crate::pool::balance;

/// See the module.
#[derive(Debug)]
pub struct SplitSnap {
    by: SplitBy,
    branches: Vec<BranchSnap>,
    total: u64,
}

/// One way.
#[derive(Debug)]
pub struct BranchSnap {
    /// The route to its pool.
    pub route: Arc<RouteSnap>,
    /// Its share.
    pub weight: u32,
    /// What its clients' cookie says: not the pool's name, which is nobody's business outside.
    tag: String,
}

/// A way was chosen.
#[derive(Debug)]
pub struct Chosen<'s> {
    /// The route to take.
    pub route: &'s Arc<RouteSnap>,
    /// What the client is to remember: the cookie's name, its value, for how long.
    pub remember: Option<(&'s str, &'s str, Duration)>,
}

impl SplitSnap {
    /// Of branches in the order of their pools' names; one weighs something.
    pub(super) fn new(by: SplitBy, ways: Vec<(Arc<str>, Arc<RouteSnap>, u32)>) -> Self {
        let branches: Vec<BranchSnap> = ways
            .into_iter()
            .map(|(pool, route, weight)| {
                let tag = format!("{:016x}", balance::hash(pool.as_bytes()));
                BranchSnap { route, weight, tag }
            })
            .collect();
        let total = branches.iter().map(|branch| u64::from(branch.weight)).sum::<u64>().max(1);
        Self { by, branches, total }
    }

    /// Its ways.
    pub fn branches(&self) -> &[BranchSnap] {
        &self.branches
    }

    /// Chooses for a client; `any_cookie` says whether a cookie of that name passes a test. `None` only for a split
    /// without ways, which no model has.
    pub fn choose(
        &self,
        client: IpAddr,
        any_cookie: impl Fn(&str, &mut dyn FnMut(&[u8]) -> bool) -> bool,
    ) -> Option<Chosen<'_>> {
        if let Some(branch) = self.settled(client, any_cookie) {
            return Some(Chosen { route: &branch.route, remember: None });
        }
        let branch = self.draw()?;
        let remember = match &self.by {
            SplitBy::Cookie { name, max_age } => Some((&**name, &*branch.tag, *max_age)),
            SplitBy::Request | SplitBy::SourceIp => None,
        };
        Some(Chosen { route: &branch.route, remember })
    }

    /// The way of a client for which nothing is drawn: its address or its cookie says it.
    pub fn settled(
        &self,
        client: IpAddr,
        any_cookie: impl Fn(&str, &mut dyn FnMut(&[u8]) -> bool) -> bool,
    ) -> Option<&BranchSnap> {
        match &self.by {
            SplitBy::Request => None,
            SplitBy::SourceIp => {
                // Salted: which server of a pool an address hashes to says nothing about its side.
                let mut bytes = b"split ".to_vec();
                match client {
                    IpAddr::V4(ip) => bytes.extend(ip.octets()),
                    IpAddr::V6(ip) => bytes.extend(ip.octets()),
                }
                self.at(balance::hash(&bytes) % self.total)
            }
            SplitBy::Cookie { name, .. } => {
                let mut known = None;
                any_cookie(name, &mut |value| {
                    known = self.branches.iter().find(|b| b.weight > 0 && b.tag.as_bytes() == value);
                    known.is_some()
                });
                known
            }
        }
    }

    /// Who decides.
    pub fn by(&self) -> &SplitBy {
        &self.by
    }

    fn draw(&self) -> Option<&BranchSnap> {
        self.at(fastrand::u64(..self.total))
    }

    /// The branch in whose share `point` lies.
    fn at(&self, point: u64) -> Option<&BranchSnap> {
        let mut end = 0;
        self.branches.iter().find(|branch| {
            end += u64::from(branch.weight);
            point < end
        })
    }
}
