//! What is measured where clients come in: by listener, and by route.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::page::Page;
use super::{CLASSES, DIRECTIONS};
use crate::observe::ExchangeTotals;
use crate::snapshot::{ListenerLive, ListenerSnap, RouteCounts};

const LISTENER: &[&str] = &["listener"];

/// All families of listeners.
pub(super) fn write(page: &mut Page, listeners: &[Arc<ListenerSnap>]) {
    let all = || listeners.iter().map(|listener| (&*listener.name, &*listener.live));
    connections(page, all);
    let totals: Vec<(&str, ExchangeTotals)> =
        all().map(|(name, live)| (name, live.exchanges.total())).collect();
    page.counter(
        "lbd_listener_requests_total",
        &["listener", "class"],
        "Requests, by class of their status.",
    );
    for (name, totals) in &totals {
        for (class, count) in CLASSES.iter().zip(totals.classes) {
            page.sample(&[name, class], count);
        }
    }
    let help = "Body bytes of requests (in) and of answers (out).";
    page.counter("lbd_listener_body_bytes_total", &["listener", "direction"], help);
    for (name, totals) in &totals {
        for (direction, bytes) in DIRECTIONS.iter().zip([totals.bytes_in, totals.bytes_out]) {
            page.sample(&[name, direction], bytes);
        }
    }
    let help = "From a request's head to the end of its answer.";
    page.histogram("lbd_listener_request_duration_seconds", LISTENER, help);
    totals.iter().for_each(|(name, totals)| page.spread(&[name], &totals.took));
    let help = "Requests without a server's answer, and connections without a server, by reason.";
    page.counter("lbd_listener_failures_total", &["listener", "reason"], help);
    tallied(page, all, &[], |live| live.failures.counts());
    let help = "How WebSockets and tunnels ended.";
    page.counter("lbd_listener_session_ends_total", &["listener", "reason"], help);
    tallied(page, all, &[], |live| live.stream_ends.counts());
}

fn connections<'a, I: Iterator<Item = (&'a str, &'a ListenerLive)>>(page: &mut Page, all: impl Fn() -> I) {
    page.gauge("lbd_listener_connections", LISTENER, "Open client connections.");
    all().for_each(|(name, live)| page.sample(&[name], live.open()));
    page.gauge("lbd_listener_sessions", LISTENER, "Open WebSockets and tunnels that came by it.");
    all().for_each(|(name, live)| page.sample(&[name], live.streams()));
    page.counter("lbd_listener_accepted_total", LISTENER, "Client connections accepted.");
    all().for_each(|(name, live)| page.sample(&[name], live.accepted.load(Ordering::Relaxed)));
    page.counter("lbd_listener_refused_total", LISTENER, "Client connections refused by a limit.");
    all().for_each(|(name, live)| page.sample(&[name], live.refused.load(Ordering::Relaxed)));
    let help = "TLS handshakes with clients, by how they ended: full, resumed, failed, timeout.";
    page.counter("lbd_listener_tls_handshakes_total", &["listener", "result"], help);
    tallied(page, all, &["full", "resumed", "failed"], |live| live.handshakes.counts());
}

/// Counts by word; `always` are shown also while they are zero, so that their first rise is seen.
fn tallied<'a, I: Iterator<Item = (&'a str, &'a ListenerLive)>>(
    page: &mut Page,
    all: impl Fn() -> I,
    always: &[&'static str],
    of: impl Fn(&ListenerLive) -> BTreeMap<&'static str, u64>,
) {
    for (name, live) in all() {
        let mut counts: BTreeMap<&str, u64> = always.iter().map(|word| (*word, 0)).collect();
        counts.extend(of(live));
        counts.iter().for_each(|(word, count)| page.sample(&[name, word], count));
    }
}

/// All families of routes.
pub(super) fn routes(page: &mut Page, routes: &RouteCounts) {
    let totals: Vec<([&str; 2], ExchangeTotals)> =
        routes.iter().map(|((site, route), counts)| ([&**site, &**route], counts.total())).collect();
    let help = "Requests that took the route, by class of their status; a site is named by its first host.";
    page.counter("lbd_route_requests_total", &["site", "route", "class"], help);
    for ([site, route], totals) in &totals {
        for (class, count) in CLASSES.iter().zip(totals.classes) {
            page.sample(&[site, route, class], count);
        }
    }
    let help = "Body bytes of requests (in) and of answers (out).";
    page.counter("lbd_route_body_bytes_total", &["site", "route", "direction"], help);
    for ([site, route], totals) in &totals {
        for (direction, bytes) in DIRECTIONS.iter().zip([totals.bytes_in, totals.bytes_out]) {
            page.sample(&[site, route, direction], bytes);
        }
    }
    let help = "From a request's head to the end of its answer; of routes that were ever taken.";
    page.histogram("lbd_route_request_duration_seconds", &["site", "route"], help);
    let taken = totals.iter().filter(|(_, totals)| totals.took.count() > 0);
    taken.for_each(|(labels, totals)| page.spread(labels, &totals.took));
}
