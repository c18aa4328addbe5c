//! The task of a connection to a server.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::client::{Connection, SendRequest};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tracing::debug;

use super::super::deferred::{Deferred, Pipe};
use super::Http2Connection;
use crate::proxy::deadline::{Deadline, Deadlines};
use crate::proxy::worker::Worker;

/// How long the last frames may take.
const LEAVE: std::time::Duration = std::time::Duration::from_secs(2);

/// See the module.
pub(super) struct Driver {
    worker: Rc<Worker>,
    connection: Rc<Http2Connection>,
    frames: Connection<Heard, Bytes>,
    pipe: Rc<RefCell<Pipe>>,
    deadline: Deadline,
    /// The write that is due was put off once, for other tasks to add to it.
    put_off: bool,
}

impl Driver {
    /// Of this connection.
    pub(super) fn new(
        worker: &Rc<Worker>,
        connection: &Rc<Http2Connection>,
        frames: Connection<Heard, Bytes>,
        pipe: Rc<RefCell<Pipe>>,
    ) -> Self {
        let deadline = worker.deadlines.register();
        let (worker, connection) = (Rc::clone(worker), Rc::clone(connection));
        Self { worker, connection, frames, pipe, deadline, put_off: false }
    }

    /// Ready when the server said how many streams it takes.
    pub(super) fn poll_settings(
        &mut self,
        cx: &mut Context<'_>,
        sender: &SendRequest<Bytes>,
    ) -> Poll<Result<(), h2::Error>> {
        self.pipe.borrow_mut().begin_turn();
        if let Poll::Ready(ended) = Pin::new(&mut self.frames).poll(cx) {
            return Poll::Ready(ended.and(Err(h2::Reason::PROTOCOL_ERROR.into())));
        }
        if let Poll::Ready(Err(_)) = self.pipe.borrow_mut().poll_drain(cx) {
            return Poll::Ready(Err(h2::Reason::CONNECT_ERROR.into()));
        }
        if sender.current_max_send_streams() > 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Runs the connection to its end.
    pub(super) async fn run(mut self) {
        self.deadline.arm(self.connection.spec.idle_timeout);
        std::future::poll_fn(|cx| self.poll(cx)).await;
        self.connection.retire();
        self.deadline.arm(LEAVE);
        let _ = self.deadline.within(std::future::poll_fn(|cx| self.pipe.borrow_mut().poll_drain(cx))).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.worker.is_cutting() {
            return Poll::Ready(());
        }
        self.pipe.borrow_mut().begin_turn();
        if let Poll::Ready(ended) = Pin::new(&mut self.frames).poll(cx) {
            if let Err(error) = ended {
                let server = &self.connection.server;
                debug!(pool = %server.pool, server = %server.name, %error, "http/2 connection to server ended");
            }
            return Poll::Ready(());
        }
        let mut pipe = self.pipe.borrow_mut();
        if pipe.is_dirty() && !std::mem::replace(&mut self.put_off, true) {
            // To the end of the queue: the tasks that are ready now write first.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.put_off = false;
        if let Poll::Ready(Err(error)) = pipe.poll_drain(cx) {
            let server = &self.connection.server;
            debug!(pool = %server.pool, server = %server.name, %error, "http/2 connection to server lost");
            return Poll::Ready(());
        }
        drop(pipe);
        self.poll_clock(cx)
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let connection = &*self.connection;
        let patience = connection.spec.idle_timeout;
        while self.deadline.poll_struck(cx).is_ready() {
            let until = connection.idle_since.get().saturating_add(patience.as_millis() as u64);
            if connection.active.get() > 0 {
                self.deadline.arm(patience);
            } else if !connection.is_open() {
                return Poll::Ready(());
            } else if !self.deadline.has_passed(until) {
                self.deadline.arm_at(until);
            } else {
                connection.retire();
                self.deadline.arm(LEAVE);
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }
}

/// Notes when something was read.
#[derive(Debug)]
pub(super) struct Heard {
    io: Deferred,
    heard: Rc<Cell<u64>>,
    clock: Rc<Deadlines>,
}

impl Heard {
    /// Notes it in `heard`.
    pub(super) fn new(io: Deferred, heard: &Rc<Cell<u64>>, clock: &Rc<Deadlines>) -> Self {
        Self { io, heard: Rc::clone(heard), clock: Rc::clone(clock) }
    }
}

impl AsyncRead for Heard {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        if read.is_ready() {
            this.heard.set(this.clock.now());
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
