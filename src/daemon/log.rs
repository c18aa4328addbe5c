//! The daemon's own log on stderr: text or JSON, at a level that the configuration may change while it runs.

use std::sync::OnceLock;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use crate::config::model::{Level, Log};

type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The process has one log, as it has one stderr.
static OUTPUT: OnceLock<reload::Handle<AnyLayer, Registry>> = OnceLock::new();

/// Starts the log, as text at `info`, or as `LBD_LOG` says (`debug`, `lbd::reload=trace`).
pub(super) fn start() {
    let (layer, handle) = reload::Layer::new(layer(Level::Info, false));
    if tracing_subscriber::registry().with(layer).try_init().is_ok() {
        let _ = OUTPUT.set(handle);
    }
}

/// Logs as the configuration says. `LBD_LOG` wins over its level.
pub(super) fn apply(settings: &Log) {
    if let Some(handle) = OUTPUT.get() {
        // Fails only if the subscriber is gone, and then there is nobody to tell.
        let _ = handle.reload(layer(settings.level, settings.json));
    }
}

fn layer(level: Level, json: bool) -> AnyLayer {
    let filter = match std::env::var("LBD_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::new(filter),
        _ => EnvFilter::default().add_directive(level_filter(level).into()),
    };
    let output = fmt::layer().with_writer(std::io::stderr).with_target(false);
    if json {
        output.json().flatten_event(true).with_filter(filter).boxed()
    } else {
        let color = std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none();
        output.with_ansi(color).with_filter(filter).boxed()
    }
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
