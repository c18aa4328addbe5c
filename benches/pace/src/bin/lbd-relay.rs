//! The least that a proxy can do: it passes on what it reads and understands nothing of it. What this costs, no proxy
//! goes below; a comparison shows with it what the kernel takes and what is left for a proxy's own work.
//!
//!   lbd-relay requests PORT SERVER COUNT   what one read brings is a request, and goes over a kept connection to the
//!                                          next of COUNT servers at 127.0.0.1, 127.0.0.2 and so on; what one read
//!                                          brings from there is its answer
//!   lbd-relay closing PORT SERVER COUNT    the same, but each client asks once: the server gets a request of this
//!                                          program's own, and the client is closed behind the answer
//!   lbd-relay streams PORT SERVER          each client has a connection of its own to 127.0.0.1, and bytes go both ways
//!
//! One thread, edge-triggered epoll, no call to the kernel that could be left out: that is why it is no proxy to use.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Ipv4Addr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

const LISTENER: Token = Token(usize::MAX);
/// As much as a read of a long body takes.
const BUFFER: usize = 256 * 1024;
const REQUEST: &[u8] = b"GET /1k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Requests,
    Closing,
    Streams,
}

/// A connection, to a client or to a server.
struct End {
    stream: TcpStream,
    /// Which server is at the other end; none for a client.
    server: Option<u8>,
    partner: Option<usize>,
    /// What its socket did not take yet, and how much of that it took since; meanwhile nothing is read for it.
    unsent: Vec<u8>,
    sent: usize,
}

struct Relay {
    way: Way,
    port: u16,
    poll: Poll,
    ends: Slab<End>,
    /// Kept connections by server.
    idle: Vec<Vec<usize>>,
    next: u8,
    buffer: Vec<u8>,
}

impl Relay {
    fn add(&mut self, mut stream: TcpStream, server: Option<u8>) -> io::Result<usize> {
        let entry = self.ends.vacant_entry();
        let key = entry.key();
        let interest = match self.way {
            Way::Streams => Interest::READABLE | Interest::WRITABLE,
            Way::Requests | Way::Closing => Interest::READABLE,
        };
        self.poll.registry().register(&mut stream, Token(key), interest)?;
        entry.insert(End { stream, server, partner: None, unsent: Vec::new(), sent: 0 });
        Ok(key)
    }

    fn connect(&mut self, server: u8) -> io::Result<usize> {
        let stream = std::net::TcpStream::connect((Ipv4Addr::new(127, 0, 0, server + 1), self.port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        self.add(TcpStream::from_std(stream), Some(server))
    }

    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let client = self.add(stream, None)?;
            if self.way == Way::Streams {
                let server = self.connect(0)?;
                self.pair(client, server);
            } else {
                // What came with the connection is read without waiting for its event.
                self.ready(client)?;
            }
        }
    }

    fn pair(&mut self, one: usize, other: usize) {
        self.ends[one].partner = Some(other);
        self.ends[other].partner = Some(one);
    }

    /// Closes a connection, and the one that it is paired with.
    fn close(&mut self, key: usize) {
        let Some(end) = self.ends.try_remove(key) else { return };
        if let Some(server) = end.server {
            self.idle[usize::from(server)].retain(|idle| *idle != key);
        }
        if let Some(partner) = end.partner {
            self.ends.try_remove(partner);
        }
    }

