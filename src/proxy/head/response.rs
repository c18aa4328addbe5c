//! The head of a server's response and what it means.

use std::ops::Range;

use super::options::Options;
use super::request::{Declared, declared};
use super::{Field, Fields, Known, ParseError, Span, Version};

/// What follows the head of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFraming {
    /// Nothing.
    None,
    /// Exactly so many bytes; zero is possible.
    Length(u64),
    /// Chunks up to the last one, then trailers.
    Chunked,
    /// Everything up to the end of the connection.
    Close,
}

/// The head of one response.
#[derive(Debug, Default)]
pub struct ResponseHead {
    pub(in crate::proxy) fields: Fields,
    pub(in crate::proxy) scan: usize,
    /// Where the first line ends, if it came as one of HTTP/1.1 is written.
    line_end: usize,
    status: u16,
    reason: Span,
    version: Version,
    declared: Option<Declared>,
    options: Options,
}

impl ResponseHead {
    /// An empty head.
    #[must_use]
    pub fn new() -> ResponseHead {
        ResponseHead::default()
    }

    /// Forgets everything and keeps the memory. To be called before a head is used for another connection.
    pub fn clear(&mut self) {
        let Self { fields, scan, line_end, status, reason, version, declared, options } = self;
        fields.clear();
        (*scan, *line_end, *status) = (0, 0, 0);
        (*reason, *version, *declared, *options) = Default::default();
    }

    /// Sets status, reason and version of an empty head.
    pub fn set_line(&mut self, status: u16, reason: &[u8], version: Version) {
        self.status = status;
        self.reason = self.fields.store(reason);
        self.version = version;
    }

    /// Appends a field. The caller vouches for its syntax.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.fields.push(name, value);
    }

    /// The status code, 100 to 999.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The reason phrase; often empty.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        self.fields.slice(self.reason)
    }

    /// The version that the server speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// Whether this is an interim response. 101 counts as one here and is looked at first.
    #[must_use]
    pub fn is_informational(&self) -> bool {
        self.status < 200
    }

    /// What follows the head, which depends on the request.
    #[must_use]
    pub fn framing_for(&self, request_is_head: bool, request_is_connect: bool) -> ResponseFraming {
        let tunnel = request_is_connect && (200..300).contains(&self.status);
        if request_is_head || tunnel || self.never_has_body() {
            return ResponseFraming::None;
        }
        match self.declared {
            Some(Declared::Length(length)) => ResponseFraming::Length(length),
            Some(Declared::Chunked) => ResponseFraming::Chunked,
            Some(Declared::Nothing) | None => ResponseFraming::Close,
        }
    }

    /// The length that the server declared, whether or not that many bytes follow (HEAD, 304).
    #[must_use]
    pub fn declared_length(&self) -> Option<u64> {
        match self.declared {
            Some(Declared::Length(length)) => Some(length),
            _ => None,
        }
    }

    /// Whether the server declared chunks, whether or not any follow.
    #[must_use]
    pub fn declared_chunked(&self) -> bool {
        self.declared == Some(Declared::Chunked)
    }

    /// Whether the server would take another request on this connection. A final response that declares a
    /// body which it cannot have makes the bytes behind it doubtful: then the connection is not used again.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        // a 304 tells of the body that it stands for, rightly
        let doubtful = self.never_has_body()
            && self.status != 304
            && (self.declared_chunked() || self.declared_length().unwrap_or(0) > 0);
        !doubtful && !self.options.close && (self.version == Version::Http11 || self.options.keep_alive)
    }

    /// The protocol that the server switched to: `Some` only for a 101 over HTTP/1.1 whose `Connection` says
    /// `upgrade`.
    #[must_use]
    pub fn upgrade(&self) -> Option<&[u8]> {
        if self.status == 101 && self.version == Version::Http11 && self.options.upgrade {
            self.fields.get(Known::Upgrade)
        } else {
            None
        }
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

    /// Decides what the head means, or refuses it.
    pub fn seal(&mut self) -> Result<(), ParseError> {
        if !(100..=999).contains(&self.status) {
            return Err(ParseError::BadStatus);
        }
        self.declared = Some(declared(&self.fields, self.version)?);
        self.options = Options::read(&self.fields)?;
        Ok(())
    }

    pub(in crate::proxy) fn set_parsed_line(&mut self, status: u16, reason: Span, version: Version) {
        self.status = status;
        self.reason = reason;
        self.version = version;
    }

    /// The first line came as one of HTTP/1.1 is written, and ends here.
    pub(in crate::proxy) fn set_line_end(&mut self, end: usize) {
        self.line_end = end;
    }

    /// The first line as it came, if it can go on just so.
    pub(in crate::proxy) fn opening(&self) -> Range<usize> {
        0..self.line_end
    }

    fn never_has_body(&self) -> bool {
        self.status < 200 || self.status == 204 || self.status == 304
    }
}
