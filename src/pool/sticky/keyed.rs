//! Stickiness that lbd remembers: a table from what a client shows (its address, a header, a session of the
//! application) to its server.
//!
//! For addresses and headers the table is not all: who has no entry goes where the rendezvous hash of its key and the
//! servers' names says, which is the same on every lbd and after every restart. The entries say who came before, so
//! that a drain tells old clients from new ones, and who was moved away from its place by the hash.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use super::mark::set_value;
use super::table::ClientTable;
use super::{Found, Known, OnDown, OnReturn, digest};
use crate::pool::acquire::Ask;
use crate::pool::server::ServerId;

/// Stickiness by a table.
#[derive(Debug)]
pub struct TablePolicy {
    /// What a client is known by.
    pub by: ClientKey,
    /// An entry's life after its last use.
    pub ttl: Duration,
    /// Most entries.
    pub max_entries: usize,
    /// When its server is down.
    pub on_down: OnDown,
    /// When the server is back that the hash means.
    pub on_return: OnReturn,
    /// The entries; they live on across reloads.
    pub table: Arc<ClientTable>,
}

/// What a client is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientKey {
    /// Its address.
    SourceIp {
        /// Bits of an IPv4 address that count.
        mask_v4: u8,
        /// Bits of an IPv6 address that count.
        mask_v6: u8,
    },
    /// The value of a header.
    Header(Arc<str>),
    /// A session that the application gave it.
    Learned {
        /// Where the session stands.
        from: LearnFrom,
        /// The name of the cookie, header or parameter.
        name: Arc<str>,
        /// A path or query parameter that carries the same.
        param: Option<Arc<str>>,
    },
}

/// Where an application's session stands, in answers and in requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LearnFrom {
    /// In a cookie.
    Cookie,
    /// In a header of the same name.
    Header,
    /// In a path or query parameter; in answers that of the `Location`.
    Parameter,
}

impl LearnFrom {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Header => "header",
            Self::Parameter => "parameter",
        }
    }
}

impl ClientKey {
    /// The kind's name in the language.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::SourceIp { .. } => "source-ip",
            Self::Header(_) => "header",
            Self::Learned { .. } => "learn",
        }
    }

    /// The name of the cookie, header or parameter.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::SourceIp { .. } => None,
            Self::Header(name) | Self::Learned { name, .. } => Some(name),
        }
    }

    /// Whether who has no entry has a place all the same, by the hash.
    pub fn is_hashed(&self) -> bool {
        !matches!(self, Self::Learned { .. })
    }

    /// The key of a client, if the request shows one.
    pub(in crate::pool) fn of(&self, ask: &Ask<'_>) -> Option<u128> {
        let mut key = None;
        let mut take = |value: &[u8]| {
            key = Some(digest(value));
            true
        };
        let facts = ask.affinity;
        match self {
            Self::SourceIp { .. } => return Some(self.of_address(ask.client_ip)),
            Self::Header(name) | Self::Learned { from: LearnFrom::Header, name, .. } => {
                facts.any_header(name, &mut take)
            }
            Self::Learned { from: LearnFrom::Cookie, name, param } => {
                facts.any_cookie(name, &mut take)
                    || param.as_ref().is_some_and(|param| facts.any_param(param, &mut take))
            }
            Self::Learned { from: LearnFrom::Parameter, name, .. } => facts.any_param(name, &mut take),
        };
        key
    }

    /// The key of a client, as people write it: an address, or the value of the header or session.
    pub fn of_text(&self, text: &str) -> Option<u128> {
        match self {
            Self::SourceIp { .. } => text.parse().ok().map(|ip| self.of_address(ip)),
            _ => from_hex(text).or_else(|| Some(digest(text.as_bytes()))),
        }
    }

    /// A key, as it is shown: the masked address, or a hash. [`Self::of_text`] reads it.
    pub fn show(&self, key: u128) -> String {
        match self {
            Self::SourceIp { .. } => address(key).to_string(),
            _ => format!("#{key:032x}"),
        }
    }

    /// The session that an answer gives to its client. `header` offers the values of a header of the answer.
    pub(in crate::pool) fn given(&self, header: &Headers<'_>) -> Option<u128> {
        let Self::Learned { from, name, param } = self else { return None };
        let mut key = None;
        match from {
            LearnFrom::Cookie => header("set-cookie", &mut |field| {
                let value = set_value(field, name).map(|value| &field[value]).filter(|v| !v.is_empty());
                key = value.map(digest).or(key);
                false
            }),
            LearnFrom::Header => header(name, &mut |value| {
                key = (!value.is_empty()).then(|| digest(value));
                key.is_some()
            }),
            LearnFrom::Parameter => false,
        };
        let name = if *from == LearnFrom::Parameter { Some(name) } else { param.as_ref() };
        if let Some(name) = name.filter(|_| key.is_none()) {
            header("location", &mut |value| {
                any_param(value, name.as_bytes(), &mut |value| {
                    key = Some(digest(value));
                    true
                })
            });
        }
        key
    }

    fn of_address(&self, ip: IpAddr) -> u128 {
        let Self::SourceIp { mask_v4, mask_v6 } = *self else { return 0 };
        match ip.to_canonical() {
            IpAddr::V4(ip) => {
                let keep = u32::MAX.checked_shl(32 - u32::from(mask_v4.min(32))).unwrap_or(0);
                Ipv4Addr::from_bits(ip.to_bits() & keep).to_ipv6_mapped().to_bits()
            }
            IpAddr::V6(ip) => {
                ip.to_bits() & u128::MAX.checked_shl(128 - u32::from(mask_v6.min(128))).unwrap_or(0)
            }
        }
    }
}

