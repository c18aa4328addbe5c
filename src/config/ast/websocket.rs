//! `websocket` and `drain` of a pool: what WebSockets are told, and how they leave.

use super::super::diagnostic::Diagnostic;
use super::super::model::{Drain, DrainSticky, WebSocket};
use super::super::reader::Reader;
use super::super::values::typed::Typed;

/// `websocket`.
pub(super) fn websocket(r: Reader<'_>) -> WebSocket {
    WebSocket { ping: r.value("ping", Typed::time_off), lost_code: code(r, "lost-code") }
}

/// `drain`.
pub(super) fn drain(r: Reader<'_>) -> Drain {
    Drain {
        deadline: r.value("deadline", Typed::time),
        sticky: match r.value("sticky", Typed::word) {
            "move" => DrainSticky::Move,
            _ => DrainSticky::Keep,
        },
        close_rate: r.value("close-rate", Typed::rate),
        close_code: code(r, "close-code"),
    }
}

/// A code that may stand in a Close (RFC 6455, section 7.4): the others exist within programs only.
fn code(r: Reader<'_>, key: &'static str) -> u16 {
    let code: u16 = r.value(key, Typed::int);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
        && let Some(at) = r.written(key)
    {
        let error = Diagnostic::error("LB506", at, format!("{code} cannot be sent in a Close"));
        r.cx.push(
            error
                .label("reserved by the WebSocket protocol")
                .help("use 1001 (going away), 1012 (restart: come back), 1013 (try later), or 3000 to 4999"),
        );
    }
    code
}
