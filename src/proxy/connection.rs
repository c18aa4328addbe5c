//! One client connection: heads in, an exchange for each, and the manners of opening, idling and closing.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tracing::debug;

use super::buffer::Buffer;
use super::client_certificate::Shown;
use super::deadline::Deadline;
use super::exchange::{self, Next, Upgraded};
use super::failure::Failure;
use super::head::ParseError;
use super::http1::{HeadLimits, Status, parse_request_by};
use super::http2;
use super::pace::Pace;
use super::pump::{Sink, Source};
use super::scratch::Scratch;
use super::stream::Stream;
use super::turns::Turns;
use super::wire::Wire;
use super::worker::Worker;
use crate::config::model::Protocol;
use crate::snapshot::ListenerSnap;

/// How long a closing connection may go on sending what nobody reads.
const LINGER: Duration = Duration::from_secs(2);
/// How much of it is taken.
const LINGER_BYTES: usize = 512 * 1024;

/// How long a connection that carried no request yet may wait for one while the worker drains.
const LAST_CHANCE: Duration = Duration::from_secs(1);

/// How long a connection between requests may wait for its last one while another process takes over: who comes
/// in that time is answered, and told that it was the last answer.
const LAST_REQUEST: Duration = Duration::from_secs(15);

/// A client's connection.
#[derive(Debug)]
pub(crate) struct ClientConnection {
    /// Its worker.
    pub(crate) worker: Rc<Worker>,
    /// The listener that it came by, as of the last request.
    pub(crate) listener: Arc<ListenerSnap>,
    /// Its bytes, or the stream of it that carries the request.
    pub(crate) wire: Wire,
    /// What was read and not used.
    pub(crate) input: Option<Buffer>,
    /// Who connected.
    pub(crate) peer: SocketAddr,
    /// To which of our addresses.
    pub(crate) local: SocketAddr,
    /// The certificate that the client showed.
    pub(crate) shown: Arc<Shown>,
    /// Its clock.
    pub(crate) deadline: Deadline,
    /// Whether its listener is gone: it ends after the current exchange.
    pub(crate) orphaned: bool,
}

/// Bytes that are on their way at once, so that nothing a client says later cuts them off: ten segments (RFC 6928).
const FIRST_FLIGHT: u64 = 10 * 1460;

/// Why no further request came.
enum NoRequest {
    /// The client ended the connection between requests, or idled too long.
    Ended,
    /// It sent something that is answered, then the connection closes.
    Failed(Failure),
}

/// Serves a connection to its end, or until it became a tunnel.
pub(crate) async fn serve(mut connection: Box<ClientConnection>) -> Option<Box<Upgraded>> {
    let worker = Rc::clone(&connection.worker);
    let mut patience = connection.listener.timeout.request_header;
    let mut fresh = true;
    loop {
        if !connection.wait_for_bytes(patience, fresh).await {
            connection.close().await;
            return None;
        }
        let next;
        (connection, next) = Turns::run(&worker, connection).await;
        match next {
            Next::KeepAlive => (patience, fresh) = (connection.listener.timeout.keep_alive, false),
            // Its socket is closed as it is: the kernel still delivers what was written, and says that this is all.
            // Without the end of our side and the wait for the other a connection costs 3 system calls less.
            Next::Close if connection.is_spent() => return None,
            Next::Close | Next::Linger => {
                connection.linger().await;
                return None;
            }
            Next::Abort => {
                connection.abort();
                return None;
            }
            Next::Upgraded(upgraded) => {
                let ClientConnection { wire, input, .. } = *connection;
                return Some(upgraded.joined(wire, input));
            }
            Next::Http2 => {
                if let Some(changed) = connection.change() {
                    changed.await;
                }
                return None;
            }
        }
    }
}

impl ClientConnection {
    /// One of HTTP/1, by which nothing came yet but `input`.
    pub(crate) fn new(
        worker: Rc<Worker>,
        listener: Arc<ListenerSnap>,
        stream: Stream,
        input: Option<Buffer>,
        (peer, local): (SocketAddr, SocketAddr),
    ) -> Self {
        let deadline = worker.deadlines.register();
        let shown = Arc::new(Shown::of(&stream, &listener));
        let wire = Wire::Http1(stream);
        Self { worker, listener, wire, input, peer, local, shown, deadline, orphaned: false }
    }

