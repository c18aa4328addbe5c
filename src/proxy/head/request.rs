//! The head of a request and what it means.

use std::ops::Range;

use super::options::Options;
use super::{Authority, Field, Fields, Known, KnownSet, ParseError, Span, Version, same_authority};

/// What follows the head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BodyFraming {
    /// Nothing: neither `Content-Length` nor `Transfer-Encoding`.
    #[default]
    None,
    /// Exactly so many bytes; zero is possible.
    Length(u64),
    /// Chunks up to the last one, then trailers.
    Chunked,
}

/// The head of one request.
///
/// Filled by the HTTP/1 parser, or by `set_line`, `push` and `seal`.
#[derive(Debug, Default)]
pub struct RequestHead {
    pub(in crate::proxy) fields: Fields,
    pub(in crate::proxy) scan: usize,
    /// Where the first line ends, if it came as one of HTTP/1.1 is written.
    line_end: usize,
    method: Span,
    target: Span,
    path: Span,
    query: Option<Span>,
    target_authority: Option<Span>,
    host: Option<Span>,
    /// Where the authority stands, once the head is sealed.
    authority: Option<Span>,
    version: Version,
    framing: BodyFraming,
    options: Options,
    expects_continue: bool,
    secure_target: bool,
}

impl RequestHead {
    /// An empty head.
    #[must_use]
    pub fn new() -> RequestHead {
        RequestHead::default()
    }

    /// Forgets everything and keeps the memory. To be called before a head is used for another connection.
    pub fn clear(&mut self) {
        // One by one: a new head in place of this one would be copied as a whole.
        let Self {
            fields,
            scan,
            line_end,
            method,
            target,
            path,
            query,
            target_authority,
            host,
            authority,
            version,
            framing,
            options,
            expects_continue,
            secure_target,
        } = self;
        fields.clear();
        (*scan, *line_end) = (0, 0);
        (*method, *target, *path) = Default::default();
        (*query, *target_authority, *host, *authority) = Default::default();
        (*version, *framing, *options) = Default::default();
        (*expects_continue, *secure_target) = Default::default();
    }

    /// Sets method, target and version of an empty head. The caller vouches for the method, which must be a
    /// token; `seal` looks at the target.
    pub fn set_line(&mut self, method: &[u8], target: &[u8], version: Version) {
        self.method = self.fields.store(method);
        self.target = self.fields.store(target);
        self.version = version;
    }

