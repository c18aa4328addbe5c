//! The sockets that a generation accepts on: prepared before it is published (that may fail), committed
//! after (that cannot). A socket whose address stays is never touched.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::sync::mpsc::UnboundedSender;
use tracing::{error, info};

use super::worker::Order;
use crate::config::model::ListenAddress;
use crate::snapshot::Snapshot;

/// The bound addresses and the workers that accept on them.
#[derive(Debug)]
pub struct Listeners {
    workers: Vec<UnboundedSender<Order>>,
    bound: BTreeMap<ListenAddress, Open>,
    /// Sockets from outside that nobody has asked for yet.
    given: Vec<Given>,
    /// Nobody accepts before [`Listeners::begin`]; then this is sent.
    held: Option<Vec<(usize, ListenAddress, TcpListener)>>,
}

/// One address. The sockets are the workers' own, kept to be handed to another process: what waits in the queue of a
/// socket is lost only when all who have it let it go.
#[derive(Debug)]
struct Open {
    address: SocketAddr,
    sockets: Vec<TcpListener>,
}

/// A listening socket that somebody else made.
#[derive(Debug)]
pub struct Given {
    /// What it was made for; by its own address when that is not known.
    pub wanted: Option<ListenAddress>,
    /// It.
    pub socket: TcpListener,
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

impl Given {
    fn is_for(&self, address: ListenAddress) -> bool {
        let own = || {
            self.socket.local_addr().is_ok_and(|own| {
                let same = address.ip.map_or(own.ip().is_unspecified(), |ip| ip == own.ip());
                same && own.port() == address.port
            })
        };
        self.wanted.map_or_else(own, |wanted| wanted == address)
    }
}

impl Listeners {
    /// No sockets yet.
    pub fn new(workers: Vec<UnboundedSender<Order>>) -> Self {
        Self { workers, bound: BTreeMap::new(), given: Vec::new(), held: None }
    }

    /// These are used instead of new ones, by the generation that first names their addresses. With `hold` nobody
    /// accepts on any before [`Listeners::begin`].
    pub fn using(self, given: Vec<Given>, hold: bool) -> Self {
        Self { given, held: hold.then(Vec::new), ..self }
    }

    /// The address that a listener is bound to: tells the port where the file says 0.
    pub fn bound(&self, address: ListenAddress) -> Option<SocketAddr> {
        self.bound.get(&address).map(|open| open.address)
    }

    /// Every socket that is accepted on.
    pub fn sockets(&self) -> impl Iterator<Item = (ListenAddress, &TcpListener)> {
        self.bound.iter().flat_map(|(address, open)| open.sockets.iter().map(|socket| (*address, socket)))
    }

    /// Binds what `next` needs and is not bound.
    pub fn prepare(&self, next: &Snapshot) -> Result<Prepared, BindError> {
        let mut prepared = Prepared::default();
        for listener in &next.listeners {
            if self.bound.contains_key(&listener.address) {
                continue;
            }
            let sockets = self
                .open(listener.address, listener.backlog, listener.reuse_port)
                .map_err(|error| BindError { listener: listener.name.to_string(), error })?;
            let Some(bound) = sockets.first().and_then(|socket| socket.local_addr().ok()) else { continue };
            prepared.opened.push((listener.address, bound, sockets));
        }
        Ok(prepared)
    }

    /// Those given for it, or new ones.
    fn open(&self, address: ListenAddress, backlog: u32, reuse_port: bool) -> io::Result<Vec<TcpListener>> {
        let given = self.given.iter().filter(|given| given.is_for(address));
        let mut sockets = given.map(|given| given.socket.try_clone()).collect::<io::Result<Vec<_>>>()?;
        let port = match sockets.first() {
            Some(first) => first.local_addr()?.port(),
            None => {
                let first = bind(address, address.port, backlog, reuse_port)?;
                let port = first.local_addr()?.port();
                sockets.push(first);
                port
            }
        };
        let first = sockets.len();
        while sockets.len() < self.workers.len() {
            let shared = || sockets[sockets.len() % first].try_clone();
            let own = reuse_port.then(|| bind(address, port, backlog, true).ok()).flatten();
            sockets.push(own.map_or_else(shared, Ok)?);
        }
        for socket in &sockets {
            // Connections inherit it from the socket that accepts them: once here, not once for each of them.
            SockRef::from(socket).set_tcp_nodelay(true)?;
        }
        Ok(sockets)
    }

    /// Accepts on what was prepared, then no more on what `next` does not name.
    pub fn commit(&mut self, prepared: Prepared, next: &Snapshot) {
        for (address, bound, sockets) in prepared.opened {
            info!(address = %bound, "listening");
            self.given.retain(|given| !given.is_for(address));
            self.bound.insert(address, Open { address: bound, sockets });
            self.listen(address);
        }
        let workers = &self.workers;
        self.bound.retain(|address, open| {
            let stays = next.listener(*address).is_some();
            if !stays {
                info!(address = %open.address, "no longer listening");
                workers.iter().for_each(|worker| drop(worker.send(Order::Unlisten(*address))));
            }
            stays
        });
    }

    /// Gives the workers the sockets of an address.
    fn listen(&mut self, address: ListenAddress) {
        let Some(open) = self.bound.get(&address) else { return };
        for (at, socket) in open.sockets.iter().enumerate() {
            let worker = at % self.workers.len().max(1);
            match (socket.try_clone(), &mut self.held) {
                (Ok(socket), Some(held)) => held.push((worker, address, socket)),
                (Ok(socket), None) => drop(self.workers[worker].send(Order::Listen(address, socket))),
                (Err(error), _) => error!(address = %open.address, %error, "a worker cannot listen"),
            }
        }
    }