    /// Serves one request, whose first bytes are here.
    pub(crate) async fn request(&mut self) -> Next {
        let mut scratch = self.worker.scratch();
        let next = match self.read_head(&mut scratch).await {
            Ok(()) => match exchange::run(self, &mut scratch).await {
                // To whom this was not the last request when it was sent: more may be on its way. And a client that
                // says more all the same would cut off what has not gone yet.
                Next::Close if scratch.request.keep_alive() || scratch.answer.written() > FIRST_FLIGHT => {
                    Next::Linger
                }
                next => next,
            },
            Err(NoRequest::Ended) => Next::Linger,
            Err(NoRequest::Failed(Failure::BadRequest(ParseError::Http2Preface))) if self.may_change() => {
                Next::Http2
            }
            Err(NoRequest::Failed(failure)) => exchange::refuse(self, &mut scratch, failure).await,
        };
        self.worker.give_scratch(scratch);
        next
    }

    /// Whether HTTP/2 may begin where a request would.
    fn may_change(&self) -> bool {
        !self.wire.is_tls() && self.listener.protocols.contains(&Protocol::Http2)
    }

    /// Goes on as HTTP/2, whose preface was read but not taken.
    fn change(self) -> Option<Pin<Box<dyn Future<Output = ()>>>> {
        let Self { worker, listener, wire, input, peer, local, .. } = self;
        let Wire::Http1(stream) = wire else { return None };
        Some(Box::pin(http2::serve(worker, listener, stream, input, peer, local)))
    }

    /// Takes the listener as it is now.
    pub(crate) fn refresh_listener(&mut self) {
        let Self { worker, listener, orphaned, .. } = self;
        worker.with_snapshot(|world| match world.listener(listener.address) {
            Some(now) if Arc::ptr_eq(now, listener) => {}
            Some(now) => *listener = Arc::clone(now),
            None => *orphaned = true,
        });
    }

    /// Waits, without a buffer of its own, until a byte of the next request is here.
    /// While the worker drains, an idle connection ends at once; a fresh one, whose request may be on its way, a
    /// moment later. While another process takes over, there is no such haste.
    async fn wait_for_bytes(&mut self, patience: Duration, fresh: bool) -> bool {
        if self.input.as_ref().is_some_and(|input| !input.is_empty()) {
            return true;
        }
        self.deadline.arm(patience);
        let (mut draining, mut hurried, mut asked) = (false, false, false);
        let read = poll_fn(|cx| {
            let is_quiet = !std::mem::replace(&mut asked, true) && self.wire.poll_readable(cx).is_pending();
            if !is_quiet && let Poll::Ready(read) = self.poll_read(cx) {
                return Poll::Ready(read.unwrap_or(0));
            }
            if self.worker.is_in_haste() && !std::mem::replace(&mut hurried, true) {
                if !fresh {
                    return Poll::Ready(0);
                }
                self.deadline.arm(LAST_CHANCE.min(patience));
            } else if self.worker.is_draining() && !std::mem::replace(&mut draining, true) && !fresh {
                self.deadline.arm(LAST_REQUEST.min(patience));
            }
            self.deadline.poll_struck(cx).map(|_| 0)
        })
        .await;
        read > 0
    }

