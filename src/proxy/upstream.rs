//! This worker's connections to servers: made, kept while unused, checked before reuse.
//!
//! Kept per worker, so taking and giving back is two map look-ups and no lock. A connection is tied to
//! the [`ConnectSpec`] that it was made under: when a reload changes TLS or limits, it is not used again.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use foldhash::fast::FixedState;
use tokio::io::{AsyncRead, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tracing::debug;

use super::failure::Failure;
use super::proxy_protocol;
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

/// A connection to a server, in use.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Its bytes.
    pub(crate) stream: Stream,
    /// Whether it carried a request before: a close before any answer is then no failure of the server.
    pub(crate) reused: bool,
    uses: u32,
    /// Where it leads.
    address: SocketAddr,
    /// Whom its PROXY header names: it serves nobody else.
    behalf: Option<Behalf>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    spec: Arc<ConnectSpec>,
    since: u64,
    _hold: IdleHold,
}

#[derive(Debug)]
struct Shelf {
    /// Keeps the address, by which the shelf is found, from being given to another server.
    server: Arc<Server>,
    idle: Vec<Idle>,
}

/// This worker's unused connections.
#[derive(Debug, Default)]
pub(crate) struct Upstreams {
    shelves: RefCell<HashMap<usize, Shelf, FixedState>>,
    /// Whether some of them serve one client only.
    personal: Cell<bool>,
}

impl Upstreams {
    /// An unused connection to `server` that is still open as far as can be told; the last one that came
    /// back first. `certain` also asks the kernel, for requests that may not be sent twice.
    pub(crate) fn take(
        &self,
        server: &Arc<Server>,
        spec: &Arc<ConnectSpec>,
        behalf: &Behalf,
        certain: bool,
    ) -> Option<Connection> {
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves.get_mut(&key(server))?;
        while let Some(mut idle) = shelf.last_for(spec.send_proxy.map(|_| *behalf)) {
            if Arc::ptr_eq(&idle.spec, spec)
                && server.is_at(idle.connection.address.ip())
                && idle.connection.is_quiet()
                && !(certain && idle.connection.has_news())
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
        connection: Connection,
        now: u64,
    ) {
        if spec.max_uses.is_some_and(|most| connection.uses >= most) {
            return;
        }
        let mut shelves = self.shelves.borrow_mut();
        let shelf = shelves
            .entry(key(server))
            .or_insert_with(|| Shelf { server: Arc::clone(server), idle: Vec::new() });
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
            !shelf.idle.is_empty() || Arc::strong_count(&shelf.server) > 1
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
        }
        self.personal.set(personal);
    }

    /// Closes every unused connection: the worker is stopping.
    pub(crate) fn clear(&self) {
        self.shelves.borrow_mut().clear();
    }
}

impl Shelf {
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
    /// Connects, with a PROXY header and TLS when the pool says so. The caller holds the clock.
    pub(crate) async fn open(server: &Server, spec: &ConnectSpec, behalf: &Behalf) -> Result<Self, Failure> {
        let address = server.endpoint().ok_or(Failure::Unresolved)?;
        let connected = async {
            let mut tcp = connect(address).await?;
            if let Some(version) = spec.send_proxy {
                let header = proxy_protocol::write(version, behalf.client, behalf.local);
                tcp.write_all(&header).await?;
            }
            Ok::<_, io::Error>(tcp)
        };
        let tcp = connected.await.map_err(|error| {
            debug!(pool = %server.pool, server = %server.name, %address, %error, "connect failed");
            Failure::ConnectFailed
        })?;
        let stream = match &spec.tls {
            None => Stream::Plain(tcp),
            Some(tls) => {
                let name = tls.name_for(&server.known_as()).ok_or(Failure::TlsToServer)?;
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config));
                let stream = connector.connect(name, tcp).await.map_err(|error| {
                    tracing::warn!(pool = %server.pool, server = %server.name, %address, %error, "tls to server failed");
                    Failure::TlsToServer
                })?;
                Stream::Connected(Box::new(stream))
            }
        };
        Ok(Self { stream, reused: false, uses: 0, address, behalf: spec.send_proxy.map(|_| *behalf) })
    }

    /// Counts a request sent on it.
    pub(crate) fn used(&mut self) {
        self.uses += 1;
    }

    /// Whether neither bytes nor an end arrived while it was unused, as far as the runtime heard. No
    /// system call unless something did arrive.
    fn is_quiet(&mut self) -> bool {
        let mut byte = [0u8; 1];
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(&mut self.stream).poll_read(&mut cx, &mut ReadBuf::new(&mut byte)).is_pending()
    }

    /// Whether the kernel holds bytes, an end or an error that the runtime may not have heard of yet.
    fn has_news(&self) -> bool {
        let socket = socket2::SockRef::from(self.stream.tcp());
        let mut byte = [std::mem::MaybeUninit::uninit(); 1];
        !matches!(socket.peek(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    Ok(tcp)
}
