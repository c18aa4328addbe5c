//! Spans of requests, to a collector: OTLP over HTTP, protobuf.
//!
//! A thread of its own, started when first it has something to do: whatever the collector does, no worker and not the
//! steering thread waits for it. One message is under way at a time; spans that come meanwhile wait, up to the queue's
//! bound, and are dropped and counted beyond it.

mod client;
#[cfg(feature = "otlp")]
mod message;
#[cfg(not(feature = "otlp"))]
#[path = "no_message.rs"]
mod message;
mod sender;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::mpsc as threads;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tracing::{error, warn};

use crate::config::model::Trace;
use crate::observe::{Events, Span, Spans};

use sender::Sender;

/// What is sent to whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// As the configuration says.
    pub trace: Trace,
    /// How an `https` collector is believed.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

impl PartialEq for Settings {
    fn eq(&self, other: &Self) -> bool {
        let same_tls = match (&self.tls, &other.tls) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        same_tls && self.trace == other.trace
    }
}

/// What the thread is told.
#[derive(Debug, Clone, Default)]
struct Told {
    settings: Option<Arc<Settings>>,
    /// The process ends: what there is goes out, and nothing is tried twice.
    closing: bool,
}

/// What starts the thread.
#[derive(Debug)]
struct Parts {
    receiver: UnboundedReceiver<Vec<Span>>,
    done: threads::SyncSender<()>,
}

/// The thread's owner, on the steering thread.
#[derive(Debug)]
pub struct Exporter {
    spans: Arc<Spans>,
    events: Arc<Events>,
    told: watch::Sender<Told>,
    unstarted: RefCell<Option<Parts>>,
    done: threads::Receiver<()>,
}

impl Exporter {
    /// Nothing is sent yet, and no thread runs.
    pub fn new(events: Arc<Events>) -> Self {
        let (spans, receiver) = Spans::new();
        let (done, ended) = threads::sync_channel(1);
        let unstarted = Some(Parts { receiver, done }).into();
        Self { spans, events, told: watch::Sender::default(), unstarted, done: ended }
    }

    /// Where spans are handed over.
    pub fn spans(&self) -> &Arc<Spans> {
        &self.spans
    }

    /// Sends so from now on, or nothing.
    pub fn set(&self, settings: Option<Settings>) {
        if settings.as_ref() == self.told.borrow().settings.as_deref() {
            return;
        }
        self.spans.limit(settings.as_ref().map_or(0, |settings| settings.trace.queue as usize));
        if settings.is_some() {
            self.start();
        }
        self.told.send_modify(|told| told.settings = settings.map(Arc::new));
    }

    fn start(&self) {
        let Some(Parts { receiver, done }) = self.unstarted.take() else { return };
        let sender =
            Sender::new(receiver, self.told.subscribe(), Arc::clone(&self.spans), Arc::clone(&self.events));
        let run = move || {
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => {
                    runtime.block_on(sender.run());
                    // A name that is being asked for is waited for by nobody.
                    runtime.shutdown_background();
                }
                Err(error) => error!(%error, "spans cannot be sent"),
            }
            drop(done);
        };
        if let Err(error) = std::thread::Builder::new().name("otlp".to_owned()).spawn(run) {
            error!(%error, "spans cannot be sent: no thread for it");
        }
    }

    /// Waits until what was handed over is sent, but no longer than `patience`: the process is about to end. Blocks
    /// its thread.
    pub fn finish(&self, patience: Duration) {
        if self.unstarted.borrow().is_some() {
            return;
        }
        self.told.send_modify(|told| told.closing = true);
        if matches!(self.done.recv_timeout(patience), Err(threads::RecvTimeoutError::Timeout)) {
            warn!("the collector takes its time: the last spans are lost");
        }
    }
}
