//! Metrics: what runs, since when, and what it counted, for Prometheus. Labels are names from the configuration,
//! or words of the code's own, and of names there is a most: a page never grows without bound.

mod certificates;
mod listeners;
mod page;
mod pools;
mod process;
mod servers;

use std::sync::Arc;
use std::time::SystemTime;

use page::Page;
pub use page::{Family, Format, Kind};

use crate::observe::{Events, LogLines, Spans, Totals};
use crate::pool::Pool;
use crate::reload::{ReloadHandle, ReloadState, judged};
use crate::snapshot::{Current, Snapshot};

/// Classes of status, as [`Totals`] counts them.
const CLASSES: [&str; 6] = ["other", "1xx", "2xx", "3xx", "4xx", "5xx"];
/// Of what streams carry.
const DIRECTIONS: [&str; 2] = ["in", "out"];

/// What is measured.
#[derive(Clone)]
pub struct Metrics {
    /// The world.
    pub current: Current,
    /// The files.
    pub reload: ReloadHandle,
    /// What happened.
    pub events: Arc<Events>,
    /// The access log.
    pub log: Arc<LogLines>,
    /// The spans.
    pub spans: Arc<Spans>,
}

impl Metrics {
    /// The whole page.
    pub fn page(&self, format: Format) -> String {
        render(&self.current.load(), &self.reload.state(), self.told(), format).0
    }

    fn told(&self) -> Told<'_> {
        Told { events: &self.events, log: &self.log, spans: &self.spans }
    }
}

/// What is told to others than those who scrape, and counted.
#[derive(Clone, Copy)]
struct Told<'a> {
    events: &'a Events,
    log: &'a LogLines,
    spans: &'a Spans,
}

/// Every metric that there is.
pub fn families() -> Vec<Family> {
    let (events, spans) = (Events::new(), Spans::new().0);
    let told = Told { events: &events, log: &LogLines::default(), spans: &spans };
    render(&Snapshot::empty(), &ReloadState::default(), told, Format::Prometheus).1
}

fn render(
    snapshot: &Snapshot,
    reload: &ReloadState,
    told: Told<'_>,
    format: Format,
) -> (String, Vec<Family>) {
    let mut page = Page::new(format);
    page.gauge("lbd_build_info", &["version"], "Always 1; what runs is in its label.")
        .sample(&[env!("CARGO_PKG_VERSION")], 1);
    process::write(&mut page);
    config(&mut page, reload, snapshot);
    happened(&mut page, told);
    certificates::write(&mut page, &snapshot.certificates);
    listeners::write(&mut page, &snapshot.listeners);
    listeners::routes(&mut page, &snapshot.route_counts);
    let pools: Vec<(&Pool, Totals)> =
        snapshot.pools.values().map(|snap| (&*snap.pool, snap.pool.counters.total())).collect();
    pools::write(&mut page, snapshot, &pools);
    servers::write(&mut page, &pools);
    page.finish()
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn config(page: &mut Page, reload: &ReloadState, running: &Snapshot) {
    page.gauge("lbd_config_generation", &[], "The generation that serves.").sample(&[], reload.generation);
    let ok = u8::from(reload.rejected.is_none());
    page.gauge("lbd_config_last_attempt_ok", &[], "1 when the files on disk are what serves.")
        .sample(&[], ok);
    page.gauge(
        "lbd_config_last_success_timestamp_seconds",
        &[],
        "When the generation that serves was published, in seconds since 1970.",
    )
    .sample(&[], seconds(reload.since));
    let age = |since: SystemTime| since.elapsed().map_or(0.0, |age| age.as_secs_f64());
    let stale = reload.rejected.as_ref().map_or(0.0, |rejected| age(rejected.since));
    page.gauge("lbd_config_stale_seconds", &[], "How long the files on disk have been refused.")
        .sample(&[], stale);
    let held = |held: bool| u8::from(held);
    let help = "1 while what serves comes back unless it is confirmed.";
    page.gauge("lbd_config_unconfirmed", &[], help).sample(&[], held(reload.unconfirmed.is_some()));
    let help = "1 while a generation is pinned, whatever the files say.";
    page.gauge("lbd_config_pinned", &[], help).sample(&[], held(reload.pinned.is_some()));
    let help = "What was found in the files when they were last read.";
    page.gauge("lbd_config_findings", &["severity"], help);
    let counts = match &reload.rejected {
        // The files that were refused do not run: nothing that runs says more about them.
        Some(_) => reload.findings.counts(),
        None => judged(&reload.findings, running).counts(),
    };
    for (severity, count) in counts {
        page.sample(&[severity], count);
    }
    page.counter("lbd_config_rejected_total", &["reason"], "Refused file sets, by reason.");
    for (reason, count) in &reload.rejected_total {
        page.sample(&[reason], count);
    }
}

fn happened(page: &mut Page, Told { events, log, spans }: Told<'_>) {
    page.counter("lbd_events_total", &["event"], "Events, by kind; every kind is in docs/events.md.");
    for (kind, count) in events.kinds() {
        page.sample(&[kind], count);
    }
    let (written, dropped) = log.counts();
    page.counter("lbd_access_log_written_lines_total", &[], "Lines of the access log that were written.")
        .sample(&[], written);
    let help = "Lines of the access log that were lost: it is written too slowly, or cannot be.";
    page.counter("lbd_access_log_dropped_lines_total", &[], help).sample(&[], dropped);
    let help = "Spans of sampled requests: taken by the collector; failed, not taken; dropped, as too many waited for it.";
    page.counter("lbd_trace_spans_total", &["result"], help);
    spans.counts().iter().for_each(|(result, count)| page.sample(&[result], count));
}

#[cfg(test)]
mod tests;
