//! The application's own cookie, marked with its server: `mode=prefix` puts a signed word and `~` in front of the
//! value, `mode=suffix` puts `.` and the word behind it. The application never sees the mark.
//!
//! A suffix may also be a server's name that the application wrote itself, as Tomcat does with a `jvmRoute`
//! (`JSESSIONID=<id>.<route>`, in paths `;jsessionid=<id>.<route>`): that is read, and left as it is.

use std::ops::Range;
use std::sync::Arc;

use super::token::{LENGTH, Token, seconds};
use super::{Found, KeyRing, Known, OnDown, digest};
use crate::pool::acquire::Ask;
use crate::pool::server::ServerId;

/// How an application's cookie is marked.
#[derive(Debug, Clone)]
pub struct MarkedCookie {
    /// The cookie's name.
    pub name: Arc<str>,
    /// Where the mark stands.
    pub side: Side,
    /// A path or query parameter that carries the same value.
    pub param: Option<Arc<str>>,
    /// When its server is down.
    pub on_down: OnDown,
    /// Who signs.
    pub keys: Arc<KeyRing>,
}

/// Where a mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// `mark~value`
    Prefix,
    /// `value.mark`
    Suffix,
}

impl Side {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prefix => "prefix",
            Self::Suffix => "suffix",
        }
    }

    /// The application's value and the mark, when there is something of a mark's shape.
    fn split(self, value: &[u8]) -> Option<(&[u8], &[u8])> {
        let at = match self {
            Self::Prefix => LENGTH,
            Self::Suffix => value.len().checked_sub(LENGTH + 1)?,
        };
        let (before, after) = value.split_at_checked(at)?;
        let (separator, after) = after.split_first()?;
        let (bare, mark) = match self {
            Self::Prefix if *separator == b'~' => (after, before),
            Self::Suffix if *separator == b'.' => (before, after),
            _ => return None,
        };
        Token::has_shape(mark).then_some((bare, mark))
    }
}

impl MarkedCookie {
    /// The application's own value: what is left without a mark, whoever made that.
    pub fn bare<'v>(&self, value: &'v [u8]) -> &'v [u8] {
        self.side.split(value).map_or(value, |(bare, _)| bare)
    }

    /// What the client says of its server; `names` says whether a server of that name is there.
    pub(in crate::pool) fn find(&self, ask: &Ask<'_>, names: &dyn Fn(ServerId) -> bool) -> Found {
        let mut found = Found::NOTHING;
        ask.affinity.any_cookie(&self.name, &mut |value| {
            let known = self.read(value, names);
            if found.key.is_none() || known != Known::Nothing {
                found = Found { known, key: Some(digest(self.bare(value))), ..Found::NOTHING };
            }
            known != Known::Nothing
        });
        let Some(param) = self.param.as_ref().filter(|_| found.known == Known::Nothing) else { return found };
        ask.affinity.any_param(param, &mut |value| {
            let known = self.read(value, names);
            if known != Known::Nothing {
                found = Found { known, key: Some(digest(value)), ..Found::NOTHING };
            }
            known != Known::Nothing
        });
        found
    }

    /// What the application's session is told from others by, when the request shows one.
    pub(super) fn shown(&self, ask: &Ask<'_>) -> Option<u128> {
        let mut shown = None;
        ask.affinity.any_cookie(&self.name, &mut |value| {
            shown = Some(digest(self.bare(value)));
            true
        });
        let Some(param) = self.param.as_ref().filter(|_| shown.is_none()) else { return shown };
        ask.affinity.any_param(param, &mut |value| {
            shown = Some(digest(self.bare(value)));
            true
        });
        shown
    }

    /// The server that a value names; `names` says whether a server of that name is there.
    pub fn server_of(&self, value: &[u8], names: &dyn Fn(ServerId) -> bool) -> Option<ServerId> {
        match self.read(value, names) {
            Known::Server { id, .. } => Some(id),
            Known::Nothing => None,
        }
    }

    fn read(&self, value: &[u8], names: &dyn Fn(ServerId) -> bool) -> Known {
        let here = |id| Known::Server { id, issued: 0, refresh: false };
        if let Some((_, mark)) = self.side.split(value) {
            return match Token::open(mark, &self.name, &self.keys) {
                Some((token, _)) => here(token.server),
                None => Known::Nothing,
            };
        }
        match self.route(value).map(ServerId::of).filter(|id| names(*id)) {
            Some(id) => here(id),
            None => Known::Nothing,
        }
    }

    /// What the application itself may have written behind its value.
    fn route<'v>(&self, value: &'v [u8]) -> Option<&'v str> {
        if self.side == Side::Prefix {
            return None;
        }
        let dot = value.iter().rposition(|&byte| byte == b'.')?;
        std::str::from_utf8(&value[dot + 1..]).ok()
    }

    /// The value of a `Set-Cookie` field, marked with the server that it came from. `None` when it stays as it is:
    /// another cookie, one that is being deleted, or one that names its server already.
    pub fn mark(&self, field: &[u8], server: &str, now: u64) -> Option<Vec<u8>> {
        let value = set_value(field, &self.name)?;
        let text = &field[value.clone()];
        if text.is_empty() || text == b"\"\"" || self.route(text) == Some(server) {
            return None;
        }
        let token = Token { server: ServerId::of(server), issued: seconds(now), seen: 0 };
        let mark = token.seal(&self.name, &self.keys);
        let mut out = Vec::with_capacity(field.len() + LENGTH + 1);
        let (at, separated): (usize, [&[u8]; 2]) = match self.side {
            Side::Prefix => (value.start, [&mark, b"~"]),
            Side::Suffix => (value.end, [b".", &mark]),
        };
        out.extend_from_slice(&field[..at]);
        separated.iter().for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(&field[at..]);
        Some(out)
    }
}

/// Where the value of this cookie stands in a `Set-Cookie` field, without the white space around it.
pub(super) fn set_value(field: &[u8], name: &str) -> Option<Range<usize>> {
    let end = field.iter().position(|&byte| byte == b';').unwrap_or(field.len());
    let equals = field[..end].iter().position(|&byte| byte == b'=')?;
    if field[..equals].trim_ascii() != name.as_bytes() {
        return None;
    }
    let value = &field[equals + 1..end];
    let start = equals + 1 + (value.len() - value.trim_ascii_start().len());
    Some(start..start + value.trim_ascii().len())
}

#[cfg(test)]
mod tests;
