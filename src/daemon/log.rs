//! The daemon's own log on stderr: text or JSON, at a level that the configuration may change while it runs.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

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
    wanted: Mutex<Wanted>,
}

/// Which lines are written.
struct Wanted {
    /// As the configuration says.
    level: Level,
    /// As an operator says, for a while.
    forced: Option<String>,
}

impl Handles {
    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn apply(&self, wanted: &Wanted) {
        let filter = match &wanted.forced {
            Some(forced) => EnvFilter::new(forced),
            None => filter(wanted.level),
        };
        // Fails only if the subscriber is gone, and then there is nobody to tell.
        let _ = self.filter.reload(filter);
    }
}

/// The process has one log, as it has one stderr.
static HANDLES: OnceLock<Handles> = OnceLock::new();

/// Starts the log, as text at `info`, or as `LBD_LOG` says (`debug`, `lbd::reload=trace`).
pub(super) fn start() {
    let (filter_layer, filter) = reload::Layer::new(filter(Level::Info));
    let (output_layer, output) = reload::Layer::new(output(false));
    if tracing_subscriber::registry().with(filter_layer).with(output_layer).try_init().is_ok() {
        let wanted = Mutex::new(Wanted { level: Level::Info, forced: None });
        let _ = HANDLES.set(Handles { filter, output, wanted });
    }
}

/// Logs as the configuration says. `LBD_LOG` wins over its level, and an operator over both.
pub(super) fn apply(settings: &Log) {
    if let Some(handles) = HANDLES.get() {
        let mut wanted = handles.wanted();
        wanted.level = settings.level;
        handles.apply(&wanted);
        let _ = handles.output.reload(output(settings.json));
    }
}

/// Logs as an operator says, or again as the configuration does. The error is a sentence.
pub(super) fn force(text: Option<&str>) -> Result<(), String> {
    if let Some(text) = text {
        EnvFilter::try_new(text).map_err(|error| {
            format!("`{text}` is not a filter: {error}; write it like debug, or info,lbd::reload=trace")
        })?;
    }
    if let Some(handles) = HANDLES.get() {
        let mut wanted = handles.wanted();
        wanted.forced = text.map(str::to_owned);
        handles.apply(&wanted);
    }
    Ok(())
}

/// The filter that holds now.
pub(super) fn current() -> String {
    let now = HANDLES.get().and_then(|handles| handles.filter.with_current(ToString::to_string).ok());
    now.unwrap_or_default()
}

fn filter(level: Level) -> EnvFilter {
    match std::env::var("LBD_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::new(filter),
        // What libraries have to say at `trace` buries what lbd says.
        _ if level == Level::Trace => EnvFilter::new("debug,lbd=trace"),
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
