//! The client's side of an exchange: an HTTP/1 connection, or one HTTP/2 stream.
//!
//! An exchange reads a request's body and writes an answer through this, and so exists once for both
//! versions. An enum, not a trait object: a tag is tested where HTTP/1 would otherwise be called straight.

use std::io;
use std::task::{Context, Poll};

use super::buffer::Buffer;
use super::head::BodyFraming;
use super::http1::BodyDecoder;
use super::http2::Http2Stream;
use super::pump::{Framed, Sink, Source};
use super::stream::Stream;

/// Where a request comes from and its answer goes.
#[derive(Debug)]
pub(crate) enum Wire {
    /// A connection of which this request is the current one.
    Http1(Stream),
    /// One of a connection's streams.
    Http2(Box<Http2Stream>),
}

impl Wire {
    /// Whether the client's bytes were encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        match self {
            Self::Http1(stream) => stream.is_tls(),
            Self::Http2(stream) => stream.is_tls(),
        }
    }

    /// Whether it is a stream of HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2(_))
    }

    /// What finds the body in the bytes of a request. HTTP/2 has framed it already, so that one without a
    /// declared length is all that comes.
    pub(crate) fn request_decoder(&self, framing: BodyFraming) -> BodyDecoder {
        match (self, framing) {
            (Self::Http2(_), BodyFraming::Chunked) => BodyDecoder::close(),
            _ => BodyDecoder::for_request(framing),
        }
    }

    /// How a body is framed for the client.
    pub(crate) fn answer_framing(&self, chunked: bool) -> Framed {
        match self {
            Self::Http1(_) if chunked => Framed::Chunked,
            Self::Http1(_) => Framed::Raw,
            Self::Http2(_) => Framed::Messages,
        }
    }

    /// Takes a serialised answer head that a body follows. HTTP/1 leaves it where it is, to be written
    /// together with the body.
    pub(crate) fn begin(&mut self, head: &mut Vec<u8>) -> io::Result<()> {
        if let Self::Http2(stream) = self {
            stream.begin(head)?;
            head.clear();
        }
        Ok(())
    }

    /// Whether the client would take any 2xx for a tunnel.
    pub(crate) fn is_connect(&self) -> bool {
        matches!(self, Self::Http2(stream) if stream.is_connect())
    }

    /// Whether the client gave the stream up, as far as that can be known without reading.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1(_) => Poll::Pending,
            Self::Http2(stream) => stream.poll_gone(cx),
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

impl Source for Wire {
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        match self {
            Self::Http1(stream) => stream.poll_fill(cx, buffer),
            Self::Http2(stream) => stream.poll_fill(cx, buffer),
        }
    }

    fn may_give(&self) -> bool {
        match self {
            Self::Http1(stream) => stream.may_be_readable(),
            Self::Http2(_) => true,
        }
    }

    fn trailers(&self) -> &[u8] {
        match self {
            Self::Http1(_) => b"",
            Self::Http2(stream) => stream.trailers(),
        }
    }
}

impl Sink for Wire {
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

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Http1(stream) => Sink::poll_shutdown(stream, cx),
            Self::Http2(stream) => {
                stream.end(b"");
                Poll::Ready(Ok(()))
            }
        }
    }

    fn end(&mut self, trailers: &[u8]) {
        if let Self::Http2(stream) = self {
            stream.end(trailers);
        }
    }
}
