//! This worker's connections to servers: made, kept while unused, checked before reuse.
//!
//! Kept per worker, so taking and giving back is two map look-ups and no lock. A connection is tied to
//! the [`ConnectSpec`] that it was made under: when a reload changes TLS or limits, it is not used again.
//! Those of HTTP/1 are kept while unused; one of HTTP/2 stays here while requests share it. `open` makes both.

mod open;

pub(crate) use open::dial;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::FixedState;
use tokio::io::{AsyncRead, ReadBuf};

use super::http2::{Http2Connection, ServerStream};
use super::server_wire::ServerWire;
use super::stream::Stream;
use crate::pool::{IdleHold, Server};
use crate::snapshot::ConnectSpec;

/// For whom a connection to a server is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behalf {
    /// Whom a PROXY header names.
    pub(crate) client: SocketAddr,
    /// Where that one connected to.
    pub(crate) local: SocketAddr,
    /// Whose connection it is: the client's own, or that of a trusted hop before it.
    pub(crate) peer: SocketAddr,
}

/// A connection to a server, in use. Boxed wherever it goes: a request moves it a dozen times, from the shelf into its
/// exchange and back.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Its bytes, or the stream of it that carries the request.
    pub(crate) wire: ServerWire,
    /// Whether it carried a request before: a close before any answer is then no failure of the server.
    pub(crate) reused: bool,
    uses: u32,
    /// Where it leads, when it is one request's alone.
    address: Option<SocketAddr>,
    /// Whom its PROXY header names: it serves nobody else.
    behalf: Option<Behalf>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    spec: Arc<ConnectSpec>,
    since: u64,
    _hold: IdleHold,
}

#[derive(Debug)]
struct Shelf {
    /// Keeps the address, by which the shelf is found, from being given to another server.
    server: Arc<Server>,
    idle: Vec<Idle>,
    /// Connections that requests share.
    shared: Vec<Rc<Http2Connection>>,
    /// Held by who opens a connection that others may share: they wait for it instead of opening their own.
    opening: Rc<tokio::sync::Mutex<()>>,
    /// It chose HTTP/1.1 when it could choose: there is nothing to share.
    chose_http1: bool,
}

/// What a request wants of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// For whom.
    pub(crate) behalf: Behalf,
    /// The request may not be sent twice: the kernel is asked whether a kept connection is still open.
    pub(crate) certain: bool,
    /// It asks for an upgrade, which only HTTP/1 has.
    pub(crate) upgrade: bool,
}

/// This worker's unused connections.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    shelves: RefCell<HashMap<usize, Shelf, FixedState>>,
    /// Whether some of them serve one client only.
    personal: Cell<bool>,
}

