//! Heads to bytes: written anew from the parsed parts, by a plan.
//!
//! The plan says what changes; everything else keeps its order, case and bytes. Fields that concern one
//! connection only never pass, nor do fields that a server could mistake for those: `Content_Length` reads as
//! `Content-Length` behind some gateways.

use std::sync::Arc;

use crate::pool::MarkedCookie;
use crate::proxy::head::{
    BodyFraming, Fate, Field, FieldFate, Fields, Known, KnownSet, RequestHead, ResponseHead, Standing,
    keep_cookies,
};

/// The `Connection` line to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConnectionLine {
    /// None: the version's default.
    #[default]
    None,
    /// `Connection: close`.
    Close,
    /// `Connection: keep-alive`, for a 1.0 client.
    KeepAlive,
    /// `Connection: Upgrade`, and the `Upgrade` field of the head.
    Upgrade,
}

/// The framing line to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FramingLine {
    /// None.
    #[default]
    Omit,
    /// `Content-Length`.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

impl From<BodyFraming> for FramingLine {
    fn from(framing: BodyFraming) -> FramingLine {
        match framing {
            BodyFraming::None => FramingLine::Omit,
            BodyFraming::Length(length) => FramingLine::Length(length),
            BodyFraming::Chunked => FramingLine::Chunked,
        }
    }
}

/// A borrowed list of names, in whatever form its owner keeps it. Field names are lower-case.
#[derive(Debug, Clone, Copy)]
pub enum Names<'a> {
    /// Literals.
    Strs(&'a [&'a str]),
    /// Owned strings.
    Owned(&'a [String]),
    /// Shared strings.
    Shared(&'a [Arc<str>]),
}

impl Names<'_> {
    /// No name.
    pub const NONE: Names<'static> = Names::Strs(&[]);

    /// Whether the list is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Names::Strs(names) => names.is_empty(),
            Names::Owned(names) => names.is_empty(),
            Names::Shared(names) => names.is_empty(),
        }
    }

    /// Whether one of the names passes the test.
    #[inline]
    pub fn any(&self, mut test: impl FnMut(&str) -> bool) -> bool {
        match self {
            Names::Strs(names) => names.iter().any(|name| test(name)),
            Names::Owned(names) => names.iter().any(|name| test(name)),
            Names::Shared(names) => names.iter().any(|name| test(name)),
        }
    }

    /// Whether this field name is meant, in any case and with `_` read as `-`.
    #[must_use]
    #[inline]
    pub fn means(&self, field: &[u8]) -> bool {
        // Nearly always: it is asked for each field of each head.
        !self.is_empty() && self.mean(field)
    }

    fn mean(&self, field: &[u8]) -> bool {
        let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
        self.any(|name| {
            name.len() == field.len() && name.bytes().zip(field).all(|(a, &b)| plain(a) == plain(b))
        })
    }
}

impl Default for Names<'_> {
    fn default() -> Self {
        Names::NONE
    }
}

impl<'a> From<&'a [&'a str]> for Names<'a> {
    fn from(names: &'a [&'a str]) -> Names<'a> {
        Names::Strs(names)
    }
}

impl<'a> From<&'a [String]> for Names<'a> {
    fn from(names: &'a [String]) -> Names<'a> {
        Names::Owned(names)
    }
}

impl<'a> From<&'a [Arc<str>]> for Names<'a> {
    fn from(names: &'a [Arc<str>]) -> Names<'a> {
        Names::Shared(names)
    }
}

/// How a request is written to a server.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestPlan<'a> {
    /// The path to send.
    pub path: &'a [u8],
    /// The query to send, without `?`.
    pub query: Option<&'a [u8]>,
    /// `Host` to send instead of the client's authority. Must be given for a 1.0 request without `Host`, or an
    /// empty one is sent.
    pub host: Option<&'a [u8]>,
    /// Known fields to drop; their underscore spellings go too.
    pub drop_known: KnownSet,
    /// More fields to drop, by lower-case name; their underscore spellings go too.
    pub drop: Names<'a>,
    /// Fields that stay even when `Connection` names them, because a rule has read them; lower-case.
    pub keep: Names<'a>,
    /// Cookies to take out of `Cookie` fields. Names of cookies are compared byte for byte.
    pub strip_cookies: Names<'a>,
    /// Cookies of the application whose marks are taken off.
    pub unmark_cookies: &'a [Arc<MarkedCookie>],
    /// The framing to write.
    pub framing: FramingLine,
    /// The connection line to write.
    pub connection: ConnectionLine,
    /// Lines to append, each with its CRLF.
    pub extra: &'a [u8],
}

