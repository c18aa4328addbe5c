//! Lines as messages of syslog (RFC 5424), a datagram each: to the socket of this machine's, or over UDP (RFC 5426).
//!
//! Facility local0, severity informational; the message is the line as a file would have it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::SystemTime;

use super::line;

/// 16 (local0) times 8, and 6 (informational).
const PRIORITY: u8 = 134;
/// The longest name of a machine (RFC 5424, section 6).
const LONGEST_NAME: usize = 255;

/// A way to a syslog.
pub(super) struct Syslog {
    socket: Socket,
    /// What stands between the time and the line.
    origin: String,
    message: Vec<u8>,
}

enum Socket {
    Unix(UnixDatagram),
    Udp(UdpSocket),
}

impl Syslog {
    /// The one that listens on this socket.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Self::on(Socket::Unix(socket)))
    }

    /// The one at `host:port`. A name is looked up now, and again when it is opened anew.
    pub(super) fn over_udp(address: &str) -> io::Result<Self> {
        let nowhere = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let to = address.to_socket_addrs()?.next().ok_or_else(nowhere)?;
        let from: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(from)?;
        socket.connect(to)?;
        Ok(Self::on(Socket::Udp(socket)))
    }

    fn on(socket: Socket) -> Self {
        let origin = format!(" {} lbd {} access - ", host(), std::process::id());
        Self { socket, origin, message: Vec::new() }
    }

    /// Sends each line; says how many were lost by themselves. An error is one of all that were left.
    pub(super) fn write(&mut self, text: &[u8]) -> io::Result<u64> {
        let mut lost = 0;
        let time = line::timestamp(SystemTime::now());
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.message.clear();
            self.message.extend_from_slice(format!("<{PRIORITY}>1 {time}").as_bytes());
            self.message.extend_from_slice(self.origin.as_bytes());
            self.message.extend_from_slice(line);
            match self.send() {
                Ok(()) => {}
                // One that is too long for a datagram, or that found nobody on the other side just now.
                Err(error) if self.is_of_one(&error) => lost += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(lost)
    }

    fn send(&self) -> io::Result<()> {
        match &self.socket {
            Socket::Unix(socket) => socket.send(&self.message).map(drop),
            Socket::Udp(socket) => socket.send(&self.message).map(drop),
        }
    }

    fn is_of_one(&self, error: &io::Error) -> bool {
        let too_long = rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::MSGSIZE);
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        too_long || (refused && matches!(self.socket, Socket::Udp(_)))
    }
}

/// This machine's name, or what stands for none.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().filter(char::is_ascii_graphic).take(LONGEST_NAME).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}
