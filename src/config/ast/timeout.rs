//! `timeout` inside `route` and `pool`: the server-side clocks.

use std::time::Duration;

use super::super::diagnostic::Diagnostic;
use super::super::model::Timeouts;
use super::super::reader::{Block, Reader};
use super::super::values::show_duration;
use super::super::values::typed::Typed;

/// The clocks that a `timeout` says; the others come from further out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Clocks {
    connect: Option<Duration>,
    response: Option<Duration>,
    idle: Option<Duration>,
    request: Option<Option<Duration>>,
    tunnel_idle: Option<Option<Duration>>,
    tunnel_max: Option<Option<Duration>>,
}

/// What the `timeout` of a route or pool says.
pub(crate) fn read(block: Block<'_>) -> Clocks {
    let Some(r) = block.one("timeout") else { return Clocks::default() };
    let clocks = Clocks {
        connect: r.get("connect", Typed::time),
        response: r.get("response", Typed::time),
        idle: r.get("idle", Typed::time),
        request: r.get("request", Typed::time_off),
        tunnel_idle: r.get("tunnel-idle", Typed::time_off),
        tunnel_max: r.get("tunnel-max", Typed::time_off),
    };
    clocks.check(r);
    clocks
}

/// The clocks that hold when nobody says anything: the table's.
pub(crate) fn defaults(any_route_or_pool: Block<'_>) -> Timeouts {
    let r = any_route_or_pool.one_or_defaults("timeout");
    Timeouts {
        connect: r.value("connect", Typed::time),
        response: r.value("response", Typed::time),
        idle: r.value("idle", Typed::time),
        request: r.value("request", Typed::time_off),
        tunnel_idle: r.value("tunnel-idle", Typed::time_off),
        tunnel_max: r.value("tunnel-max", Typed::time_off),
    }
}

impl Clocks {
    /// These clocks, and where they are silent those of `base`.
    pub(crate) fn over(self, base: Timeouts) -> Timeouts {
        Timeouts {
            connect: self.connect.unwrap_or(base.connect),
            response: self.response.unwrap_or(base.response),
            idle: self.idle.unwrap_or(base.idle),
            request: self.request.unwrap_or(base.request),
            tunnel_idle: self.tunnel_idle.unwrap_or(base.tunnel_idle),
            tunnel_max: self.tunnel_max.unwrap_or(base.tunnel_max),
        }
    }

    /// An inner clock that can never strike. Only what one node says is compared: a route that shortens
    /// `request` below its pool's `response` means just that.
    fn check(self, r: Reader<'_>) {
        let Some(request) = self.request.flatten() else { return };
        let inner =
            [("connect", self.connect, true), ("response", self.response, false), ("idle", self.idle, false)];
        for (key, inner, equal_is_bad) in inner {
            let Some(inner) = inner.filter(|i| *i > request || equal_is_bad && *i == request) else {
                continue;
            };
            let (Some(at), Some(outer)) = (r.written(key), r.written("request")) else { continue };
            let message = format!("`{key}` can never strike: the whole request ends before it");
            let finding = Diagnostic::error("LB502", at, message).label(show_duration(inner));
            r.cx.push(
                finding
                    .also(outer, format!("the whole exchange ends after {}", show_duration(request)))
                    .help(format!("make `{key}` shorter or `request` longer")),
            );
        }
    }
}
