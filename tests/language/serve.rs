//! Servers of odd kinds.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A port that listens, accepts nothing, and has no room for another connection.
pub(super) struct Full {
    socket: Socket,
    _waiting: Vec<Socket>,
}

impl Full {
    pub(super) fn address(&self) -> SocketAddr {
        self.socket.local_addr().unwrap().as_socket().expect("an IPv4 socket has an IPv4 address")
    }
}

/// Fills the queue of a port until the kernel answers no more.
pub(super) fn full() -> Full {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap();
    let mut waiting = Vec::new();
    loop {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        match client.connect_timeout(&address, std::time::Duration::from_millis(300)) {
            Ok(()) => waiting.push(client),
            Err(_) => return Full { socket, _waiting: waiting },
        }
        assert!(waiting.len() < 64, "the queue never fills");
    }
}
