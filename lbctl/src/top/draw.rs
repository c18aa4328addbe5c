//! The panes. Each draws what fits, and says so when something does not.

use super::app::{App, Focus, Front};
use lbctl::protocol::units::{format_ms, format_number as thousands};
use lbctl::protocol::{ConfigSummary, Event, Look, PoolSummary, Server};
use lbctl::render::{self, Paint, Tone, server_state};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Clear, Paragraph, Row, Sparkline, Table, TableState, Wrap};

/// From this width on sessions have a pane of their own.
const WIDE: u16 = 120;
/// The width of the history of rates.
const SPARK: u16 = 30;

const KEYS: &str = "\
arrows, j k      choose            Tab    pools, servers
d                drain the server (no new clients)
m                maintenance (nobody)
r                ready again
/                filter by name or address
e                where would a request go?
q, Esc           leave";

/// With colour or without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink(pub(super) Paint);

impl Ink {
    fn of(self, tone: Tone) -> Style {
        let style = Style::new();
        match (self.0, tone) {
            (_, Tone::Plain) | (Paint::Plain, Tone::Good | Tone::Dim) => style,
            (_, Tone::Strong) | (Paint::Plain, Tone::Bad | Tone::Warn) => style.add_modifier(Modifier::BOLD),
            (Paint::Colour, Tone::Good) => style.fg(Color::Green),
            (Paint::Colour, Tone::Warn) => style.fg(Color::Yellow),
            (Paint::Colour, Tone::Bad) => style.fg(Color::Red),
            (Paint::Colour, Tone::Dim) => style.add_modifier(Modifier::DIM),
        }
    }
}

/// Everything.
pub(super) fn draw(frame: &mut Frame<'_>, app: &App, ink: Ink) {
    let area = frame.area();
    let Some(look) = &app.look else {
        let text = app.lost.clone().unwrap_or_else(|| "asking lbd …".to_owned());
        return frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
    };
    let pools = u16::try_from(app.pools().len()).unwrap_or(u16::MAX).saturating_add(3);
    let (pools, events) = (pools.min(area.height / 4 + 1).max(4), (area.height / 5).max(4));
    let rows = [
        Constraint::Length(2),
        Constraint::Length(pools),
        Constraint::Min(4),
        Constraint::Length(events),
        Constraint::Length(1),
    ];
    let [top, pools, middle, events, keys] = Layout::vertical(rows).areas(area);
    header(frame, app, look, ink, top);
    pool_pane(frame, app, ink, pools);
    if area.width >= WIDE {
        let [left, right] = Layout::horizontal([Constraint::Min(80), Constraint::Length(40)]).areas(middle);
        server_pane(frame, app, ink, left);
        session_pane(frame, app, ink, right);
    } else {
        server_pane(frame, app, ink, middle);
    }
    event_pane(frame, app, ink, events);
    key_line(frame, app, ink, keys);
    front(frame, app, ink, area);
}

fn header(frame: &mut Frame<'_>, app: &App, look: &Look, ink: Ink, area: Rect) {
    let [first, second] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
    let status = &look.status;
    let config = &status.config;
    let files = match (&app.lost, &config.rejected) {
        (Some(lost), _) => Span::styled(format!("✘ {lost}; trying again"), ink.of(Tone::Bad)),
        (None, Some(_)) => Span::styled("✘ files refused: lbctl config show-report", ink.of(Tone::Bad)),
        (None, None) if config.unconfirmed.is_some() || config.pinned.is_some() => held(config, ink),
        (None, None) if config.warnings.is_empty() => Span::styled("✔ config clean", ink.of(Tone::Good)),
        (None, None) => Span::styled(format!("! {} warnings", config.warnings.len()), ink.of(Tone::Warn)),
    };
    let name = Span::styled(format!("lbd {}", status.lbd), ink.of(Tone::Strong));
    let age = format!(
        "  up {}  generation {} ({} ago)  ",
        format_ms(status.uptime_ms),
        config.generation,
        format_ms(config.since_ms)
    );
    frame.render_widget(Line::from(vec![name, age.into(), files]), first);
    let connections: u64 = status.listeners.iter().map(|one| one.connections).sum();
    let sum = |count: fn(&PoolSummary) -> u64| thousands(status.pools.iter().map(count).sum());
    let totals = format!(
        "{} req/s  {} in flight  {} sessions  {} connections ",
        thousands(app.rates.back().copied().unwrap_or(0)),
        sum(|pool| pool.in_flight),
        sum(|pool| pool.sessions),
        thousands(connections),
    );
    let width = u16::try_from(totals.chars().count()).unwrap_or(u16::MAX);
    let [text, spark] = Layout::horizontal([Constraint::Length(width), Constraint::Max(SPARK)]).areas(second);
    frame.render_widget(Paragraph::new(totals), text);
    let shown = app.rates.len().saturating_sub(usize::from(spark.width));
    let bars = Sparkline::default().data(app.rates.iter().skip(shown).copied()).style(ink.of(Tone::Good));
    frame.render_widget(bars, spark);
}