impl Upstreams {
    /// A connection to `server` that is still open as far as can be told: a place on a shared one, or the unused
    /// one that came back last.
    pub(crate) fn take(
        &self,
        server: &Arc<Server>,
        spec: &Arc<ConnectSpec>,
        wanted: &Wanted,
    ) -> Option<Box<Connection>> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.get_mut(&key(server))?;
        if !wanted.upgrade
            && let Some(stream) = shelf.place(spec, &wanted.behalf)
        {
            return Some(Connection::shared(stream));
        }
        while let Some(mut idle) = shelf.last_for(spec.send_proxy.map(|_| wanted.behalf)) {
            if Arc::ptr_eq(&idle.spec, spec)
                && idle.connection.address.is_none_or(|address| server.is_at(address.ip()))
                && idle.connection.is_quiet()
                && !(wanted.certain && idle.connection.has_news())
            {
                idle.connection.reused = true;
                return Some(idle.connection);
            }
        }
        None
    }

    /// Keeps a connection whose last answer was read to its end.
    pub(crate) fn give(
        &self,
        server: &Arc<Server>,
        spec: &Arc<ConnectSpec>,
        connection: Box<Connection>,
        now: u64,
    ) {
        if connection.wire.is_http2() || spec.max_uses.is_some_and(|most| connection.uses >= most) {
            return;
        }
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.entry(key(server)).or_insert_with(|| Shelf::new(server));
        if shelf.idle.len() >= spec.max_idle as usize || !server.may_keep_idle() {
            return;
        }
        self.personal.set(self.personal.get() || connection.behalf.is_some());
        let hold = server.hold_idle();
        shelf.idle.push(Idle { connection, spec: Arc::clone(spec), since: now, _hold: hold });
    }

    /// Closes what was unused for too long or was closed by its server. Called once a second.
    pub(crate) fn sweep(&self, now: u64) {
        self.shelves.borrow_mut().retain(|_, shelf| {
            shelf.idle.retain_mut(|idle| {
                now.saturating_sub(idle.since) < idle.spec.idle_timeout.as_millis() as u64
                    && idle.connection.is_quiet()
            });
            shelf.shared.iter().for_each(|connection| connection.check());
            shelf.shared.retain(|connection| connection.is_open());
            !shelf.idle.is_empty() || !shelf.shared.is_empty() || Arc::strong_count(&shelf.server) > 1
        });
    }

    /// Closes the connections that serve only those who came by the connection of `peer`, which is gone.
    pub(crate) fn forget(&self, peer: SocketAddr) {
        if !self.personal.get() {
            return;
        }
        let mut personal = false;
        for shelf in self.shelves.borrow_mut().values_mut() {
            shelf.idle.retain(|idle| idle.connection.behalf.is_none_or(|behalf| behalf.peer != peer));
            personal |= shelf.idle.iter().any(|idle| idle.connection.behalf.is_some());
            shelf.shared.iter().for_each(|connection| connection.forget(peer));
            personal |=
                shelf.shared.iter().any(|connection| connection.is_open() && connection.is_personal());
        }
        self.personal.set(personal);
    }

    /// Closes every unused connection: the worker is stopping.
    pub(crate) fn clear(&self) {
        for shelf in self.shelves.borrow_mut().values_mut() {
            shelf.idle.clear();
            shelf.shared.iter().for_each(|connection| connection.retire_if_idle());
        }
    }

    /// Whether others may share a connection to `server` that is opened now, and who opens it is to hold this.
    fn opening(&self, server: &Arc<Server>) -> Option<Rc<tokio::sync::Mutex<()>>> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.entry(key(server)).or_insert_with(|| Shelf::new(server));
        (!shelf.chose_http1).then(|| Rc::clone(&shelf.opening))
    }

    /// What `server` chose to speak: a connection to share, or HTTP/1.1.
    fn chosen(&self, server: &Arc<Server>, shared: Option<Rc<Http2Connection>>) {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.entry(key(server)).or_insert_with(|| Shelf::new(server));
        shelf.chose_http1 = shared.is_none();
        if let Some(connection) = shared {
            self.personal.set(self.personal.get() || connection.is_personal());
            shelf.shared.push(connection);
        }
    }
}

impl Shelf {
    fn new(server: &Arc<Server>) -> Self {
        Self {
            server: Arc::clone(server),
            idle: Vec::new(),
            shared: Vec::new(),
            opening: Rc::default(),
            chose_http1: false,
        }
    }

    /// A place on a shared connection: the first with room, so that few are used.
    fn place(&mut self, spec: &Arc<ConnectSpec>, behalf: &Behalf) -> Option<Box<ServerStream>> {
        let mut found = None;
        self.shared.retain(|connection| {
            if !connection.is_under(spec) {
                connection.retire();
            } else if found.is_none() && connection.serves(behalf) {
                found = connection.stream();
            }
            connection.is_open()
        });
        found
    }

    /// Takes the last one off; for a client with connections of its own, the last of those.
    fn last_for(&mut self, behalf: Option<Behalf>) -> Option<Idle> {
        match behalf {
            None => self.idle.pop(),
            some => {
                let at = self.idle.iter().rposition(|idle| idle.connection.behalf == some)?;
                Some(self.idle.remove(at))
            }
        }
    }
}

fn key(server: &Arc<Server>) -> usize {
    Arc::as_ptr(server).cast::<()>() as usize
}

impl Connection {
    /// A place on a shared connection.
    fn shared(stream: Box<ServerStream>) -> Box<Self> {
        let reused = stream.is_reused();
        Box::new(Self { wire: ServerWire::Http2(stream), reused, uses: 0, address: None, behalf: None })
    }

    /// Counts a request sent on it.
    pub(crate) fn used(&mut self) {
        self.uses += 1;
    }

    /// Whether neither bytes nor an end arrived while it was unused, as far as the runtime heard. No
    /// system call unless something did arrive.
    fn is_quiet(&mut self) -> bool {
        let ServerWire::Http1(stream) = &mut self.wire else { return false };
        let mut byte = [0u8; 1];
        if let Stream::Plain(tcp) = stream {
            // As below, without leaving a waker behind that nobody needs.
            return matches!(tcp.try_read(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        }
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Whether the kernel holds bytes, an end or an error that the runtime may not have heard of yet.
    fn has_news(&self) -> bool {
        let ServerWire::Http1(stream) = &self.wire else { return true };
        let socket = socket2::SockRef::from(stream.tcp());
        let mut byte = [std::mem::MaybeUninit::uninit(); 1];
        !matches!(socket.peek(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

#[cfg(test)]
mod tests;
