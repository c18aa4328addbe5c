//! A connection to a server that speaks HTTP/2: the requests of one worker share it.
//!
//! The h2 crate reads and writes its frames; each request opens a [`ServerStream`] on it. The task of the
//! connection writes what the streams gathered, once per batch of ready tasks, and ends the connection when
//! nobody used it for long. A connection that is retired takes no further stream and ends with its last one.

mod driver;
mod head;
mod stream;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use socket2::{SockRef, TcpKeepalive};
use tracing::debug;

pub(crate) use stream::ServerStream;

use super::deferred::Pipe;
use super::recurring::Recurring;
use crate::pool::{Eligibility, IdleHold, Server};
use crate::proxy::deadline::Deadlines;
use crate::proxy::failure::Failure;
use crate::proxy::stream::Stream;
use crate::proxy::upstream::Behalf;
use crate::proxy::worker::Worker;
use crate::snapshot::ConnectSpec;
use driver::{Driver, Heard};

/// Requests at once on one connection, when the server allows as many.
const STREAMS: usize = 128;
/// What a server may send on one stream before we have passed it on.
const STREAM_WINDOW: u32 = 256 * 1024;
/// What it may send on all of them: as much as all may hold, so that a client that does not read stalls nobody
/// else.
const CONNECTION_WINDOW: u32 = STREAMS as u32 * STREAM_WINDOW;
/// What may wait for one stream's window on the way to the server.
const SEND_BUFFER: usize = 64 * 1024;
/// What the head of an answer may weigh.
const HEAD: u32 = 64 * 1024;
/// Stream numbers are 31 bits and ours are odd; a connection ends well before they do.
const USES: u32 = 1 << 29;
/// Nothing was heard for so long, and then a request was given up: the connection may be dead.
const SILENCE: Duration = Duration::from_secs(5);
/// How long the kernel waits for a server to acknowledge what was sent.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(crate) struct Http2Connection {
    server: Arc<Server>,
    spec: Arc<ConnectSpec>,
    /// Whom its PROXY header names: it serves nobody else.
    behalf: Option<Behalf>,
    remote: Option<IpAddr>,
    tls: bool,
    clock: Rc<Deadlines>,
    recurring: Rc<Recurring>,
    /// Opens streams; `None` once it is retired.
    sender: RefCell<Option<SendRequest<Bytes>>>,
    active: Cell<usize>,
    uses: Cell<u32>,
    /// When its last stream ended, on the worker's clock.
    idle_since: Cell<u64>,
    /// When something last came from the server.
    heard: Rc<Cell<u64>>,
    hold: RefCell<Option<IdleHold>>,
}