impl TablePolicy {
    /// What the table knows of this client.
    pub(in crate::pool) fn find(&self, ask: &Ask<'_>) -> Found {
        self.known(ask, |key| self.table.place(key, ask.now))
    }

    /// The same for who only looks: the entry is not used.
    pub(in crate::pool) fn peek(&self, ask: &Ask<'_>) -> Found {
        self.known(ask, |key| self.table.get(key, ask.now).map(|entry| (entry.server, entry.placed)))
    }

    fn known(&self, ask: &Ask<'_>, place: impl Fn(u128) -> Option<(ServerId, bool)>) -> Found {
        let key = self.by.of(ask);
        let Some((id, placed)) = key.and_then(place) else {
            return Found { key, ..Found::NOTHING };
        };
        Found { known: Known::Server { id, issued: 0, refresh: false }, key, placed, came: None }
    }

    /// Brings the table in step with what was chosen. Sessions are learned from answers only: a client cannot fill
    /// the table with sessions that nobody gave it.
    pub(in crate::pool) fn settle(&self, found: &Found, chosen: ServerId, now: u64) {
        let Some(key) = found.key else { return };
        match found.known {
            Known::Server { id, refresh: false, .. } if id == chosen => {}
            Known::Nothing if !self.by.is_hashed() => {}
            _ => self.table.put(key, chosen, now),
        }
    }
}

/// Offers the values of a header of an answer until one is taken.
pub type Headers<'a> = dyn Fn(&str, &mut dyn FnMut(&[u8]) -> bool) -> bool + 'a;

/// The address that a key of `source-ip` stands for.
pub fn address(key: u128) -> IpAddr {
    let ip = Ipv6Addr::from_bits(key);
    ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
}

