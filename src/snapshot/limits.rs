//! Limits of rate, compiled: each points at its live buckets, which go on while the limit says the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{PoolSnap, Snapshot};
use crate::config::model::{Key, Model, Pool, RateLimit, Route};
use crate::limit::{Admission, Limiter, Terms};

/// Every limit of a world with its buckets; the numbers are part of the key, so equal ones are adopted.
pub type Limiters = BTreeMap<RateLimit, Arc<Limiter>>;

/// A limit of a route.
#[derive(Debug, Clone)]
pub struct LimitSnap {
    /// What it is called.
    pub name: Arc<str>,
    /// Whose bucket.
    pub key: Key,
    /// The buckets.
    pub limiter: Arc<Limiter>,
}

/// The limits of a model, with the buckets that `previous` has of them.
pub(super) fn adopt(model: &Model, previous: &Snapshot) -> Limiters {
    let routes = model.sites.iter().flat_map(|site| &site.routes);
    let mut limiters = Limiters::new();
    for limit in routes.flat_map(|route| &route.rate_limits) {
        if limiters.contains_key(limit) {
            continue;
        }
        let limiter = match previous.limiters.get(limit) {
            Some(before) => Arc::clone(before),
            None => Arc::new(Limiter::new(Terms::new(limit.count, limit.per, limit.burst))),
        };
        limiters.insert(limit.clone(), limiter);
    }
    limiters
}

/// The pace of a pool's upgrades; it goes on where it was while the file says the same.
pub(super) fn admission(pool: &Pool, before: Option<&Arc<PoolSnap>>) -> Option<Arc<Admission>> {
    let written = pool.admission?;
    let terms = Terms::new(written.rate.count, written.rate.per, written.burst);
    let same = before.and_then(|before| before.admission.as_ref()).filter(|before| before.terms() == terms);
    Some(same.map_or_else(|| Arc::new(Admission::new(terms)), Arc::clone))
}

/// Those of one route.
pub(super) fn of_route(route: &Route, limiters: &Limiters) -> Vec<LimitSnap> {
    let limits = route.rate_limits.iter().filter_map(|limit| {
        let limiter = Arc::clone(limiters.get(limit)?);
        Some(LimitSnap { name: limit.name.clone(), key: limit.key.clone(), limiter })
    });
    limits.collect()
}
