//! A connection's first bytes, before TLS and HTTP: who it comes from, where a balancer in front says so,
//! and whether it is passed on as it is.
//!
//! What was read and not used stays in [`Arrival::input`] and goes first wherever the connection goes.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tracing::debug;

use super::buffer::Buffer;
use super::client_hello::{self, Hello};
use super::deadline::Deadline;
use super::proxy_protocol::{self, Parsed};
use super::worker::Worker;
use crate::snapshot::{ConnectionHold, ListenerSnap, TcpRouteSnap, TcpSnap};

/// A connection that was accepted, and nothing yet.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Its bytes.
    pub(crate) tcp: TcpStream,
    /// What was read and not used.
    pub(crate) input: Option<Buffer>,
    /// The client.
    pub(crate) peer: SocketAddr,
    /// The address that the client meant.
    pub(crate) local: SocketAddr,
}

/// What a connection is for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// Requests, perhaps within TLS.
    Http,
    /// Its bytes are passed on. With the name in its hello.
    Tcp(Arc<TcpRouteSnap>, Option<Vec<u8>>),
}

impl Arrival {
    /// Reads what must be known first. None when the connection is to end; that is counted and said.
    pub(crate) async fn purpose(
        &mut self,
        worker: &Rc<Worker>,
        listener: &ListenerSnap,
        hold: &mut ConnectionHold,
    ) -> Option<Purpose> {
        if listener.tcp.is_none() && listener.proxy_protocol.is_none() {
            return Some(Purpose::Http);
        }
        let sender = self.peer;
        match self.find_purpose(worker, listener, hold).await {
            Ok(purpose) => Some(purpose),
            Err(reason) => {
                listener.live.refused.fetch_add(1, Ordering::Relaxed);
                debug!(%sender, client = %self.peer, listener = %listener.name, reason, "connection refused");
                None
            }
        }
    }

    async fn find_purpose(
        &mut self,
        worker: &Rc<Worker>,
        listener: &ListenerSnap,
        hold: &mut ConnectionHold,
    ) -> Result<Purpose, &'static str> {
        let deadline = worker.deadlines.register();
        if let Some(proxy) = &listener.proxy_protocol {
            deadline.arm(proxy.timeout);
            if proxy.is_due_from(self.peer.ip()) {
                self.read_proxy_header(worker, &deadline).await?;
                if !hold.count_for(self.peer.ip(), &listener.limits) {
                    return Err("too many connections from this address");
                }
            } else if listener.tcp.is_some() {
                self.without_proxy_header(worker, &deadline).await?;
            }
        }
        let Some(tcp) = &listener.tcp else { return Ok(Purpose::Http) };
        deadline.arm(match &listener.tls {
            Some(tls) => tls.handshake_timeout,
            None => listener.timeout.request_header,
        });
        self.find_route(worker, &deadline, listener, tcp).await
    }

    async fn find_route(
        &mut self,
        worker: &Worker,
        deadline: &Deadline,
        listener: &ListenerSnap,
        tcp: &TcpSnap,
    ) -> Result<Purpose, &'static str> {
        let name = if tcp.needs_name() {
            loop {
                match client_hello::read(self.bytes()) {
                    Hello::Whole(name) => break name,
                    Hello::Other => break None,
                    // The TLS library knows how to say what is wrong.
                    Hello::Wrong if listener.tls.is_some() => return Ok(Purpose::Http),
                    Hello::Wrong => return Err("bad client hello"),
                    Hello::Partial => self.read_more(worker, deadline).await?,
                }
            }
        } else {
            None
        };
        match tcp.find(name.as_deref()) {
            Some(route) => Ok(Purpose::Tcp(Arc::clone(route), name)),
            None if listener.tls.is_some() => Ok(Purpose::Http),
            None => Err("no tcp for this name"),
        }
    }

    async fn read_proxy_header(&mut self, worker: &Worker, deadline: &Deadline) -> Result<(), &'static str> {
        loop {
            match proxy_protocol::parse(self.bytes()) {
                Parsed::Whole(header) => {
                    if let Some((client, local)) = header.addresses {
                        (self.peer, self.local) = (client, local);
                    }
                    if let Some(mut input) = self.input.take() {
                        input.consume(header.length);
                        match input.is_empty() {
                            true => worker.buffers.give(input),
                            false => self.input = Some(input),
                        }
                    }
                    return Ok(());
                }
                Parsed::Partial => self.read_more(worker, deadline).await?,
                Parsed::Wrong => return Err("no PROXY header, or a wrong one"),
            }
        }
    }

    /// Bytes that are passed on unread must not begin with a header that the server may believe. A
    /// connection for HTTP needs no such look: to HTTP and to TLS a header is an error.
    async fn without_proxy_header(
        &mut self,
        worker: &Worker,
        deadline: &Deadline,
    ) -> Result<(), &'static str> {
        while proxy_protocol::may_be_header(self.bytes()) {
            if proxy_protocol::is_header(self.bytes()) {
                return Err("a PROXY header from a stranger");
            }
            self.read_more(worker, deadline).await?;
        }
        Ok(())
    }

    fn bytes(&self) -> &[u8] {
        self.input.as_ref().map(Buffer::bytes).unwrap_or_default()
    }

    /// Reads once. Holds no buffer while nothing came.
    async fn read_more(&mut self, worker: &Worker, deadline: &Deadline) -> Result<(), &'static str> {
        poll_fn(|cx| {
            let mut input = self.input.take().unwrap_or_else(|| worker.buffers.small());
            let mut room = ReadBuf::new(input.room());
            // Every reader of first bytes gives up before a buffer is full.
            debug_assert!(room.capacity() > 0, "no room for first bytes");
            let read = std::pin::Pin::new(&mut self.tcp).poll_read(cx, &mut room);
            let n = room.filled().len();
            input.filled(n);
            match input.is_empty() {
                true => worker.buffers.give(input),
                false => self.input = Some(input),
            }
            match read {
                Poll::Ready(Ok(())) if n > 0 => Poll::Ready(Ok(())),
                Poll::Ready(_) => Poll::Ready(Err("it ended early")),
                Poll::Pending if worker.is_cutting() => Poll::Ready(Err("stopping")),
                Poll::Pending => deadline.poll_struck(cx).map(|_| Err("timeout")),
            }
        })
        .await
    }
}