/// How a response is written to a client.
#[derive(Debug, Clone, Copy, Default)]
pub struct ResponsePlan<'a> {
    /// Known fields to drop.
    pub drop_known: KnownSet,
    /// More fields to drop, by lower-case name.
    pub drop: Names<'a>,
    /// The framing to write; `Delivery` knows it.
    pub framing: FramingLine,
    /// The connection line to write.
    pub connection: ConnectionLine,
    /// Lines to append, each with its CRLF.
    pub extra: &'a [u8],
}

/// Fields of one connection, and those that are always written anew.
const REWRITTEN: KnownSet = KnownSet::of(&[
    Known::Connection,
    Known::ContentLength,
    Known::Host,
    Known::Http2Settings,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::Te,
    Known::TransferEncoding,
    Known::Upgrade,
]);

/// Fields that `Connection` cannot take away: without them a server would take the request for another one, or
/// for another client's.
const PROTECTED: KnownSet = KnownSet::of(&[
    Known::Authorization,
    Known::CacheControl,
    Known::ContentEncoding,
    Known::ContentType,
    Known::Cookie,
    Known::Date,
    Known::Forwarded,
    Known::Location,
    Known::Origin,
    Known::RetryAfter,
    Known::SecWebSocketAccept,
    Known::SecWebSocketExtensions,
    Known::SecWebSocketKey,
    Known::SecWebSocketProtocol,
    Known::SecWebSocketVersion,
    Known::SetCookie,
    Known::Via,
    Known::XForwardedFor,
    Known::XForwardedHost,
    Known::XForwardedPort,
    Known::XForwardedProto,
    Known::XRealIp,
    Known::XRequestId,
]);

/// Appends the head of the request to `out`, in version 1.1: `Host` first, then the fields in their order, then
/// the extra lines, then framing and `Connection`.
pub fn write_request(head: &RequestHead, plan: &RequestPlan<'_>, out: &mut Vec<u8>) {
    write_request_fields(head, plan, out);
    end_request(head, plan, out);
}

/// Appends the request's line, fields and extra lines. More may be appended, each with its CRLF, before [`end_request`].
pub(in crate::proxy) fn write_request_fields(head: &RequestHead, plan: &RequestPlan<'_>, out: &mut Vec<u8>) {
    let opening = if plan.host.is_none() { head.opening(plan.path, plan.query) } else { None };
    if opening.is_none() {
        write_opening(head, plan, out);
    }
    let named = |field: Standing<'_>| {
        head.connection_names_fields()
            && !PROTECTED.has(field.known())
            && !plan.keep.means(field.name())
            && head.connection_options().any(|option| option.eq_ignore_ascii_case(field.name()))
    };
    let dropped = REWRITTEN.with(plan.drop_known);
    let edits = !plan.strip_cookies.is_empty() || !plan.unmark_cookies.is_empty();
    let fate = |field: Standing<'_>| {
        let gone = dropped.has(field.known())
            || (field.known() == Known::Other && dropped.has(Known::alias_of(field.name())))
            || (!plan.drop.is_empty() && plan.drop.means(field.name()))
            || named(field);
        match field.known() {
            _ if gone => FieldFate::Goes,
            Known::Cookie if edits => FieldFate::Edited,
            _ => FieldFate::Stays,
        }
    };
    let write = |field: &Field<'_>, out: &mut Vec<u8>| match field.known {
        Known::Cookie if edits => write_cookies(field, plan, out),
        _ => write_field(field.name, field.value, out),
    };
    head.fields.pass_on(opening.unwrap_or_default(), fate, write, out);
    out.extend_from_slice(plan.extra);
}

/// The first line and `Host`.
fn write_opening(head: &RequestHead, plan: &RequestPlan<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(head.method_bytes());
    out.push(b' ');
    out.extend_from_slice(plan.path);
    if let Some(query) = plan.query {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let host_name = head.fields().find(|field| field.known == Known::Host).map_or(&b"Host"[..], |f| f.name);
    write_field(host_name, plan.host.or(head.authority()).unwrap_or_default(), out);
}

/// Appends framing and `Connection`, and ends the head.
pub(in crate::proxy) fn end_request(head: &RequestHead, plan: &RequestPlan<'_>, out: &mut Vec<u8>) {
    write_framing(plan.framing, out);
    let trailers = head.all_known(Known::Te).any(|value| value.eq_ignore_ascii_case(b"trailers"));
    if trailers {
        out.extend_from_slice(b"TE: trailers\r\n");
    }
    write_connection(plan.connection, trailers, head.get_known(Known::Upgrade), out);
    out.extend_from_slice(b"\r\n");
}

/// Appends the head of the response to `out`, in version 1.1: the fields in their order, then the extra lines,
/// then framing and `Connection`.
pub fn write_response(head: &ResponseHead, plan: &ResponsePlan<'_>, out: &mut Vec<u8>) {
    write_response_fields(head, plan, out);
    end_response(head, plan, out);
}

/// Appends the response's line, fields and extra lines. More may be appended, each with its CRLF, before
/// [`end_response`].
pub(in crate::proxy) fn write_response_fields(
    head: &ResponseHead,
    plan: &ResponsePlan<'_>,
    out: &mut Vec<u8>,
) {
    let opening = head.opening();
    if opening.is_empty() {
        write_status_line(head.status(), head.reason(), out);
    }
    let named = |field: Standing<'_>| {
        head.connection_names_fields()
            && !PROTECTED.has(field.known())
            && head.connection_options().any(|option| option.eq_ignore_ascii_case(field.name()))
    };
    let dropped = REWRITTEN.with(plan.drop_known);
    let fate = |field: Standing<'_>| {
        let gone = dropped.has(field.known())
            || (!plan.drop.is_empty() && plan.drop.means(field.name()))
            || named(field);
        if gone { FieldFate::Goes } else { FieldFate::Stays }
    };
    head.fields.pass_on(opening, fate, |field, out| write_field(field.name, field.value, out), out);
    out.extend_from_slice(plan.extra);
}

