//! `log`: the daemon's own log, and the access log.

use super::super::diagnostic::Diagnostic;
use super::super::model::{AccessFormat, AccessLog, AccessTarget, Capture, Level, Log};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;

/// What it says, or the defaults.
pub(crate) fn read(root: Block<'_>) -> Log {
    let r = root.one_or_defaults("log");
    let captures = r.block().all("capture");
    let access = r.block().one("access");
    if let (None, Some(capture)) = (&access, captures.first()) {
        let error = Diagnostic::error("LB103", capture.span(), "there is no access log to capture into");
        r.cx.push(error.label("never written").help("add `access` beside it"));
    }
    Log {
        level: match r.value("level", Typed::word) {
            "error" => Level::Error,
            "warn" => Level::Warn,
            "debug" => Level::Debug,
            "trace" => Level::Trace,
            _ => Level::Info,
        },
        json: r.value("format", Typed::word) == "json",
        access: access.map(|a| access_log(a, captures.into_iter().filter_map(capture).collect())),
    }
}

fn access_log(r: Reader<'_>, captures: Vec<Capture>) -> AccessLog {
    let to = match r.value("to", Typed::text).as_str() {
        "stdout" => AccessTarget::Stdout,
        "stderr" => AccessTarget::Stderr,
        file => AccessTarget::File(r.cx.file(file, r.written("to").unwrap_or(r.span()))),
    };
    AccessLog {
        format: match r.value("format", Typed::word) {
            "combined" => AccessFormat::Combined,
            _ => AccessFormat::Json,
        },
        to,
        sample_percent: r.value("sample", Typed::percent),
        websocket_open: r.value("websocket", Typed::word) == "open-close",
        websocket_every: r.get("websocket-every", Typed::time_off).flatten(),
        captures,
    }
}

fn capture(r: Reader<'_>) -> Option<Capture> {
    let hash = r.value("hash", Typed::bool);
    Some(Capture { key: r.arg(0, Typed::key)?.value, hash })
}
