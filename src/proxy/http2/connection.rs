//! One HTTP/2 connection: its frames are read and written by `h2`, each stream runs its exchange in a task.
//!
//! The task of the connection does three things more: it writes what the streams gathered, once per batch of
//! ready tasks; it says GOAWAY when the worker drains, the listener is gone or nothing was asked for long;
//! and it gives the client a bounded time to leave after that.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::Reason;
use h2::server;
use tracing::debug;

use super::activity::{Activity, Exchange};
use super::deferred::{Deferred, Pipe};
use super::patience::Patience;
use super::piece::Piece;
use super::seats::Seats;
use super::stream::Http2Stream;
use crate::proxy::buffer::Buffer;
use crate::proxy::client_certificate::Shown;
use crate::proxy::connection::ClientConnection;
use crate::proxy::deadline::Deadline;
use crate::proxy::exchange::{self, Next};
use crate::proxy::failure::Failure;
use crate::proxy::http1::HeadLimits;
use crate::proxy::stream::Stream;
use crate::proxy::wire::Wire;
use crate::proxy::worker::Worker;
use crate::snapshot::ListenerSnap;

/// What a client may send on one stream before we have passed it on.
const STREAM_WINDOW: u32 = 256 * 1024;
/// What it may send on all of its streams together: all that it can make us hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What may wait for one stream's window on the way to the client.
const SEND_BUFFER: usize = 64 * 1024;
/// How long a client may stay after a GOAWAY with nothing left to do.
const LEAVE: Duration = Duration::from_secs(2);

/// What the streams of a connection share.
#[derive(Debug)]
struct Shared {
    worker: Rc<Worker>,
    listener: Arc<ListenerSnap>,
    peer: SocketAddr,
    local: SocketAddr,
    tls: bool,
    /// The certificate that the client showed.
    shown: Arc<Shown>,
    activity: Rc<Activity>,
    /// Whether the listener is gone.
    orphaned: Cell<bool>,
}

/// Serves a connection to its end. `input` was read from it already.
pub(crate) async fn serve(
    worker: Rc<Worker>,
    listener: Arc<ListenerSnap>,
    stream: Stream,
    input: Option<Buffer>,
    peer: SocketAddr,
    local: SocketAddr,
) {
    let shared = Rc::new(Shared {
        activity: Activity::new(&worker.deadlines),
        tls: stream.is_tls(),
        shown: Arc::new(Shown::of(&stream, &listener)),
        orphaned: Cell::new(false),
        worker,
        listener,
        peer,
        local,
    });
    let patience = Patience::new(&shared.worker.deadlines);
    let (io, pipe) = Pipe::new(stream, input, Some(patience), &shared.worker.outs);
    let limits = &shared.listener.limits;
    let handshake = server::Builder::new()
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_bytes)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_connect_protocol()
        .handshake::<_, Piece>(io);
    let deadline = shared.worker.deadlines.register();
    let frames = Frames::Opening(handshake);
    Driver { frames, pipe, shared, deadline, leaving: false, thrown_out: false, put_off: false }.run().await;
}

/// How far a connection is.
enum Frames {
    Opening(server::Handshake<Deferred, Piece>),
    Open(server::Connection<Deferred, Piece>),
}

/// The task of a connection.
struct Driver {
    frames: Frames,
    pipe: Rc<RefCell<Pipe>>,
    shared: Rc<Shared>,
    deadline: Deadline,
    /// GOAWAY was said, or is to be said when the connection is open.
    leaving: bool,
    /// The connection ends by an error, of which GOAWAY tells.
    thrown_out: bool,
    /// The write that is due was put off once, for other tasks to add to it.
    put_off: bool,
}

impl Driver {
    async fn run(mut self) {
        self.deadline.arm(self.shared.listener.timeout.request_header);
        let cut = poll_fn(|cx| self.poll(cx)).await;
        if !cut {
            self.deadline.arm(LEAVE);
            let _ = self.deadline.within(poll_fn(|cx| self.pipe.borrow_mut().poll_drain(cx))).await;
            if self.thrown_out {
                let _ = self.deadline.within(poll_fn(|cx| self.pipe.borrow_mut().poll_linger(cx))).await;
            }
        }
    }

