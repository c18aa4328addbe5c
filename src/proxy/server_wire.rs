//! The server's side of an exchange: an HTTP/1 connection, or one stream of an HTTP/2 connection.
//!
//! The mirror image of the client's side ([`super::wire`]): an exchange writes a request and reads its answer
//! through this, and so exists once for both versions.

use std::io;
use std::task::{Context, Poll};

use super::buffer::Buffer;
use super::failure::Failure;
use super::head::{BodyFraming, ResponseFraming};
use super::http1::BodyDecoder;
use super::http2::ServerStream;
use super::pump::{Framed, Sink, Source};
use super::stream::Stream;

/// Where a request goes and its answer comes from.
#[derive(Debug)]
pub(crate) enum ServerWire {
    /// A connection of which this request is the current one.
    Http1(Stream),
    /// One of a connection's streams.
    Http2(Box<ServerStream>),
}

impl ServerWire {
    /// Whether it is a stream of HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// How a request's body is framed for the server.
    pub(crate) fn request_framing(&self, framing: BodyFraming) -> Framed {
        match self {
            Self::Http1(_) if framing == BodyFraming::Chunked => Framed::Chunked,
            Self::Http1(_) => Framed::Raw,
            Self::Http2(_) => Framed::Messages,
        }
    }

    /// What finds the body in the bytes of an answer. HTTP/2 has framed it already, and checked its length.
    pub(crate) fn answer_decoder(&self, framing: ResponseFraming) -> BodyDecoder {
        match (self, framing) {
            (Self::Http1(_), _) | (_, ResponseFraming::None) => BodyDecoder::for_response(framing),
            (Self::Http2(_), _) => BodyDecoder::close(),
        }
    }

    /// What an answer that came this way says in `Via`.
    pub(crate) fn via(&self) -> &'static [u8; 7] {
        match self {
            Self::Http1(_) => b"1.1 lbd",
            Self::Http2(_) => b"2.0 lbd",
        }
    }

    /// Takes a serialised request head; `whole` when no body follows. HTTP/1 leaves it where it is, to be written
    /// together with the body.
    pub(crate) fn begin(&mut self, head: &mut Vec<u8>, whole: bool) -> Result<(), Failure> {
        if let Self::Http2(stream) = self {
            stream.begin(head, whole)?;
            head.clear();
        }
        Ok(())
    }

    /// What was sent of the request's body, if it can be sent again.
    pub(crate) fn take_sent(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Http1(_) => None,
            Self::Http2(stream) => stream.take_sent(),
        }
    }

    /// Whether it is worth to read, as far as that is known without reading.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1(stream) => stream.poll_readable(cx),
            Self::Http2(_) => Poll::Ready(()),
        }
    }
}

impl Source for ServerWire {
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(stream) => stream.poll_fill(cx, buffer),
            Self::Http2(stream) => stream.poll_fill(cx, buffer),
        }
    }

    fn trailers(&self) -> &[u8] {
        match self {
            Self::Http1(_) => b"",
            Self::Http2(stream) => stream.trailers(),
        }
    }
}

impl Sink for ServerWire {
    fn poll_send(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(stream) => stream.poll_send(cx, first, second),
            Self::Http2(stream) => stream.poll_send(cx, if first.is_empty() { second } else { first }),
        }
    }

    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Http1(stream) => stream.poll_push(cx),
            Self::Http2(stream) => Poll::Ready(stream.flush()),
        }
    }

    fn end(&mut self, trailers: &[u8]) {
        if let Self::Http2(stream) = self {
            stream.end(trailers);
        }
    }
}
