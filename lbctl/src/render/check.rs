//! One line for monitoring plugins: a verdict, a sentence, and figures after a bar.

use crate::protocol::{AdminState, Pool, PoolSummary, Server};

/// How well it is, in the words and numbers of monitoring plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All is well.
    Ok = 0,
    /// Look at it.
    Warning = 1,
    /// New clients are turned away.
    Critical = 2,
    /// Nobody knows.
    Unknown = 3,
}

impl Verdict {
    /// The word that the line begins with.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Judges pools. A pool is critical when it has no server for new clients, and a warning when more than `max_down` of
/// its servers are out without an operator's wish.
pub fn judge(pools: &[Pool], max_down: usize) -> (Verdict, String) {
    let mut verdict = if pools.is_empty() { Verdict::Unknown } else { Verdict::Ok };
    let mut remarks = Vec::new();
    for pool in pools {
        let down: Vec<&str> =
            pool.servers.iter().filter(|one| is_out(one)).map(|one| one.name.as_str()).collect();
        let summary = &pool.summary;
        let now = if summary.up == 0 && summary.servers > 0 {
            Verdict::Critical
        } else if down.len() > max_down {
            Verdict::Warning
        } else {
            Verdict::Ok
        };
        verdict = verdict.max(now);
        let names = if down.is_empty() { String::new() } else { format!(", out: {}", names(&down)) };
        if now > Verdict::Ok || !down.is_empty() {
            remarks.push(format!("{} {}/{} up{names}", summary.name, summary.up, summary.servers));
        }
    }
    if remarks.is_empty() {
        let (up, all) =
            pools.iter().fold((0, 0), |(up, all), pool| (up + pool.summary.up, all + pool.summary.servers));
        remarks.push(match pools {
            [] => "no pools".to_owned(),
            pools => format!(
                "{up}/{all} servers up in {} pool{}",
                pools.len(),
                if pools.len() == 1 { "" } else { "s" }
            ),
        });
    }
    (verdict, remarks.join("; "))
}

/// The whole line: `OK: 5/5 servers up in 2 pools | 'app_up'=3;;;0;3 …`.
pub fn check(verdict: Verdict, remark: &str, pools: &[Pool]) -> String {
    let figures: Vec<String> = pools.iter().flat_map(|pool| figures(&pool.summary)).collect();
    let bar = if figures.is_empty() { String::new() } else { format!(" | {}", figures.join(" ")) };
    // A bar or a line feed in a sentence would be read as what it is not.
    let remark = remark.replace(['|', '\n', '\r'], " ");
    format!("{}: {}{bar}\n", verdict.as_str(), remark.trim())
}

/// Out of traffic, and no operator wanted it.
fn is_out(server: &Server) -> bool {
    server.admin.state == AdminState::Ready && server.eligible == "no"
}

fn names(down: &[&str]) -> String {
    const SHOWN: usize = 5;
    match down.len() {
        0..=SHOWN => down.join(" "),
        more => format!("{} and {} more", down[..SHOWN].join(" "), more - SHOWN),
    }
}

/// `'label'=value[unit];warn;crit;min;max`, as the guidelines of monitoring plugins have it.
fn figures(pool: &PoolSummary) -> Vec<String> {
    let label = pool.name.replace(['\'', '='], "_");
    let mut out = vec![
        format!("'{label}_up'={};;;0;{}", pool.up, pool.servers),
        format!("'{label}_in_flight'={};;;0", pool.in_flight),
        format!("'{label}_sessions'={};;;0", pool.sessions),
        format!("'{label}_requests'={}c;;;0", pool.requests),
    ];
    if let Some(rate) = pool.rate {
        out.push(format!("'{label}_rate'={rate:.1};;;0"));
    }
    if let Some(p99) = pool.p99_us {
        out.push(format!("'{label}_p99'={p99}us;;;0"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(name: &str, servers: &[(&str, &str, &str)]) -> Pool {
        let server = |(server, admin, eligible): &(&str, &str, &str)| {
            serde_json::json!({
                "pool": name, "name": server, "address": "10.0.0.1:80", "admin": { "state": admin },
                "health": { "state": "up", "since_ms": 1, "checked": true, "good": 1, "bad": 0 },
                "eligible": eligible, "weight": 1, "file_weight": 1, "backup": false, "in_flight": 0,
                "sessions": 0, "idle_connections": 0, "requests": 0, "errors_5xx": 0, "failures": 0,
            })
        };
        let up = servers.iter().filter(|(_, _, eligible)| *eligible == "ready").count();
        let summary = serde_json::json!({
            "name": name, "balance": "random", "up": up, "servers": servers.len(), "in_flight": 2,
            "sessions": 3, "requests": 10, "errors_5xx": 0, "rate": 1.25, "p99_us": 900,
        });
        let servers: Vec<_> = servers.iter().map(server).collect();
        serde_json::from_value(serde_json::json!({ "summary": summary, "servers": servers })).expect("a pool")
    }

    #[test]
    fn verdicts() {
        let check = |servers: &[(&str, &str, &str)], max_down, expected: Verdict, remark: &str| {
            assert_eq!(
                judge(&[pool("app", servers)], max_down),
                (expected, remark.to_owned()),
                "{servers:?}"
            );
        };
        let up = ("a", "ready", "ready");
        check(&[up], 0, Verdict::Ok, "1/1 servers up in 1 pool");
        check(&[up, ("b", "ready", "no")], 0, Verdict::Warning, "app 1/2 up, out: b");
        check(&[up, ("b", "ready", "no")], 1, Verdict::Ok, "app 1/2 up, out: b");
        check(
            &[up, ("b", "drain", "sticky-only"), ("c", "maint", "no")],
            0,
            Verdict::Ok,
            "1/3 servers up in 1 pool",
        );
        check(&[("a", "ready", "no")], 5, Verdict::Critical, "app 0/1 up, out: a");
        check(&[("a", "maint", "no")], 5, Verdict::Critical, "app 0/1 up");
        let many: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].map(|name| (name, "ready", "no")).into();
        check(&many, 0, Verdict::Critical, "app 0/7 up, out: a b c d e and 2 more");
        assert_eq!(judge(&[], 0), (Verdict::Unknown, "no pools".to_owned()));
    }

    #[test]
    fn the_worst_pool_decides_and_figures_follow_a_bar() {
        let pools = [pool("app", &[("a", "ready", "no")]), pool("it's", &[("a", "ready", "ready")])];
        let (verdict, remark) = judge(&pools, 0);
        assert_eq!(verdict, Verdict::Critical);
        assert_eq!(
            check(verdict, &remark, &pools[1..]),
            "CRITICAL: app 0/1 up, out: a | 'it_s_up'=1;;;0;1 'it_s_in_flight'=2;;;0 'it_s_sessions'=3;;;0 \
             'it_s_requests'=10c;;;0 'it_s_rate'=1.2;;;0 'it_s_p99'=900us;;;0\n"
        );
        assert_eq!(check(Verdict::Unknown, "a|b\nc", &[]), "UNKNOWN: a b c\n");
    }
}
