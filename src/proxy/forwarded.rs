//! Who the client is, and how the server is told: X-Forwarded-For, -Proto, -Host, -Port and Via.
//!
//! What a sender says of those before it is believed only when its address is listed by
//! `trust-forwarded`; from anyone else all such fields are dropped and written anew. X-Forwarded-For is
//! one line with this hop appended, as HAProxy's `option forwardfor` and nginx's
//! `$proxy_add_x_forwarded_for` do; Via is RFC 9110, section 7.6.3.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

use ipnet::IpNet;

use super::head::{Known, KnownSet, RequestHead};
use super::http1::{Names, append_list_value, append_via};

/// Who stands at the other end of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// The client's address: the peer's, or what a trusted peer says.
    pub(crate) ip: IpAddr,
    /// Whether the peer is trusted.
    pub(crate) trusted: bool,
    /// Whether the client came over https, as far as is known.
    pub(crate) https: bool,
}

/// The lines that a server gets with each request of a connection from a stranger; written with the first. They were a
/// fifth of what it costs to write a small request's head.
#[derive(Debug, Default)]
pub(crate) struct HopLines(OnceLock<Box<[u8]>>);

/// The connection that a request came by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hop<'a> {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
    pub(crate) tls: bool,
    pub(crate) lines: &'a HopLines,
}

impl Client {
    /// Reads it from the peer and, if that is trusted, from the head.
    pub(crate) fn of(head: &RequestHead, peer: IpAddr, tls: bool, trust: &[IpNet]) -> Self {
        let is_trusted = |ip: IpAddr| trust.iter().any(|net| net.contains(&ip));
        let peer = canonical(peer);
        if trust.is_empty() || !is_trusted(peer) {
            return Self { ip: peer, trusted: false, https: tls };
        }
        let mut ip = peer;
        // From the right: each hop vouches for the one before it, as long as it is trusted.
        let mut hops: Vec<&[u8]> =
            head.all_known(Known::XForwardedFor).flat_map(|value| value.split(|&b| b == b',')).collect();
        while let Some(hop) = hops.pop() {
            let Some(said) = address(hop) else { break };
            ip = said;
            if !is_trusted(said) {
                break;
            }
        }
        let https = head.get_known(Known::XForwardedProto).map_or(tls, |proto| {
            proto.trim_ascii().eq_ignore_ascii_case(b"https")
                || proto.trim_ascii().eq_ignore_ascii_case(b"wss")
        });
        Self { ip, trusted: true, https }
    }

    /// Fields of the request that [`Client::write_lines`] replaces, or that only a trusted peer may send.
    pub(crate) fn replaced(self) -> KnownSet {
        const ALWAYS: KnownSet = KnownSet::of(&[Known::XForwardedFor, Known::Via, Known::XRequestId]);
        const UNTRUSTED: KnownSet = KnownSet::of(&[
            Known::XForwardedProto,
            Known::XForwardedHost,
            Known::XForwardedPort,
            Known::Forwarded,
            Known::XRealIp,
        ]);
        if self.trusted { ALWAYS } else { ALWAYS.with(UNTRUSTED) }
    }

    /// Appends the lines for the server, without those that the route has edited itself: it has the last word.
    pub(crate) fn write_lines(self, head: &RequestHead, hop: &Hop<'_>, edited: Names<'_>, out: &mut Vec<u8>) {
        if self.trusted || !edited.is_empty() {
            self.write_hop(head, hop, edited, out);
        } else {
            let written = hop.lines.0.get_or_init(|| {
                let mut lines = Vec::new();
                self.write_hop(head, hop, edited, &mut lines);
                lines.into()
            });
            out.extend_from_slice(written);
        }
        if (!self.trusted || head.get_known(Known::XForwardedHost).is_none())
            && !edited.any(|name| name == "x-forwarded-host")
            && let Some(host) = head.authority()
        {
            out.extend_from_slice(b"X-Forwarded-Host: ");
            out.extend_from_slice(host);
            out.extend_from_slice(b"\r\n");
        }
        append_via(&head.fields, via(head), out);
    }

