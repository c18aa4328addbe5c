//! One direction of a tunnel: what one side sends goes to the other, with no buffer held while there is nothing.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::task::coop::has_budget_remaining;

use super::super::buffer::Buffer;
use super::super::pump::{Sink, Source};
use super::super::websocket::follow::{Follow, Plan};
use super::super::worker::Worker;

/// Which side's stream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broke {
    /// Who sends.
    From,
    /// Who receives.
    To,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Flow {
    buffer: Option<Buffer>,
    /// The sender ended.
    pub(super) ended: bool,
    /// The receiver was told so.
    pub(super) shut: bool,
    /// The receiver is not told that the sender ended, for now.
    pub(super) hold_end: bool,
    /// The receiver's stream takes nothing more; the sender is still read.
    deaf: bool,
    /// The sender was asked and had nothing: the task is woken when it has.
    asked: bool,
    /// The sender's bytes that went on.
    pub(super) moved: u64,
    /// For a WebSocket: where its frames end.
    pub(super) follow: Option<Box<Follow>>,
}

impl Flow {
    /// A flow whose first bytes were read already.
    pub(super) fn new(buffer: Option<Buffer>) -> Self {
        Self { buffer, ..Self::default() }
    }

    /// Another task is to be woken from now on.
    pub(super) fn ask_again(&mut self) {
        self.asked = false;
    }

    /// Moves bytes until nothing moves. Ready when the sender ended and the receiver was told.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Source,
        to: &mut impl Sink,
        worker: &Worker,
    ) -> Poll<Result<(), Broke>> {
        if self.shut {
            return Poll::Ready(Ok(()));
        }
        let failed = |side: Broke| move |_: io::Error| side;
        loop {
            ready!(self.poll_write(cx, to)).map_err(failed(Broke::To))?;
            if self.ended {
                return self.poll_end(cx, to, worker).map_err(failed(Broke::To));
            }
            match self.poll_read(cx, from, worker) {
                Poll::Ready(Ok(0)) => self.end(),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Broke::From)),
                Poll::Pending => {
                    if !self.deaf {
                        let _ = to.poll_push(cx).map_err(failed(Broke::To))?;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Reads what is there; keeps the buffer only if something came.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Source,
        worker: &Worker,
    ) -> Poll<io::Result<usize>> {
        // Mostly the other side woke us: to look costs a quarter of asking this one again.
        if self.asked && !from.may_give() {
            return Poll::Pending;
        }
        let mut buffer = self.buffer.take().unwrap_or_else(|| worker.buffers.small());
        let read = from.poll_fill(cx, &mut buffer);
        if buffer.is_empty() {
            worker.buffers.give(buffer);
        } else {
            self.buffer = Some(buffer);
        }
        // A task that had its share of time is woken for that, and not for its streams.
        self.asked = read.is_pending() && has_budget_remaining();
        read
    }

    /// The sender's stream is over.
    pub(super) fn end(&mut self) {
        self.ended = true;
        if let Some(follow) = &mut self.follow {
            follow.ended();
        }
    }

    /// The receiver is gone. What the sender of a WebSocket still says is looked at and dropped.
    pub(super) fn give_up_receiver(&mut self) {
        self.deaf = true;
        if let Some(follow) = &mut self.follow {
            follow.silence();
        }
    }

    /// Writes what is at hand, as far as it is to go on now.
    fn poll_write(&mut self, cx: &mut Context<'_>, to: &mut impl Sink) -> Poll<io::Result<()>> {
        loop {
            let bytes = self.buffer.as_ref().map_or(&[][..], Buffer::bytes);
            let plan = match &self.follow {
                Some(follow) => follow.plan(bytes),
                None if bytes.is_empty() => Plan::Read,
                None => Plan::Forward(bytes.len()),
            };
            let taken = match (plan, &mut self.follow) {
                (Plan::Read, _) => return Poll::Ready(Ok(())),
                (Plan::Own, Some(follow)) => {
                    let n = ready!(to.poll_send(cx, follow.own(), &[]))?;
                    follow.own_sent(n);
                    0
                }
                (Plan::Drop(n), Some(follow)) => {
                    follow.dropped(&bytes[..n]);
                    n
                }
                (Plan::Swallow(n), Some(follow)) => {
                    follow.swallowed();
                    n
                }
                (Plan::Forward(n) | Plan::Drop(n) | Plan::Swallow(n), follow) => {
                    let n = ready!(to.poll_send(cx, &bytes[..n], &[]))?;
                    if let Some(follow) = follow {
                        follow.forwarded(&bytes[..n]);
                    }
                    self.moved += n as u64;
                    n
                }
                (Plan::Own, None) => return Poll::Ready(Ok(())),
            };
            if let Some(buffer) = &mut self.buffer {
                buffer.consume(taken);
            }
        }
    }

    fn poll_end(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut impl Sink,
        worker: &Worker,
    ) -> Poll<io::Result<()>> {
        if let Some(buffer) = self.buffer.take() {
            worker.buffers.give(buffer);
        }
        if self.hold_end {
            let _ = to.poll_push(cx)?;
            return Poll::Pending;
        }
        if !self.deaf {
            ready!(to.poll_shutdown(cx))?;
        }
        self.shut = true;
        Poll::Ready(Ok(()))
    }
}
