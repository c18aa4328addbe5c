//! A request whose servers are full waits for its turn, with a clock, and no longer than its client.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::forward::Forward;
use crate::pool::{Acquired, Lease, Place, ServerId, Turn, Unavailable};
use crate::proxy::connection::ClientConnection;
use crate::proxy::failure::Failure;
use crate::proxy::head::BodyFraming;

/// How often the first in line looks for what nobody tells: an ejection that is over, an operator's word.
const LOOK: Duration = Duration::from_millis(200);

/// Waits for a server with room: the client's own, or any.
pub(super) async fn run(forward: &mut Forward<'_>, want: Option<ServerId>) -> Result<Acquired, Failure> {
    let began = Instant::now();
    let ended = in_line(forward, want).await;
    let queued = began.elapsed();
    forward.story.queued = Some(forward.story.queued.unwrap_or_default() + queued);
    forward.pool.pool.counters.seldom.waits.note(queued);
    ended
}

async fn in_line(forward: &mut Forward<'_>, mut want: Option<ServerId>) -> Result<Acquired, Failure> {
    let pool = std::sync::Arc::clone(&forward.pool.pool);
    let end = forward.connection.deadline.point(pool.queue_policy().timeout);
    // Whose slots are of no use: servers that failed, and any whose slot was refused, lest it came back for ever.
    let mut useless = forward.scratch.tried.clone();
    loop {
        let place = pool.queue().enter(want, &useless).ok_or(Failure::QueueFull)?;
        let slot = loop {
            match forward.acquire() {
                Err(Failure::NoServer(Unavailable::Busy(now))) => want = now,
                other => return other,
            }
            place.wants(want);
            match turn(forward, &place, end).await? {
                Turn::Slot(slot) => break slot,
                Turn::Look => {}
            }
        };
        drop(place);
        useless.push(slot.server().id);
        if let Some(acquired) = accept(forward, slot) {
            return Ok(acquired);
        }
    }
}

fn accept(forward: &Forward<'_>, slot: Lease) -> Option<Acquired> {
    forward.asking(|ask| forward.pool.pool.accept(ask, slot))
}

/// The next turn of this place, or what ends the wait.
async fn turn(forward: &mut Forward<'_>, place: &Place, end: u64) -> Result<Turn, Failure> {
    let connection = &mut *forward.connection;
    let worker = std::rc::Rc::clone(&connection.worker);
    let mut watch = matches!(forward.scratch.request.framing(), BodyFraming::None | BodyFraming::Length(0))
        && connection.input.is_none();
    connection.deadline.arm_at(connection.deadline.point(LOOK).min(end));
    poll_fn(|cx| {
        if let Poll::Ready(turn) = place.poll(cx) {
            return Poll::Ready(Ok(turn));
        }
        if worker.is_cutting() {
            return Poll::Ready(Err(Failure::Stopping));
        }
        if client_is_gone(connection, cx, &mut watch) {
            return Poll::Ready(Err(Failure::ClientGone));
        }
        poll_clock(connection, cx, place, end)
    })
    .await
}

/// The wait is over, or it is time to look again.
fn poll_clock(
    connection: &ClientConnection,
    cx: &mut Context<'_>,
    place: &Place,
    end: u64,
) -> Poll<Result<Turn, Failure>> {
    while connection.deadline.poll_struck(cx).is_ready() {
        if connection.deadline.has_passed(end) {
            return Poll::Ready(Err(Failure::QueueTimeout));
        }
        connection.deadline.arm_at(connection.deadline.point(LOOK).min(end));
        if place.is_first() {
            return Poll::Ready(Ok(Turn::Look));
        }
    }
    Poll::Pending
}

/// A client that said all it had to say may still listen; one whose connection broke does not.
fn client_is_gone(connection: &mut ClientConnection, cx: &mut Context<'_>, watch: &mut bool) -> bool {
    if connection.wire.is_http2() {
        // The end of a stream's request is no farewell.
        return connection.wire.poll_gone(cx).is_ready();
    }
    if !*watch {
        return false;
    }
    match connection.poll_read(cx) {
        Poll::Ready(Ok(n)) => {
            // Half closed is how a client hangs up that gave up; one that pipelines sent the next request.
            *watch = false;
            n == 0
        }
        Poll::Ready(Err(_)) => true,
        Poll::Pending => false,
    }
}