    /// Accepts from now on. Says what was given and is not used.
    pub fn begin(&mut self) -> Vec<SocketAddr> {
        for (worker, address, socket) in self.held.take().into_iter().flatten() {
            drop(self.workers[worker].send(Order::Listen(address, socket)));
        }
        self.given.drain(..).filter_map(|given| given.socket.local_addr().ok()).collect()
    }

    /// Accepts no more on these; what waits there is left to another process that has the same sockets.
    pub fn release(&self, addresses: &[ListenAddress]) {
        for address in addresses {
            self.workers.iter().for_each(|worker| drop(worker.send(Order::Release(*address))));
        }
    }

    /// Accepts on these again.
    pub fn resume(&mut self, addresses: &[ListenAddress]) {
        addresses.iter().for_each(|address| self.listen(*address));
    }

    /// Lets go of every socket; the workers close theirs when they are told to end.
    pub fn close(&mut self) {
        self.bound.clear();
        self.given.clear();
        self.held = self.held.take().map(|_| Vec::new());
    }
}

/// Whether this process could listen there now; nobody is let in.
pub fn may_bind(address: ListenAddress) -> io::Result<()> {
    either(address, address.port, |address, dual| bound(address, dual, false)).map(drop)
}

fn bind(address: ListenAddress, port: u16, backlog: u32, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = either(address, port, |address, dual| {
        let socket = bound(address, dual, reuse_port)?;
        socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
        Ok(socket)
    })?;
    Ok(socket.into())
}

/// `make` at the address, with whether one socket takes both families.
fn either<T>(
    address: ListenAddress,
    port: u16,
    make: impl Fn(SocketAddr, bool) -> io::Result<T>,
) -> io::Result<T> {
    match address.ip {
        Some(ip) => make(SocketAddr::new(ip, port), false),
        // Every interface, both families on one socket; plain IPv4 where the machine has no IPv6.
        None => make((Ipv6Addr::UNSPECIFIED, port).into(), true).or_else(|error| match error.kind() {
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
            _ => make((Ipv4Addr::UNSPECIFIED, port).into(), false),
        }),
    }
}

fn bound(address: SocketAddr, dual: bool, reuse_port: bool) -> io::Result<Socket> {
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
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_a_port_that_the_system_chose() {
        let loopback = ListenAddress { ip: Some(Ipv4Addr::LOCALHOST.into()), port: 0 };
        for reuse_port in [true, false] {
            let sockets = listeners(3).open(loopback, 16, reuse_port).unwrap();
            let ports: Vec<u16> = sockets.iter().map(|s| s.local_addr().unwrap().port()).collect();
            assert_eq!(ports.len(), 3);
            assert!(ports.iter().all(|&port| port == ports[0] && port != 0), "{ports:?}");
        }
    }

    #[test]
    fn connections_send_what_is_written_without_delay() {
        let loopback = ListenAddress { ip: Some(Ipv4Addr::LOCALHOST.into()), port: 0 };
        let given = TcpListener::bind("127.0.0.1:0").unwrap();
        let wanted = ListenAddress { ip: loopback.ip, port: given.local_addr().unwrap().port() };
        let heir = listeners(1).using(vec![Given { wanted: Some(wanted), socket: given }], false);
        for socket in [listeners(1).open(loopback, 16, true).unwrap(), heir.open(wanted, 16, true).unwrap()] {
            socket[0].set_nonblocking(false).unwrap();
            let _client = std::net::TcpStream::connect(socket[0].local_addr().unwrap()).unwrap();
            assert!(socket[0].accept().unwrap().0.nodelay().unwrap());
        }
    }

    #[test]
    fn a_taken_port_is_an_error_unless_it_is_shared_on_purpose() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken =
            ListenAddress { ip: Some(Ipv4Addr::LOCALHOST.into()), port: other.local_addr().unwrap().port() };
        assert_eq!(listeners(1).open(taken, 16, true).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn sockets_from_outside_are_used_by_however_many_workers_there_are() {
        for (given, workers, expected) in [(2, 4, 4), (3, 1, 3), (1, 1, 1)] {
            let address = ListenAddress { ip: Some(Ipv4Addr::LOCALHOST.into()), port: 0 };
            let made = listeners(given).open(address, 16, true).unwrap();
            let port = made[0].local_addr().unwrap().port();
            let wrap = |socket| Given { wanted: Some(address), socket };
            let heir = listeners(workers).using(made.into_iter().map(wrap).collect(), true);
            let sockets = heir.open(address, 16, true).unwrap();
            assert_eq!(sockets.len(), expected, "none of those given may be left alone");
            assert!(sockets.iter().all(|socket| socket.local_addr().unwrap().port() == port));
        }
    }

    #[test]
    fn a_socket_of_the_service_manager_is_known_by_its_address() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let given = Given { wanted: None, socket };
        let at = |ip: Option<&str>, port| ListenAddress { ip: ip.map(|ip| ip.parse().unwrap()), port };
        assert!(given.is_for(at(Some("127.0.0.1"), port)));
        assert!(!given.is_for(at(None, port)) && !given.is_for(at(Some("127.0.0.1"), port ^ 1)));
    }

    fn listeners(workers: usize) -> Listeners {
        Listeners::new((0..workers).map(|_| tokio::sync::mpsc::unbounded_channel().0).collect())
    }
}
