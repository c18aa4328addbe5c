//! The end in order: not ready first, then no new connections, then long-lived streams by pace; at the deadline what
//! is left is cut. A second signal hurries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::signals::Signals;
use super::sockets::Sockets;
use super::{Ended, Shared, Workers, leaving};
use crate::drain::Drains;
use crate::proxy::listeners::Listeners;
use crate::proxy::worker::Order;
use crate::snapshot::Current;

/// How often it is looked whether somebody is left.
const LOOK: Duration = Duration::from_millis(20);
/// Of the time, this part at most is for closing handshakes after the last stream was asked to close.
const LAST_PART: u32 = 6;

/// What ends.
pub(super) struct Ending<'a> {
    pub(super) workers: &'a Workers,
    pub(super) sockets: &'a Sockets,
    pub(super) listeners: &'a Shared<Listeners>,
    pub(super) current: &'a Current,
    pub(super) drains: &'a Arc<Drains>,
}

impl Ending<'_> {
    /// Streams may go on for `deadline` once the listeners are closed.
    pub(super) async fn run(&self, signals: &mut Signals, deadline: Duration) -> Ended {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        let delay = self.sockets.not_ready();
        info!(?delay, ?deadline, "stopping: not ready");
        let orderly = async {
            tokio::time::sleep(delay).await;
            self.listeners.borrow_mut().close();
            self.workers.tell(|| Order::Drain);
            if !self.drained(deadline).await {
                warn!("deadline reached: what is left is cut");
            }
        };
        tokio::select! {
            () = orderly => {}
            () = signals.end() => warn!("second signal: what is left is cut"),
        }
        self.listeners.borrow_mut().close();
        cut(self.workers).await;
        self.sockets.close().await;
        info!("stopped");
        Ended::Stopped
    }

    /// Whether nobody was left before the deadline.
    async fn drained(&self, deadline: Duration) -> bool {
        let end = Instant::now() + deadline;
        while !self.workers.are_done() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let most = left.saturating_sub(deadline / LAST_PART);
            leaving::by_pace(self.current, self.drains, most, "lbd stops");
            tokio::time::sleep(LOOK).await;
        }
        true
    }
}

/// Ends what is left, with a moment to do so.
pub(super) async fn cut(workers: &Workers) {
    workers.tell(|| Order::Cut);
    for _ in 0..100 {
        if workers.are_done() {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
}
