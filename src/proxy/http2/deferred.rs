//! A stream whose flush is put off: what many HTTP/2 streams write while a batch of tasks runs goes to the
//! kernel in one system call.
//!
//! `h2` flushes about once per answer. Here a flush only leaves a mark; [`Pipe::poll_drain`], called by the
//! connection's task once the other ready tasks had their turn, does the writing. What waits is bounded:
//! beyond that a write waits for the socket.
//!
//! What passes is shown to [`Patience`]; `h2` gets nothing behind the frame that is too much.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::patience::Patience;
use crate::proxy::buffer::Buffer;
use crate::proxy::stream::Stream;

/// Bytes that may wait.
const MOST: usize = 64 * 1024;
/// The memory that an idle connection keeps for them.
const KEPT: usize = 4 * 1024;
/// What is thrown away of what a client sends on after its connection ended.
const LINGER_BYTES: usize = 512 * 1024;

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
    /// With a client; a server is one that we chose.
    patience: Option<Patience>,
    /// Bytes that were thrown away.
    ignored: usize,
}

impl Pipe {
    /// A pipe with nothing in it, and its two ends: one for `h2`, one to drain it.
    pub(super) fn new(
        stream: Stream,
        input: Option<Buffer>,
        patience: Option<Patience>,
    ) -> (Deferred, Rc<RefCell<Self>>) {
        let (out, sent, unpushed, moved, ignored) = (Vec::new(), 0, false, false, 0);
        let pipe = Self { stream, input, out, sent, unpushed, moved, patience, ignored };
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

    /// Why the connection must end, whatever `h2` says.
    pub(super) fn is_over(&self) -> Option<Reason> {
        self.patience.as_ref().and_then(Patience::is_over)
    }

    /// Ends our side, then throws away what the client still sends: a socket that is closed on unread bytes resets,
    /// and the reset can overtake the reason. Ready when the client ended too, or sent too much.
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if ready!(Pin::new(&mut self.stream).poll_shutdown(cx)).is_err() {
            return Poll::Ready(());
        }
        let mut room = [0; 4096];
        while self.ignored < LINGER_BYTES {
            let mut read = ReadBuf::new(&mut room);
            if ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read)).is_err()
                || read.filled().is_empty()
            {
                break;
            }
            self.ignored += read.filled().len();
        }
        Poll::Ready(())
    }

    /// Reads up to the frame that is too much.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.is_over().is_some() {
            // The connection's task looks at it next.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        match &mut self.input {
            None => ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?,
            Some(input) => {
                let n = input.bytes().len().min(buf.remaining());
                buf.put_slice(&input.bytes()[..n]);
                input.consume(n);
                if input.is_empty() {
                    self.input = None;
                }
            }
        }
        let Some(patience) = &mut self.patience else { return Poll::Ready(Ok(())) };
        let heard = patience.hear(&buf.filled()[before..]);
        if heard == 0 && patience.is_over().is_some() {
            buf.set_filled(before);
            return Poll::Pending;
        }
        buf.set_filled(before + heard);
        Poll::Ready(Ok(()))
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
        self.0.borrow_mut().poll_read(cx, buf)
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
        let Pipe { out, patience, unpushed, .. } = &mut *pipe;
        let before = out.len();
        for part in parts {
            let room = MOST.saturating_sub(out.len());
            out.extend_from_slice(&part[..part.len().min(room)]);
        }
        if let Some(patience) = patience {
            patience.say(&out[before..]);
        }
        *unpushed = true;
        Poll::Ready(Ok(out.len() - before))
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
