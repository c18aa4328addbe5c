//! Bodies, decoded step by step: a length, chunks, or all up to the end of the connection.
//!
//! The decoder holds no body bytes; it says which bytes of the caller's buffer are data. It may be fed in
//! pieces of any size.

use std::fmt;
use std::ops::Range;

use crate::proxy::head::{BodyFraming, ResponseFraming};

/// What one step found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// How many bytes of the input are dealt with.
    pub consumed: usize,
    /// Which of them are data of the body.
    pub data: Range<usize>,
    /// Whether the body is complete; bytes behind `consumed` belong to the next message.
    pub done: bool,
}

/// A body that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// A chunk's size line is malformed or too large a number.
    BadChunkSize,
    /// A chunk's extension holds a control byte or is too long.
    BadChunkExtension,
    /// A chunk does not end where its size says.
    BadChunkEnd,
    /// A trailer is malformed.
    BadTrailer,
    /// More trailers than the bound.
    TrailersTooLarge,
    /// The connection ended inside the body.
    Truncated,
}

/// Decodes one body.
#[derive(Debug)]
pub struct BodyDecoder {
    left: u64,
    trailers: Vec<u8>,
}

impl BodyDecoder {
    /// For a body of a known length.
    #[must_use]
    pub fn length(length: u64) -> BodyDecoder {
        BodyDecoder { left: length, trailers: Vec::new() }
    }

    /// For a chunked body.
    #[must_use]
    pub fn chunked() -> BodyDecoder {
        BodyDecoder::length(0)
    }

    /// For a body that ends with its connection.
    #[must_use]
    pub fn close() -> BodyDecoder {
        BodyDecoder::length(u64::MAX)
    }

    /// For what follows a request.
    #[must_use]
    pub fn for_request(framing: BodyFraming) -> BodyDecoder {
        match framing {
            BodyFraming::None => BodyDecoder::length(0),
            BodyFraming::Length(length) => BodyDecoder::length(length),
            BodyFraming::Chunked => BodyDecoder::chunked(),
        }
    }

    /// For what follows a response.
    #[must_use]
    pub fn for_response(framing: ResponseFraming) -> BodyDecoder {
        match framing {
            ResponseFraming::None => BodyDecoder::length(0),
            ResponseFraming::Length(length) => BodyDecoder::length(length),
            ResponseFraming::Chunked => BodyDecoder::chunked(),
            ResponseFraming::Close => BodyDecoder::close(),
        }
    }

    /// Takes one step over the input. Call again while the body is not done and input is left; a step over
    /// no input only tells whether the body is done.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, BodyError> {
        let _ = input;
        Ok(Piece { consumed: 0, data: 0..0, done: self.left == 0 })
    }

    /// Whether the body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left == 0
    }

    /// To be told that the connection ended: fine for a body that ends so, or one that is complete.
    pub fn end_of_input(&mut self) -> Result<(), BodyError> {
        if self.is_done() { Ok(()) } else { Err(BodyError::Truncated) }
    }

    /// The trailers of a chunked body that is done, as clean lines, each with its CRLF; forbidden ones are
    /// left out.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        &self.trailers
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for BodyError {}

/// Appends the line before a chunk of so many bytes, which must not be zero.
pub fn chunk_head(length: usize, out: &mut Vec<u8>) {
    let _ = (length, out);
}

/// Appends the end of a chunk.
pub fn chunk_end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

/// Appends the last chunk and the trailers, given as clean lines.
pub fn last_chunk(trailers: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}
