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
/// Memory for them that a worker keeps: 1 MiB.
const KEPT: usize = 16;
/// What is thrown away of what a client sends on after its connection ended.
const LINGER_BYTES: usize = 512 * 1024;

/// A worker's memory for what waits, lent while something does: an idle connection has none, and a busy one writes where
/// the last one did, so into the cache.
#[derive(Debug, Default)]
pub(crate) struct Outs(RefCell<Vec<Vec<u8>>>);

impl Outs {
    fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(MOST))
    }

    fn give(&self, mut out: Vec<u8>) {
        let mut outs = self.0.borrow_mut();
        if out.capacity() == MOST && outs.len() < KEPT {
            out.clear();
            outs.push(out);
        }
    }
}

/// The stream and what waits to be written to it.
#[derive(Debug)]
pub(super) struct Pipe {
    stream: Stream,
    /// What was read before it was known that this is HTTP/2.
    input: Option<Buffer>,
    out: Vec<u8>,
    outs: Rc<Outs>,
    sent: usize,
    /// Nothing was left to read in this turn: to ask again costs as much as a frame.
    dry: bool,
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
        outs: &Rc<Outs>,
    ) -> (Deferred, Rc<RefCell<Self>>) {
        let (out, outs, sent, ignored) = (Vec::new(), Rc::clone(outs), 0, 0);
        let (dry, unpushed, moved) = (false, false, false);
        let pipe = Self { stream, input, out, outs, sent, dry, unpushed, moved, patience, ignored };
        let pipe = Rc::new(RefCell::new(pipe));
        (Deferred(Rc::clone(&pipe)), pipe)
    }

    /// The connection's task runs: there may be something to read again.
    pub(super) fn begin_turn(&mut self) {
        self.dry = false;
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
        if self.dry || self.is_over().is_some() {
            // The stream wakes the connection's task, or that looks at the other next.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        match &mut self.input {
            None => {
                let read = Pin::new(&mut self.stream).poll_read(cx, buf);
                self.dry = read.is_pending();
                ready!(read)?;
            }
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
        if self.sent > 0 {
            self.outs.give(std::mem::take(&mut self.out));
            self.sent = 0;
        }
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
        let Pipe { out, outs, patience, unpushed, .. } = &mut *pipe;
        if out.capacity() == 0 {
            *out = outs.take();
        }
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn memory_is_lent_while_something_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (near, mut far) = (near.unwrap(), far.unwrap().0);
        let outs = Rc::<Outs>::default();
        let (mut end, pipe) = Pipe::new(Stream::Plain(near), None, None, &outs);
        let mut heard = [0; 3];
        for _ in 0..3 {
            let parts = [IoSlice::new(b"a"), IoSlice::new(b"bc")];
            let n = poll_fn(|cx| Pin::new(&mut end).poll_write_vectored(cx, &parts)).await.unwrap();
            assert_eq!((n, pipe.borrow().is_dirty(), outs.0.borrow().len()), (3, true, 0));
            poll_fn(|cx| pipe.borrow_mut().poll_drain(cx)).await.unwrap();
            assert_eq!((pipe.borrow().is_dirty(), pipe.borrow().out.capacity()), (false, 0));
            assert_eq!(outs.0.borrow().len(), 1, "it is the worker's again");
            far.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"abc");
        }
    }

    #[tokio::test]
    async fn who_found_nothing_to_read_asks_again_in_the_next_turn() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        let (near, mut far) = (near.unwrap(), far.unwrap().0);
        let (mut end, pipe) = Pipe::new(Stream::Plain(near), None, None, &Rc::default());
        let mut room = [0; 8];
        let mut said = false;
        let heard = poll_fn(|cx| {
            pipe.borrow_mut().begin_turn();
            let mut room = ReadBuf::new(&mut room);
            let end = Pin::new(&mut end);
            if end.poll_read(cx, &mut room).is_ready() {
                return Poll::Ready(room.filled().len());
            }
            assert!(pipe.borrow().dry);
            if !std::mem::replace(&mut said, true) {
                let write = Pin::new(&mut far).poll_write(cx, b"abc");
                assert!(matches!(write, Poll::Ready(Ok(3))));
            }
            Poll::Pending
        });
        let heard = tokio::time::timeout(std::time::Duration::from_secs(60), heard).await;
        assert_eq!(heard.unwrap(), 3, "the stream wakes who asked");
    }
}
