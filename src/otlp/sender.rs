//! The thread's work: gather spans, send them, and say once when the collector stops taking them, and when it takes
//! them again.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use super::client::{Client, Failure};
use super::{Settings, Told, message};
use crate::observe::{Events, Span, Spans};

/// Spans of one message, about; what OpenTelemetry's own batches have at most.
const BATCH: usize = 512;
/// How long the first of them waits for others.
const GATHERING: Duration = Duration::from_secs(1);
/// How often one message is sent, at most.
const TRIES: u32 = 5;
/// Between the first two tries; doubled with each.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause, also where the collector asks for a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What the thread has.
pub(super) struct Sender {
    receiver: UnboundedReceiver<Vec<Span>>,
    told: watch::Receiver<Told>,
    spans: Arc<Spans>,
    events: Arc<Events>,
    client: Client,
    /// The last message was not taken.
    failing: bool,
}

impl Sender {
    pub(super) fn new(
        receiver: UnboundedReceiver<Vec<Span>>,
        told: watch::Receiver<Told>,
        spans: Arc<Spans>,
        events: Arc<Events>,
    ) -> Self {
        Self { receiver, told, spans, events, client: Client::default(), failing: false }
    }

    /// To the end of the process.
    pub(super) async fn run(mut self) {
        while let Some(batch) = self.gather().await {
            self.send(batch).await;
        }
    }

    /// The spans of the next message; none at the end.
    async fn gather(&mut self) -> Option<Vec<Span>> {
        let mut batch = Vec::new();
        let mut due = None;
        loop {
            let closing = self.is_closing();
            while batch.len() < BATCH
                && let Ok(parcel) = self.receiver.try_recv()
            {
                batch.extend(parcel);
            }
            let is_due = due.is_some_and(|due| Instant::now() >= due);
            if batch.len() >= BATCH || ((closing || is_due) && !batch.is_empty()) {
                return Some(batch);
            }
            if closing {
                return None;
            }
            if !batch.is_empty() {
                due.get_or_insert_with(|| Instant::now() + GATHERING);
            }
            let until = due.unwrap_or_else(Instant::now);
            tokio::select! {
                parcel = self.receiver.recv() => batch.extend(parcel?),
                _ = self.told.changed() => {}
                () = sleep_until(until), if due.is_some() => {}
            }
        }
    }

    /// Whether the process ends; nobody left to say so is the same.
    fn is_closing(&self) -> bool {
        self.told.borrow().closing || self.told.has_changed().is_err()
    }

    /// Sends one message, again if need be; settles what becomes of its spans.
    async fn send(&mut self, batch: Vec<Span>) {
        let mut pause = PAUSE;
        let mut encoded: Option<(Arc<Settings>, Bytes)> = None;
        for tried in 1.. {
            let Some(settings) = self.told.borrow_and_update().settings.clone() else { break };
            let body = match encoded.take() {
                Some((of, body)) if Arc::ptr_eq(&of, &settings) => body,
                _ => message::encode(&settings, &batch).into(),
            };
            let answer = timeout(settings.trace.timeout, self.client.post(&settings, &body)).await;
            let answer = answer.unwrap_or_else(|_| {
                // Half an exchange is no connection to go on with.
                self.client = Client::default();
                Err(Failure::passing("no answer", format!("within {:?}", settings.trace.timeout)))
            });
            match answer {
                Ok(rejected) => {
                    let rejected = rejected.min(batch.len());
                    self.works(&settings);
                    self.spans.settle(batch.len() - rejected, rejected);
                    return;
                }
                Err(failure) => {
                    self.fails(&settings, &failure);
                    let Some(after) = failure.again.filter(|_| tried < TRIES && !self.is_closing()) else {
                        break;
                    };
                    encoded = Some((settings, body));
                    self.pause(pause.max(after).min(LONGEST_PAUSE)).await;
                    pause *= 2;
                }
            }
        }
        self.spans.settle(0, batch.len());
    }

    /// Waits, unless something new is said.
    async fn pause(&mut self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            _ = self.told.changed() => {}
        }
    }

    fn fails(&mut self, settings: &Settings, failure: &Failure) {
        if std::mem::replace(&mut self.failing, true) {
            return;
        }
        let collector = settings.trace.collector.to_string();
        warn!(collector, reason = failure.why, "the collector takes no spans");
        self.events.emit("trace.failed", collector, json!({ "reason": failure.why }), None);
    }

    fn works(&mut self, settings: &Settings) {
        if std::mem::replace(&mut self.failing, false) {
            let collector = settings.trace.collector.to_string();
            info!(collector, "the collector takes spans again");
            self.events.emit("trace.recovered", collector, json!({}), None);
        }
    }
}