impl Http2Connection {
    /// Speaks HTTP/2 on `stream`. Ready when the server said its settings, so when it surely speaks it too. The
    /// caller holds the clock.
    pub(crate) async fn open(
        worker: &Rc<Worker>,
        server: &Arc<Server>,
        spec: &Arc<ConnectSpec>,
        behalf: &Behalf,
        stream: Stream,
    ) -> Result<Rc<Self>, Failure> {
        let refused = |error: &dyn std::fmt::Display| {
            tracing::warn!(pool = %server.pool, server = %server.name, %error, "server does not speak http/2");
            Failure::NotHttp2
        };
        watch(&stream);
        let remote = stream.tcp().peer_addr().ok().map(|address| address.ip().to_canonical());
        let tls = stream.is_tls();
        let clock = &worker.deadlines;
        let heard = Rc::new(Cell::new(clock.now()));
        let (io, pipe) = Pipe::new(stream, None, None, &worker.outs);
        let handshake = h2::client::Builder::new()
            // Until the server says how many: a stream before that might be one too many.
            .initial_max_send_streams(0)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEAD)
            .max_send_buffer_size(SEND_BUFFER)
            .enable_push(false)
            .handshake(Heard::new(io, &heard, clock));
        let (sender, frames) = handshake.await.map_err(|error| refused(&error))?;
        let connection = Rc::new(Self {
            server: Arc::clone(server),
            spec: Arc::clone(spec),
            behalf: spec.send_proxy.map(|_| *behalf),
            remote,
            tls,
            clock: Rc::clone(clock),
            recurring: Rc::clone(&worker.recurring),
            sender: RefCell::new(Some(sender.clone())),
            active: Cell::new(0),
            uses: Cell::new(0),
            idle_since: Cell::new(clock.now()),
            heard,
            hold: RefCell::new(None),
        });
        let mut driver = Driver::new(worker, &connection, frames, pipe);
        poll_fn(|cx| driver.poll_settings(cx, &sender)).await.map_err(|error| refused(&error))?;
        drop(sender);
        tokio::task::spawn_local(driver.run());
        Ok(connection)
    }

    /// Whether it was made under these terms, to where the server still is.
    pub(crate) fn is_under(&self, spec: &Arc<ConnectSpec>) -> bool {
        Arc::ptr_eq(&self.spec, spec) && self.remote.is_none_or(|ip| self.server.is_at(ip))
    }

    /// Whether it may carry requests of this client.
    pub(crate) fn serves(&self, behalf: &Behalf) -> bool {
        self.behalf.is_none_or(|own| own == *behalf)
    }

    /// Whether it serves one client only.
    pub(crate) fn is_personal(&self) -> bool {
        self.behalf.is_some()
    }

    /// Whether it takes streams, now or once others have ended.
    pub(crate) fn is_open(&self) -> bool {
        self.sender.borrow().is_some()
    }

    /// A place for one more request, if there is one.
    pub(crate) fn stream(self: &Rc<Self>) -> Option<Box<ServerStream>> {
        let mut sender = self.sender.borrow().clone()?;
        if self.active.get() >= STREAMS.min(sender.current_max_send_streams()) {
            return None;
        }
        let ready = sender.poll_ready(&mut Context::from_waker(Waker::noop()));
        if matches!(ready, Poll::Ready(Err(_))) {
            self.retire();
            return None;
        }
        self.active.set(self.active.get() + 1);
        self.hold.take();
        self.uses.set(self.uses.get() + 1);
        if self.uses.get() >= self.spec.max_uses.unwrap_or(USES).min(USES) {
            self.retire();
        }
        Some(Box::new(ServerStream::new(Rc::clone(self), sender)))
    }

    /// Takes no further stream.
    pub(crate) fn retire(&self) {
        // Outside the borrow: the last one wakes the task of the connection.
        let sender = self.sender.borrow_mut().take();
        self.hold.take();
        drop(sender);
    }

    /// Retires it if nobody uses it.
    pub(crate) fn retire_if_idle(&self) {
        if self.active.get() == 0 {
            self.retire();
        }
    }

    /// Retires it if it only serves those who came by the connection of `peer`, which is gone.
    pub(crate) fn forget(&self, peer: SocketAddr) {
        if self.behalf.is_some_and(|behalf| behalf.peer == peer) {
            self.retire();
        }
    }

    /// Retires it if its server is elsewhere now, or if nobody uses it and its server is to have no traffic.
    pub(crate) fn check(&self) {
        let left = self.server.needs_resolving()
            && self.remote.is_some_and(|ip| {
                let now = self.server.addresses();
                !now.is_empty() && !now.contains(&ip)
            });
        if left {
            self.retire();
        } else if matches!(self.server.eligibility(), Eligibility::No(_)) {
            self.retire_if_idle();
        }
    }

    /// A stream is over. One that was given up on a connection that is silent says that it may be dead.
    fn release(&self, whole: bool) {
        self.active.set(self.active.get() - 1);
        let now = self.clock.now();
        if !whole && now.saturating_sub(self.heard.get()) >= SILENCE.as_millis() as u64 {
            debug!(pool = %self.server.pool, server = %self.server.name, "silent http/2 connection retired");
            self.retire();
        }
        if self.active.get() > 0 {
            return;
        }
        self.idle_since.set(now);
        if self.spec.max_idle == 0 || !self.server.may_keep_idle() {
            self.retire();
        } else if self.is_open() {
            self.hold.replace(Some(self.server.hold_idle()));
        }
    }
}

/// Lets the kernel find out when the server is gone without a word: a connection that many share is worth it.
/// Pings of HTTP/2 would be held against us by servers of gRPC.
fn watch(stream: &Stream) {
    let socket = SockRef::from(stream.tcp());
    let probes = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10))
        .with_retries(3);
    let set =
        socket.set_tcp_keepalive(&probes).and_then(|()| socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED)));
    if let Err(error) = set {
        debug!(%error, "cannot watch the connection");
    }
}