    /// Appends what the connection tells, which is all of a stranger that his heads do not.
    fn write_hop(self, head: &RequestHead, hop: &Hop<'_>, edited: Names<'_>, out: &mut Vec<u8>) {
        let ours = |name: &str| !edited.any(|other| other == name);
        let mut text = [0u8; 48];
        let peer = render(canonical(hop.peer.ip()), &mut text);
        if ours("x-forwarded-for") && self.trusted {
            append_list_value("X-Forwarded-For", head.all_known(Known::XForwardedFor), peer, out);
        } else if ours("x-forwarded-for") {
            append_list_value("X-Forwarded-For", std::iter::empty(), peer, out);
        }
        let missing = |known| !self.trusted || head.get_known(known).is_none();
        if missing(Known::XForwardedProto) && ours("x-forwarded-proto") {
            out.extend_from_slice(if hop.tls {
                b"X-Forwarded-Proto: https\r\n"
            } else {
                b"X-Forwarded-Proto: http\r\n"
            });
        }
        if missing(Known::XForwardedPort) && ours("x-forwarded-port") {
            out.extend_from_slice(b"X-Forwarded-Port: ");
            out.extend_from_slice(itoa::Buffer::new().format(hop.local.port()).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn via(head: &RequestHead) -> &'static [u8; 7] {
    match head.version() {
        super::head::Version::Http10 => b"1.0 lbd",
        super::head::Version::Http11 => b"1.1 lbd",
        super::head::Version::Http2 => b"2.0 lbd",
    }
}

/// An IPv4 address that came in over an IPv6 socket is the IPv4 address.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// An address as text, without a formatter.
pub(super) fn render(ip: IpAddr, text: &mut [u8; 48]) -> &[u8] {
    if let IpAddr::V4(ip) = ip {
        return render_v4(ip, text);
    }
    let mut rest = &mut text[..];
    // An address has 45 characters at most.
    let _ = write!(rest, "{ip}");
    let left = rest.len();
    &text[..48 - left]
}

/// The standard library's formatting of an IPv4 address was a twentieth of all instructions of a small request.
fn render_v4(ip: Ipv4Addr, text: &mut [u8; 48]) -> &[u8] {
    let mut end = 0;
    for octet in ip.octets() {
        let (hundreds, tens, ones) = (octet / 100, octet / 10 % 10, octet % 10);
        for (digit, shown) in [(hundreds, octet > 99), (tens, octet > 9), (ones, true)] {
            text[end] = b'0' + digit;
            end += usize::from(shown);
        }
        text[end] = b'.';
        end += 1;
    }
    &text[..end - 1]
}

/// An address with or without a port, as found in X-Forwarded-For.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop.trim_ascii()).ok()?;
    let ip = hop
        .parse()
        .ok()
        .or_else(|| hop.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(canonical(ip))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::head::Version;

    fn head(fields: &[(&str, &str)]) -> RequestHead {
        let mut head = RequestHead::new();
        head.set_line(b"GET", b"/", Version::Http11);
        head.push(b"Host", b"app.example:8443");
        fields.iter().for_each(|(name, value)| head.push(name.as_bytes(), value.as_bytes()));
        head.seal().unwrap();
        head
    }

    fn lines(head: &RequestHead, peer: &str, trust: &[&str]) -> (Client, String) {
        let trust: Vec<IpNet> = trust.iter().map(|net| net.parse().unwrap()).collect();
        let peer: SocketAddr = peer.parse().unwrap();
        let client = Client::of(head, peer.ip(), true, &trust);
        let mut out = Vec::new();
        let kept = HopLines::default();
        let hop = Hop { peer, local: "10.0.0.1:443".parse().unwrap(), tls: true, lines: &kept };
        client.write_lines(head, &hop, Names::NONE, &mut out);
        let mut again = Vec::new();
        client.write_lines(head, &hop, Names::NONE, &mut again);
        assert_eq!(out, again, "the second request of a connection is told of as the first");
        (client, String::from_utf8(out).unwrap())
    }

    #[test]
    fn addresses_are_written_as_everywhere() {
        let mut text = [0; 48];
        for octet in 0..=255 {
            let ip = Ipv4Addr::new(octet, 255 - octet, octet / 2, octet / 25);
            assert_eq!(render(ip.into(), &mut text), ip.to_string().as_bytes());
        }
        assert_eq!(render("2001:db8::1".parse().unwrap(), &mut text), b"2001:db8::1");
    }

    #[test]
    fn a_stranger_is_who_he_is_whatever_he_says() {
        let head = head(&[("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "http"), ("Via", "1.1 a")]);
        let (client, lines) = lines(&head, "203.0.113.9:1", &["10.0.0.0/8"]);
        assert_eq!(client, Client { ip: "203.0.113.9".parse().unwrap(), trusted: false, https: true });
        assert_eq!(
            lines,
            "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n\
             X-Forwarded-Host: app.example:8443\r\nVia: 1.1 a, 1.1 lbd\r\n"
        );
        assert!(client.replaced().has(Known::XForwardedProto));
    }

    #[test]
    fn a_trusted_chain_is_read_from_the_right_up_to_the_first_stranger() {
        let head = head(&[
            ("X-Forwarded-For", "6.6.6.6, 198.51.100.7"),
            ("X-Forwarded-For", "[10.1.1.1]:9"),
            ("X-Forwarded-For", "10.0.0.2:5555"),
            ("X-Forwarded-Proto", "http"),
        ]);
        let (client, lines) = lines(&head, "[::ffff:10.0.0.9]:1", &["10.0.0.0/8"]);
        // `[10.1.1.1]:9` is no address: the chain is believed only as far as it can be read.
        assert_eq!(client.ip, "10.0.0.2".parse::<IpAddr>().unwrap());
        assert!(!client.https, "a trusted peer knows how the client came");
        assert!(lines.starts_with(
            "X-Forwarded-For: 6.6.6.6, 198.51.100.7, [10.1.1.1]:9, 10.0.0.2:5555, 10.0.0.9\r\n"
        ));
        assert!(!lines.contains("X-Forwarded-Proto"), "what a trusted peer said stays: {lines}");
    }

    #[test]
    fn a_readable_chain_gives_the_first_stranger() {
        let head = head(&[("X-Forwarded-For", "6.6.6.6, 198.51.100.7, 10.0.0.2")]);
        assert_eq!(
            lines(&head, "10.0.0.9:1", &["10.0.0.0/8"]).0.ip,
            "198.51.100.7".parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn what_a_route_edits_is_not_written_again() {
        let head = head(&[]);
        let (peer, local) = ("203.0.113.9:1".parse::<SocketAddr>().unwrap(), "10.0.0.1:443".parse().unwrap());
        let client = Client::of(&head, peer.ip(), true, &[]);
        let mut out = Vec::new();
        let edited =
            Names::Strs(&["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"]);
        let hop = Hop { peer, local, tls: true, lines: &HopLines::default() };
        client.write_lines(&head, &hop, edited, &mut out);
        assert_eq!(out, b"Via: 1.1 lbd\r\n");
    }
}
