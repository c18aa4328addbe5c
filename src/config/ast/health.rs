//! `health`: the active check of a pool's servers.

use std::time::Duration;

use super::super::diagnostic::{Diagnostic, Spanned};
use super::super::model::{Health, Name, Probe, TextMatch};
use super::super::reader::Reader;
use super::super::values::show_duration;
use super::super::values::typed::Typed;
use super::matches::bad_regex;
use crate::router::ValueMatch;

/// What only an http check has.
const HTTP_ONLY: &[&str] = &["method", "status", "body", "drain-status"];

/// How long a check may take where nothing says so: never longer than the time to the next one, as in HAProxy.
const PATIENCE: Duration = Duration::from_secs(2);

/// A `health`; `traffic_tls` is whether the pool speaks TLS to its servers.
pub(crate) fn read(r: Reader<'_>, traffic_tls: bool) -> Option<Health> {
    let interval: Duration = r.value("interval", Typed::time);
    let down_interval = r.get("down-interval", Typed::time).unwrap_or(interval);
    let health = Health {
        interval,
        down_interval,
        timeout: r.get("timeout", Typed::time).unwrap_or(PATIENCE.min(interval).min(down_interval)),
        rise: r.value("rise", Typed::int),
        fall: r.value("fall", Typed::int),
        port: r.get("port", Typed::int),
        tls: r.get("tls", Typed::bool).unwrap_or(traffic_tls),
        jitter_percent: r.value("jitter", Typed::percent),
        initial_up: r.value("initial", Typed::word) == "up",
        probe: probe(r)?,
    };
    if let (true, false, Some(at)) = (health.tls, traffic_tls, r.written("tls")) {
        let error = Diagnostic::error("LB311", at, "a check over TLS needs `tls` in its pool");
        r.cx.push(error.label("nothing says whom to trust").help("add `tls` to the pool, or remove this"));
    }
    checks_overlap(r, &health);
    Some(health)
}

fn probe(r: Reader<'_>) -> Option<Probe> {
    let asked = r.arg(0, Typed::text)?;
    let host = r.get("host", Typed::text).map(Into::into);
    let target = r.arg(1, Typed::text);
    if asked.value == "tcp" {
        r.refuse(HTTP_ONLY, "`health tcp`");
        r.refuse(&["host"], "`health tcp`");
        no_target(r, target.as_ref());
        for header in r.block().all("header") {
            let error = Diagnostic::error("LB101", header.span(), "`header` means nothing with `health tcp`");
            r.cx.push(error.label("has no effect").help("remove it"));
        }
        return Some(Probe::Tcp);
    }
    let headers = headers(r);
    if asked.value == "grpc" {
        r.refuse(HTTP_ONLY, "`health grpc`");
        let service = target.map(|target| target.value).unwrap_or_default().into();
        return Some(Probe::Grpc { service, host, headers });
    }
    if asked.value == "websocket" {
        r.refuse(HTTP_ONLY, "`health websocket`");
        return Some(Probe::WebSocket { path: websocket_path(r, target)?, host, headers });
    }
    no_target(r, target.as_ref());
    let body = r.get("body", Typed::text_match);
    if let (Some(TextMatch::Regex(regex)), Some(span)) = (&body, r.written("body"))
        && let Err(why) = ValueMatch::regex(regex)
    {
        r.cx.push(bad_regex(&why, span));
    }
    let method = r.value("method", Typed::word);
    if let ("HEAD", Some(span)) = (method, r.written("body")) {
        let error = Diagnostic::error("LB102", span, "an answer to HEAD has no body to look at");
        r.cx.push(error.label("can never match").help("use `method=GET`"));
    }
    Some(Probe::Http {
        path: asked.value.into(),
        method: method.into(),
        host,
        headers,
        status: r.value("status", Typed::statuses),
        body,
        drain_status: r.get("drain-status", Typed::statuses),
    })
}

fn headers(r: Reader<'_>) -> Vec<(Name, Name)> {
    let read = |header: Reader<'_>| {
        let value = header.arg(1, Typed::text);
        Some((header.arg(0, Typed::text)?.value.into(), value?.value.into()))
    };
    r.block().all("header").into_iter().filter_map(read).collect()
}

/// Where the handshake is made: `/` unless it is said.
fn websocket_path(r: Reader<'_>, target: Option<Spanned<String>>) -> Option<Name> {
    let Some(target) = target else { return Some("/".into()) };
    let clean = target.value.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    if target.value.starts_with('/') && clean {
        return Some(target.value.into());
    }
    let error = Diagnostic::error("LB102", target.span, "`health websocket` asks at a path");
    r.cx.push(error.label("not a path").help("write `health websocket \"/ws\"`"));
    None
}

/// A second argument where the first says it all.
fn no_target(r: Reader<'_>, target: Option<&Spanned<String>>) {
    let Some(target) = target else { return };
    let error = Diagnostic::error("LB101", target.span, "only `grpc` and `websocket` take a second argument");
    r.cx.push(
        error.label("has no effect").help("remove it; a check's settings are properties: `interval=\"2s\"`"),
    );
}

/// LB302: a check that may take longer than the time to the next one.
fn checks_overlap(r: Reader<'_>, health: &Health) {
    let shortest = [("interval", health.interval), ("down-interval", health.down_interval)];
    let Some((key, interval)) = shortest.into_iter().find(|(_, interval)| health.timeout > *interval) else {
        return;
    };
    let at = r.written("timeout").or(r.written(key)).unwrap_or(r.span());
    let message = format!("`timeout` is longer than `{key}`: checks would overlap");
    let label = format!("{} > {}", show_duration(health.timeout), show_duration(interval));
    r.cx.push(
        Diagnostic::error("LB302", at, message)
            .label(label)
            .help(format!("raise `{key}` or lower `timeout`")),
    );
}