    /// Ready when the connection is over; true when it was cut.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if self.shared.worker.is_cutting() {
            return Poll::Ready(true);
        }
        if !self.leaving && (self.shared.worker.is_draining() || self.shared.orphaned.get()) {
            self.leave();
        }
        if self.shared.activity.is_abused() {
            self.throw_out(Reason::ENHANCE_YOUR_CALM);
        }
        self.pipe.borrow_mut().begin_turn();
        loop {
            if let Poll::Ready(ended) = self.poll_frames(cx) {
                if let Err(error) = ended {
                    self.thrown_out = true;
                    debug!(peer = %self.shared.peer, %error, "http/2 connection ended");
                }
                return Poll::Ready(false);
            }
            let over = self.pipe.borrow().is_over();
            match over {
                Some(reason) if !self.thrown_out => self.throw_out(reason),
                _ => break,
            }
        }
        let mut pipe = self.pipe.borrow_mut();
        if pipe.is_dirty() && !std::mem::replace(&mut self.put_off, true) {
            // To the end of the queue: the tasks that are ready now write first.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.put_off = false;
        if let Poll::Ready(Err(error)) = pipe.poll_drain(cx) {
            debug!(peer = %self.shared.peer, %error, "http/2 connection lost");
            return Poll::Ready(true);
        }
        if pipe.has_moved() {
            self.shared.activity.touch();
        }
        drop(pipe);
        self.poll_clock(cx)
    }

    /// Reads and writes frames; begins an exchange for each request. Ready when there is nothing more of either.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        loop {
            match &mut self.frames {
                Frames::Opening(handshake) => {
                    let mut connection = std::task::ready!(Pin::new(handshake).poll(cx))?;
                    if self.leaving {
                        connection.graceful_shutdown();
                    }
                    self.shared.activity.touch();
                    self.deadline.arm(self.shared.listener.timeout.keep_alive);
                    self.frames = Frames::Open(connection);
                }
                Frames::Open(connection) => match std::task::ready!(connection.poll_accept(cx)) {
                    Some(Ok((request, respond))) => {
                        let Shared { worker, tls, .. } = &*self.shared;
                        let stream = Http2Stream::new(worker, request, respond, *tls);
                        Seats::run(worker, Job { shared: Rc::clone(&self.shared), stream });
                    }
                    Some(Err(error)) => return Poll::Ready(Err(error)),
                    None => return Poll::Ready(Ok(())),
                },
            }
        }
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        while self.deadline.poll_struck(cx).is_ready() {
            let Shared { listener, activity, .. } = &*self.shared;
            let opening = matches!(self.frames, Frames::Opening(_));
            let patience = match self.leaving {
                _ if self.pipe.borrow().is_dirty() => listener.timeout.write,
                true => LEAVE,
                false if opening => listener.timeout.request_header,
                false => listener.timeout.keep_alive,
            };
            let idle_until = activity.last().saturating_add(patience.as_millis() as u64);
            if activity.has_exchange() {
                self.deadline.arm(patience);
            } else if !self.deadline.has_passed(idle_until) {
                self.deadline.arm_at(idle_until);
            } else if self.leaving || opening {
                return Poll::Ready(true);
            } else {
                self.leave();
                cx.waker().wake_by_ref();
            }
        }
        Poll::Pending
    }

    /// Ends the connection with all that is under way on it.
    fn throw_out(&mut self, reason: Reason) {
        if std::mem::replace(&mut self.thrown_out, true) {
            return;
        }
        self.leaving = true;
        debug!(peer = %self.shared.peer, %reason, "http/2 client asks for too much, or for nothing too often");
        if let Frames::Open(connection) = &mut self.frames {
            connection.abrupt_shutdown(reason);
        }
    }

    /// Says that no further stream is taken; those under way go on.
    fn leave(&mut self) {
        self.leaving = true;
        if let Frames::Open(connection) = &mut self.frames {
            connection.graceful_shutdown();
        }
        self.shared.activity.touch();
        self.deadline.arm(LEAVE);
    }
}

/// A request, and where its answer goes.
#[derive(Debug)]
pub(super) struct Job {
    shared: Rc<Shared>,
    stream: Box<Http2Stream>,
}

/// One exchange. What becomes of the stream is decided by how the exchange leaves it.
pub(super) async fn converse(job: Job) {
    let Job { shared, stream } = job;
    let counted = Exchange::begin(&shared.activity);
    let worker = Rc::clone(&shared.worker);
    let open = worker.enter();
    let mut connection = ClientConnection {
        worker: Rc::clone(&worker),
        listener: Arc::clone(&shared.listener),
        wire: Wire::Http2(stream),
        input: None,
        peer: shared.peer,
        local: shared.local,
        shown: Arc::clone(&shared.shown),
        deadline: worker.deadlines.register(),
        orphaned: false,
    };
    connection.refresh_listener();
    let outdated = connection.shown.is_outdated(&connection.listener);
    shared.orphaned.set(connection.orphaned || outdated);
    let Wire::Http2(stream) = &mut connection.wire else { return };
    if outdated {
        stream.refuse();
        return;
    }
    let mut scratch = worker.scratch();
    let read = stream.read_head(&HeadLimits::of(&connection.listener.limits), &mut scratch.request);
    let next = match read {
        Ok(()) => exchange::run(&mut connection, &mut scratch).await,
        Err(error) => exchange::refuse(&mut connection, &mut scratch, Failure::BadRequest(error)).await,
    };
    worker.give_scratch(scratch);
    let mut cx = Context::from_waker(std::task::Waker::noop());
    let given_up = matches!(next, Next::Abort) && connection.wire.poll_gone(&mut cx).is_ready();
    shared.activity.over(given_up);
    if let Next::Upgraded(accepted) = next {
        let mut upgraded = accepted.joined(connection.wire, connection.input);
        // A task of its own, so that a tunnel does not carry the memory of the request before it.
        tokio::task::spawn_local(async move {
            let _guards = (counted, open);
            upgraded.run(&worker).await;
        });
    }
}
