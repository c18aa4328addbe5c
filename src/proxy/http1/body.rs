//! Bodies, decoded step by step: a length, chunks, or all up to the end of the connection.
//!
//! The decoder holds no body bytes; it says which bytes of the caller's buffer are data. It may be fed in
//! pieces of any size, and a body that cannot be read in exactly one way is refused.

use std::fmt;
use std::ops::Range;

use super::trailers::Trailers;
use crate::proxy::head::{BodyFraming, ResponseFraming};

/// The most hexadecimal digits of a chunk's size: sixty bits.
const MAX_SIZE_DIGITS: u8 = 15;
/// The most bytes of the extensions of one chunk.
const MAX_EXTENSION: u32 = 4 * 1024;
/// The most bytes of the extensions of all chunks of a body. Many tiny chunks with long extensions cost more
/// to read than they carry.
const MAX_EXTENSIONS: u32 = 16 * 1024;

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
    state: State,
    extensions: u32,
    trailers: Trailers,
}

/// Where in the body the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length(u64),
    Close,
    Size { size: u64, digits: u8 },
    Extension { size: u64, length: u32 },
    SizeLf { size: u64 },
    Data(u64),
    DataCr,
    DataLf,
    Trailers,
    Done,
}

impl BodyDecoder {
    /// For a body of a known length.
    #[must_use]
    pub fn length(length: u64) -> BodyDecoder {
        BodyDecoder::from(if length == 0 { State::Done } else { State::Length(length) })
    }

    /// For a chunked body.
    #[must_use]
    pub fn chunked() -> BodyDecoder {
        BodyDecoder::from(State::Size { size: 0, digits: 0 })
    }

    /// For a body that ends with its connection.
    #[must_use]
    pub fn close() -> BodyDecoder {
        BodyDecoder::from(State::Close)
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

    /// Takes one step: up to the next data and over it, or over all of the input when it holds none.
    ///
    /// Call again with what is behind `consumed` while input is left and the body is not done. After an error
    /// nothing more may be read from the connection.
    pub fn next(&mut self, input: &[u8]) -> Result<Piece, BodyError> {
        let mut at = 0;
        loop {
            match &mut self.state {
                State::Done => return Ok(Piece { consumed: at, data: at..at, done: true }),
                State::Close => {
                    return Ok(Piece { consumed: input.len(), data: at..input.len(), done: false });
                }
                State::Length(left) => {
                    let taken = take(left, input.len() - at);
                    if *left == 0 {
                        self.state = State::Done;
                    }
                    return Ok(Piece { consumed: at + taken, data: at..at + taken, done: self.is_done() });
                }
                State::Data(left) if at < input.len() => {
                    let taken = take(left, input.len() - at);
                    if *left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Piece { consumed: at + taken, data: at..at + taken, done: false });
                }
                _ => {}
            }
            let Some(&byte) = input.get(at) else {
                return Ok(Piece { consumed: at, data: at..at, done: false });
            };
            at += 1;
            self.state = self.step(byte)?;
        }
    }

    /// Whether the body is complete.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// To be told that the connection ended: fine for a body that ends so, or one that is complete.
    pub fn eof(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Done => Ok(()),
            State::Close => {
                self.state = State::Done;
                Ok(())
            }
            _ => Err(BodyError::Truncated),
        }
    }

    /// How many bytes are still to come, when that is known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            _ => None,
        }
    }

    /// The trailers of a chunked body that is done, as clean lines, each with its CRLF; forbidden ones are
    /// left out.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        self.trailers.lines()
    }

    /// Takes the lines of trailers that came beside a body, not in its bytes; as strict as for those.
    pub fn add_trailers(&mut self, lines: &[u8]) -> Result<(), BodyError> {
        lines.iter().try_for_each(|byte| self.trailers.push(*byte).map(|_| ()))
    }

    fn from(state: State) -> BodyDecoder {
        BodyDecoder { state, extensions: 0, trailers: Trailers::default() }
    }

    /// One byte of what frames the chunks.
    fn step(&mut self, byte: u8) -> Result<State, BodyError> {
        match (self.state, byte) {
            (State::Size { size, digits }, b'\r') if digits > 0 => Ok(State::SizeLf { size }),
            (State::Size { size, digits }, b';') if digits > 0 => Ok(State::Extension { size, length: 0 }),
            (State::Size { size, digits }, _) => match (byte as char).to_digit(16) {
                Some(digit) if digits < MAX_SIZE_DIGITS => {
                    Ok(State::Size { size: size << 4 | u64::from(digit), digits: digits + 1 })
                }
                _ => Err(BodyError::BadChunkSize),
            },
            (State::Extension { size, .. }, b'\r') => Ok(State::SizeLf { size }),
            (State::Extension { size, length }, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extensions += 1;
                if length == MAX_EXTENSION || self.extensions > MAX_EXTENSIONS {
                    return Err(BodyError::BadChunkExtension);
                }
                Ok(State::Extension { size, length: length + 1 })
            }
            (State::Extension { .. }, _) => Err(BodyError::BadChunkExtension),
            (State::SizeLf { size: 0 }, b'\n') => Ok(State::Trailers),
            (State::SizeLf { size }, b'\n') => Ok(State::Data(size)),
            (State::SizeLf { .. }, _) => Err(BodyError::BadChunkSize),
            (State::DataCr, b'\r') => Ok(State::DataLf),
            (State::DataLf, b'\n') => Ok(State::Size { size: 0, digits: 0 }),
            (State::DataCr | State::DataLf, _) => Err(BodyError::BadChunkEnd),
            (State::Trailers, _) => Ok(if self.trailers.push(byte)? { State::Done } else { State::Trailers }),
            (state @ (State::Length(_) | State::Close | State::Data(_) | State::Done), _) => Ok(state),
        }
    }
}

impl BodyError {
    /// One sentence for a log line and for the answer's body.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            BodyError::BadChunkSize => "a chunk's size is malformed",
            BodyError::BadChunkExtension => "a chunk's extension is malformed or too long",
            BodyError::BadChunkEnd => "a chunk does not end where its size says",
            BodyError::BadTrailer => "a trailer is malformed",
            BodyError::TrailersTooLarge => "the trailers are too large",
            BodyError::Truncated => "the connection ended inside the body",
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for BodyError {}

/// Appends the line before a chunk of so many bytes. Nothing for an empty one, which would end the body.
pub fn chunk_head(length: usize, out: &mut Vec<u8>) {
    if length == 0 {
        return;
    }
    let digits = (usize::BITS - length.leading_zeros()).div_ceil(4);
    out.extend((0..digits).rev().map(|place| b"0123456789abcdef"[length >> (4 * place) & 15]));
    out.extend_from_slice(b"\r\n");
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

/// Takes up to `available` off what is left.
fn take(left: &mut u64, available: usize) -> usize {
    let taken = usize::try_from(*left).map_or(available, |left| left.min(available));
    *left -= taken as u64;
    taken
}

#[cfg(test)]
mod tests;
