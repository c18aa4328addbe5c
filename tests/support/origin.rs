//! A server that does what a test's script says, byte by byte, and remembers what it was asked.
//!
//! `GET /ready` is answered outside the script and is not remembered: it belongs to health checks.

use std::io::{self, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::{DEADLINE, Message, Tail};

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request is read.
    Keep,
    /// It is closed in order.
    Close,
    /// It is reset.
    Reset,
}

/// The connection, as a script sees it.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
    seen: Arc<Seen>,
    /// Where the request stands among those seen.
    at: usize,
    /// Which connection of this origin it is, from 0.
    pub(crate) connection: usize,
    /// Which request of this connection it is, from 0.
    pub(crate) request: usize,
}

impl Wire {
    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Answers 200 with this body.
    pub(crate) fn ok(&mut self, body: &str) -> io::Result<After> {
        self.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()))?;
        Ok(After::Keep)
    }

    /// Reads the body of `message`.
    pub(crate) fn read_body(&mut self, message: &mut Message) -> io::Result<()> {
        message.read_body(&mut self.stream, Tail::AsSaid)?;
        // Before the answer goes out: whoever has the answer may ask what was seen.
        self.seen.requests.lock().unwrap()[self.at] = message.clone();
        Ok(())
    }

    /// The reader, for what is not HTTP.
    pub(crate) fn reader(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.stream
    }
}

type Script = dyn Fn(&mut Message, &mut Wire) -> io::Result<After> + Send + Sync;

#[derive(Debug, Default)]
struct Seen {
    ready: AtomicBool,
    stopped: AtomicBool,
    connections: AtomicUsize,
    requests: Mutex<Vec<Message>>,
    streams: Mutex<Vec<TcpStream>>,
}

/// A running origin.
#[derive(Debug)]
pub(crate) struct Origin {
    address: SocketAddr,
    seen: Arc<Seen>,
}

impl Origin {
    /// Reads each request whole, then answers with `name` and what it was asked, a line each.
    pub(crate) fn echo(name: &'static str) -> Self {
        Self::scripted(move |message, wire| {
            wire.read_body(message)?;
            let mut body = format!("{name}\n{}\n", message.line);
            for (field, value) in &message.fields {
                body.push_str(&format!("{}: {value}\n", field.to_lowercase()));
            }
            wire.ok(&body)
        })
    }

    /// Does as `script` says with each request, whose body is not yet read.
    pub(crate) fn scripted(
        script: impl Fn(&mut Message, &mut Wire) -> io::Result<After> + Send + Sync + 'static,
    ) -> Self {
        Self::on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap(), script)
    }

    /// One that answers its address to everything on each of these, all on one port.
    pub(crate) fn neighbours<const N: usize>(ips: [&str; N]) -> [Self; N] {
        let bind = |ip: &str, port| TcpListener::bind((ip.parse::<IpAddr>().unwrap(), port));
        super::eventually("a port that is free on every address", || {
            let first = bind(ips[0], 0).unwrap();
            let port = first.local_addr().unwrap().port();
            let others: Vec<_> = ips[1..].iter().map(|ip| bind(ip, port)).collect::<Result<_, _>>().ok()?;
            let mut all = std::iter::once(first).chain(others);
            Some(ips.map(|ip| {
                let (ip, listener) = (ip.to_owned(), all.next().unwrap());
                Self::on(listener, move |message, wire| match message.target() {
                    "/ws" => super::websocket::echo(message, wire),
                    _ => wire.ok(&ip),
                })
            }))
        })
    }

    fn on(
        listener: TcpListener,
        script: impl Fn(&mut Message, &mut Wire) -> io::Result<After> + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen { ready: AtomicBool::new(true), ..Seen::default() });
        let (script, shared): (Arc<Script>, _) = (Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (script, seen) = (Arc::clone(&script), Arc::clone(&shared));
                std::thread::spawn(move || converse(stream, &*script, &seen));
            }
        });
        Self { address, seen }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it answers to health checks from now on.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.seen.ready.store(ready, Ordering::SeqCst);
    }

    /// Every request so far, checks aside; a body is there when the script read it by `Wire::read_body`.
    pub(crate) fn requests(&self) -> Vec<Message> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Connections that carried a request so far, checks aside.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Closes the port and every connection, as a process does that is killed.
    pub(crate) fn stop(&self) {
        self.seen.stopped.store(true, Ordering::SeqCst);
        // One connection wakes the accepting thread, which then drops the port.
        drop(TcpStream::connect(self.address));
        for stream in self.seen.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        super::eventually("the origin's port closes", || TcpStream::connect(self.address).err());
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.seen.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// A port at which nobody listens, and which nobody else is given.
#[derive(Debug)]
pub(crate) struct Nobody(socket2::Socket);

impl Nobody {
    /// Takes a free one.
    pub(crate) fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Self(socket)
    }

    /// Where nobody answers.
    pub(crate) fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap().as_socket().expect("an IPv4 socket has an IPv4 address")
    }
}

fn converse(stream: TcpStream, script: &Script, seen: &Arc<Seen>) {
    let _ = stream.set_read_timeout(Some(DEADLINE));
    let _ = stream.set_nodelay(true);
    if let Ok(copy) = stream.try_clone() {
        seen.streams.lock().unwrap().push(copy);
    }
    let (stream, seen_by_wire) = (BufReader::new(stream), Arc::clone(seen));
    let mut wire = Wire { stream, seen: seen_by_wire, at: 0, connection: usize::MAX, request: 0 };
    // An error is a peer that went away, which is often what the test wants.
    let after = converse_on(&mut wire, script, seen).unwrap_or(After::Close);
    let stream = wire.stream.into_inner();
    if after == After::Reset {
        let _ = socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO));
    } else {
        let _ = stream.shutdown(Shutdown::Both);
    }
    let peer = stream.peer_addr().ok();
    seen.streams.lock().unwrap().retain(|s| s.peer_addr().ok() != peer);
}

fn converse_on(wire: &mut Wire, script: &Script, seen: &Seen) -> io::Result<After> {
    while let Some(mut message) = Message::read_head(&mut wire.stream)? {
        if message.target() == "/ready" {
            let status = if seen.ready.load(Ordering::SeqCst) { "200 OK" } else { "503 Not Ready" };
            wire.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))?;
            return Ok(After::Close);
        }
        if wire.request == 0 {
            wire.connection = seen.connections.fetch_add(1, Ordering::SeqCst);
        }
        wire.at = {
            let mut requests = seen.requests.lock().unwrap();
            requests.push(message.clone());
            requests.len() - 1
        };
        let after = script(&mut message, wire);
        match after? {
            After::Keep => wire.request += 1,
            after => return Ok(after),
        }
    }
    Ok(After::Close)
}
