//! Servers and pools: two facts, two words – what the operator wishes, what the checks find.

use super::connection::streams;
use super::status::micros;
use super::{Cell, Paint, Table, Tone};
use crate::protocol::units::{format_count, format_ms, format_number as thousands};
use crate::protocol::{AdminState, DrainSticky, HealthState, Pool, PoolSummary, Probe, Server, StickyTable};

/// The state in words, and how bad it is: `up`, `down 2m (connect refused)`, `drain, up`, `maint`.
pub fn server_state(server: &Server) -> (String, Tone) {
    let health = &server.health;
    let (found, tone) = match health.state {
        HealthState::Up => ("up".to_owned(), Tone::Good),
        HealthState::Unknown if health.checked => ("not checked yet".to_owned(), Tone::Warn),
        HealthState::Unknown => ("not checked".to_owned(), Tone::Plain),
        HealthState::Down => {
            let reason = health.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            (format!("down {}{reason}", format_ms(health.since_ms)), Tone::Bad)
        }
    };
    let (found, tone) = match (server.ejected_ms, server.starting_percent) {
        (Some(left), _) if tone != Tone::Bad => {
            let reason =
                server.ejected_reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            (format!("ejected {}{reason}", format_ms(left)), Tone::Bad)
        }
        (None, Some(percent)) if tone != Tone::Bad => (format!("starting {percent}%"), Tone::Warn),
        _ => (found, tone),
    };
    match server.admin.state {
        AdminState::Ready => (found, tone),
        AdminState::Maint => ("maint".to_owned(), Tone::Warn),
        AdminState::Drain => (format!("drain, {found}"), if tone == Tone::Bad { tone } else { Tone::Warn }),
    }
}

/// `lbctl server list`.
pub fn servers(servers: &[Server], paint: Paint) -> String {
    if servers.is_empty() {
        return "no servers\n".to_owned();
    }
    let mut table = Table::new(&[
        "SERVER",
        "ADDRESS",
        "STATE",
        "WEIGHT",
        "IN FLIGHT",
        "SESSIONS",
        "REQUESTS",
        "5XX",
        "P99",
    ]);
    for server in servers {
        let (state, tone) = server_state(server);
        table.row(vec![
            format!("{}/{}", server.pool, server.name).into(),
            address(server).into(),
            Cell::new(state, tone),
            weight(server).into(),
            thousands(server.in_flight).into(),
            thousands(server.sessions).into(),
            thousands(server.requests).into(),
            thousands(server.errors_5xx).into(),
            server.p99_us.map_or_else(|| "-".to_owned(), micros).into(),
        ]);
    }
    table.render(paint)
}

/// Where it is, and how it was found when the file does not say.
fn address(server: &Server) -> String {
    match &server.origin {
        Some(origin) => format!("discover {origin}"),
        None => server.address.clone(),
    }
}

/// `lbctl server show`.
pub fn server(server: &Server, paint: Paint) -> String {
    let (state, tone) = server_state(server);
    let mut out = format!("{}/{}  {}\n", server.pool, server.name, paint.text(tone, &state));
    for (name, value) in facts(server) {
        out.push_str(&format!("{name:<12} {value}\n"));
    }
    if !server.streams.is_empty() {
        out.push_str(&streams(&server.streams, paint));
    }
    out
}

/// `lbctl pool list`.
pub fn pools(pools: &[PoolSummary], paint: Paint) -> String {
    if pools.is_empty() {
        return "no pools\n".to_owned();
    }
    let mut table =
        Table::new(&["POOL", "SERVERS", "BALANCE", "STICKY", "REQUESTS", "5XX", "IN FLIGHT", "SESSIONS"]);
    for pool in pools {
        table.row(vec![
            pool.name.clone().into(),
            format!("{}/{} up", pool.up, pool.servers).into(),
            pool.balance.clone().into(),
            pool.sticky.iter().map(sticky_words).collect::<Vec<_>>().join(", ").into(),
            thousands(pool.requests).into(),
            thousands(pool.errors_5xx).into(),
            thousands(pool.in_flight).into(),
            thousands(pool.sessions).into(),
        ]);
    }
    table.render(paint)
}

/// `lbctl pool show`.
pub fn pool(pool: &Pool, paint: Paint) -> String {
    let summary = &pool.summary;
    let sticky: Vec<String> = summary.sticky.iter().map(sticky_words).collect();
    let sticky = if sticky.is_empty() { "none".to_owned() } else { sticky.join(", ") };
    let head = format!(
        "{}  {}/{} up  balance {}  sticky {sticky}\n",
        paint.text(Tone::Strong, &summary.name),
        summary.up,
        summary.servers,
        summary.balance
    );
    let head = match summary.queued {
        0 => head,
        queued => format!("{}  queued {}\n", head.trim_end(), thousands(queued)),
    };
    head + &servers(&pool.servers, paint)
}

