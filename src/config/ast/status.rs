//! `status`: the plain-HTTP endpoint for the balancer above.

use super::super::diagnostic::Diagnostic;
use super::super::model::Status;
use super::super::reader::Block;
use super::super::values::typed::Typed;

/// What it says; `None` when there is none.
pub(crate) fn read(root: Block<'_>) -> Option<Status> {
    let r = root.one("status")?;
    let networks = r.block().one("allow-from").map(|a| a.plain_args(Typed::network));
    let status = Status {
        live: r.value("live", Typed::text).into(),
        ready: r.value("ready", Typed::text).into(),
        metrics: r.value("metrics", Typed::text).into(),
        drain_delay: r.value("drain-delay", Typed::time),
        allow_from: networks.unwrap_or_default(),
        place: r.place(),
        address: r.arg(0, Typed::address)?.value,
    };
    let pairs = [("ready", &status.ready, &status.live), ("metrics", &status.metrics, &status.ready)];
    for (key, path, other) in pairs {
        if path == other || path == &status.live && key == "metrics" {
            let at = r.written(key).unwrap_or(r.span());
            let error = Diagnostic::error("LB105", at, format!("two paths of `status` are `{path}`"));
            r.cx.push(error.label("taken").help("live, ready and metrics have a path each"));
        }
    }
    Some(status)
}
