//! The PROXY protocol, versions 1 and 2: who a connection comes from, as a balancer in front says it.
//!
//! Read strictly and with a bound: a header is whole and right, or it is not yet whole, or the connection
//! ends. What follows the addresses of version 2 (TLVs) is skipped. Written plainly. The text of the
//! protocol is HAProxy's `doc/proxy-protocol.txt`.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::model::SendProxy;

/// What version 2 begins with. No HTTP request and no TLS hello does.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// What version 1 begins with.
const WORD: &[u8; 6] = b"PROXY ";
/// The longest line of version 1, its end included.
const MOST_V1: usize = 107;
/// The longest header of version 2 that is taken, TLVs included.
pub(crate) const MOST_V2: usize = 16 * 1024;
/// Ahead of the addresses of version 2.
const FIXED: usize = 16;

/// A header that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The client and the address that it meant; `None` when the sender speaks for itself.
    pub addresses: Option<(SocketAddr, SocketAddr)>,
    /// Its length: what follows is the client's.
    pub length: usize,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// A whole header.
    Whole(Header),
    /// The beginning of one.
    Partial,
    /// None, or one that is not right.
    Wrong,
}

/// Reads a header from the first bytes of a connection.
pub fn parse(bytes: &[u8]) -> Parsed {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    let parsed = if begins(SIGNATURE) {
        v2(bytes)
    } else if begins(WORD) {
        v1(bytes)
    } else {
        None
    };
    parsed.unwrap_or(Parsed::Wrong)
}

/// Whether a connection that must not begin with a header does, or still may.
pub fn may_be_header(bytes: &[u8]) -> bool {
    let begins = |with: &[u8]| bytes.iter().zip(with).all(|(a, b)| a == b);
    begins(SIGNATURE) || begins(WORD)
}

/// Whether it surely does.
pub fn is_header(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE) || bytes.starts_with(WORD)
}

fn v1(bytes: &[u8]) -> Option<Parsed> {
    let window = &bytes[..bytes.len().min(MOST_V1)];
    let Some(end) = memchr::memchr(b'\n', window) else {
        let room = bytes.len() < MOST_V1;
        return room.then_some(Parsed::Partial);
    };
    let line = std::str::from_utf8(window[..end].strip_suffix(b"\r")?).ok()?;
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    let addresses = match family {
        // The rest of such a line is to be ignored.
        "UNKNOWN" => None,
        "TCP4" | "TCP6" => {
            let mut address =
                || words.next()?.parse::<IpAddr>().ok().filter(|ip| ip.is_ipv4() == (family == "TCP4"));
            let (source, destination) = (address()?, address()?);
            let (from, to) = (port(words.next()?)?, port(words.next()?)?);
            if words.next().is_some() {
                return None;
            }
            Some((SocketAddr::new(source, from), SocketAddr::new(destination, to)))
        }
        _ => return None,
    };
    Some(Parsed::Whole(Header { addresses, length: end + 1 }))
}

/// A port in its one spelling: digits, no sign, no leading zero.
fn port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| plain)
}

fn v2(bytes: &[u8]) -> Option<Parsed> {
    // What can be told early is told early: nobody waits for the rest of a wrong header.
    let command = bytes.get(12).copied();
    let family = bytes.get(13).copied();
    if command.is_some_and(|c| !matches!(c, 0x20 | 0x21)) || family.is_some_and(|f| f >> 4 > 3 || f & 0xf > 2)
    {
        return None;
    }
    let (Some(command), Some(family), Some(length)) = (command, family, bytes.get(14..FIXED)) else {
        return Some(Parsed::Partial);
    };
    let length = FIXED + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > MOST_V2 {
        return None;
    }
    let needed = match (command, family) {
        (0x21, 0x11) => 12,
        (0x21, 0x21) => 36,
        // Datagrams do not come this way.
        (0x21, f) if f & 0xf == 2 => return None,
        _ => 0,
    };
    if length < FIXED + needed {
        return None;
    }
    let Some(body) = bytes.get(FIXED..length) else { return Some(Parsed::Partial) };
    let addresses = match needed {
        12 => Some((v4(&body[..4], &body[8..10])?, v4(&body[4..8], &body[10..12])?)),
        36 => Some((v6(&body[..16], &body[32..34])?, v6(&body[16..32], &body[34..36])?)),
        // A check of the sender's own, a Unix socket, something else: the connection's own addresses hold.
        _ => None,
    };
    Some(Parsed::Whole(Header { addresses, length }))
}

fn v4(ip: &[u8], port: &[u8]) -> Option<SocketAddr> {
    let ip: [u8; 4] = ip.try_into().ok()?;
    Some(SocketAddr::new(Ipv4Addr::from(ip).into(), u16::from_be_bytes(port.try_into().ok()?)))
}

fn v6(ip: &[u8], port: &[u8]) -> Option<SocketAddr> {
    let ip: [u8; 16] = ip.try_into().ok()?;
    Some(SocketAddr::new(Ipv6Addr::from(ip).into(), u16::from_be_bytes(port.try_into().ok()?)))
}

/// A header for a server: `client` connected to `local`.
pub fn write(version: SendProxy, client: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let (source, destination) = one_family(client.ip(), local.ip());
    let mut out = Vec::with_capacity(MOST_V1);
    match version {
        SendProxy::V1 => {
            let family = if source.is_ipv4() { "TCP4" } else { "TCP6" };
            let (from, to) = (client.port(), local.port());
            // Into memory: it cannot fail.
            let _ = write!(out, "PROXY {family} {source} {destination} {from} {to}\r\n");
        }
        SendProxy::V2 => {
            out.extend_from_slice(SIGNATURE);
            match (source, destination) {
                (IpAddr::V4(source), IpAddr::V4(destination)) => {
                    out.extend_from_slice(&[0x21, 0x11, 0, 12]);
                    out.extend_from_slice(&source.octets());
                    out.extend_from_slice(&destination.octets());
                }
                (source, destination) => {
                    out.extend_from_slice(&[0x21, 0x21, 0, 36]);
                    out.extend_from_slice(&as_v6(source).octets());
                    out.extend_from_slice(&as_v6(destination).octets());
                }
            }
            out.extend_from_slice(&client.port().to_be_bytes());
            out.extend_from_slice(&local.port().to_be_bytes());
        }
    }
    out
}

/// Both as IPv4 where both are, else both as IPv6: a header has one family.
fn one_family(a: IpAddr, b: IpAddr) -> (IpAddr, IpAddr) {
    match (a.to_canonical(), b.to_canonical()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.into(), b.into()),
        (a, b) => (as_v6(a).into(), as_v6(b).into()),
    }
}

fn as_v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

#[cfg(test)]
mod tests;
