//! Pools.

use crate::control::call;
use crate::control::rates::Lately;
use crate::control::reply::{Outcome, json};
use crate::control::{ControlContext, view};
use crate::pool::Pool;
use lbctl::protocol::PoolSummary;
use std::time::Instant;

pub(in crate::control) fn list(context: &ControlContext) -> Outcome {
    let pools: Vec<PoolSummary> = context.world.pools().iter().map(|pool| summary(context, pool)).collect();
    json(&pools)
}

pub(in crate::control) fn show(context: &ControlContext, name: &str) -> Outcome {
    let pool = call::pool(context, name)?;
    json(&view::pool(&pool, lately(context, &pool)))
}

/// A pool in short, with its rates.
pub(super) fn summary(context: &ControlContext, pool: &Pool) -> PoolSummary {
    view::pool_summary(pool, lately(context, pool))
}

fn lately(context: &ControlContext, pool: &Pool) -> Option<Lately> {
    context.rates.borrow().lately(&pool.name, &pool.counters.total(), Instant::now())
}
