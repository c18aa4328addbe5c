//! What a route asks of a request beyond its path, and when two routes can never want the same one.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::path::encoded;

const REGEX_SIZE_LIMIT: usize = 256 << 10;

/// What conditions may ask of a request.
pub trait Facts {
    /// The method, as sent.
    fn method(&self) -> &str;
    /// Whether the value of any header field of that (lower-case) name passes.
    fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
    /// Whether the value of any cookie of that name passes.
    fn any_cookie(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool;
    /// The query without its `?`.
    fn query(&self) -> Option<&[u8]>;
    /// Who asks.
    fn client_ip(&self) -> IpAddr;
    /// Whether the request asks for a WebSocket.
    fn is_websocket(&self) -> bool;
}

/// One `match` node: all of it must hold. The default holds always.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Conditions {
    /// One of these, when there are any.
    pub methods: Vec<String>,
    /// Header names in lower case; without a value, presence is enough.
    pub headers: Vec<(String, Option<ValueMatch>)>,
    /// Cookies by name.
    pub cookies: Vec<(String, Option<ValueMatch>)>,
    /// Query parameters by name; names and values are compared decoded, with `+` as a space.
    pub queries: Vec<(String, Option<ValueMatch>)>,
    /// The client is in one of these, when there are any.
    pub client_ips: Vec<IpNet>,
    /// Only (not) WebSocket upgrades.
    pub websocket: Option<bool>,
}

impl Conditions {
    /// How many things are asked, the third rule of precedence: the methods together are one, as are the
    /// networks; each header, cookie and query parameter is one.
    pub fn count(&self) -> usize {
        self.each().count()
    }

    /// Whether a request fulfils them all.
    pub fn hold(&self, facts: &impl Facts) -> bool {
        self.each().all(|condition| condition.holds(facts))
    }

    /// Whether no request can fulfil both, provably. A field that is sent twice with two values is left
    /// out of account here; then the order of candidates decides, which depends on nothing but the texts.
    pub fn disjoint(&self, other: &Conditions) -> bool {
        let methods = !self.methods.is_empty()
            && !other.methods.is_empty()
            && !self.methods.iter().any(|method| other.methods.contains(method));
        let overlap = |a: &IpNet| other.client_ips.iter().any(|b| a.contains(b) || b.contains(a));
        let clients = !self.client_ips.is_empty()
            && !other.client_ips.is_empty()
            && !self.client_ips.iter().any(overlap);
        let websocket = matches!((self.websocket, other.websocket), (Some(a), Some(b)) if a != b);
        methods
            || clients
            || websocket
            || fields_disjoint(&self.headers, &other.headers)
            || fields_disjoint(&self.cookies, &other.cookies)
            || fields_disjoint(&self.queries, &other.queries)
    }

    /// Whether each request that fulfils these fulfils `other` too, provably.
    pub(super) fn implies(&self, other: &Conditions) -> bool {
        let methods = other.methods.is_empty()
            || !self.methods.is_empty() && self.methods.iter().all(|method| other.methods.contains(method));
        let inside = |net: &IpNet| other.client_ips.iter().any(|theirs| theirs.contains(net));
        let clients =
            other.client_ips.is_empty() || !self.client_ips.is_empty() && self.client_ips.iter().all(inside);
        let websocket = other.websocket.is_none() || self.websocket == other.websocket;
        methods
            && clients
            && websocket
            && fields_imply(&self.headers, &other.headers)
            && fields_imply(&self.cookies, &other.cookies)
            && fields_imply(&self.queries, &other.queries)
    }

    /// The first condition that does not hold, in words.
    pub(super) fn failed(&self, facts: &impl Facts) -> Option<String> {
        self.each().find(|condition| !condition.holds(facts)).map(|condition| condition.to_string())
    }

    /// The same text for the same conditions, in whatever order they were written.
    pub(super) fn canonical(&self) -> String {
        let mut parts: Vec<_> = self.each().map(|condition| condition.to_string()).collect();
        parts.sort();
        parts.join(", ")
    }

    fn each(&self) -> impl Iterator<Item = Condition<'_>> {
        let methods = (!self.methods.is_empty()).then_some(Condition::Method(&self.methods));
        let clients = (!self.client_ips.is_empty()).then_some(Condition::ClientIp(&self.client_ips));
        methods
            .into_iter()
            .chain(self.websocket.map(Condition::Websocket))
            .chain(clients)
            .chain(self.headers.iter().map(|(name, value)| Condition::Header(name, value.as_ref())))
            .chain(self.cookies.iter().map(|(name, value)| Condition::Cookie(name, value.as_ref())))
            .chain(self.queries.iter().map(|(name, value)| Condition::Query(name, value.as_ref())))
    }
}

/// How a value is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum ValueMatch {
    /// Equal, byte for byte.
    Exact(String),
    /// Begins with this.
    Prefix(String),
    /// Matches somewhere, so write `^` and `$` where they are meant.
    Regex(ValueRegex),
}

impl ValueMatch {
    /// Compiles a regular expression (limit 256 KiB); the error is one line.
    pub fn regex(text: &str) -> Result<ValueMatch, String> {
        ValueRegex::new(text).map(ValueMatch::Regex)
    }

    /// Whether a value passes.
    pub fn is_match(&self, value: &[u8]) -> bool {
        match self {
            ValueMatch::Exact(wanted) => value == wanted.as_bytes(),
            ValueMatch::Prefix(wanted) => value.starts_with(wanted.as_bytes()),
            ValueMatch::Regex(regex) => regex.compiled.is_match(value),
        }
    }

