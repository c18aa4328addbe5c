//! A client that sends the bytes it is given and reads answers one by one.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::{DEADLINE, Message, Tail};

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Its own address.
    pub(crate) fn local(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().unwrap()
    }

    /// `GET target` on a connection of its own.
    pub(crate) fn fetch(address: SocketAddr, target: &str) -> Message {
        Self::connect(address).get(target)
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.get_mut().write_all(bytes.as_ref()).unwrap();
        self
    }

    /// Sends bytes, and does not mind when the other side has gone.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// `GET target` with the fields that a client always sends.
    pub(crate) fn get(&mut self, target: &str) -> Message {
        self.request("GET", target, "", b"")
    }

    /// A request with more `fields` (each ending in CRLF) and a body, whose length is said when it has one.
    pub(crate) fn request(&mut self, method: &str, target: &str, fields: &str, body: &[u8]) -> Message {
        let length = match body.is_empty() {
            true => String::new(),
            false => format!("Content-Length: {}\r\n", body.len()),
        };
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: app.test\r\n{fields}{length}\r\n"));
        self.send(body);
        self.read(if method == "HEAD" { Tail::Nothing } else { Tail::AsSaid })
    }

    /// The next answer, which must come.
    pub(crate) fn read(&mut self, tail: Tail) -> Message {
        self.try_read(tail).expect("an answer that can be read").expect("an answer, not a closed connection")
    }

    /// The next answer; `None` when the connection was closed instead.
    pub(crate) fn try_read(&mut self, tail: Tail) -> io::Result<Option<Message>> {
        let Some(mut message) = Message::read_head(&mut self.stream)? else { return Ok(None) };
        message.read_body(&mut self.stream, tail)?;
        Ok(Some(message))
    }

    /// The next head; what follows is left to [`Client::read_some`].
    pub(crate) fn read_head(&mut self) -> Message {
        self.try_read_head().expect("a head, not a closed connection")
    }

    /// The same; `None` when the connection was closed instead.
    pub(crate) fn try_read_head(&mut self) -> Option<Message> {
        Message::read_head(&mut self.stream).unwrap()
    }

    /// Whatever bytes come next, at least one unless the connection ended.
    pub(crate) fn read_some(&mut self) -> Vec<u8> {
        let bytes = self.stream.fill_buf().unwrap().to_vec();
        self.stream.consume(bytes.len());
        bytes
    }

    /// Exactly so many bytes.
    pub(crate) fn read_bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// Reads until what came ends with `end`.
    pub(crate) fn read_until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        while !all.ends_with(end.as_bytes()) {
            let more = self.read_some();
            assert!(!more.is_empty(), "ended after {:?}", String::from_utf8_lossy(&all));
            all.extend(more);
        }
        String::from_utf8(all).unwrap()
    }

    /// Whether the other side ends the connection (in order or by a reset) without saying more.
    pub(crate) fn is_closed(&mut self) -> bool {
        match self.stream.fill_buf() {
            Ok(rest) => rest.is_empty(),
            Err(e) => e.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Says that no more will be sent.
    pub(crate) fn end_sending(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// The same, when the other side may already have closed.
    pub(crate) fn end_sending_if_open(&mut self) {
        let _ = self.stream.get_mut().shutdown(Shutdown::Write);
    }

    /// The stream with what was read ahead, for a reader of the test's own.
    pub(crate) fn into_reader(self) -> BufReader<TcpStream> {
        self.stream
    }

    /// The bare stream, for another protocol, and what was read ahead of it.
    pub(crate) fn into_stream(self) -> (TcpStream, Vec<u8>) {
        let ahead = self.stream.buffer().to_vec();
        (self.stream.into_inner(), ahead)
    }
}
