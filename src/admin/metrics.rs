//! Prometheus text: what runs, since when, and what it counted. Labels are names from the configuration, so
//! their number is bounded by it.

use std::fmt::{Display, Write as _};
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use crate::observe::Totals;
use crate::pool::{ClientTable, Eligibility, Pool, State, Sticky};
use crate::reload::ReloadState;
use crate::snapshot::{CopyEnd, Snapshot};

/// The whole page.
pub fn render(snapshot: &Snapshot, reload: &ReloadState) -> String {
    let mut page = Page(String::with_capacity(16 * 1024));
    config(&mut page, reload);
    listeners(&mut page, snapshot);
    let pools: Vec<(&Pool, Totals)> =
        snapshot.pools.values().map(|snap| (&*snap.pool, snap.pool.counters.total())).collect();
    traffic(&mut page, &pools);
    copies(&mut page, snapshot);
    paced(&mut page, snapshot);
    tables(&mut page, &pools);
    servers(&mut page, &pools);
    page.0
}

struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if at == 0 { '{' } else { ',' });
            for c in text.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn config(page: &mut Page, reload: &ReloadState) {
    page.single("lbd_config_generation", "gauge", "The generation that serves.", reload.generation);
    let ok = u8::from(reload.rejected.is_none());
    page.single("lbd_config_last_attempt_ok", "gauge", "1 when the files on disk are what serves.", ok);
    let since = seconds(reload.since);
    page.single(
        "lbd_config_last_success_timestamp_seconds",
        "gauge",
        "When the generation that serves was published.",
        since,
    );
    let stale = reload
        .rejected
        .as_ref()
        .map_or(0.0, |rejected| rejected.since.elapsed().map_or(0.0, |age| age.as_secs_f64()));
    page.single("lbd_config_stale_seconds", "gauge", "How long the files on disk have been refused.", stale);
    let held = |held: bool| u8::from(held);
    let help = "1 while what serves comes back unless it is confirmed.";
    page.single("lbd_config_unconfirmed", "gauge", help, held(reload.unconfirmed.is_some()));
    let help = "1 while a generation is pinned, whatever the files say.";
    page.single("lbd_config_pinned", "gauge", help, held(reload.pinned.is_some()));
    page.family("lbd_config_findings", "gauge", "What was found in the files when they were last read.");
    for (severity, count) in reload.findings.counts() {
        page.sample("lbd_config_findings", &[("severity", severity)], count);
    }
    page.family("lbd_config_rejected_total", "counter", "Refused file sets, by reason.");
    for (reason, count) in &reload.rejected_total {
        page.sample("lbd_config_rejected_total", &[("reason", reason)], count);
    }
}

fn listeners(page: &mut Page, snapshot: &Snapshot) {
    let all = || snapshot.listeners.iter();
    page.family("lbd_listener_connections", "gauge", "Open client connections.");
    all().for_each(|l| page.sample("lbd_listener_connections", &[("listener", &l.name)], l.live.open()));
    page.family("lbd_listener_accepted_total", "counter", "Client connections accepted.");
    all().for_each(|l| {
        let accepted = l.live.accepted.load(Ordering::Relaxed);
        page.sample("lbd_listener_accepted_total", &[("listener", &l.name)], accepted);
    });
    page.family("lbd_listener_refused_total", "counter", "Client connections refused by a limit.");
    all().for_each(|l| {
        let refused = l.live.refused.load(Ordering::Relaxed);
        page.sample("lbd_listener_refused_total", &[("listener", &l.name)], refused);
    });
}

/// A counter of a pool: name, help, how it is read.
type PoolCounter = (&'static str, &'static str, fn(&Totals) -> u64);

fn traffic(page: &mut Page, pools: &[(&Pool, Totals)]) {
    const COUNTERS: [PoolCounter; 8] = [
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
        page.family(name, "counter", help);
        pools.iter().for_each(|(pool, totals)| page.sample(name, &[("pool", &pool.name)], read(totals)));
    }
    page.family("lbd_pool_responses_total", "counter", "Answers to clients, by class of status.");
    for (pool, totals) in pools {
        for (class, count) in ["other", "1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(totals.classes) {
            page.sample("lbd_pool_responses_total", &[("pool", &pool.name), ("class", class)], count);
        }
    }
    page.family(
        "lbd_pool_first_byte_seconds",
        "histogram",
        "From a request's head to its answer's first byte.",
    );
    pools.iter().for_each(|(pool, totals)| histogram(page, &pool.name, totals));
}

