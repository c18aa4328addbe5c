//! Stickiness: tables, entries, one key.

use super::{Paint, Table};
use crate::protocol::units::{format_ms, format_number as thousands};
use crate::protocol::{StickyEntries, StickyLookup, StickyTable};

/// `lbctl sticky list`.
pub fn tables(tables: &[StickyTable], paint: Paint) -> String {
    if tables.is_empty() {
        return "no pool is sticky\n".to_owned();
    }
    let mut out = Table::new(&["POOL", "KIND", "NAME", "ENTRIES", "LIMIT", "EVICTED", "TTL", "HIT RATE"]);
    let dash = || "-".to_owned();
    for table in tables {
        let asked = table.hits + table.misses;
        let rate = (table.hits * 100).checked_div(asked).map_or_else(dash, |rate| format!("{rate}%"));
        out.row(vec![
            table.pool.clone().into(),
            table.kind.clone().into(),
            table.cookie.clone().or_else(|| table.name.clone()).unwrap_or_else(dash).into(),
            table.entries.map_or_else(dash, thousands).into(),
            table.limit.map_or_else(dash, thousands).into(),
            table.evicted.map_or_else(dash, thousands).into(),
            table.ttl_ms.map_or_else(dash, format_ms).into(),
            rate.into(),
        ]);
    }
    out.render(paint)
}

/// `lbctl sticky show`.
pub fn entries(entries: &StickyEntries, paint: Paint) -> String {
    if entries.total == 0 {
        return "no entries\n".to_owned();
    }
    let mut table = Table::new(&["KEY", "SERVER", "AGE", "IDLE", "LEFT", "STREAMS"]);
    for entry in &entries.entries {
        table.row(vec![
            entry.key.clone().into(),
            entry.server.clone().unwrap_or_else(|| "(gone)".to_owned()).into(),
            format_ms(entry.age_ms).into(),
            format_ms(entry.idle_ms).into(),
            if entry.streams > 0 { "held".to_owned() } else { format_ms(entry.left_ms) }.into(),
            entry.streams.to_string().into(),
        ]);
    }
    let mut out = table.render(paint);
    let shown = entries.entries.len() as u64;
    if entries.total > shown {
        out.push_str(&format!("…  {} more (--limit, --json)\n", thousands(entries.total - shown)));
    }
    out
}

/// `lbctl sticky get`.
pub fn lookup(lookup: &StickyLookup) -> String {
    match &lookup.server {
        Some(server) => {
            format!("{} → {}/{server}  ({}: {})\n", lookup.key, lookup.pool, lookup.kind, lookup.why)
        }
        None => format!("{} → no server of {}  ({}: {})\n", lookup.key, lookup.pool, lookup.kind, lookup.why),
    }
}