    /// Appends a field. The caller vouches for its syntax.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.fields.push(name, value);
    }

    /// Appends a field whose name is recognised already.
    pub(in crate::proxy) fn push_known(&mut self, known: Known, name: &[u8], value: &[u8]) {
        self.fields.push_known(known, name, value);
    }

    /// Overrides what follows the head, for a protocol that frames its bodies itself.
    pub fn set_framing(&mut self, framing: BodyFraming) {
        self.framing = framing;
    }

    /// The method, as received. Methods are case-sensitive.
    #[must_use]
    pub fn method(&self) -> &str {
        std::str::from_utf8(self.fields.slice(self.method)).unwrap_or_default()
    }

    /// The same as bytes, for those who need no text.
    #[must_use]
    pub fn method_bytes(&self) -> &[u8] {
        self.fields.slice(self.method)
    }

    /// Whether the method is this one.
    #[must_use]
    pub fn is_method(&self, method: &str) -> bool {
        self.fields.slice(self.method) == method.as_bytes()
    }

    /// Whether the method is HEAD.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.is_method("HEAD")
    }

    /// The version that the client speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The target, as received.
    #[must_use]
    pub fn target(&self) -> &[u8] {
        self.fields.slice(self.target)
    }

    /// The path: `/` at least, or `*`.
    #[must_use]
    pub fn path(&self) -> &[u8] {
        match self.fields.slice(self.path) {
            b"" if self.is_method("OPTIONS") && self.query.is_none() => b"*",
            b"" => b"/",
            path => path,
        }
    }

    /// The query without its `?`; `Some` of nothing for a bare `?`.
    #[must_use]
    pub fn query(&self) -> Option<&[u8]> {
        self.query.map(|span| self.fields.slice(span))
    }

    /// The host and port asked for, as written: the target's when it is absolute, else `Host`. Always present
    /// in HTTP/1.1.
    #[must_use]
    pub fn authority(&self) -> Option<&[u8]> {
        match self.authority.or(self.target_authority) {
            Some(span) => Some(self.fields.slice(span)),
            None => self.fields.get(Known::Host),
        }
    }

    /// The authority without its port. Known once the head is sealed: it is asked for several times a request.
    #[must_use]
    pub fn host(&self) -> Option<&[u8]> {
        self.host.map(|span| self.fields.slice(span))
    }

    /// What follows the head.
    #[must_use]
    pub fn framing(&self) -> BodyFraming {
        self.framing
    }

    /// Whether the client would send another request on this connection.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        !self.options.close && (self.version != Version::Http10 || self.options.keep_alive)
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// The protocol to upgrade to; `None` unless `Connection` says `upgrade` and the version is not 1.0. A client
    /// of HTTP/2 cannot send these fields: there they stand for a CONNECT.
    #[must_use]
    pub fn upgrade(&self) -> Option<&[u8]> {
        if self.version != Version::Http10 && self.options.upgrade {
            self.fields.get(Known::Upgrade)
        } else {
            None
        }
    }

    /// Whether this is a complete WebSocket opening handshake (RFC 6455, 4.1) without a body.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.options.upgrade
            && self.is_method("GET")
            && self.upgrade().is_some_and(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
            && self.fields.get(Known::SecWebSocketVersion) == Some(b"13")
            && self.websocket_key().is_some()
            && matches!(self.framing, BodyFraming::None | BodyFraming::Length(0))
    }

    /// The handshake's key, when it has the shape of one: sixteen bytes in base64.
    #[must_use]
    pub fn websocket_key(&self) -> Option<&[u8]> {
        let is_key = |key: &[u8]| {
            key.len() == 24
                && key.ends_with(b"==")
                && key[..22].iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
        };
        self.fields.get(Known::SecWebSocketKey).filter(|key| is_key(key))
    }

    /// All fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> + Clone {
        self.fields.iter()
    }

    /// How many fields there are.
    #[must_use]
    pub fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// Whether any field of that name (in any case) passes the test.
    pub fn any(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.fields.any(name, test)
    }

    /// Whether any cookie of exactly that name passes the test.
    pub fn any_cookie(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.fields.any_cookie(name, test)
    }

    /// The first value of a known field.
    #[must_use]
    pub fn get_known(&self, known: Known) -> Option<&[u8]> {
        self.fields.get(known)
    }

    /// The values of a known field, in order.
    pub fn all_known(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        self.fields.all(known)
    }

    /// The options of the `Connection` fields.
    pub fn connection_options(&self) -> impl Iterator<Item = &[u8]> {
        self.fields.tokens(Known::Connection)
    }

    /// Whether `Connection` names other fields, which then do not travel on.
    #[must_use]
    pub fn connection_names_fields(&self) -> bool {
        self.options.names_fields
    }

    /// Decides what the head means, or refuses it. Nothing but `set_line` and `push` may be called before.
    pub fn seal(&mut self) -> Result<(), ParseError> {
        self.seal_target()?;
        self.seal_host()?;
        self.framing = match declared(&self.fields, self.version)? {
            Declared::Nothing => BodyFraming::None,
            Declared::Length(length) => BodyFraming::Length(length),
            Declared::Chunked => BodyFraming::Chunked,
        };
        self.options = Options::read(&self.fields)?;
        self.expects_continue = self.version != Version::Http10
            && self.fields.has(Known::Expect)
            && self.fields.all(Known::Expect).any(|value| value.eq_ignore_ascii_case(b"100-continue"));
        const UNIQUE: KnownSet =
            KnownSet::of(&[Known::Upgrade, Known::SecWebSocketKey, Known::SecWebSocketVersion]);
        if self.fields.repeats_any(UNIQUE) { Err(ParseError::RepeatedField) } else { Ok(()) }
    }

    pub(in crate::proxy) fn set_parsed_line(&mut self, method: Span, target: Span, version: Version) {
        self.method = method;
        self.target = target;
        self.version = version;
    }

    /// The first line came as one of HTTP/1.1 is written, and ends here.
    pub(in crate::proxy) fn set_line_end(&mut self, end: usize) {
        self.line_end = end;
    }

    /// The first line and `Host` behind it, as they came, if they are to go to a server just so: with this target.
    pub(in crate::proxy) fn opening(&self, path: &[u8], query: Option<&[u8]>) -> Option<Range<usize>> {
        let as_it_came = self.line_end > 0
            && self.target_authority.is_none()
            && self.path.begins_as(self.target)
            && std::ptr::eq(path, self.fields.slice(self.path))
            && query == self.query();
        as_it_came.then(|| self.fields.first_line(self.line_end, Known::Host)).flatten().map(|end| 0..end)
    }

    fn seal_target(&mut self) -> Result<(), ParseError> {
        self.target_authority = None;
        match self.method_bytes() {
            b"CONNECT" => return Err(ParseError::ConnectRefused),
            // Of the preface of HTTP/2 alone (RFC 9113, section 11.6): a server might take what follows for that.
            b"PRI" => return Err(ParseError::BadMethod),
            _ => {}
        }
        let target = self.fields.slice(self.target);
        let path_start = match target {
            b"*" if self.is_method("OPTIONS") => 0,
            [b'/', ..] => 0,
            _ => {
                let (scheme, secure) = scheme_length(target).ok_or(ParseError::BadTarget)?;
                let rest = &target[scheme..];
                let length = memchr::memchr2(b'/', b'?', rest).unwrap_or(rest.len());
                let at = self.target.range().start + scheme;
                self.target_authority = Some(Span::new(at, at + length));
                self.secure_target = secure;
                scheme + length
            }
        };
        let rest = &target[path_start..];
        let path = rest.iter().position(|byte| !is_path_byte(*byte)).unwrap_or(rest.len());
        let query = match &rest[path..] {
            [] => None,
            [b'?', query @ ..] if query.iter().all(|byte| is_query_byte(*byte)) => Some(query.len()),
            _ => return Err(ParseError::BadTarget),
        };
        let range = self.target.range();
        let start = range.start + path_start;
        self.path = Span::new(start, start + path);
        self.query = query.map(|length| Span::new(range.end - length, range.end));
        Ok(())
    }

    fn seal_host(&mut self) -> Result<(), ParseError> {
        (self.host, self.authority) = (None, None);
        let written = self.fields.all_spans(Known::Host).next();
        if self.fields.repeats(Known::Host) {
            return Err(ParseError::RepeatedHost);
        }
        let read = |span: Span| Authority::parse(self.fields.slice(span));
        let host = match written {
            Some(span) => Some(read(span).ok_or(ParseError::BadHost)?),
            None if self.version != Version::Http10 => return Err(ParseError::MissingHost),
            None => None,
        };
        let target = match self.target_authority {
            Some(span) => Some(read(span).ok_or(ParseError::BadTarget)?),
            None => None,
        };
        let default_port = if self.secure_target { 443 } else { 80 };
        if let (Some(host), Some(target)) = (host, target)
            && !same_authority(host, target, default_port)
        {
            return Err(ParseError::HostDisagrees);
        }
        // The host is what an authority begins with.
        let length = target.or(host).map(|authority| authority.host.len());
        self.authority = self.target_authority.or(written);
        self.host = self.authority.zip(length).map(|(span, length)| span.first(length));
        Ok(())
    }
}

