//! What is measured of pools: traffic, the queue, stickiness, mirrors, paced upgrades.

use super::CLASSES;
use super::page::Page;
use crate::observe::Totals;
use crate::pool::{Eligibility, Pool, Sticky, TablePolicy};
use crate::snapshot::{CopyEnd, Snapshot};

const POOL: &[&str] = &["pool"];

/// A counter of a pool: name, help, how it is read.
type Counter = (&'static str, &'static str, fn(&Totals) -> u64);

/// All families of pools.
pub(super) fn write(page: &mut Page, snapshot: &Snapshot, pools: &[(&Pool, Totals)]) {
    members(page, pools);
    traffic(page, pools);
    queue(page, pools);
    copies(page, snapshot);
    paced(page, snapshot);
    tables(page, pools);
}

fn members(page: &mut Page, pools: &[(&Pool, Totals)]) {
    page.gauge("lbd_pool_servers", POOL, "Servers in the pool.");
    pools.iter().for_each(|(pool, _)| page.sample(&[&pool.name], pool.members.len()));
    page.gauge("lbd_pool_ready_servers", POOL, "Servers that take new clients.");
    for (pool, _) in pools {
        let ready = pool.members.iter().filter(|one| one.eligibility() == Eligibility::Ready).count();
        page.sample(&[&pool.name], ready);
    }
}

fn traffic(page: &mut Page, pools: &[(&Pool, Totals)]) {
    const COUNTERS: [Counter; 8] = [
        ("lbd_pool_requests_total", "Requests routed to the pool.", |t| t.requests),
        ("lbd_pool_failures_total", "Requests that lbd had to answer itself.", |t| t.failures),
        ("lbd_pool_retries_total", "Attempts after the first.", |t| t.retries),
        ("lbd_pool_redispatches_total", "Sticky clients given another server.", |t| t.redispatches),
        ("lbd_pool_sticky_hits_total", "Requests that stickiness sent to their server.", |t| t.sticky_hits),
        ("lbd_pool_sticky_misses_total", "Requests without a known server.", |t| t.sticky_misses),
        ("lbd_pool_received_bytes_total", "Body bytes from clients.", |t| t.bytes_up),
        ("lbd_pool_sent_bytes_total", "Body bytes to clients.", |t| t.bytes_down),
    ];
    for (name, help, read) in COUNTERS {
        page.counter(name, POOL, help);
        pools.iter().for_each(|(pool, totals)| page.sample(&[&pool.name], read(totals)));
    }
    let help = "Answers to clients, by class of status.";
    page.counter("lbd_pool_responses_total", &["pool", "class"], help);
    for (pool, totals) in pools {
        for (class, count) in CLASSES.iter().zip(totals.classes) {
            page.sample(&[&pool.name, class], count);
        }
    }
    let help = "From a request's head to its answer's first byte.";
    page.histogram("lbd_pool_first_byte_seconds", POOL, help);
    pools.iter().for_each(|(pool, totals)| page.spread(&[&pool.name], &totals.latency));
}

fn queue(page: &mut Page, pools: &[(&Pool, Totals)]) {
    page.gauge("lbd_pool_queued_requests", POOL, "Requests that wait for a server with room.");
    pools.iter().for_each(|(pool, _)| page.sample(&[&pool.name], pool.queue().waiting()));
    let help = "How long requests waited for a server with room. Those that did not wait are not counted.";
    page.histogram("lbd_pool_queue_duration_seconds", POOL, help);
    pools.iter().for_each(|(pool, _)| page.spread(&[&pool.name], &pool.counters.seldom.waits.total()));
}

/// Only of pools that a mirror ever sent to.
fn copies(page: &mut Page, snapshot: &Snapshot) {
    let help = "Requests that a mirror copied to the pool, or was to, by what became of them.";
    page.counter("lbd_pool_mirrored_total", &["pool", "result"], help);
    for snap in snapshot.pools.values() {
        let ends = CopyEnd::ALL.map(|end| (end.as_str(), snap.copies.ended(end)));
        if ends.iter().any(|(_, count)| *count > 0) {
            ends.iter().for_each(|(end, count)| page.sample(&[&snap.pool.name, end], count));
        }
    }
}

/// Only of pools that pace their upgrades.
fn paced(page: &mut Page, snapshot: &Snapshot) {
    let help = "Upgrades that were told to come later, by the pool's `admission`.";
    page.counter("lbd_pool_upgrades_paced_total", POOL, help);
    for snap in snapshot.pools.values() {
        if let Some(admission) = &snap.admission {
            page.sample(&[&snap.pool.name], admission.turned_away());
        }
    }
}

fn tables(page: &mut Page, pools: &[(&Pool, Totals)]) {
    let all = || pools.iter().flat_map(|(pool, _)| tables_of(pool));
    page.gauge("lbd_sticky_entries", &["pool", "by"], "Entries of sticky tables.");
    all().for_each(|(pool, by, policy)| page.sample(&[pool, &by], policy.table.len()));
    page.gauge("lbd_sticky_max_entries", &["pool", "by"], "How many entries a sticky table may have.");
    all().for_each(|(pool, by, policy)| page.sample(&[pool, &by], policy.max_entries));
    let help = "Entries that went before their time, to make room.";
    page.counter("lbd_sticky_evictions_total", &["pool", "by"], help);
    all().for_each(|(pool, by, policy)| page.sample(&[pool, &by], policy.table.evicted()));
}

/// The tables of a pool, each with what its clients are known by.
fn tables_of(pool: &Pool) -> impl Iterator<Item = (&str, String, &TablePolicy)> {
    pool.sticky.iter().filter_map(Sticky::table_policy).map(|policy| {
        let word = policy.by.as_str();
        let by = policy.by.name().map_or_else(|| word.to_owned(), |name| format!("{word} {name}"));
        (&*pool.name, by, policy)
    })
}
