//! What `sticky` means: how a pool keeps a client on its server.

use std::time::Duration;

use super::Name;

/// `sticky`.
#[derive(Debug, Clone, PartialEq)]
pub enum Sticky {
    /// A cookie that lbd sets.
    Cookie(StickyCookie),
    /// A mark on a cookie that the application sets.
    Marked(StickyMark),
    /// A table that lbd keeps.
    Table(StickyTable),
}

/// What happens to a client whose server is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDown {
    /// Another server, from now on.
    Redispatch,
    /// 503 until it is back.
    Fail,
}

/// What happens to a client that was moved, once its own server is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReturn {
    /// It stays where it is now.
    Stay,
    /// It goes back.
    Home,
}

/// `sticky cookie` (mode insert).
#[derive(Debug, Clone, PartialEq)]
pub struct StickyCookie {
    /// Cookie name.
    pub name: Name,
    /// `Path`.
    pub path: Name,
    /// `Domain`.
    pub domain: Option<Name>,
    /// `Secure`.
    pub secure: Secure,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`.
    pub same_site: SameSite,
    /// `Partitioned`.
    pub partitioned: bool,
    /// `Max-Age`.
    pub max_age: Option<Duration>,
    /// Forget a client that stayed away this long.
    pub max_idle: Option<Duration>,
    /// Forget a client after this long in any case.
    pub max_life: Option<Duration>,
    /// When its server is down.
    pub on_down: OnDown,
}

/// When `Secure` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secure {
    /// When the client came over https.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `SameSite`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Lax
    Lax,
    /// Strict
    Strict,
    /// None
    None,
}

/// `sticky cookie` (modes prefix and suffix).
#[derive(Debug, Clone, PartialEq)]
pub struct StickyMark {
    /// The application's cookie.
    pub name: Name,
    /// Where the mark stands.
    pub side: Side,
    /// A path or query parameter that carries the same value.
    pub param: Option<Name>,
    /// When its server is down.
    pub on_down: OnDown,
}

/// Where a mark stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Before the value.
    Prefix,
    /// Behind it.
    Suffix,
}

/// `sticky source-ip`, `sticky header` and `sticky learn`.
#[derive(Debug, Clone, PartialEq)]
pub struct StickyTable {
    /// What a client is known by.
    pub by: ClientKey,
    /// An entry's life after its last use.
    pub ttl: Duration,
    /// Most entries.
    pub max_entries: usize,
    /// When its server is down.
    pub on_down: OnDown,
    /// When its own server is back.
    pub on_return: OnReturn,
}

impl StickyTable {
    /// Bytes of an entry in memory, with what finds it: a table of a million takes 127 MB (docs/benchmarks.md).
    pub const ENTRY: usize = 128;
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
    /// A header, lower-case.
    Header(Name),
    /// A session that the application gave it.
    Learned {
        /// Where it stands.
        from: LearnFrom,
        /// The name of the cookie, header (lower-case) or parameter.
        name: Name,
        /// A path or query parameter that carries the same.
        param: Option<Name>,
    },
}

/// Where an application's session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LearnFrom {
    /// In a cookie.
    Cookie,
    /// In a header.
    Header,
    /// In a path or query parameter.
    Parameter,
}
