//! Heads to bytes: written anew from the parsed parts, by a plan.
//!
//! The plan says what changes; everything else keeps its order, case and bytes. Fields that concern one
//! connection only never pass.

use std::sync::Arc;

use crate::proxy::head::{BodyFraming, KnownSet, RequestHead, ResponseHead};

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
    /// `Connection: Upgrade` with the `Upgrade` field of the head.
    Upgrade,
}

/// The framing line to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FramingLine {
    /// None.
    #[default]
    Omit,
    /// What the received head declares, as for an answer to HEAD or a 304, which have no body.
    Keep,
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

impl Default for Names<'_> {
    fn default() -> Self {
        Names::Strs(&[])
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
    /// Cookies to take out of `Cookie` fields.
    pub strip_cookies: Names<'a>,
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
    /// The framing to write.
    pub framing: FramingLine,
    /// The connection line to write.
    pub connection: ConnectionLine,
    /// Lines to append, each with its CRLF.
    pub extra: &'a [u8],
}

/// Appends the head of the request to `out`. The version is always 1.1.
pub fn write_request(head: &RequestHead, plan: &RequestPlan<'_>, out: &mut Vec<u8>) {
    let _ = (head, plan, out);
}

/// Appends the head of the response to `out`. The version is always 1.1.
pub fn write_response(head: &ResponseHead, plan: &ResponsePlan<'_>, out: &mut Vec<u8>) {
    let _ = (head, plan, out);
}

/// How the body of a server's response goes to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The framing line for the client.
    pub framing: FramingLine,
    /// Whether the body's data must be written as chunks.
    pub chunked: bool,
    /// Whether only the end of the connection ends the body, so that it must be closed.
    pub close: bool,
}

impl Delivery {
    /// Decides from both heads.
    #[must_use]
    pub fn of(request: &RequestHead, response: &ResponseHead) -> Delivery {
        let _ = (request, response);
        Delivery { framing: FramingLine::Keep, chunked: false, close: false }
    }
}

/// A response that is made here.
#[derive(Debug, Clone, Copy)]
pub struct Simple<'a> {
    /// The status code.
    pub status: u16,
    /// The reason phrase; empty for the usual one.
    pub reason: &'a str,
    /// More fields.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; its length is declared even when it is not sent.
    pub body: &'a [u8],
    /// The value of `Date`.
    pub date: &'a [u8],
    /// Whether the connection is closed afterwards.
    pub close: bool,
    /// Whether the request was HEAD, so that no body is sent.
    pub is_head: bool,
}

/// Appends a whole response that is made here.
pub fn write_simple(response: &Simple<'_>, out: &mut Vec<u8>) {
    let _ = (response, out);
}

/// Appends one line `Name: a, b, added`: the members received under that name, joined in order, and one more.
pub fn append_list_value<'v>(
    name: &str,
    received: impl Iterator<Item = &'v [u8]>,
    added: &[u8],
    out: &mut Vec<u8>,
) {
    let _ = (name, received, added, out);
}