/// `lbctl server check`.
pub fn probe(path: &str, probe: &Probe, paint: Paint) -> String {
    let tone = if probe.passed { Tone::Good } else { Tone::Bad };
    let mut out = format!("{path}  {}\n", paint.text(tone, &probe.verdict));
    out.push_str(&format!("asked        {}\n", probe.asked));
    out.push_str(&format!("took         {}\n", micros(probe.took_us)));
    if let Some(tls) = &probe.tls {
        out.push_str(&format!("tls          {tls}\n"));
    }
    for field in &probe.headers {
        out.push_str(&format!("  {}: {}\n", field.name, field.value));
    }
    out
}

/// `cookie LBD-TWX`, `source-ip 9 120`.
pub(super) fn sticky_words(table: &StickyTable) -> String {
    match (&table.cookie, table.entries) {
        (Some(cookie), _) => format!("{} {cookie}", table.kind),
        (None, Some(entries)) => format!("{} {}", table.kind, thousands(entries)),
        (None, None) => table.kind.clone(),
    }
}

fn facts(server: &Server) -> Vec<(&'static str, String)> {
    let mut facts = vec![("address", server.address.clone())];
    if let Some(endpoint) = server.endpoint.as_ref().filter(|endpoint| **endpoint != server.address) {
        facts.push(("endpoint", endpoint.clone()));
    }
    let why = server.why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    if let Some(origin) = &server.origin {
        let unnamed = if server.unnamed { ", which names it no longer" } else { "" };
        facts.push(("found by", format!("discover {origin}{unnamed}")));
    }
    facts.push(("eligible", format!("{}{why}", server.eligible)));
    facts.push(("health", health(server)));
    facts.push(("admin", admin(server)));
    facts.push(("weight", weight(server)));
    if server.backup {
        facts.push(("backup", "yes".to_owned()));
    }
    facts.push(("in flight", thousands(server.in_flight)));
    facts.push(("sessions", thousands(server.sessions)));
    facts.push(("idle", format_count(server.idle_connections, "connection")));
    facts.push((
        "requests",
        format!(
            "{} ({} with 5xx, {} without answer)",
            thousands(server.requests),
            thousands(server.errors_5xx),
            thousands(server.failures)
        ),
    ));
    if let Some(p99) = server.p99_us {
        facts.push(("p99", micros(p99)));
    }
    facts
}

fn health(server: &Server) -> String {
    let health = &server.health;
    if !health.checked {
        return "not checked: the pool defines no health check".to_owned();
    }
    let word = match health.state {
        HealthState::Up => "up",
        HealthState::Down => "down",
        HealthState::Unknown => "not checked yet",
    };
    let mut text = format!("{word} for {}", format_ms(health.since_ms));
    if let Some(reason) = &health.reason {
        text.push_str(&format!(" ({reason})"));
    }
    text.push_str(&format!(", {} good and {} bad in a row", health.good, health.bad));
    if let Some(last) = health.last_check_ms {
        text.push_str(&format!(", last {} ago", format_ms(last)));
    }
    text
}

fn admin(server: &Server) -> String {
    let admin = &server.admin;
    let mut text = match admin.state {
        AdminState::Ready => "ready".to_owned(),
        AdminState::Maint => "maint".to_owned(),
        AdminState::Drain => match admin.sticky {
            Some(DrainSticky::Move) => "drain, existing clients move".to_owned(),
            _ => "drain, existing clients stay".to_owned(),
        },
    };
    if let Some(deadline) = admin.deadline {
        text.push_str(&format!(", deadline {}", super::time(deadline)));
    }
    if let Some(until) = admin.until {
        text.push_str(&format!(", back at {}", super::time(until)));
    }
    if let Some(only) = &admin.only {
        text.push_str(&format!(", closes only {}", only.words()));
    }
    if admin.paused {
        text.push_str(", paused");
    }
    if let Some(actor) = &admin.actor {
        text.push_str(&format!(", by {actor}"));
    }
    if let Some(reason) = &admin.reason {
        text.push_str(&format!(": {reason}"));
    }
    text
}

fn weight(server: &Server) -> String {
    let backup = if server.backup { " backup" } else { "" };
    if server.weight == server.file_weight {
        format!("{}{backup}", server.weight)
    } else {
        format!("{} (file {}){backup}", server.weight, server.file_weight)
    }
}
