//! The field names that the proxy itself cares for, recognised once per field.
//!
//! Everything else is `Known::Other` and only passes through.

/// A field name that means something to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // the variants are the field names
pub enum Known {
    Other,
    Accept,
    AcceptEncoding,
    AcceptRanges,
    Authorization,
    CacheControl,
    Connection,
    ContentDigest,
    ContentEncoding,
    ContentLength,
    ContentMd5,
    ContentRange,
    ContentType,
    Cookie,
    Date,
    Digest,
    Etag,
    Expect,
    Forwarded,
    Host,
    Http2Settings,
    IfNoneMatch,
    KeepAlive,
    Location,
    Origin,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    Range,
    Referer,
    ReprDigest,
    RetryAfter,
    SecWebSocketAccept,
    SecWebSocketExtensions,
    SecWebSocketKey,
    SecWebSocketProtocol,
    SecWebSocketVersion,
    Server,
    SetCookie,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    Vary,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedPort,
    XForwardedProto,
    XRealIp,
    XRequestId,
}

impl Known {
    /// Recognises a name, in any case.
    #[must_use]
    pub fn of(name: &[u8]) -> Known {
        // The first letter tells most names of one length apart: one comparison in full for each field.
        let first = name.first().map(|byte| byte | 0x20);
        candidates(name.len())
            .iter()
            .find(|(text, _)| {
                text.as_bytes().first().copied() == first && name.eq_ignore_ascii_case(text.as_bytes())
            })
            .map_or(Known::Other, |&(_, known)| known)
    }

    /// The name that a CGI-style server would see: `X_Forwarded_For` reads as `X-Forwarded-For` there. `Other`
    /// for a name without an underscore.
    #[must_use]
    pub fn alias_of(name: &[u8]) -> Known {
        if memchr::memchr(b'_', name).is_none() {
            return Known::Other;
        }
        let same = |text: &&(&str, Known)| {
            text.0.len() == name.len()
                && text
                    .0
                    .bytes()
                    .zip(name)
                    .all(|(a, &b)| a == if b == b'_' { b'-' } else { b.to_ascii_lowercase() })
        };
        candidates(name.len()).iter().find(same).map_or(Known::Other, |&(_, known)| known)
    }
}

/// A set of known names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownSet(u64);

impl KnownSet {
    /// No name.
    pub const EMPTY: KnownSet = KnownSet(0);

    /// These names. `Other` is never a member.
    #[must_use]
    pub const fn of(names: &[Known]) -> KnownSet {
        let mut bits = 0;
        let mut i = 0;
        while i < names.len() {
            bits |= KnownSet::bit(names[i]);
            i += 1;
        }
        KnownSet(bits)
    }

    /// Whether the name is a member.
    #[must_use]
    pub const fn has(self, known: Known) -> bool {
        self.0 & KnownSet::bit(known) != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: KnownSet) -> KnownSet {
        KnownSet(self.0 | other.0)
    }

    /// Adds one name.
    pub fn insert(&mut self, known: Known) {
        self.0 |= KnownSet::bit(known);
    }

    const fn bit(known: Known) -> u64 {
        // bit 0 is `Other`, which is never a member
        (1 << (known as u64)) & !1
    }
}

