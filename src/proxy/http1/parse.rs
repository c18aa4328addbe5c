//! Heads from bytes: the usual ones at once (`plain`); others by `httparse`, then the strictness that it lacks.
//!
//! A head that arrives in pieces is scanned once: the head remembers how far its end was looked for. Nothing
//! is parsed before the end is there, except what can be refused at sight.

use std::mem::MaybeUninit;

use super::plain;
use super::seen::SeenLines;
use crate::proxy::head::{ParseError, RequestHead, ResponseHead, Span, Version, find, is_token_byte};

/// The most fields that any limit can allow.
pub const MAX_FIELDS: usize = 512;

/// What a head may weigh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head.
    pub bytes: usize,
    /// Number of fields, `MAX_FIELDS` at most.
    pub fields: usize,
    /// Bytes of a request's target.
    pub target: usize,
}

impl HeadLimits {
    /// What a listener allows.
    #[must_use]
    pub fn of(limits: &crate::config::model::Limits) -> HeadLimits {
        HeadLimits {
            bytes: limits.header_bytes as usize,
            fields: limits.headers as usize,
            ..HeadLimits::default()
        }
    }
}

impl Default for HeadLimits {
    fn default() -> HeadLimits {
        HeadLimits { bytes: 64 * 1024, fields: 128, target: 32 * 1024 }
    }
}

/// How far a parse came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The head is complete and took so many bytes of the buffer.
    Complete(usize),
    /// More bytes are needed. Call again with the same bytes and more behind them.
    Partial,
}

type RawFields<'b> = [MaybeUninit<httparse::Header<'b>>; MAX_FIELDS];

/// Parses the head of a request from the start of `buf` into `head`, whose former contents are forgotten.
///
/// Between calls for one message `buf` may only grow; `RequestHead::clear` starts afresh. After an error
/// nothing more may be read from the connection; the head then holds what was understood, for the log: all
/// fields if only their meaning was refused, else nothing.
pub fn parse_request(buf: &[u8], limits: &HeadLimits, head: &mut RequestHead) -> Result<Status, ParseError> {
    parse_request_by(buf, limits, head, &mut SeenLines::default())
}

/// The same with lines that were read before; those that are new to it are kept.
pub fn parse_request_by(
    buf: &[u8],
    limits: &HeadLimits,
    head: &mut RequestHead,
    seen: &mut SeenLines,
) -> Result<Status, ParseError> {
    let from = head.scan;
    head.clear();
    let start = match leading_line(buf) {
        Lead::Start(start) => start,
        Lead::Wait => return Ok(Status::Partial),
        Lead::Refused => return Err(ParseError::BadRequestLine),
    };
    let Some(&first) = buf.get(start) else { return Ok(Status::Partial) };
    if first == 0x16 {
        return Err(ParseError::TlsOnPlainPort);
    }
    if !is_token_byte(first) {
        return Err(ParseError::BadMethod);
    }
    // Only at the first look: what comes in pieces is not read anew with each of them.
    if from == 0 {
        if let Some(length) = plain::request(&buf[start..], limits, head, seen) {
            return head.seal().map(|()| Status::Complete(start + length));
        }
        head.clear();
    }
    let Some(end) = find_end(&buf[start..], from, limits, &mut head.scan)? else {
        return Ok(Status::Partial);
    };
    let bytes = &buf[start..start + end];
    fill_request(bytes, limits, head)?;
    Ok(Status::Complete(start + end))
}

/// Parses the head of a response from the start of `buf` into `head`. As `parse_request`.
pub fn parse_response(
    buf: &[u8],
    limits: &HeadLimits,
    head: &mut ResponseHead,
) -> Result<Status, ParseError> {
    parse_response_by(buf, limits, head, &mut SeenLines::default())
}

/// The same with lines that were read before; those that are new to it are kept.
pub fn parse_response_by(
    buf: &[u8],
    limits: &HeadLimits,
    head: &mut ResponseHead,
    seen: &mut SeenLines,
) -> Result<Status, ParseError> {
    let from = head.scan;
    head.clear();
    let prefix: &[u8] = b"HTTP/1.";
    if !buf.starts_with(prefix) && !prefix.starts_with(buf) {
        return Err(ParseError::BadStatusLine);
    }
    if from == 0 {
        if let Some(length) = plain::response(buf, limits, head, seen) {
            return head.seal().map(|()| Status::Complete(length));
        }
        head.clear();
    }
    let Some(end) = find_end(buf, from, limits, &mut head.scan)? else { return Ok(Status::Partial) };
    fill_response(&buf[..end], limits, head)?;
    Ok(Status::Complete(end))
}

enum Lead {
    Start(usize),
    Wait,
    Refused,
}

/// One empty line before a request is tolerated (RFC 9112, 2.2).
fn leading_line(buf: &[u8]) -> Lead {
    match buf {
        [b'\r'] => Lead::Wait,
        [b'\r', b'\n', b'\r' | b'\n', ..] => Lead::Refused,
        [b'\r', b'\n', ..] => Lead::Start(2),
        [b'\r' | b'\n', ..] => Lead::Refused,
        _ => Lead::Start(0),
    }
}

/// Looks for the empty line that ends the head, from `from` on; returns the length of the head. `scan` is set
/// to where the next call goes on.
fn find_end(
    buf: &[u8],
    from: usize,
    limits: &HeadLimits,
    scan: &mut usize,
) -> Result<Option<usize>, ParseError> {
    let mut at = if from <= buf.len() { from } else { 0 };
    while let Some(offset) = find(&buf[at..], b'\n') {
        let newline = at + offset;
        if newline == 0 || buf[newline - 1] != b'\r' {
            return Err(ParseError::BareLf);
        }
        at = newline + 1;
        if newline >= 3 && buf[newline - 2] == b'\n' {
            return if at > limits.bytes { Err(too_large(buf, limits)) } else { Ok(Some(at)) };
        }
    }
    if buf.len() > limits.bytes {
        return Err(too_large(buf, limits));
    }
    *scan = buf.len();
    Ok(None)
}