    /// Reads what is there; keeps the buffer only if something came.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = match self.input.take() {
            Some(buffer) => buffer,
            None => self.worker.buffers.small(),
        };
        let read = self.wire.poll_fill(cx, &mut buffer);
        if buffer.is_empty() {
            self.worker.buffers.give(buffer);
        } else {
            self.input = Some(buffer);
        }
        read
    }

    /// The same where it is most likely that nothing is there.
    pub(crate) fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.wire.poll_readable(cx));
        self.poll_read(cx)
    }

    /// Reads until the head is whole.
    async fn read_head(&mut self, scratch: &mut Scratch) -> Result<(), NoRequest> {
        self.refresh_listener();
        if self.shown.is_outdated(&self.listener) {
            return Err(NoRequest::Ended);
        }
        let limits = HeadLimits::of(&self.listener.limits);
        self.deadline.arm(self.listener.timeout.request_header);
        loop {
            if let Some(input) = &mut self.input {
                let seen = &mut self.worker.seen.borrow_mut();
                match parse_request_by(input.bytes(), &limits, &mut scratch.request, seen) {
                    Ok(Status::Complete(n)) => {
                        input.consume(n);
                        if input.is_empty()
                            && let Some(input) = self.input.take()
                        {
                            self.worker.buffers.give(input);
                        }
                        return Ok(());
                    }
                    Ok(Status::Partial) => {
                        if input.is_full()
                            && let Some(input) = self.input.take()
                        {
                            // The parser refuses what exceeds the limit: one growth is enough.
                            self.input = Some(input.grown(limits.bytes + super::buffer::SMALL));
                        }
                    }
                    Err(error) => return Err(NoRequest::Failed(Failure::BadRequest(error))),
                }
            }
            let read = poll_fn(|cx| {
                if let Poll::Ready(read) = self.poll_read(cx) {
                    return Poll::Ready(Some(read));
                }
                if self.worker.is_cutting() {
                    return Poll::Ready(None);
                }
                self.deadline.poll_struck(cx).map(|_| None)
            })
            .await;
            match read {
                Some(Ok(n)) if n > 0 => {}
                Some(_) => return Err(NoRequest::Ended),
                None => return Err(NoRequest::Failed(Failure::HeadTimeout)),
            }
        }
    }

    /// Writes a whole serialised message under the write clock.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let bytes = match &mut self.wire {
            Wire::Http1(_) => bytes,
            Wire::Http2(stream) => stream.begin_message(bytes)?,
        };
        self.deadline.arm(self.listener.timeout.write);
        let mut sent = 0;
        let mut pace = Pace::default();
        poll_fn(|cx| {
            while sent < bytes.len() {
                match self.wire.poll_send(cx, &bytes[sent..], &[]) {
                    Poll::Ready(n) => {
                        sent += n?;
                        self.deadline.arm(self.listener.timeout.write);
                    }
                    Poll::Pending => {
                        if !pace.is_too_slow(&self.listener, &self.deadline, sent as u64, true) {
                            ready!(self.deadline.poll_struck(cx));
                        }
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                }
            }
            self.wire.end(b"");
            if let Poll::Ready(pushed) = self.wire.poll_push(cx) {
                return Poll::Ready(pushed);
            }
            // TLS takes bytes that the socket does not: the clock counts until the kernel has them.
            self.deadline.poll_struck(cx).map(|_| Err(io::ErrorKind::TimedOut.into()))
        })
        .await
    }

    /// Whether nothing is to be read or said any more, as far as the runtime heard: a socket closed on unread bytes
    /// resets. TLS says that it ends.
    fn is_spent(&self) -> bool {
        let Wire::Http1(Stream::Plain(tcp)) = &self.wire else { return false };
        self.input.is_none() && !matches!(tcp.try_read(&mut [0; 1]), Ok(1..))
    }

    /// Ends our side and is gone.
    async fn close(&mut self) {
        if let Wire::Http1(stream) = &mut self.wire {
            self.deadline.arm(LINGER);
            let _ = self.deadline.within(stream.shutdown()).await;
        }
    }

    /// Ends our side, then takes what the client still sends for a moment: a socket closed on unread bytes
    /// resets, and the reset can overtake the answer.
    async fn linger(&mut self) {
        self.close().await;
        self.deadline.arm(LINGER);
        let mut taken = 0;
        poll_fn(|cx| {
            loop {
                if let Some(input) = self.input.take() {
                    taken += input.bytes().len();
                    self.worker.buffers.give(input);
                }
                if taken > LINGER_BYTES {
                    return Poll::Ready(());
                }
                match self.poll_read(cx) {
                    Poll::Ready(Ok(n)) if n > 0 => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return self.deadline.poll_struck(cx).map(|_| ()),
                }
            }
        })
        .await;
    }

    /// Resets: the client must not take for whole what is broken.
    fn abort(&mut self) {
        if let Wire::Http1(stream) = &self.wire
            && let Err(error) = socket2::SockRef::from(stream.tcp()).set_linger(Some(Duration::ZERO))
        {
            debug!(peer = %self.peer, %error, "cannot reset");
        }
    }
}
