//! What is measured of servers. Of a pool with very many, the last ones are counted together.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::page::Page;
use super::{CLASSES, DIRECTIONS};
use crate::observe::{Histogram, Seldom, Totals};
use crate::pool::{Carried, Eligibility, Member, Pool, State, Wish};

/// How many servers of a pool are shown by themselves.
const MOST: usize = 200;
/// The name of all the others together.
const OTHER: &str = "other";

/// One server, or those that are shown together.
struct Row<'a> {
    pool: &'a str,
    server: &'a str,
    members: &'a [Member],
    totals: Totals,
    carried: Carried,
}

/// All families of servers.
pub(super) fn write(page: &mut Page, pools: &[(&Pool, Totals)]) {
    let rows: Vec<Row<'_>> = pools.iter().flat_map(|(pool, _)| rows(pool)).collect();
    states(page, &rows);
    load(page, &rows);
    requests(page, &rows);
    connections(page, &rows);
    checks(page, &rows);
    sessions(page, &rows);
}

fn rows(pool: &Pool) -> impl Iterator<Item = Row<'_>> {
    let (shown, others) = pool.members.split_at(pool.members.len().min(MOST));
    let shown = shown.chunks(1).map(|one| (&*one[0].server.name, one));
    shown.chain((!others.is_empty()).then_some((OTHER, others))).map(|(server, members)| Row {
        pool: &pool.name,
        server,
        members,
        totals: members.iter().fold(Totals::default(), |sum, one| sum.and(&one.server.counters.total())),
        carried: members.iter().fold(Carried::default(), |sum, one| sum.and(one.server.sessions.carried())),
    })
}

impl<'a> Row<'a> {
    fn labels(&self) -> [&'a str; 2] {
        [self.pool, self.server]
    }

    fn sum(&self, of: impl Fn(&Member) -> u64) -> u64 {
        self.members.iter().map(of).sum()
    }

    /// The one server; none where there are several.
    fn one(&self) -> Option<&'a Member> {
        if self.server == OTHER && self.members.len() > 1 { None } else { self.members.first() }
    }
}

const SERVER: &[&str] = &["pool", "server"];