/// Only of pools that a mirror ever sent to.
fn copies(page: &mut Page, snapshot: &Snapshot) {
    let name = "lbd_pool_mirrored_total";
    page.family(
        name,
        "counter",
        "Requests that a mirror copied to the pool, or was to, by what became of them.",
    );
    for snap in snapshot.pools.values() {
        let ends = CopyEnd::ALL.map(|end| (end.as_str(), snap.copies.ended(end)));
        if ends.iter().any(|(_, count)| *count > 0) {
            ends.iter().for_each(|(end, count)| {
                page.sample(name, &[("pool", &snap.pool.name), ("result", end)], count);
            });
        }
    }
}

/// Only of pools that pace their upgrades.
fn paced(page: &mut Page, snapshot: &Snapshot) {
    let name = "lbd_pool_upgrades_paced_total";
    page.family(name, "counter", "Upgrades that were told to come later, by the pool's `admission`.");
    for snap in snapshot.pools.values() {
        if let Some(admission) = &snap.admission {
            page.sample(name, &[("pool", &snap.pool.name)], admission.turned_away());
        }
    }
}

/// What one table says: its name, help, kind, and how it is read.
type TableFact = (&'static str, &'static str, &'static str, fn(&ClientTable) -> u64);

fn tables(page: &mut Page, pools: &[(&Pool, Totals)]) {
    const FACTS: [TableFact; 2] = [
        ("lbd_sticky_entries", "gauge", "Entries of sticky tables.", |table| table.len() as u64),
        (
            "lbd_sticky_evictions_total",
            "counter",
            "Entries that went before their time, to make room.",
            |table| table.evicted(),
        ),
    ];
    for (name, kind, help, read) in FACTS {
        page.family(name, kind, help);
        for (pool, _) in pools {
            for policy in pool.sticky.iter().filter_map(Sticky::table_policy) {
                let by = policy.by.name().map_or_else(
                    || policy.by.as_str().to_owned(),
                    |name| format!("{} {name}", policy.by.as_str()),
                );
                page.sample(name, &[("pool", &pool.name), ("by", &by)], read(&policy.table));
            }
        }
    }
}

fn histogram(page: &mut Page, pool: &str, totals: &Totals) {
    let name = "lbd_pool_first_byte_seconds";
    let mut below = 0;
    for (bucket, count) in totals.latency.buckets.iter().enumerate() {
        below += count;
        let bound = crate::observe::Histogram::upper_bound(bucket)
            .map_or_else(|| "+Inf".to_owned(), |micros| (micros as f64 / 1e6).to_string());
        page.sample(&format!("{name}_bucket"), &[("pool", pool), ("le", &bound)], below);
    }
    page.sample(&format!("{name}_sum"), &[("pool", pool)], totals.latency.sum_micros as f64 / 1e6);
    page.sample(&format!("{name}_count"), &[("pool", pool)], totals.latency.count());
}

/// A gauge of a server: name, help, how it is read.
type ServerGauge = (&'static str, &'static str, fn(&crate::pool::Member) -> u64);

fn servers(page: &mut Page, pools: &[(&Pool, Totals)]) {
    const GAUGES: [ServerGauge; 5] = [
        ("lbd_server_up", "1 when the last checks passed, or when there is no check.", |m| {
            u64::from(!matches!(m.server.health().state, State::Down))
        }),
        ("lbd_server_ready", "1 when it takes new clients.", |m| {
            u64::from(m.eligibility() == Eligibility::Ready)
        }),
        ("lbd_server_requests", "Requests in flight.", |m| m.server.in_flight().into()),
        ("lbd_server_sessions", "Open WebSockets and tunnels.", |m| m.server.sessions.count() as u64),
        ("lbd_server_idle_connections", "Unused connections kept open.", |m| {
            m.server.idle_connections().into()
        }),
    ];
    for (name, help, read) in GAUGES {
        page.family(name, "gauge", help);
        for (pool, _) in pools {
            for member in &pool.members {
                page.sample(name, &[("pool", &pool.name), ("server", &member.server.name)], read(member));
            }
        }
    }
    page.family("lbd_server_requests_total", "counter", "Requests sent.");
    page.family("lbd_server_failures_total", "counter", "Attempts that failed.");
    for (pool, _) in pools {
        for member in &pool.members {
            let totals = member.server.counters.total();
            let labels = [("pool", &*pool.name), ("server", &*member.server.name)];
            page.sample("lbd_server_requests_total", &labels, totals.requests);
            page.sample("lbd_server_failures_total", &labels, totals.failures);
        }
    }
}
