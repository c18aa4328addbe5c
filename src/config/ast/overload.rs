//! `passive`, `queue` and `panic`: what a pool does when servers fail or are full.

use super::super::diagnostic::Diagnostic;
use super::super::model::{Passive, Queue};
use super::super::reader::Reader;
use super::super::values::typed::Typed;

/// What `panic` means without a number.
const PANIC: f64 = 50.0;

/// `passive`.
pub(crate) fn passive(r: Reader<'_>) -> Passive {
    let rate_percent: Option<f64> = r.value("rate", Typed::percent_off);
    let min_requests = r.value("min-requests", Typed::int);
    if rate_percent == Some(0.0)
        && let Some(at) = r.written("rate")
    {
        let error = Diagnostic::error("LB102", at, "a rate of 0% ejects every server");
        r.cx.push(
            error.label("even one without a failure").help("write `rate=off`, or a share such as \"50%\""),
        );
    }
    if let (None, Some(at)) = (rate_percent, r.written("min-requests")) {
        let error = Diagnostic::error("LB102", at, "`min-requests` means nothing without `rate`");
        r.cx.push(error.label("has no effect").help("add a rate, such as `rate=\"50%\"`, or remove it"));
    }
    Passive {
        failures: r.value("failures", Typed::int),
        rate_percent,
        min_requests,
        window: r.value("window", Typed::time),
        eject: r.value("eject", Typed::time),
        max_ejected_percent: r.value("max-ejected", Typed::percent),
    }
}

/// `queue`.
pub(crate) fn queue(r: Reader<'_>) -> Queue {
    Queue { size: r.value("size", Typed::int), timeout: r.value("timeout", Typed::time) }
}

/// `panic`.
pub(crate) fn panic(r: Reader<'_>) -> f64 {
    r.arg(0, Typed::percent).map_or(PANIC, |share| share.value)
}
