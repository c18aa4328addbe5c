//! A stream whose flush is put off: what many HTTP/2 streams write while a batch of tasks runs goes to the
//! kernel in one system call.
//!
//! `h2` flushes about once per answer. Here a flush only leaves a mark; [`Pipe::poll_drain`], called by the
//! connection's task once the other ready tasks had their turn, does the writing. What waits is bounded:
//! beyond that a write waits for the socket.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::proxy::buffer::Buffer;
use crate::proxy::stream::Stream;

/// Bytes that may wait.
const MOST: usize = 64 * 1024;
/// The memory that an idle connection keeps for them.
const KEPT: usize = 4 * 1024;

/// The stream and what waits to be written to it.
#[derive(Debug)]
pub(super) struct Pipe {
    stream: Stream,
    /// What was read before it was known that this is HTTP/2.
    input: Option<Buffer>,
    out: Vec<u8>,
    sent: usize,
    unpushed: bool,
    moved: bool,
}

impl Pipe {
    /// A pipe with nothing in it, and its two ends: one for `h2`, one to drain it.
    pub(super) fn new(stream: Stream, input: Option<Buffer>) -> (Deferred, Rc<RefCell<Self>>) {
        let pipe = Self { stream, input, out: Vec::new(), sent: 0, unpushed: false, moved: false };
        let pipe = Rc::new(RefCell::new(pipe));
        (Deferred(Rc::clone(&pipe)), pipe)
    }

    /// Whether something waits.
    pub(super) fn is_dirty(&self) -> bool {
        self.unpushed
    }

    /// Whether the client took something since this was asked last.
    pub(super) fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Gives most of the memory back: the connection is idle.
    pub(super) fn shrink(&mut self) {
        self.out.shrink_to(KEPT);
    }

    /// Writes what waits. Ready when the kernel has all of it.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_out(cx))?;
        if self.unpushed {
            ready!(self.stream.poll_push(cx))?;
            self.unpushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            self.sent += ready!(self.stream.poll_send(cx, &self.out[self.sent..], &[]))?;
            self.moved = true;
        }
        self.out.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }

    /// Ready when there is room for something.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.len() < MOST { Poll::Ready(Ok(())) } else { self.poll_write_out(cx) }
    }
}

/// The end that `h2` has.
#[derive(Debug)]
pub(super) struct Deferred(Rc<RefCell<Pipe>>);

impl AsyncRead for Deferred {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.0.borrow_mut();
        let Some(input) = &mut pipe.input else { return Pin::new(&mut pipe.stream).poll_read(cx, buf) };
        let n = input.bytes().len().min(buf.remaining());
        buf.put_slice(&input.bytes()[..n]);
        input.consume(n);
        if input.is_empty() {
            pipe.input = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Deferred {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut pipe = self.0.borrow_mut();
        ready!(pipe.poll_room(cx))?;
        let before = pipe.out.len();
        for part in parts {
            let room = MOST.saturating_sub(pipe.out.len());
            pipe.out.extend_from_slice(&part[..part.len().min(room)]);
        }
        pipe.unpushed = true;
        Poll::Ready(Ok(pipe.out.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.0.borrow_mut();
        ready!(pipe.poll_drain(cx))?;
        Pin::new(&mut pipe.stream).poll_shutdown(cx)
    }
}