/// What is said of single servers only: a sum of it would say nothing.
fn states(page: &mut Page, rows: &[Row<'_>]) {
    let single = || rows.iter().filter_map(|row| Some((row.labels(), row.one()?)));
    page.gauge("lbd_server_up", SERVER, "1 when the last checks passed, or when there is no check.");
    for (labels, member) in single() {
        page.sample(&labels, u8::from(!matches!(member.server.health().state, State::Down)));
    }
    page.gauge("lbd_server_ready", SERVER, "1 when it takes new clients.");
    for (labels, member) in single() {
        page.sample(&labels, u8::from(member.eligibility() == Eligibility::Ready));
    }
    page.gauge("lbd_server_weight", SERVER, "Its weight, as the file or an operator says.");
    for (labels, member) in single() {
        page.sample(&labels, member.effective_weight());
    }
    let help = "For how long an operator has wanted it to take no new clients; 0 when it may.";
    page.gauge("lbd_server_drain_seconds", SERVER, help);
    for (labels, member) in single() {
        let admin = member.server.admin.get();
        let since = admin.stamp.filter(|_| admin.wish != Wish::Ready).map(|stamp| stamp.since);
        let age = since.and_then(|since| SystemTime::now().duration_since(since).ok());
        page.sample(&labels, age.map_or(0.0, |age| age.as_secs_f64()));
    }
}

fn load(page: &mut Page, rows: &[Row<'_>]) {
    page.gauge("lbd_server_active_requests", SERVER, "Requests in flight.");
    rows.iter().for_each(|row| page.sample(&row.labels(), row.sum(|one| one.server.in_flight().into())));
    page.gauge("lbd_server_open_sessions", SERVER, "Open WebSockets and tunnels.");
    rows.iter().for_each(|row| page.sample(&row.labels(), row.sum(|one| one.server.sessions.count() as u64)));
    page.gauge("lbd_server_idle_connections", SERVER, "Unused connections kept open.");
    rows.iter()
        .for_each(|row| page.sample(&row.labels(), row.sum(|one| one.server.idle_connections().into())));
}

fn requests(page: &mut Page, rows: &[Row<'_>]) {
    page.counter("lbd_server_requests_total", SERVER, "Requests sent, tries that failed included.");
    rows.iter().for_each(|row| page.sample(&row.labels(), row.totals.requests));
    page.counter("lbd_server_failures_total", SERVER, "Tries that failed without an answer.");
    rows.iter().for_each(|row| page.sample(&row.labels(), row.totals.failures));
    let help = "Answers that went to clients, by class of status.";
    page.counter("lbd_server_responses_total", &["pool", "server", "class"], help);
    for row in rows {
        for (class, count) in CLASSES.iter().zip(row.totals.classes) {
            page.sample(&[row.pool, row.server, class], count);
        }
    }
    let help = "From when it had the request to the head of its answer.";
    page.histogram("lbd_server_response_duration_seconds", SERVER, help);
    rows.iter().for_each(|row| page.spread(&row.labels(), &row.totals.latency));
}

fn connections(page: &mut Page, rows: &[Row<'_>]) {
    let help = "How long new connections to it took, TLS included. Kept connections are not counted.";
    page.histogram("lbd_server_connect_duration_seconds", SERVER, help);
    for row in rows {
        let totals = row.members.iter().map(|one| one.server.counters.seldom.connects.total());
        page.spread(&row.labels(), &totals.fold(Histogram::default(), |sum, one| sum.and(&one)));
    }
    let help = "Connections to it that could not be made, by reason.";
    page.counter("lbd_server_connect_failures_total", &["pool", "server", "reason"], help);
    tallied(page, rows, &[], |seldom| seldom.connect_failures.counts());
}

fn checks(page: &mut Page, rows: &[Row<'_>]) {
    let help = "Checks made of it, by what they found.";
    page.counter("lbd_server_checks_total", &["pool", "server", "result"], help);
    tallied(page, rows, &[], |seldom| seldom.checks.counts());
    let help =
        "How often it went up, down, asked for no new clients, or was ejected because requests failed.";
    page.counter("lbd_server_transitions_total", &["pool", "server", "to"], help);
    tallied(page, rows, &["up", "down", "ejected"], |seldom| seldom.turns.counts());
}

/// Counts by word; `always` are shown also while they are zero, so that their first rise is seen.
fn tallied(
    page: &mut Page,
    rows: &[Row<'_>],
    always: &[&'static str],
    of: impl Fn(&Seldom) -> BTreeMap<&'static str, u64>,
) {
    for row in rows {
        let mut sums: BTreeMap<&str, u64> = always.iter().map(|word| (*word, 0)).collect();
        for (word, count) in row.members.iter().flat_map(|one| of(&one.server.counters.seldom)) {
            *sums.entry(word).or_default() += count;
        }
        sums.iter().for_each(|(word, count)| page.sample(&[row.pool, row.server, word], count));
    }
}

fn sessions(page: &mut Page, rows: &[Row<'_>]) {
    page.counter("lbd_server_sessions_total", SERVER, "WebSockets and tunnels that were opened.");
    rows.iter().for_each(|row| page.sample(&row.labels(), row.carried.sessions));
    let both = |pairs: fn(&Carried) -> (u64, u64), page: &mut Page| {
        for row in rows {
            let (to, from) = pairs(&row.carried);
            for (direction, count) in DIRECTIONS.iter().zip([to, from]) {
                page.sample(&[row.pool, row.server, direction], count);
            }
        }
    };
    let help = "Bytes that WebSockets and tunnels carried: in is from clients, out is to them.";
    page.counter("lbd_server_session_bytes_total", &["pool", "server", "direction"], help);
    both(|carried| carried.bytes, page);
    let help = "Messages that WebSockets carried: in is from clients, out is to them.";
    page.counter("lbd_server_session_messages_total", &["pool", "server", "direction"], help);
    both(|carried| carried.messages, page);
}