/// What an operator must not forget, short enough for a narrow screen.
fn held(config: &ConfigSummary, ink: Ink) -> Span<'static> {
    let mut words = Vec::new();
    if let Some(waits) = &config.unconfirmed {
        words.push(format!(
            "! {} comes back in {} unless confirmed",
            waits.previous,
            format_ms(waits.left_ms)
        ));
    }
    if let Some(pin) = &config.pinned {
        words.push(format!("! pinned to {}", pin.generation));
    }
    Span::styled(words.join("  "), ink.of(Tone::Bad))
}

fn pool_pane(frame: &mut Frame<'_>, app: &App, ink: Ink, area: Rect) {
    let pools = app.pools();
    let name = pools.iter().map(|pool| pool.name.chars().count()).max().unwrap_or(0).clamp(12, 30) as u16;
    let row = |pool: &&PoolSummary| {
        let tone = match pool.up {
            0 => Tone::Bad,
            up if up < pool.servers => Tone::Warn,
            _ => Tone::Good,
        };
        let dash = || "-".to_owned();
        Row::new(vec![
            Cell::from(pool.name.clone()),
            Cell::from(format!("{}/{} up", pool.up, pool.servers)).style(ink.of(tone)),
            number(pool.rate.map_or_else(dash, |rate| format!("{rate:.1}"))),
            number(pool.p99_us.map_or_else(dash, render::micros)),
            number(pool.error_share.map_or_else(dash, |share| format!("{:.1}%", share * 100.0))),
            number(thousands(pool.in_flight)),
            number(thousands(pool.sessions)),
        ])
    };
    let widths = [
        Constraint::Length(name),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(7),
        Constraint::Length(7),
        Constraint::Length(9),
        Constraint::Length(9),
    ];
    let heading = heading(&["POOL", "SERVERS"], &["REQ/S", "P99", "5XX", "IN FLIGHT", "SESSIONS"], ink);
    let title = format!("pools {}", pools.len());
    let table = Table::new(pools.iter().map(row), widths).header(heading).block(block(
        title,
        app.focus == Focus::Pools,
        ink,
    ));
    rows(frame, table, app.pool_at(), pools.len(), area);
}

