//! Routes, and why a request would go where.

use super::status::micros;
use super::{Cell, Paint, Table, Tone, time};
use crate::protocol::units::format_count;
use crate::protocol::{Decision, Explanation, Route};

/// `lbctl route list`.
pub fn routes(routes: &[Route], paint: Paint) -> String {
    if routes.is_empty() {
        return "no routes\n".to_owned();
    }
    let mut table = Table::new(&["SITE", "PATTERN", "WHEN", "ACTION", "PLACE"]);
    for route in routes {
        let site = if route.hosts.is_empty() { "(default)".to_owned() } else { route.hosts.join(" ") };
        table.row(vec![
            site.into(),
            route.patterns.join(" ").into(),
            route.conditions.join(" or ").into(),
            route.action.clone().into(),
            Cell::new(route.place.clone(), Tone::Dim),
        ]);
    }
    table.render(paint)
}

/// `lbctl route explain`.
pub fn explanation(explanation: &Explanation, paint: Paint) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| out.push_str(&format!("{name:<10} {value}\n"));
    line("request", &format!("{} {}", explanation.method, explanation.path));
    if let Some(listener) = &explanation.listener {
        line("listener", listener);
    }
    line("site", explanation.site.as_deref().unwrap_or("none answers to that host"));
    match &explanation.route {
        None => line("route", &paint.text(Tone::Bad, "none matches")),
        Some(route) => {
            let pattern = explanation.pattern.as_deref().unwrap_or_default();
            line("route", &format!("{}  {pattern}  ({})", route.name, route.place));
            line("action", &paint.text(Tone::Good, &route.action));
        }
    }
    for sentence in &explanation.sticky {
        line("sticky", sentence);
    }
    for sentence in &explanation.server {
        line("server", sentence);
    }
    for field in &explanation.params {
        line("param", &format!("{} = {}", field.name, field.value));
    }
    if !explanation.candidates.is_empty() {
        let mut table = Table::new(&["", "ROUTE", "PATTERN", "WHY", "PLACE"]);
        for candidate in &explanation.candidates {
            let mark = if candidate.wins { Cell::new("→", Tone::Good) } else { "".into() };
            table.row(vec![
                mark,
                candidate.route.clone().into(),
                candidate.pattern.clone().into(),
                candidate.why.clone().into(),
                Cell::new(candidate.place.clone(), Tone::Dim),
            ]);
        }
        out.push_str(&table.render(paint));
    }
    out
}

/// `lbctl route of`.
pub fn decision(decision: &Decision, paint: Paint) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: &str| out.push_str(&format!("{name:<10} {value}\n"));
    line("request", &decision.id);
    line("at", &time(decision.at));
    line(
        "client",
        &format!("{} on {}, generation {}", decision.client, decision.listener, decision.generation),
    );
    line("route", decision.route.as_deref().unwrap_or("none matched"));
    if let Some(pool) = &decision.pool {
        line("pool", pool);
    }
    let again = match decision.retries {
        0 => String::new(),
        retries => format!(", sent again {}", format_count(u64::from(retries), "time")),
    };
    match &decision.server {
        Some(server) => line("server", &format!("{server}  ({}{again})", how(&decision.how))),
        None => line("server", &format!("none: answered by lbd{again}")),
    }
    let (tone, status) = match decision.status {
        0 => (Tone::Bad, "none".to_owned()),
        status @ 500.. => (Tone::Bad, status.to_string()),
        status @ 400.. => (Tone::Warn, status.to_string()),
        status => (Tone::Good, status.to_string()),
    };
    let reason = decision.reason.as_ref().map(|reason| format!("  ({reason})")).unwrap_or_default();
    line("status", &format!("{}{reason}", paint.text(tone, &status)));
    let first = decision.first_byte_us.map(|first| format!("first byte after {}, ", micros(first)));
    line("took", &format!("{}{}", first.unwrap_or_default(), micros(decision.took_us)));
    out
}

/// How a server was chosen, in words.
fn how(word: &str) -> String {
    match word {
        "balanced" => "by the balance".to_owned(),
        "redispatched" => "by the balance: its own server takes no requests".to_owned(),
        other => match other.strip_prefix("sticky-") {
            Some(kind) => format!("kept by its {}", kind.replace('-', " ")),
            None => other.to_owned(),
        },
    }
}