/// The names of one length, lower-case.
fn candidates(length: usize) -> &'static [(&'static str, Known)] {
    use Known::{
        Accept, AcceptEncoding, AcceptRanges, Authorization, CacheControl, Connection, ContentDigest,
        ContentEncoding, ContentLength, ContentMd5, ContentRange, ContentType, Cookie, Date, Digest, Etag,
        Expect, Forwarded, Host, Http2Settings, IfNoneMatch, KeepAlive, Location, Origin, ProxyAuthenticate,
        ProxyAuthorization, ProxyConnection, Range, Referer, ReprDigest, RetryAfter, SecWebSocketAccept,
        SecWebSocketExtensions, SecWebSocketKey, SecWebSocketProtocol, SecWebSocketVersion, Server,
        SetCookie, Te, Trailer, TransferEncoding, Upgrade, UserAgent, Vary, Via, XForwardedFor,
        XForwardedHost, XForwardedPort, XForwardedProto, XRealIp, XRequestId,
    };
    match length {
        2 => &[("te", Te)],
        3 => &[("via", Via)],
        4 => &[("host", Host), ("date", Date), ("etag", Etag), ("vary", Vary)],
        5 => &[("range", Range)],
        6 => &[
            ("accept", Accept),
            ("cookie", Cookie),
            ("server", Server),
            ("origin", Origin),
            ("expect", Expect),
            ("digest", Digest),
        ],
        7 => &[("upgrade", Upgrade), ("referer", Referer), ("trailer", Trailer)],
        8 => &[("location", Location)],
        9 => &[("forwarded", Forwarded), ("x-real-ip", XRealIp)],
        10 => &[
            ("connection", Connection),
            ("user-agent", UserAgent),
            ("set-cookie", SetCookie),
            ("keep-alive", KeepAlive),
        ],
        11 => &[("retry-after", RetryAfter), ("content-md5", ContentMd5), ("repr-digest", ReprDigest)],
        12 => &[("content-type", ContentType), ("x-request-id", XRequestId)],
        13 => &[
            ("cache-control", CacheControl),
            ("authorization", Authorization),
            ("accept-ranges", AcceptRanges),
            ("content-range", ContentRange),
            ("if-none-match", IfNoneMatch),
        ],
        14 => &[
            ("content-length", ContentLength),
            ("http2-settings", Http2Settings),
            ("content-digest", ContentDigest),
        ],
        15 => &[("accept-encoding", AcceptEncoding), ("x-forwarded-for", XForwardedFor)],
        16 => &[
            ("content-encoding", ContentEncoding),
            ("proxy-connection", ProxyConnection),
            ("x-forwarded-host", XForwardedHost),
            ("x-forwarded-port", XForwardedPort),
        ],
        17 => &[
            ("transfer-encoding", TransferEncoding),
            ("x-forwarded-proto", XForwardedProto),
            ("sec-websocket-key", SecWebSocketKey),
        ],
        18 => &[("proxy-authenticate", ProxyAuthenticate)],
        19 => &[("proxy-authorization", ProxyAuthorization)],
        20 => &[("sec-websocket-accept", SecWebSocketAccept)],
        21 => &[("sec-websocket-version", SecWebSocketVersion)],
        22 => &[("sec-websocket-protocol", SecWebSocketProtocol)],
        24 => &[("sec-websocket-extensions", SecWebSocketExtensions)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_stands_under_its_length() {
        let mut seen = KnownSet::EMPTY;
        for length in 0..64 {
            for &(text, known) in candidates(length) {
                assert_eq!(text.len(), length, "{text}");
                assert_eq!(text, text.to_ascii_lowercase());
                assert_eq!(Known::of(text.to_ascii_uppercase().as_bytes()), known);
                assert!(!seen.has(known), "{text} twice");
                seen.insert(known);
            }
        }
        assert!(seen.has(Known::XRequestId) && seen.has(Known::Accept));
        assert_eq!(Known::of(b"hosts"), Known::Other);
        assert_eq!(Known::of(b""), Known::Other);
    }

    #[test]
    fn underscores_read_as_dashes_for_the_alias_only() {
        assert_eq!(Known::of(b"X_Forwarded_For"), Known::Other);
        assert_eq!(Known::alias_of(b"X_Forwarded-For"), Known::XForwardedFor);
        assert_eq!(Known::alias_of(b"X-Forwarded-For"), Known::Other);
        assert_eq!(Known::alias_of(b"content_length"), Known::ContentLength);
        assert_eq!(Known::alias_of(b"a_b"), Known::Other);
    }

    #[test]
    fn a_set_never_holds_other() {
        let set = KnownSet::of(&[Known::Other, Known::Host]);
        assert!(set.has(Known::Host) && !set.has(Known::Other) && !set.has(Known::Via));
        assert!(set.with(KnownSet::of(&[Known::Via])).has(Known::Via));
    }
}
