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
    Traceparent,
    Tracestate,
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
        match candidate(name, |byte| byte | 0x20) {
            Some((text, known)) if same_letters(text.as_bytes(), name) => known,
            _ => Known::Other,
        }
    }

    /// The name that a CGI-style server would see: `X_Forwarded_For` reads as `X-Forwarded-For` there. `Other`
    /// for a name without an underscore.
    #[must_use]
    pub fn alias_of(name: &[u8]) -> Known {
        if !name.contains(&b'_') {
            return Known::Other;
        }
        let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        match candidate(name, plain) {
            Some((text, known)) if text.bytes().eq(name.iter().map(|byte| plain(*byte))) => known,
            _ => Known::Other,
        }
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

    /// Whether any name is a member of both.
    #[must_use]
    pub const fn meets(self, other: KnownSet) -> bool {
        self.0 & other.0 != 0
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

/// The names, lower-case.
const NAMES: [(&str, Known); 53] = [
    ("te", Known::Te),
    ("via", Known::Via),
    ("host", Known::Host),
    ("date", Known::Date),
    ("etag", Known::Etag),
    ("vary", Known::Vary),
    ("range", Known::Range),
    ("accept", Known::Accept),
    ("cookie", Known::Cookie),
    ("server", Known::Server),
    ("origin", Known::Origin),
    ("expect", Known::Expect),
    ("digest", Known::Digest),
    ("upgrade", Known::Upgrade),
    ("referer", Known::Referer),
    ("trailer", Known::Trailer),
    ("location", Known::Location),
    ("forwarded", Known::Forwarded),
    ("x-real-ip", Known::XRealIp),
    ("tracestate", Known::Tracestate),
    ("connection", Known::Connection),
    ("user-agent", Known::UserAgent),
    ("set-cookie", Known::SetCookie),
    ("keep-alive", Known::KeepAlive),
    ("retry-after", Known::RetryAfter),
    ("traceparent", Known::Traceparent),
    ("content-md5", Known::ContentMd5),
    ("repr-digest", Known::ReprDigest),
    ("content-type", Known::ContentType),
    ("x-request-id", Known::XRequestId),
    ("cache-control", Known::CacheControl),
    ("authorization", Known::Authorization),
    ("accept-ranges", Known::AcceptRanges),
    ("content-range", Known::ContentRange),
    ("if-none-match", Known::IfNoneMatch),
    ("content-length", Known::ContentLength),
    ("http2-settings", Known::Http2Settings),
    ("content-digest", Known::ContentDigest),
    ("accept-encoding", Known::AcceptEncoding),
    ("x-forwarded-for", Known::XForwardedFor),
    ("content-encoding", Known::ContentEncoding),
    ("proxy-connection", Known::ProxyConnection),
    ("x-forwarded-host", Known::XForwardedHost),
    ("x-forwarded-port", Known::XForwardedPort),
    ("transfer-encoding", Known::TransferEncoding),
    ("x-forwarded-proto", Known::XForwardedProto),
    ("sec-websocket-key", Known::SecWebSocketKey),
    ("proxy-authenticate", Known::ProxyAuthenticate),
    ("proxy-authorization", Known::ProxyAuthorization),
    ("sec-websocket-accept", Known::SecWebSocketAccept),
    ("sec-websocket-version", Known::SecWebSocketVersion),
    ("sec-websocket-protocol", Known::SecWebSocketProtocol),
    ("sec-websocket-extensions", Known::SecWebSocketExtensions),
];

/// Where the names stand in `NAMES`, plus one, by a hash that tells them all apart.
static PLACES: [u8; 256] = places();

const fn places() -> [u8; 256] {
    let mut places = [0; 256];
    let mut i = 0;
    while i < NAMES.len() {
        let name = NAMES[i].0.as_bytes();
        let place = hash(name.len(), name[0], name[name.len() * 3 / 4]);
        assert!(places[place] == 0, "two names of one hash: choose other factors");
        places[place] = i as u8 + 1;
        i += 1;
    }
    places
}

const fn hash(length: usize, first: u8, later: u8) -> usize {
    (length + first as usize * 9 + later as usize * 37) & 255
}

/// The one name of this length that `name` can be, its bytes being folded so.
fn candidate(name: &[u8], fold: impl Fn(u8) -> u8) -> Option<(&'static str, Known)> {
    let first = fold(*name.first()?);
    let later = fold(*name.get(name.len() * 3 / 4)?);
    let place = PLACES[hash(name.len(), first, later)];
    let found = *NAMES.get(usize::from(place).checked_sub(1)?)?;
    (found.0.len() == name.len()).then_some(found)
}

/// Whether a name of the same length is this lower-case one, in any case. Eight bytes at a time, the last ones together
/// with some before them: it is done for each field of each message, and costs a quarter of a comparison byte by byte.
fn same_letters(lower: &[u8], name: &[u8]) -> bool {
    if let (Some(lower_last), Some(last)) = (lower.last_chunk::<8>(), name.last_chunk::<8>()) {
        let (words, asked) = (lower.as_chunks::<8>().0, name.as_chunks::<8>().0);
        let same = |(a, b): (&[u8; 8], &[u8; 8])| same_word(u64::from_le_bytes(*a), u64::from_le_bytes(*b));
        return same((lower_last, last)) && words.iter().zip(asked).all(same);
    }
    match (ends(lower), ends(name)) {
        (Some(lower), Some(name)) => same_word(lower, name),
        _ => lower.eq_ignore_ascii_case(name),
    }
}

/// The first four bytes and the last four.
fn ends(name: &[u8]) -> Option<u64> {
    let (first, last) = (name.first_chunk::<4>()?, name.last_chunk::<4>()?);
    Some(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)))
}

/// Whether eight bytes are the same. They may differ by the bit of the case where the name has a letter.
fn same_word(lower: u64, name: u64) -> bool {
    const LETTERS: u64 = 0x4040_4040_4040_4040;
    (lower ^ name) & !((lower & LETTERS) >> 1) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_any_case_and_nothing_else_is() {
        let mut seen = KnownSet::EMPTY;
        for (text, known) in NAMES {
            assert_eq!(text, text.to_ascii_lowercase());
            assert_eq!(Known::of(text.as_bytes()), known);
            assert_eq!(Known::of(text.to_ascii_uppercase().as_bytes()), known);
            assert!(!seen.has(known), "{text} twice");
            seen.insert(known);
            for (at, byte) in (0..text.len()).flat_map(|at| (0..=255).map(move |byte| (at, byte))) {
                let mut other = text.as_bytes().to_vec();
                other[at] = byte;
                let same = other.eq_ignore_ascii_case(text.as_bytes());
                assert!(same || Known::of(&other) != known, "{}", String::from_utf8_lossy(&other));
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
