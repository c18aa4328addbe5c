//! Host names with ports, as `Host` and absolute targets carry them.
//!
//! Stricter than the URI grammar on purpose: no user information, no sub-delimiters, no percent-encoding. No
//! real host uses them, and two parsers that read them differently route differently.

use std::net::Ipv6Addr;

/// A valid host with an optional port, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The name or address; an IPv6 address keeps its brackets.
    pub host: &'a [u8],
    /// The port, when one is written. An empty port is none.
    pub port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads `host`, `host:port`, `[v6]` or `[v6]:port`; `None` when it is anything else.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Authority<'a>> {
        let is_literal = *text.first()? == b'[';
        let host_end = if is_literal {
            memchr::memchr(b']', text)? + 1
        } else {
            // Names are short: one loop finds the end and looks at each byte; what a name is not made of ends it.
            text.iter().position(|byte| !IN_NAME[usize::from(*byte)]).unwrap_or(text.len())
        };
        let (host, rest) = text.split_at(host_end);
        let valid = if is_literal { is_ipv6_literal(host) } else { (1..=255).contains(&host.len()) };
        if !valid {
            return None;
        }
        let port = match rest {
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(port_number(digits)?),
            _ => return None,
        };
        Some(Authority { host, port })
    }
}

/// Whether two authorities name the same place, when an omitted port is `default_port`.
#[must_use]
pub fn same_authority(a: Authority<'_>, b: Authority<'_>, default_port: u16) -> bool {
    a.host.eq_ignore_ascii_case(b.host) && a.port.unwrap_or(default_port) == b.port.unwrap_or(default_port)
}

/// What a name is made of.
static IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

fn is_ipv6_literal(host: &[u8]) -> bool {
    let inner = &host[1..host.len() - 1];
    std::str::from_utf8(inner).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn port_number(digits: &[u8]) -> Option<u16> {
    if digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_or_refused() {
        type Parts = (&'static str, Option<u16>);
        let table: &[(&str, Option<Parts>)] = &[
            ("a", Some(("a", None))),
            ("Shop.example", Some(("Shop.example", None))),
            ("under_score.example.", Some(("under_score.example.", None))),
            ("a:80", Some(("a", Some(80)))),
            ("a:", Some(("a", None))),
            ("127.0.0.1:8080", Some(("127.0.0.1", Some(8080)))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]:65535", Some(("[::1]", Some(65535)))),
            ("", None),
            (":80", None),
            ("a:b", None),
            ("a:80:80", None),
            ("a:65536", None),
            ("a:000080", None),
            ("a:+80", None),
            ("a b", None),
            ("a,b", None),
            ("u@a", None),
            ("a/b", None),
            ("a?b", None),
            ("a%2eb", None),
            ("a\\b", None),
            ("[::1", None),
            ("[::1]x", None),
            ("[fe80::1%25lo]", None),
            ("[]", None),
            ("::1", None),
            ("\u{e9}", None),
        ];
        for &(text, expected) in table {
            let found = Authority::parse(text.as_bytes());
            let expected = expected.map(|(host, port)| Authority { host: host.as_bytes(), port });
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(Authority::parse(&[b'a'; 256]), None);
    }

    #[test]
    fn the_default_port_and_the_case_do_not_part_two_authorities() {
        let read = |text: &'static str| Authority::parse(text.as_bytes()).unwrap();
        assert!(same_authority(read("A:80"), read("a"), 80));
        assert!(!same_authority(read("a:80"), read("a"), 443));
        assert!(!same_authority(read("a"), read("b"), 80));
    }
}
