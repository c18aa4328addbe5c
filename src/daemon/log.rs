//! The daemon's own log on stderr: text or JSON, at a level that the configuration may change while it runs.

use std::sync::OnceLock;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layered, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::model::{Level, Log};

type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Output = Box<dyn Layer<Filtered> + Send + Sync>;

/// What can be changed while it runs: filter and output apart, because a layer that filters itself cannot be
/// exchanged.
struct Handles {
    filter: reload::Handle<EnvFilter, Registry>,
    output: reload::Handle<Output, Filtered>,
}

/// The process has one log, as it has one stderr.
static HANDLES: OnceLock<Handles> = OnceLock::new();

/// Starts the log, as text at `info`, or as `LBD_LOG` says (`debug`, `lbd::reload=trace`).
pub(super) fn start() {
    let (filter_layer, filter) = reload::Layer::new(filter(Level::Info));
    let (output_layer, output) = reload::Layer::new(output(false));
    if tracing_subscriber::registry().with(filter_layer).with(output_layer).try_init().is_ok() {
        let _ = HANDLES.set(Handles { filter, output });
    }
}

/// Logs as the configuration says. `LBD_LOG` wins over its level.
pub(super) fn apply(settings: &Log) {
    if let Some(handles) = HANDLES.get() {
        // Fails only if the subscriber is gone, and then there is nobody to tell.
        let _ = handles.filter.reload(filter(settings.level));
        let _ = handles.output.reload(output(settings.json));
    }
}

fn filter(level: Level) -> EnvFilter {
    match std::env::var("LBD_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::new(filter),
        _ => EnvFilter::default().add_directive(level_filter(level).into()),
    }
}

fn output(json: bool) -> Output {
    let output = fmt::layer().with_writer(std::io::stderr).with_target(false);
    if json {
        return output.json().flatten_event(true).boxed();
    }
    let color =
        std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
    output.with_ansi(color).boxed()
}

fn level_filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
