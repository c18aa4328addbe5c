//! The trailers of a chunked body: bounded, strict, and rid of fields that must not come so late.
//!
//! A server may act on a trailer as if it had been a field of the head. So whatever frames, routes,
//! authenticates or changes the state of a client is dropped here.

use super::body::BodyError;
use crate::proxy::head::{Known, KnownSet, is_token_byte};

/// The most bytes of all trailers together.
const MAX_BYTES: usize = 8 * 1024;
/// The most trailers.
const MAX_FIELDS: usize = 64;

const FORBIDDEN: KnownSet = KnownSet::of(&[
    Known::Accept,
    Known::AcceptEncoding,
    Known::Authorization,
    Known::CacheControl,
    Known::Connection,
    Known::ContentEncoding,
    Known::ContentLength,
    Known::ContentType,
    Known::Cookie,
    Known::Date,
    Known::Expect,
    Known::Forwarded,
    Known::Host,
    Known::Http2Settings,
    Known::KeepAlive,
    Known::Location,
    Known::Origin,
    Known::ProxyAuthenticate,
    Known::ProxyAuthorization,
    Known::ProxyConnection,
    Known::Range,
    Known::Referer,
    Known::RetryAfter,
    Known::SecWebSocketAccept,
    Known::SecWebSocketExtensions,
    Known::SecWebSocketKey,
    Known::SecWebSocketProtocol,
    Known::SecWebSocketVersion,
    Known::Server,
    Known::SetCookie,
    Known::Te,
    Known::Trailer,
    Known::TransferEncoding,
    Known::Upgrade,
    Known::UserAgent,
    Known::Via,
    Known::XForwardedFor,
    Known::XForwardedHost,
    Known::XForwardedPort,
    Known::XForwardedProto,
    Known::XRealIp,
    Known::XRequestId,
]);

/// More names that must not be trailers, lower-case.
const FORBIDDEN_NAMES: [&str; 8] =
    ["age", "content-range", "expires", "max-forwards", "pragma", "vary", "warning", "www-authenticate"];

/// Trailers as they come in, byte by byte.
#[derive(Debug, Default)]
pub(super) struct Trailers {
    /// The clean lines so far, then the current line.
    text: Vec<u8>,
    /// Where the current line starts.
    line: usize,
    received: usize,
    fields: usize,
    after_cr: bool,
}

impl Trailers {
    /// Takes one byte; true when it ended the trailers.
    pub(super) fn push(&mut self, byte: u8) -> Result<bool, BodyError> {
        self.received += 1;
        // the empty line at the end is not counted against the bound
        if self.received > MAX_BYTES + 2 {
            return Err(BodyError::TrailersTooLarge);
        }
        match (self.after_cr, byte) {
            (true, b'\n') if self.text.len() == self.line => return Ok(true),
            (true, b'\n') => {
                self.after_cr = false;
                self.end_line()?;
            }
            (false, b'\r') => self.after_cr = true,
            (true, _) | (false, b'\n') => return Err(BodyError::BadTrailer),
            (false, _) => self.text.push(byte),
        }
        Ok(false)
    }

    /// The clean lines.
    pub(super) fn lines(&self) -> &[u8] {
        &self.text[..self.line]
    }

    fn end_line(&mut self) -> Result<(), BodyError> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(BodyError::TrailersTooLarge);
        }
        let line = &self.text[self.line..];
        let colon = memchr::memchr(b':', line).ok_or(BodyError::BadTrailer)?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let clean = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
        if name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) || !value.iter().all(clean) {
            return Err(BodyError::BadTrailer);
        }
        if is_forbidden(name) {
            self.text.truncate(self.line);
        } else {
            self.text.extend_from_slice(b"\r\n");
            self.line = self.text.len();
        }
        Ok(())
    }
}

fn is_forbidden(name: &[u8]) -> bool {
    FORBIDDEN.has(Known::of(name))
        || FORBIDDEN.has(Known::alias_of(name))
        || FORBIDDEN_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
}
