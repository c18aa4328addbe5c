//! `resolver`: how names are asked for.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::super::diagnostic::Diagnostic;
use super::super::model::{Prefer, Resolver};
use super::super::reader::Block;
use super::super::values::typed::Typed;

/// Where name servers listen (RFC 1035, 4.2).
const PORT: u16 = 53;

/// What it says, or the defaults.
pub(crate) fn read(root: Block<'_>) -> Resolver {
    let r = root.one_or_defaults("resolver");
    let mut name_servers = Vec::new();
    for server in r.block().one("nameserver").map(|r| r.args(Typed::text)).unwrap_or_default() {
        match address(&server.value) {
            Some(address) => name_servers.push(address),
            None => {
                let message =
                    format!("`{}` is not the address of a name server", server.value.escape_debug());
                let error = Diagnostic::error("LB102", server.span, message).label("not an IP address");
                r.cx.push(error.help("write \"10.0.0.2\", \"10.0.0.2:5353\" or \"[::1]:5353\""));
            }
        }
    }
    Resolver {
        refresh: r.value("refresh", Typed::time),
        prefer: match r.value("prefer", Typed::word) {
            "v4" => Prefer::V4,
            "v6" => Prefer::V6,
            _ => Prefer::Any,
        },
        name_servers,
    }
}

fn address(text: &str) -> Option<SocketAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let ip = || text.parse::<IpAddr>().ok().or_else(|| bracketed().map(IpAddr::V6));
    let address = text.parse().ok().or_else(|| ip().map(|ip| SocketAddr::new(ip, PORT)))?;
    (address.port() != 0).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_server_listens_on_53_unless_said() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(address(text), expected.map(|text| text.parse().unwrap()), "{text}");
        };
        check("10.0.0.2", Some("10.0.0.2:53"));
        check("10.0.0.2:5353", Some("10.0.0.2:5353"));
        check("::1", Some("[::1]:53"));
        check("[::1]", Some("[::1]:53"));
        check("[::1]:5353", Some("[::1]:5353"));
        check("dns.test", None);
        check("10.0.0.2:0", None);
    }
}