/// Appends framing and `Connection`, and ends the head.
pub(in crate::proxy) fn end_response(head: &ResponseHead, plan: &ResponsePlan<'_>, out: &mut Vec<u8>) {
    write_framing(plan.framing, out);
    write_connection(plan.connection, false, head.get_known(Known::Upgrade), out);
    out.extend_from_slice(b"\r\n");
}

/// Appends one field line. The caller vouches for the syntax of both parts.
pub fn write_field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a line `Via` with one more who passed the message on.
pub(in crate::proxy) fn append_via(received: &Fields, added: &[u8; 7], out: &mut Vec<u8>) {
    if received.has(Known::Via) {
        return append_list_value("Via", received.all(Known::Via), added, out);
    }
    let mut line = *b"Via: 1.1 lbd\r\n";
    line[5..12].copy_from_slice(added);
    out.extend_from_slice(&line);
}

/// Appends one line `Name: a, b, added`: the values received under that name, joined in order, and one more.
// Inlined: the texts that are added are constants, and copied as such.
#[inline]
pub fn append_list_value<'v>(
    name: &str,
    received: impl Iterator<Item = &'v [u8]>,
    added: &[u8],
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    for value in received.filter(|value| !value.is_empty()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(added);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn write_status_line(status: u16, reason: &[u8], out: &mut Vec<u8>) {
    let digit = |place: u16| b'0' + (status / place % 10) as u8;
    let mut line = *b"HTTP/1.1 000 ";
    line[9..12].copy_from_slice(&[digit(100), digit(10), digit(1)]);
    out.extend_from_slice(&line);
    out.extend_from_slice(reason);
    out.extend_from_slice(b"\r\n");
}

pub(super) fn write_framing(framing: FramingLine, out: &mut Vec<u8>) {
    match framing {
        FramingLine::Omit => {}
        FramingLine::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        FramingLine::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
}

fn write_cookies(field: &Field<'_>, plan: &RequestPlan<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(field.name);
    out.extend_from_slice(b": ");
    if keep_cookies(field.value, &|name, value| fate(plan, name, value), out) {
        out.extend_from_slice(b"\r\n");
    } else {
        out.truncate(start);
    }
}

fn fate<'v>(plan: &RequestPlan<'_>, name: &[u8], value: &'v [u8]) -> Fate<'v> {
    if plan.strip_cookies.any(|own| own.as_bytes() == name) {
        return Fate::Drop;
    }
    let marked = plan.unmark_cookies.iter().filter(|cookie| cookie.name.as_bytes() == name);
    let bare = marked.fold(value, |value, cookie| cookie.bare(value));
    if bare.len() == value.len() { Fate::Keep } else { Fate::Trim(bare) }
}

fn write_connection(line: ConnectionLine, te: bool, upgrade: Option<&[u8]>, out: &mut Vec<u8>) {
    let option: &[u8] = match line {
        ConnectionLine::None => b"",
        ConnectionLine::Close => b"close",
        ConnectionLine::KeepAlive => b"keep-alive",
        ConnectionLine::Upgrade => b"Upgrade",
    };
    match (option, te) {
        (b"", false) => {}
        (b"", true) => out.extend_from_slice(b"Connection: TE\r\n"),
        (option, false) => write_field(b"Connection", option, out),
        (option, true) => append_list_value("Connection", std::iter::once(option), b"TE", out),
    }
    if let (ConnectionLine::Upgrade, Some(protocol)) = (line, upgrade) {
        write_field(b"Upgrade", protocol, out);
    }
}

#[cfg(test)]
mod tests;
