//! Texts that name something of the network: addresses, networks, hosts, header fields.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::super::model::ListenAddress;
use super::Invalid;

/// Where a server is: a name or an IP literal without brackets, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectAddress {
    /// The name or literal.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// `10.0.0.0/8`; a bare address is that address alone. Bits beyond the mask are cut off.
pub fn network(text: &str) -> Result<IpNet, Invalid> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(IpNet::from(ip));
    }
    match text.parse::<IpNet>() {
        Ok(net) => Ok(net.trunc()),
        Err(_) if text.contains('/') => {
            Err(Invalid::new("it is no address, a slash and a mask").write("10.0.0.0/8"))
        }
        Err(_) => Err(Invalid::new("it is no IP address").write("10.0.0.0/8")),
    }
}

/// `:80`, `127.0.0.1:80`, `[::1]:80`. Port 0 lets the system choose.
pub fn listen_address(text: &str) -> Result<ListenAddress, Invalid> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Invalid::new("a port alone has a colon before it").write(format!(":{text}")));
    }
    let every = text.strip_prefix("*:").or_else(|| text.strip_prefix(':'));
    if let Some(port) = every.filter(|port| !port.contains(':')) {
        return Ok(ListenAddress { ip: None, port: port_number(port)? });
    }
    let (host, port) = split_port(text, "80")?;
    let port = port_number(port)?;
    match ip_literal(host) {
        Some(ip) => Ok(ListenAddress { ip: Some(ip), port }),
        None => Err(Invalid::new("names are not looked up here, an address is due")
            .write(format!("127.0.0.1:{port}"))),
    }
}

/// `tw1:8443`, `10.0.0.1:8080`, `[::1]:80`.
pub fn upstream_address(text: &str) -> Result<ConnectAddress, Invalid> {
    if text.contains("://") {
        let rest = text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/');
        return Err(Invalid::new("an address is no URL; TLS is the pool's `tls`").write(rest));
    }
    let (host, port) = split_port(text, "8080")?;
    let port = port_number(port)?;
    if port == 0 {
        return Err(Invalid::new("port 0 cannot be connected to"));
    }
    if let Some(ip) = ip_literal(host) {
        return Ok(ConnectAddress { host: ip.to_string(), port });
    }
    Ok(ConnectAddress { host: dns_name(host)?, port })
}

/// A host of a site: exact, or `*.suffix`. Lower-cased, without the trailing dot.
pub fn host(text: &str) -> Result<String, Invalid> {
    if let Some(suffix) = text.strip_prefix("*.") {
        return Ok(format!("*.{}", dns_name(suffix)?));
    }
    if text.contains('*') {
        return Err(Invalid::new("a star stands for all of the first part only").write("*.example.com"));
    }
    host_or_name(text)
}

/// A host without a wildcard: a DNS name or an IP literal (IPv6 in brackets).
fn host_or_name(text: &str) -> Result<String, Invalid> {
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        let ip: Ipv6Addr = inner.parse().map_err(|_| Invalid::new("it is no IPv6 address"))?;
        return Ok(format!("[{ip}]"));
    }
    if let Some((name, port)) = text.rsplit_once(':') {
        let port_follows =
            !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !name.contains(':');
        return Err(match port_follows {
            true => Invalid::new("a host is named without its port").write(name),
            false => Invalid::new("it is no host name").write("shop.example.com"),
        });
    }
    dns_name(text)
}

/// A header field's name, lower-cased.
pub(crate) fn header_name(text: &str) -> Result<String, Invalid> {
    let colon = text.strip_suffix(':').filter(|name| is_token(name));
    match is_token(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(match colon {
            Some(name) => Invalid::new("the colon is not part of a header's name").write(name),
            None => Invalid::new("a header's name is letters, digits and -").write("x-env"),
        }),
    }
}

/// A header field's value: no control characters.
pub(crate) fn header_value(text: &str) -> Result<String, Invalid> {
    match text.bytes().any(|b| (b < 0x20 && b != b'\t') || b == 0x7f) {
        true => Err(Invalid::new("a line break or control character would split the header")),
        false => Ok(text.trim().to_owned()),
    }
}

/// A cookie's name.
pub(crate) fn cookie_token(text: &str) -> Result<String, Invalid> {
    match is_token(text) {
        true => Ok(text.to_owned()),
        false => Err(Invalid::new("letters, digits and any of !#$%&'*+-.^_`|~ are allowed")),
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn split_port<'a>(text: &'a str, example: &str) -> Result<(&'a str, &'a str), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("it is empty").write(format!("10.0.0.1:{example}")));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        let why = "an IPv6 address stands in brackets, and the port is missing";
        return Err(Invalid::new(why).write(format!("[{text}]:{example}")));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => Ok((host, port)),
        _ => Err(Invalid::new("the port is missing").write(format!("{text}:{example}"))),
    }
}

fn port_number(text: &str) -> Result<u16, Invalid> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let port = digits.then(|| text.parse().ok()).flatten();
    port.ok_or_else(|| match text.is_empty() {
        true => Invalid::new("the port is missing after the colon"),
        false => Invalid::new(format!("`{text}` is no port: 1 to 65535")),
    })
}

fn ip_literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inner) => inner.parse().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

fn dns_name(text: &str) -> Result<String, Invalid> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let part = |p: &str| {
        let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        !p.is_empty() && p.len() <= 63 && p.bytes().all(inner) && !p.starts_with('-') && !p.ends_with('-')
    };
    let numeric_end = name.rsplit('.').next().is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    if name.len() > 253 || !name.split('.').all(part) {
        return Err(match name.is_ascii() {
            true => Invalid::new(format!("`{text}` is no host name")),
            false => Invalid::new("host names are ASCII: write the xn-- form"),
        });
    }
    match numeric_end && name.parse::<Ipv4Addr>().is_err() {
        true => Err(Invalid::new(format!("`{text}` is neither an IPv4 address nor a name"))),
        false => Ok(name.to_ascii_lowercase()),
    }
}