/// The length of `http://` or `https://` at the start, and whether it is the latter.
fn scheme_length(target: &[u8]) -> Option<(usize, bool)> {
    let starts = |scheme: &[u8]| target.get(..scheme.len()).is_some_and(|t| t.eq_ignore_ascii_case(scheme));
    if starts(b"http://") {
        Some((7, false))
    } else if starts(b"https://") {
        Some((8, true))
    } else {
        None
    }
}

/// What a query may hold: visible ASCII without the bytes that every browser encodes. Raw bytes above 127 are no
/// part of a URI, and servers disagree about them.
fn is_query_byte(byte: u8) -> bool {
    BYTES[usize::from(byte)] & QUERY != 0
}

/// As for a query, without the `?` that ends a path, and the backslash that some servers read as a slash.
fn is_path_byte(byte: u8) -> bool {
    BYTES[usize::from(byte)] & PATH != 0
}

const QUERY: u8 = 1;
const PATH: u8 = 2;
const TOKEN: u8 = 4;

/// What each byte may stand in: asked for each byte of a target, where a look is cheaper than comparisons.
static BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut byte = 0_u8;
    loop {
        let in_query = matches!(byte, b'!'..=b'~') && !matches!(byte, b'"' | b'#' | b'<' | b'>');
        let in_path = in_query && !matches!(byte, b'?' | b'\\' | b'^' | b'`');
        let mark =
            matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
        let in_token = byte.is_ascii_alphanumeric() || mark;
        bytes[byte as usize] = (QUERY * in_query as u8) | (PATH * in_path as u8) | (TOKEN * in_token as u8);
        if byte == 255 {
            break bytes;
        }
        byte += 1;
    }
};

/// What the framing fields of a message declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Declared {
    Nothing,
    Length(u64),
    Chunked,
}

/// Reads `Content-Length` and `Transfer-Encoding`; the one place that does.
#[inline]
pub(super) fn declared(fields: &Fields, version: Version) -> Result<Declared, ParseError> {
    const FRAMING: KnownSet = KnownSet::of(&[Known::TransferEncoding, Known::ContentLength]);
    if fields.has_any(FRAMING) { read_declared(fields, version) } else { Ok(Declared::Nothing) }
}

fn read_declared(fields: &Fields, version: Version) -> Result<Declared, ParseError> {
    let once = |known| !fields.repeats(known);
    match (fields.get(Known::TransferEncoding), fields.get(Known::ContentLength)) {
        (None, None) => Ok(Declared::Nothing),
        (Some(_), _) if version == Version::Http10 => Err(ParseError::TransferEncodingOnHttp10),
        (Some(_), Some(_)) => Err(ParseError::ConflictingLength),
        (Some(coding), None) if once(Known::TransferEncoding) && coding.eq_ignore_ascii_case(b"chunked") => {
            Ok(Declared::Chunked)
        }
        (Some(_), None) => Err(ParseError::BadTransferEncoding),
        (None, Some(_)) if !once(Known::ContentLength) => Err(ParseError::RepeatedLength),
        (None, Some(length)) => decimal(length).map(Declared::Length).ok_or(ParseError::BadLength),
    }
}

/// A number of digits only that fits 63 bits, which is what a server with signed lengths can hold.
fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    let number = text.iter().try_fold(0u64, |sum, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    });
    number.filter(|number| i64::try_from(*number).is_ok())
}

/// Whether a byte may stand in a token (RFC 9110, 5.6.2).
pub(in crate::proxy) fn is_token_byte(byte: u8) -> bool {
    BYTES[usize::from(byte)] & TOKEN != 0
}
