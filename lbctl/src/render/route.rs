//! Routes, and why a request would go where.

use super::{Cell, Paint, Table, Tone};
use crate::protocol::{Explanation, Route};

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
