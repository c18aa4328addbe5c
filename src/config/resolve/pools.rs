//! Pools: one name each, something to send to, and cookies that do not overwrite each other.

use std::collections::{BTreeMap, BTreeSet};

use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{Name, Pool, Sticky, StickyCookie};
use super::super::reader::Cx;
use super::Written;

/// The pools by name.
pub(super) fn resolve(cx: &Cx<'_>, written: &Written<'_>) -> BTreeMap<Name, Pool> {
    let mut pools: BTreeMap<Name, Pool> = BTreeMap::new();
    for pool in &written.pools {
        let (reader, pool) = (pool.reader, &pool.pool);
        if let Some(first) = pools.get(&pool.name) {
            let error =
                Diagnostic::error("LB105", reader.span(), format!("pool `{}` is defined twice", pool.name));
            cx.push(
                error.label("again here").also(first.span, "first here").help("rename or remove one of them"),
            );
            continue;
        }
        if pool.discover.is_empty() && !pool.servers.is_empty() && pool.servers.iter().all(|s| s.weight == 0)
        {
            let error = Diagnostic::error(
                "LB303",
                reader.span(),
                format!("every server of pool `{}` has weight 0", pool.name),
            );
            cx.push(error.label("nothing to send to").help("give one a weight; to empty a server, drain it"));
        }
        pools.insert(pool.name.clone(), pool.clone());
    }
    cookies(cx, written);
    super::application_cookies::check(cx, written);
    pools
}

/// A cookie, the pool that sets it, and where.
struct Set<'a> {
    cookie: &'a StickyCookie,
    pool: &'a Name,
    span: Span,
    /// Whether the name stands at `span`, for this pool alone.
    named: bool,
}

/// LB401: two pools that one client can reach set one cookie, or one pool sets it twice.
fn cookies(cx: &Cx<'_>, written: &Written<'_>) {
    let reach = sites_by_pool(written);
    let mut earlier: Vec<Set<'_>> = Vec::new();
    for written_pool in &written.pools {
        let pool = &written_pool.pool;
        let spans =
            written_pool.reader.block().strongest("sticky").into_iter().map(|r| {
                (r.written("name").unwrap_or(r.span()), r.is_written() && r.written("name").is_some())
            });
        let cookies = pool.sticky.iter().zip(spans).filter_map(|(sticky, (span, named))| match sticky {
            Sticky::Cookie(cookie) => Some(Set { cookie, pool: &pool.name, span, named }),
            Sticky::Marked(_) | Sticky::Table(_) => None,
        });
        for set in cookies {
            if let Some(first) = earlier.iter().find(|first| clash(first, &set, &reach)) {
                let message = match first.pool == set.pool {
                    true => format!("pool `{}` sets the cookie `{}` twice", set.pool, set.cookie.name),
                    false => format!(
                        "pools `{}` and `{}` set one cookie, `{}`",
                        first.pool, set.pool, set.cookie.name
                    ),
                };
                let error = Diagnostic::error("LB401", set.span, message).label("overwrites the other");
                let help = format!("name them apart; without `name=` it is `lbd-{}`", set.pool);
                let error = error.also(first.span, "first here").help(help);
                let own = format!("lbd-{}", set.pool);
                let apart = set.named && first.pool != set.pool && *set.cookie.name != *own;
                cx.push(if apart { error.fix(set.span, own) } else { error });
            }
            earlier.push(set);
        }
    }
}

fn clash(a: &Set<'_>, b: &Set<'_>, reach: &BTreeMap<Name, BTreeSet<usize>>) -> bool {
    let within = |a: &str, b: &str| b.starts_with(a.trim_end_matches('/'));
    let (a_path, b_path) = (a.cookie.path.as_ref(), b.cookie.path.as_ref());
    let shared_site = match (reach.get(a.pool), reach.get(b.pool)) {
        (Some(a), Some(b)) => !a.is_disjoint(b),
        _ => false,
    };
    let shared_client =
        a.pool == b.pool || shared_site || a.cookie.domain.is_some() || b.cookie.domain.is_some();
    a.cookie.name == b.cookie.name && shared_client && (within(a_path, b_path) || within(b_path, a_path))
}

/// Which sites (by index) lead to a pool.
fn sites_by_pool(written: &Written<'_>) -> BTreeMap<Name, BTreeSet<usize>> {
    let mut reach: BTreeMap<Name, BTreeSet<usize>> = BTreeMap::new();
    for (index, site) in written.sites.iter().enumerate() {
        for route in &site.routes {
            for name in route.action.iter().flat_map(|action| action.value.pools()) {
                reach.entry(name.clone()).or_default().insert(index);
            }
        }
    }
    reach
}