fn server_pane(frame: &mut Frame<'_>, app: &App, ink: Ink, area: Rect) {
    let servers = app.servers();
    let longest = |text: &dyn Fn(&Server) -> usize, least: usize, most: usize| {
        servers.iter().map(|one| text(one)).max().unwrap_or(0).clamp(least, most.max(least)) as u16
    };
    let name = longest(&|one| one.name.chars().count(), 6, 24);
    let address = longest(&|one| one.address.chars().count(), 7, 30);
    // What has least to say makes room first.
    let roomy = area.width >= name + address + 75;
    let numbers: &[(&'static str, u16)] = if roomy {
        &[("WEIGHT", 6), ("IN FLIGHT", 9), ("SESSIONS", 8), ("REQUESTS", 8), ("5XX", 6), ("P99", 6)]
    } else {
        &[("WEIGHT", 6), ("FLIGHT", 6), ("SESSIONS", 8), ("5XX", 5), ("P99", 6)]
    };
    let taken: u16 = numbers.iter().map(|(_, width)| width + 1).sum::<u16>() + name + address + 3;
    let state =
        longest(&|one| server_state(one).0.chars().count(), 8, usize::from(area.width.saturating_sub(taken)));
    let row = |server: &&Server| {
        let (state, tone) = server_state(server);
        let mut cells = vec![
            Cell::from(server.name.clone()),
            Cell::from(server.address.clone()),
            Cell::from(state).style(ink.of(tone)),
            number(server.weight.to_string()),
            number(thousands(server.in_flight)),
            number(thousands(server.sessions)),
        ];
        cells.extend(roomy.then(|| number(short(server.requests))));
        cells.push(number(short(server.errors_5xx)));
        cells.push(number(server.p99_us.map_or_else(|| "-".to_owned(), render::micros)));
        Row::new(cells)
    };
    let widths = [name, address, state].into_iter().chain(numbers.iter().map(|(_, width)| *width));
    let right: Vec<&'static str> = numbers.iter().map(|(name, _)| *name).collect();
    let heading = heading(&["SERVER", "ADDRESS", "STATE"], &right, ink);
    let of = app.pool().map_or_else(String::new, |pool| format!(" of {}", pool.name));
    let title = format!("servers{of} {}", servers.len());
    let table = Table::new(servers.iter().map(row), widths.map(Constraint::Length))
        .header(heading)
        .block(block(title, app.focus == Focus::Servers, ink));
    rows(frame, table, app.server_at(), servers.len(), area);
}

/// Long-lived streams by server, as bars of one scale.
fn session_pane(frame: &mut Frame<'_>, app: &App, ink: Ink, area: Rect) {
    let servers = app.servers();
    let all: u64 = servers.iter().map(|one| one.sessions).sum();
    let [_, area] = Layout::horizontal([Constraint::Length(2), Constraint::Min(0)]).areas(area);
    let block = block(format!("sessions {}", thousands(all)), false, ink);
    let inner = block.inner(area);
    let most = servers.iter().map(|one| one.sessions).max().unwrap_or(0).max(1);
    let width = u64::from(inner.width.saturating_sub(22));
    // Those that the servers' pane shows beside it.
    let first = app.server_at().saturating_sub(usize::from(inner.height).saturating_sub(2));
    let line = |one: &&Server| {
        let bar = "█".repeat((one.sessions * width).div_ceil(most) as usize);
        Line::from(format!("{:<12.12} {:>7} {bar}", one.name, thousands(one.sessions)))
    };
    let mut lines = vec![Line::default()];
    lines.extend(servers.iter().skip(first).map(line));
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn event_pane(frame: &mut Frame<'_>, app: &App, ink: Ink, area: Rect) {
    let block = block("events".to_owned(), false, ink);
    let height = usize::from(block.inner(area).height);
    let line = |event: &Event| Line::from(brief(event));
    let skip = app.events.len().saturating_sub(height);
    let lines: Vec<Line<'_>> = app.events.iter().skip(skip).map(line).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

/// `21:27:37  server.down  app/tw1  connect refused  by ann`: what fits on a line.
fn brief(event: &Event) -> String {
    let time = event.time.map(render::time).unwrap_or_default();
    let time = time.get(11..19).unwrap_or_default();
    let fact = |name: &str| event.data.get(name).and_then(|value| value.as_str());
    let why = ["reason", "summary", "message"].into_iter().find_map(fact).unwrap_or_default();
    let actor = event.actor.as_ref().map(|actor| format!("  by {actor}")).unwrap_or_default();
    format!("{time}  {}  {}{actor}  {why}", event.kind, event.subject).trim_end().to_owned()
}

fn key_line(frame: &mut Frame<'_>, app: &App, ink: Ink, area: Rect) {
    let line = match (&app.front, &app.message) {
        (Front::Filter, _) => Line::from(format!("filter: {}▏  Enter keeps it, Esc clears it", app.filter)),
        (_, Some(message)) => Line::styled(message.clone(), ink.of(Tone::Strong)),
        _ if !app.filter.is_empty() => Line::from(format!("filter: {}  Esc clears it", app.filter)),
        _ => Line::styled(
            "d drain  r ready  m maint  e explain  / filter  Tab pane  ? help  q quit",
            ink.of(Tone::Dim),
        ),
    };
    frame.render_widget(line, area);
}

fn front(frame: &mut Frame<'_>, app: &App, ink: Ink, area: Rect) {
    let (title, text) = match &app.front {
        Front::Nothing | Front::Filter => return,
        Front::Help => ("keys", KEYS.to_owned()),
        Front::Text(text) => ("any key closes", text.clone()),
        Front::Confirm(_, text) => ("y does it, n does not", text.clone()),
        Front::Url(url) => ("where would it go? Enter asks, Esc closes", format!("[METHOD] URL: {url}▏")),
    };
    let width = area.width.saturating_sub(4).min(110);
    let inner = usize::from(width.saturating_sub(2)).max(1);
    let text = text.trim_end().to_owned();
    let height: usize = text.lines().map(|line| line.chars().count().max(1).div_ceil(inner)).sum();
    let height = u16::try_from(height + 2).unwrap_or(u16::MAX).min(area.height);
    let at = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    frame.render_widget(Clear, at);
    let block = block(title.to_owned(), true, ink).borders(Borders::ALL);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }).block(block), at);
}

/// The rows around the chosen one, which is marked also where there is no colour.
fn rows(frame: &mut Frame<'_>, table: Table<'_>, chosen: usize, length: usize, area: Rect) {
    let table = table
        .column_spacing(1)
        .highlight_symbol("▸")
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected((length > 0).then_some(chosen));
    frame.render_stateful_widget(table, area, &mut state);
}

fn block(title: String, focused: bool, ink: Ink) -> Block<'static> {
    let tone = if focused { Tone::Strong } else { Tone::Dim };
    let title = if focused { format!("[ {title} ]") } else { format!(" {title} ") };
    Block::new()
        .borders(Borders::TOP)
        .border_style(ink.of(Tone::Dim))
        .title(Span::styled(title, ink.of(tone)))
}

fn heading(left: &[&'static str], right: &[&'static str], ink: Ink) -> Row<'static> {
    let left = left.iter().map(|text| Cell::from(*text));
    let right = right.iter().map(|text| number((*text).to_owned()));
    Row::new(left.chain(right).collect::<Vec<_>>()).style(ink.of(Tone::Strong))
}

fn number(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).right_aligned())
}

/// `999 999`, `1.2M`: for narrow columns.
fn short(number: u64) -> String {
    match number {
        0..1_000_000 => thousands(number),
        1_000_000..1_000_000_000 => format!("{}.{}M", number / 1_000_000, number % 1_000_000 / 100_000),
        _ => format!("{}.{}G", number / 1_000_000_000, number % 1_000_000_000 / 100_000_000),
    }
}