fn too_large(buf: &[u8], limits: &HeadLimits) -> ParseError {
    match memchr::memchr(b'\n', buf) {
        Some(newline) if newline <= limits.bytes => ParseError::TooLarge,
        _ => ParseError::TargetTooLong,
    }
}

fn fill_request(bytes: &[u8], limits: &HeadLimits, head: &mut RequestHead) -> Result<(), ParseError> {
    if bytes.starts_with(b"PRI * HTTP/2.0\r\n") {
        return Err(ParseError::Http2Preface);
    }
    let mut raw: RawFields<'_> = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let room = &mut raw[..limits.fields.min(MAX_FIELDS)];
    match request.parse_with_uninit_headers(bytes, room) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(ParseError::BadRequestLine),
        Err(error) => return Err(explain_request(error, bytes)),
    }
    let (Some(method), Some(target)) = (request.method, request.path) else {
        return Err(ParseError::BadRequestLine);
    };
    if target.len() > limits.target {
        return Err(ParseError::TargetTooLong);
    }
    head.fields.adopt(bytes);
    let version = version(request.version);
    head.set_parsed_line(span(bytes, method.as_bytes()), span(bytes, target.as_bytes()), version);
    for field in request.headers.iter() {
        let (name, value) = field_spans(bytes, field)?;
        head.fields.index(name, value);
    }
    head.seal()
}

fn fill_response(bytes: &[u8], limits: &HeadLimits, head: &mut ResponseHead) -> Result<(), ParseError> {
    let mut raw: RawFields<'_> = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut response = httparse::Response::new(&mut []);
    let room = &mut raw[..limits.fields.min(MAX_FIELDS)];
    let config = httparse::ParserConfig::default();
    match config.parse_response_with_uninit_headers(&mut response, bytes, room) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Ok(_) => return Err(ParseError::BadStatusLine),
        Err(error) => return Err(explain_response(error, bytes)),
    }
    head.fields.adopt(bytes);
    // "HTTP/1.1 200" are 12 bytes; then nothing, or a space with the reason, which may hold any byte above 127
    let line_end = first_line(bytes).len();
    let reason = Span::new(line_end.min(13), line_end);
    head.set_parsed_line(response.code.unwrap_or(0), reason, version(response.version));
    for field in response.headers.iter() {
        let (name, value) = field_spans(bytes, field)?;
        head.fields.index(name, value);
    }
    head.seal()
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::Http10 } else { Version::Http11 }
}

/// Where a part that `httparse` found stands in the head.
fn span(bytes: &[u8], part: &[u8]) -> Span {
    let start = part.as_ptr().addr() - bytes.as_ptr().addr();
    Span::new(start, start + part.len())
}

fn field_spans(bytes: &[u8], field: &httparse::Header<'_>) -> Result<(Span, Span), ParseError> {
    if field.name.is_empty() {
        return Err(ParseError::BadFieldName);
    }
    let value = if field.value.is_empty() { Span::default() } else { span(bytes, field.value) };
    Ok((span(bytes, field.name.as_bytes()), value))
}

/// Names what `httparse` refused in a request. The fault is looked for only here, off the usual path.
fn explain_request(error: httparse::Error, bytes: &[u8]) -> ParseError {
    if let Some(fault) = explain_fields(error, bytes) {
        return fault;
    }
    let line = first_line(bytes);
    let mut words = line.split(|&byte| byte == b' ');
    let method = words.next().unwrap_or_default();
    if method.is_empty() || !method.iter().all(|byte| is_token_byte(*byte)) {
        return ParseError::BadMethod;
    }
    match (words.next(), words.next(), words.next()) {
        (Some([_, ..]), Some(version), None) if is_other_version(version) => ParseError::UnsupportedVersion,
        (Some(target), Some(_), None) if !target.iter().all(|byte| matches!(byte, b'!'..=b'~')) => {
            ParseError::BadTarget
        }
        _ => ParseError::BadRequestLine,
    }
}

fn explain_response(error: httparse::Error, bytes: &[u8]) -> ParseError {
    explain_fields(error, bytes).unwrap_or(ParseError::BadStatusLine)
}

/// What is wrong with the fields, if it is they.
fn explain_fields(error: httparse::Error, bytes: &[u8]) -> Option<ParseError> {
    let bare_cr = memchr::memchr_iter(b'\r', bytes).any(|at| bytes.get(at + 1) != Some(&b'\n'));
    let folded =
        || memchr::memchr_iter(b'\n', bytes).any(|at| matches!(bytes.get(at + 1), Some(b' ' | b'\t')));
    match error {
        httparse::Error::TooManyHeaders => Some(ParseError::TooManyFields),
        _ if bare_cr => Some(ParseError::BareCr),
        httparse::Error::HeaderName | httparse::Error::HeaderValue if folded() => Some(ParseError::ObsFold),
        httparse::Error::HeaderName => Some(ParseError::BadFieldName),
        httparse::Error::HeaderValue => Some(ParseError::BadFieldValue),
        _ => None,
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(b'\r', bytes).unwrap_or(bytes.len())]
}

/// Whether this is a version, though none that `httparse` took.
fn is_other_version(word: &[u8]) -> bool {
    match word.strip_prefix(b"HTTP/") {
        Some(b"1.0" | b"1.1") => false,
        Some([major]) => major.is_ascii_digit(),
        Some([major, b'.', minor]) => major.is_ascii_digit() && minor.is_ascii_digit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
