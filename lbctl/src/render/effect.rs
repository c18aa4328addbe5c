//! What a change to a server does to clients, before and after it was made.

use crate::protocol::units::format_count;
use crate::protocol::{AdminState, Changed};

/// `would drain app/a: 400 sessions, 12 requests; new clients go to b`, and which guards object.
pub fn effect(changed: &Changed, state: AdminState, name: &str) -> String {
    let effect = &changed.effect;
    let verb = match (state, effect.dry_run) {
        (AdminState::Drain, true) => "would drain",
        (AdminState::Drain, false) => "draining",
        (AdminState::Maint, true) => "would stop",
        (AdminState::Maint, false) => "stopped",
        (AdminState::Ready, true) => "would bring back",
        (AdminState::Ready, false) => "brought back",
    };
    let load =
        format!("{}, {}", format_count(effect.sessions, "session"), format_count(effect.requests, "request"));
    let others = match (state, effect.others.as_slice()) {
        (AdminState::Ready, _) => String::new(),
        (_, []) => "; no server is left for new clients".to_owned(),
        (_, others) => format!("; new clients go to {}", some(others)),
    };
    let mut text = format!("{verb} {name}: {load}{others}\n");
    for guard in &effect.guards {
        let remark = if effect.dry_run { "would be refused without --force" } else { "forced" };
        text.push_str(&format!("note: {guard} ({remark})\n"));
    }
    text
}

fn some(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names.len() {
        0..=SHOWN => names.join(", "),
        more => format!("{} and {} more", names[..SHOWN].join(", "), more - SHOWN),
    }
}