    /// What came for a connection is read and passed on.
    fn ready(&mut self, key: usize) -> io::Result<()> {
        self.flush(key);
        while let Some(end) = self.ends.get_mut(key) {
            let partner = end.partner;
            if let Some(partner) = partner.filter(|_| self.way == Way::Streams)
                && !self.ends[partner].unsent.is_empty()
            {
                return Ok(());
            }
            let count = match self.ends[key].stream.read(&mut self.buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(_) => 0,
            };
            if count == 0 {
                self.close(key);
                return Ok(());
            }
            self.pass(key, count)?;
            // Less than there was room for: there is no more, and the next event says so.
            if count < self.buffer.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn pass(&mut self, from: usize, count: usize) -> io::Result<()> {
        let end = &self.ends[from];
        match (self.way, end.partner, end.server) {
            (Way::Streams, Some(to), _) => {
                let end = &mut self.ends[to];
                match end.stream.write(&self.buffer[..count]) {
                    Ok(taken) => end.unsent.extend_from_slice(&self.buffer[taken..count]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        end.unsent.extend_from_slice(&self.buffer[..count]);
                    }
                    Err(_) => self.close(to),
                }
                Ok(())
            }
            (Way::Requests | Way::Closing, None, None) => {
                self.next = (self.next + 1) % u8::try_from(self.idle.len()).unwrap_or(u8::MAX);
                let server = match self.idle[usize::from(self.next)].pop() {
                    Some(server) => server,
                    None => self.connect(self.next)?,
                };
                self.pair(from, server);
                let request = if self.way == Way::Closing { REQUEST } else { &self.buffer[..count] };
                whole(self.ends[server].stream.write(request)?, request.len())
            }
            (Way::Requests | Way::Closing, Some(client), Some(server)) => {
                if self.way == Way::Closing {
                    say_close(&mut self.buffer[..count]);
                }
                whole(self.ends[client].stream.write(&self.buffer[..count])?, count)?;
                self.ends[from].partner = None;
                self.idle[usize::from(server)].push(from);
                self.ends[client].partner = None;
                if self.way == Way::Closing {
                    self.ends.remove(client);
                }
                Ok(())
            }
            _ => Err(io::Error::other(
                "a request or an answer came in more than one piece: not for this program",
            )),
        }
    }

    /// Writes what a connection still has to get.
    fn flush(&mut self, key: usize) {
        let Some(end) = self.ends.get_mut(key) else { return };
        while end.sent < end.unsent.len() {
            match end.stream.write(&end.unsent[end.sent..]) {
                Ok(count) => end.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.close(key),
            }
        }
        end.unsent.clear();
        end.sent = 0;
    }
}

/// Tells the client what comes: `Connection: keep-alive` becomes `close`, with blanks for the rest.
fn say_close(answer: &mut [u8]) {
    const KEPT: &[u8] = b"keep-alive";
    if let Some(at) = answer.windows(KEPT.len()).position(|part| part == KEPT) {
        answer[at..at + KEPT.len()].copy_from_slice(b"close     ");
    }
}

fn whole(written: usize, count: usize) -> io::Result<()> {
    if written == count {
        Ok(())
    } else {
        Err(io::Error::other("a socket took a part only: not for this program"))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (way, port, server, count) = match words.as_slice() {
        ["requests", port, server, count] => (Way::Requests, port, server, count.parse::<u8>()?),
        ["closing", port, server, count] => (Way::Closing, port, server, count.parse()?),
        ["streams", port, server] => (Way::Streams, port, server, 1),
        _ => return Err("usage: lbd-relay requests|closing PORT SERVER COUNT | streams PORT SERVER".into()),
    };
    let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.parse::<u16>()?).into())?;
    let mut relay = Relay {
        way,
        port: server.parse()?,
        poll: Poll::new()?,
        ends: Slab::new(),
        idle: vec![Vec::new(); usize::from(count.max(1))],
        next: 0,
        buffer: vec![0; BUFFER],
    };
    relay.poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    loop {
        match relay.poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            done => done?,
        }
        for event in &events {
            match event.token() {
                LISTENER => relay.accept(&listener)?,
                Token(key) => {
                    relay.ready(key)?;
                    // What was read for it may have waited for room.
                    let partner = relay.ends.get(key).and_then(|end| end.partner);
                    if let Some(partner) = partner.filter(|_| way == Way::Streams && event.is_writable()) {
                        relay.ready(partner)?;
                    }
                }
            }
        }
    }
}
