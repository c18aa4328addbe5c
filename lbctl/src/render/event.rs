//! One event as one line.

use super::{Paint, Tone, time};
use crate::protocol::{Event, LAGGED};

/// `2026-01-02T03:04:05Z  server.down  platform/tw1  reason=connect refused`.
pub fn event(event: &Event, paint: Paint) -> String {
    if event.kind == LAGGED {
        let missed = event.missed.unwrap_or_default();
        return paint.text(Tone::Bad, &format!("too slow to follow: {missed} events were missed"));
    }
    let time = event.time.map(time).unwrap_or_default();
    let tone = match event.kind.as_str() {
        "server.down" | "config.rejected" => Tone::Bad,
        "server.up" | "config.applied" | "drain.done" => Tone::Good,
        _ => Tone::Plain,
    };
    let mut line = format!("{}  {}", paint.text(Tone::Dim, &time), paint.text(tone, &event.kind));
    if !event.subject.is_empty() {
        line.push_str(&format!("  {}", event.subject));
    }
    if let Some(facts) = event.data.as_object() {
        for (name, value) in facts.iter().filter(|(_, value)| !value.is_null()) {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            line.push_str(&format!("  {name}={text}"));
        }
    }
    if let Some(actor) = &event.actor {
        line.push_str(&format!("  by {actor}"));
    }
    line
}
