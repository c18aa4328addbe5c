//! The sockets that a generation accepts on: prepared before it is published (that may fail), committed
//! after (that cannot). A socket whose address stays is never touched.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::sync::mpsc::UnboundedSender;
use tracing::info;

use super::worker::Order;
use crate::config::model::ListenAddress;
use crate::snapshot::Snapshot;

/// The bound addresses and the workers that accept on them.
#[derive(Debug)]
pub struct Listeners {
    workers: Vec<UnboundedSender<Order>>,
    bound: BTreeMap<ListenAddress, SocketAddr>,
}

/// Sockets bound for a generation that is not published yet. Dropped, they are closed again.
#[derive(Debug, Default)]
pub struct Prepared {
    opened: Vec<(ListenAddress, SocketAddr, Vec<TcpListener>)>,
}

/// An address that could not be bound.
#[derive(Debug)]
pub struct BindError {
    /// The listener's name.
    pub listener: String,
    /// What the system said.
    pub error: io::Error,
}

impl Listeners {
    /// No sockets yet.
    pub fn new(workers: Vec<UnboundedSender<Order>>) -> Self {
        Self { workers, bound: BTreeMap::new() }
    }

    /// The address that a listener is bound to: tells the port where the file says 0.
    pub fn bound(&self, address: ListenAddress) -> Option<SocketAddr> {
        self.bound.get(&address).copied()
    }

    /// Binds what `next` needs and is not bound.
    pub fn prepare(&self, next: &Snapshot) -> Result<Prepared, BindError> {
        let mut prepared = Prepared::default();
        for listener in &next.listeners {
            if self.bound.contains_key(&listener.address) {
                continue;
            }
            let sockets = open(listener.address, listener.backlog, listener.reuse_port, self.workers.len())
                .map_err(|error| BindError { listener: listener.name.to_string(), error })?;
            let Some(bound) = sockets.first().and_then(|socket| socket.local_addr().ok()) else { continue };
            prepared.opened.push((listener.address, bound, sockets));
        }
        Ok(prepared)
    }

    /// Accepts on what was prepared, then no more on what `next` does not name.
    pub fn commit(&mut self, prepared: Prepared, next: &Snapshot) {
        for (address, bound, sockets) in prepared.opened {
            info!(address = %bound, "listening");
            self.bound.insert(address, bound);
            for (worker, socket) in self.workers.iter().zip(sockets) {
                let _ = worker.send(Order::Listen(address, socket));
            }
        }
        let workers = &self.workers;
        self.bound.retain(|address, bound| {
            let stays = next.listener(*address).is_some();
            if !stays {
                info!(address = %bound, "no longer listening");
                workers.iter().for_each(|worker| drop(worker.send(Order::Unlisten(*address))));
            }
            stays
        });
    }
}

/// One socket for each worker: their own with `SO_REUSEPORT`, else one that they share.
fn open(
    address: ListenAddress,
    backlog: u32,
    reuse_port: bool,
    workers: usize,
) -> io::Result<Vec<TcpListener>> {
    let first = bind(address, address.port, backlog, reuse_port)?;
    let port = first.local_addr()?.port();
    let mut sockets = vec![first];
    while sockets.len() < workers {
        let next = if reuse_port { bind(address, port, backlog, true)? } else { sockets[0].try_clone()? };
        sockets.push(next);
    }
    Ok(sockets)
}

fn bind(address: ListenAddress, port: u16, backlog: u32, reuse_port: bool) -> io::Result<TcpListener> {
    match address.ip {
        Some(ip) => bind_at(SocketAddr::new(ip, port), false, backlog, reuse_port),
        // Every interface, both families on one socket; plain IPv4 where the machine has no IPv6.
        None => bind_at((Ipv6Addr::UNSPECIFIED, port).into(), true, backlog, reuse_port).or_else(|error| {
            match error.kind() {
                io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
                _ => bind_at((Ipv4Addr::UNSPECIFIED, port).into(), false, backlog, reuse_port),
            }
        }),
    }
}

fn bind_at(address: SocketAddr, dual: bool, backlog: u32, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual)?;
    }
    if reuse_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_that_the_system_chose() {
        let loopback = ListenAddress { ip: Some(Ipv4Addr::LOCALHOST.into()), port: 0 };
        for reuse_port in [true, false] {
            let sockets = open(loopback, 16, reuse_port, 3).unwrap();
            let ports: Vec<u16> = sockets.iter().map(|s| s.local_addr().unwrap().port()).collect();
            assert_eq!(ports.len(), 3);
            assert!(ports.iter().all(|&port| port == ports[0] && port != 0), "{ports:?}");
        }
    }

    #[test]
    fn a_taken_port_is_an_error_unless_it_is_shared_on_purpose() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken =
            ListenAddress { ip: Some(Ipv4Addr::LOCALHOST.into()), port: other.local_addr().unwrap().port() };
        assert_eq!(open(taken, 16, true, 1).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }
}