    /// Whether each value that passes this passes `other` too, provably.
    fn implies(&self, other: &ValueMatch) -> bool {
        match (self, other) {
            (ValueMatch::Exact(value), wanted) => wanted.is_match(value.as_bytes()),
            (ValueMatch::Prefix(longer), ValueMatch::Prefix(begin)) => longer.starts_with(begin.as_str()),
            (one, other) => one == other,
        }
    }

    fn disjoint(&self, other: &ValueMatch) -> bool {
        match (self, other) {
            (ValueMatch::Exact(value), wanted) | (wanted, ValueMatch::Exact(value)) => {
                !wanted.is_match(value.as_bytes())
            }
            (ValueMatch::Prefix(a), ValueMatch::Prefix(b)) => {
                !a.starts_with(b.as_str()) && !b.starts_with(a.as_str())
            }
            _ => false,
        }
    }
}

/// A regular expression that remembers its text; two are equal when their texts are.
#[derive(Clone)]
pub struct ValueRegex {
    compiled: regex::bytes::Regex,
}

impl ValueRegex {
    fn new(text: &str) -> Result<Self, String> {
        let compiled = regex::bytes::RegexBuilder::new(text).size_limit(REGEX_SIZE_LIMIT).build();
        let one_line = |error: regex::Error| {
            // The parser draws several lines; its last says what is wrong.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        };
        Ok(ValueRegex { compiled: compiled.map_err(one_line)? })
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        self.compiled.as_str()
    }
}

impl PartialEq for ValueRegex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for ValueRegex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// One thing that is asked; displays as a reader would write it.
enum Condition<'a> {
    Method(&'a [String]),
    Websocket(bool),
    ClientIp(&'a [IpNet]),
    Header(&'a str, Option<&'a ValueMatch>),
    Cookie(&'a str, Option<&'a ValueMatch>),
    Query(&'a str, Option<&'a ValueMatch>),
}

impl Condition<'_> {
    fn holds(&self, facts: &impl Facts) -> bool {
        match self {
            Condition::Method(methods) => methods.iter().any(|method| method == facts.method()),
            Condition::Websocket(wanted) => facts.is_websocket() == *wanted,
            Condition::ClientIp(networks) => {
                let client = facts.client_ip().to_canonical();
                networks.iter().any(|network| network.contains(&client))
            }
            Condition::Header(name, value) => facts.any_header(name, &mut |sent| passes(*value, sent)),
            Condition::Cookie(name, value) => facts.any_cookie(name, &mut |sent| passes(*value, sent)),
            Condition::Query(name, value) => {
                facts.query().is_some_and(|query| any_query(query, name, |sent| passes(*value, sent)))
            }
        }
    }
}

/// In words, as one reads a `match` node: `method PUT POST, header x-canary = 1`.
impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, condition) in self.each().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            write!(f, "{condition}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name, value) = match self {
            Condition::Method(methods) => return write!(f, "method {}", methods.join(" ")),
            Condition::Websocket(true) => return f.write_str("websocket"),
            Condition::Websocket(false) => return f.write_str("not websocket"),
            Condition::ClientIp(networks) => {
                f.write_str("client-ip")?;
                return networks.iter().try_for_each(|network| write!(f, " {network}"));
            }
            Condition::Header(name, value) => ("header", name, value),
            Condition::Cookie(name, value) => ("cookie", name, value),
            Condition::Query(name, value) => ("query", name, value),
        };
        write!(f, "{what} {name}")?;
        match value {
            None => Ok(()),
            Some(ValueMatch::Exact(value)) => write!(f, " = {value}"),
            Some(ValueMatch::Prefix(value)) => write!(f, " begins with {value}"),
            Some(ValueMatch::Regex(regex)) => write!(f, " matches {}", regex.as_str()),
        }
    }
}

fn passes(wanted: Option<&ValueMatch>, sent: &[u8]) -> bool {
    wanted.is_none_or(|wanted| wanted.is_match(sent))
}

fn fields_disjoint(a: &[(String, Option<ValueMatch>)], b: &[(String, Option<ValueMatch>)]) -> bool {
    a.iter().any(|(name, value)| {
        b.iter().any(|(other_name, other)| match (value, other) {
            (Some(value), Some(other)) => name == other_name && value.disjoint(other),
            _ => false,
        })
    })
}

/// Whether whatever has the fields `a` has the fields `b`.
fn fields_imply(a: &[(String, Option<ValueMatch>)], b: &[(String, Option<ValueMatch>)]) -> bool {
    b.iter().all(|(name, wanted)| {
        a.iter().any(|(own_name, own)| {
            let passes = match (own, wanted) {
                (_, None) => true,
                (Some(own), Some(wanted)) => own.implies(wanted),
                (None, Some(_)) => false,
            };
            own_name == name && passes
        })
    })
}

fn any_query(query: &[u8], wanted: &str, test: impl Fn(&[u8]) -> bool) -> bool {
    query.split(|byte| *byte == b'&').any(|pair| {
        let (name, value) = match memchr::memchr(b'=', pair) {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        };
        *form_decoded(name) == *wanted.as_bytes() && test(&form_decoded(value))
    })
}

fn form_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        match encoded(rest) {
            Some(value) => {
                out.push(value);
                rest = &rest[3..];
            }
            None => {
                out.push(if byte == b'+' { b' ' } else { byte });
                rest = after;
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
