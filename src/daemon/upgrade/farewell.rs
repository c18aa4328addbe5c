//! The old process after it handed over: it ends by pace, and tells the new one how far it is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tracing::{debug, warn};

use super::before::Before;
use super::hand_over::Succession;
use super::state::Progress;
use super::wire::length;
use crate::daemon::signals::Signals;
use crate::daemon::{Workers, leaving, memory};
use crate::drain::Drains;
use crate::pool::{Pool, Remembered, SessionKind, Sticky};
use crate::proxy::worker::Order;
use crate::snapshot::Current;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);
/// How often the new process is told.
const TELL: Duration = Duration::from_secs(1);
/// A frame that does not leave within this is given up, and all further ones.
const PATIENCE: Duration = Duration::from_secs(10);
/// After the last deadline of a pool: what was asked to close has so long to do it.
const GRACE: Duration = Duration::from_secs(15);
/// What a signal leaves of the time.
const HURRY: Duration = Duration::from_secs(30);

/// What ends.
pub(in crate::daemon) struct Rest<'a> {
    pub(in crate::daemon) current: &'a Current,
    pub(in crate::daemon) drains: &'a Arc<Drains>,
    pub(in crate::daemon) workers: &'a Workers,
    pub(in crate::daemon) before: &'a Before,
}

/// Ends when nothing is left, at the deadline, or at the second signal.
pub(in crate::daemon) async fn farewell(succession: Succession, rest: Rest<'_>, signals: &mut Signals) {
    let Rest { current, drains, workers, before } = rest;
    let mut news = News::new(&succession, current);
    workers.tell(|| Order::Leave);
    let began = Instant::now();
    let longest = current.load().pools.values().map(|snap| snap.pool.drain.deadline).max();
    let most = succession.drain.unwrap_or(longest.unwrap_or_default().max(HURRY));
    let mut deadline = began + most + GRACE;
    let mut told = None;
    let mut hurried = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            warn!("deadline reached: what is left is cut");
            break;
        }
        if workers.are_done() && before.count() == 0 {
            break;
        }
        leaving::by_pace(current, drains, left.saturating_sub(GRACE), "another process serves");
        if told.is_none_or(|told: Instant| told.elapsed() >= TELL) {
            told = Some(Instant::now());
            let before = before.all();
            news.tell(Progress {
                left: millis(left),
                since: millis(began.elapsed()),
                before,
                ..count(current)
            })
            .await;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = signals.end() => {
                if std::mem::replace(&mut hurried, true) {
                    warn!("second signal: what is left is cut");
                    break;
                }
                deadline = deadline.min(Instant::now() + HURRY + GRACE);
            }
        }
    }
    news.tell(count(current)).await;
}

/// What is left, by kind.
fn count(current: &Current) -> Progress {
    let snapshot = current.load();
    let mut progress = Progress {
        pid: std::process::id(),
        lbd: env!("CARGO_PKG_VERSION").to_owned(),
        connections: snapshot.listeners.iter().map(|listener| u64::from(listener.live.open())).sum(),
        ..Progress::default()
    };
    for server in snapshot.pools.values().flat_map(|snap| leaving::servers(&snap.pool)) {
        progress.requests += u64::from(server.in_flight());
        for session in server.sessions.list() {
            match session.kind {
                SessionKind::WebSocket => progress.websockets += 1,
                SessionKind::Tunnel => progress.tunnels += 1,
                SessionKind::Tcp => progress.tcp += 1,
                SessionKind::Stream => progress.streams += 1,
            }
        }
    }
    progress
}

/// What goes to the new process.
struct News {
    stream: Option<UnixStream>,
    current: Current,
    /// How often tables had changed, and up to when all is told.
    changes: u64,
    told: u64,
}

impl News {
    fn new(succession: &Succession, current: &Current) -> Self {
        let stream = succession.stream.try_clone().and_then(|stream| {
            stream.set_nonblocking(true)?;
            UnixStream::from_std(stream)
        });
        // One less than any: what came while it was handed over is told, too.
        Self { stream: stream.ok(), current: current.clone(), changes: u64::MAX, told: succession.told }
    }

    async fn tell(&mut self, progress: Progress) {
        let Some(stream) = &mut self.stream else { return };
        let pools: Vec<Arc<Pool>> =
            self.current.load().pools.values().map(|snap| Arc::clone(&snap.pool)).collect();
        let tables = pools.iter().flat_map(|pool| &pool.sticky).filter_map(Sticky::table);
        let changes = tables.map(|table| table.changes()).fold(0, u64::wrapping_add);
        let (now, since) = (memory::now(), self.told);
        let sticky = if changes == self.changes {
            None
        } else {
            tokio::task::spawn_blocking(move || Remembered::dump(&pools, now, since)).await.ok()
        };
        (self.changes, self.told) = (changes, now);
        let told = async {
            let text = serde_json::to_vec(&Progress { sticky: sticky.is_some(), ..progress })?;
            for bytes in std::iter::once(&text).chain(&sticky) {
                stream.write_all(&length(bytes)?).await?;
                stream.write_all(bytes).await?;
            }
            std::io::Result::Ok(())
        };
        let told = tokio::time::timeout(PATIENCE, told).await;
        if !matches!(told, Ok(Ok(()))) {
            debug!("the new process does not listen");
            self.stream = None;
        }
    }
}

fn millis(span: Duration) -> u64 {
    span.as_millis() as u64
}