/// Offers the values of a parameter of a target: `;name=value` in its path, `name=value` in its query.
pub fn any_param(target: &[u8], name: &[u8], test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    let target = target.split(|&byte| byte == b'#').next().unwrap_or_default();
    let query = target.iter().position(|&byte| byte == b'?').unwrap_or(target.len());
    let (path, query) = target.split_at(query);
    let of_path = path.split(|&byte| byte == b'/').flat_map(|segment| segment.split(|&b| b == b';').skip(1));
    let of_query = query.get(1..).unwrap_or_default().split(|&byte| byte == b'&');
    let values = of_path.chain(of_query).filter_map(|pair| pair.strip_prefix(name)?.strip_prefix(b"="));
    values.filter(|value| !value.is_empty()).any(test)
}

fn from_hex(text: &str) -> Option<u128> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 32)?;
    u128::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_masked() {
        let check = |ip: &str, (mask_v4, mask_v6), expected: &str| {
            let by = ClientKey::SourceIp { mask_v4, mask_v6 };
            let key = by.of_text(ip).expect("an address");
            assert_eq!(by.show(key), expected, "{ip} /{mask_v4} /{mask_v6}");
            assert_eq!(by.of_text(&by.show(key)), Some(key), "what is shown can be asked for");
        };
        check("203.0.113.9", (32, 128), "203.0.113.9");
        check("203.0.113.9", (24, 64), "203.0.113.0");
        check("203.0.113.9", (0, 0), "0.0.0.0");
        check("::ffff:203.0.113.9", (24, 64), "203.0.113.0");
        check("2001:db8:1:2:3::4", (24, 64), "2001:db8:1:2::");
        check("2001:db8::4", (24, 0), "::");
        assert_eq!(ClientKey::SourceIp { mask_v4: 32, mask_v6: 64 }.of_text("x"), None);
    }

    #[test]
    fn other_keys_are_hashed_and_read_back() {
        let by = ClientKey::Header("x-device".into());
        let key = by.of_text("device 7").unwrap();
        assert_eq!(key, digest(b"device 7"));
        assert!(!by.show(key).contains("device"));
        assert_eq!(by.of_text(&by.show(key)), Some(key));
        assert_ne!(by.of_text("#7"), by.of_text("#8"), "too short for a hash: it is a value");
    }

    #[test]
    fn parameters_of_a_target() {
        let check = |target: &str, expected: &[&str]| {
            let mut seen = Vec::new();
            any_param(target.as_bytes(), b"sid", &mut |value| {
                seen.push(String::from_utf8(value.to_vec()).unwrap());
                false
            });
            assert_eq!(seen, expected, "{target}");
        };
        check("/a/b;sid=1", &["1"]);
        check("/a;sid=1;x=2/b;sid=2?sid=3&xsid=4&sid", &["1", "2", "3"]);
        check("https://example.org/a;sid=1#;sid=2", &["1"]);
        check("/sid=1/a?;sid=2", &[]);
        check("/a;SID=1;sid=", &[]);
    }

    #[test]
    fn answers_give_sessions() {
        let check = |from, param: Option<&str>, fields: &[(&str, &str)], expected: Option<&str>| {
            let by = ClientKey::Learned { from, name: "S".into(), param: param.map(Into::into) };
            let header = |name: &str, test: &mut dyn FnMut(&[u8]) -> bool| {
                fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).any(|(_, v)| test(v.as_bytes()))
            };
            assert_eq!(by.given(&header), expected.map(|text| digest(text.as_bytes())), "{fields:?}");
        };
        let both = [("Set-Cookie", "T=1"), ("Set-Cookie", "S=2; Path=/"), ("S", "3")];
        check(LearnFrom::Cookie, None, &both, Some("2"));
        check(LearnFrom::Header, None, &both, Some("3"));
        check(LearnFrom::Cookie, None, &[("Set-Cookie", "S=; Max-Age=0")], None);
        let location = [("Location", "/x;s=4")];
        check(LearnFrom::Cookie, Some("s"), &location, Some("4"));
        check(LearnFrom::Cookie, None, &location, None);
        check(LearnFrom::Parameter, None, &[("Location", "/x?S=5")], Some("5"));
    }
}
