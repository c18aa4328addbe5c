//! One body on its way from one stream to the other, without ever holding more than a buffer of it.
//!
//! What arrives is decoded by its framing and written anew by ours, so one message in is one message
//! out. The pump borrows a read buffer only while bytes are in hand; what is in hand when its peer is
//! slow stays in that one buffer, which is all the memory a stalled body costs.

use std::io;
use std::task::{Context, Poll, ready};

use super::buffer::{Buffer, BufferPool, SMALL};
use super::compress::{Encoder, STEP};
use super::exchange::RequestCopy;
use super::http1::{BodyDecoder, chunk_end, chunk_head, last_chunk};

/// A body up to this size is copied behind its head: one plain `send` is cheaper than a `writev`.
const COPIED: usize = 4096;
/// Serialised bytes that may wait for a slow receiver.
const OUT_MOST: usize = 64 * 1024;

/// Why a body did not arrive whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PumpError {
    /// The sender's stream failed.
    From,
    /// The sender's stream ended too early.
    Truncated,
    /// The sender's framing is broken.
    Framing,
    /// More than the route allows.
    TooLarge,
    /// The receiver's stream failed.
    To,
    /// The body could not be encoded.
    Encoder,
}

/// How a body is framed for its receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framed {
    /// As it is: a declared length, or until the stream ends.
    Raw,
    /// In chunks.
    Chunked,
    /// By the frames of HTTP/2: bare data, then an end with trailers.
    Messages,
}

/// Where a body comes from.
pub(crate) trait Source {
    /// Reads into the buffer's room; zero is the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>>;

    /// Whether there may be something, as far as it is known without asking to be woken.
    fn may_give(&self) -> bool {
        true
    }

    /// The lines of trailers that came with the end.
    fn trailers(&self) -> &[u8];
}

/// Where a body goes.
pub(crate) trait Sink {
    /// Writes some of both parts; at least one byte, or an error.
    fn poll_send(&mut self, cx: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>>;

    /// Hands on what was written.
    fn poll_push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Nothing more will be sent.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end(b"");
        self.poll_push(cx)
    }

    /// The body is whole, where bytes do not say so ([`Framed::Messages`]).
    fn end(&mut self, trailers: &[u8]);
}

/// One body, one direction. Begun again for each body where it stands: it is too large to be moved about.
#[derive(Debug)]
pub(crate) struct Pump {
    decoder: BodyDecoder,
    framed: Framed,
    /// Bytes from the sender; the first `pending` are decoded.
    input: Option<Buffer>,
    /// Decoded bytes at the front of `input` that are to be written as they are.
    pending: usize,
    /// Serialised bytes that go out before `pending`: the head, chunk lines, copied data.
    out: Vec<u8>,
    sent: usize,
    /// Body bytes decoded so far.
    moved: u64,
    /// Bytes written so far, the head's included.
    written: u64,
    limit: Option<u64>,
    /// Who gets a copy.
    copy: Option<Box<RequestCopy>>,
    /// What the body is compressed with.
    encoder: Option<Box<Encoder>>,
    decoded_all: bool,
    finished: bool,
    /// More than a small buffer is to come, or the last read filled its buffer: the next one borrows a large one.
    /// Steps of 256 KiB halve the processor time of a megabyte against steps of 16 KiB.
    wide: bool,
}

impl Default for Pump {
    fn default() -> Self {
        Self {
            decoder: BodyDecoder::length(0),
            framed: Framed::Raw,
            input: None,
            pending: 0,
            out: Vec::new(),
            sent: 0,
            moved: 0,
            written: 0,
            limit: None,
            copy: None,
            encoder: None,
            decoded_all: false,
            finished: false,
            wide: false,
        }
    }
}

impl Pump {
    /// Sends `out` (a head) and then the body that `decoder` finds in `input` and in what follows it.
    pub(crate) fn begin(
        &mut self,
        decoder: BodyDecoder,
        framed: Framed,
        out: Vec<u8>,
        input: Option<Buffer>,
    ) -> &mut Self {
        self.wide = decoder.remaining().is_some_and(|length| length > SMALL as u64);
        (self.decoder, self.framed, self.out, self.input) = (decoder, framed, out, input);
        (self.pending, self.sent, self.moved, self.written) = (0, 0, 0, 0);
        (self.limit, self.copy, self.encoder) = (None, None, None);
        (self.decoded_all, self.finished) = (false, false);
        self
    }

    /// Lets go of what it holds for a body; to be begun before it is used again.
    pub(crate) fn clear(&mut self) {
        (self.input, self.copy, self.encoder) = (None, None, None);
        (self.out, self.written) = (Vec::new(), 0);
    }

    /// With a largest size.
    pub(crate) fn limited(&mut self, limit: Option<u64>) -> &mut Self {
        self.limit = limit;
        self
    }

    /// With a copy of it for somebody else.
    pub(crate) fn copied(&mut self, copy: Option<Box<RequestCopy>>) -> &mut Self {
        self.copy = copy;
        self
    }

    /// The same body for another receiver: what the last one was `sent` goes first. Only for
    /// [`Framed::Messages`], where what is sent are the body's own bytes.
    pub(crate) fn again(&mut self, mut sent: Vec<u8>) -> Box<Self> {
        debug_assert!(self.framed == Framed::Messages, "what was sent is bare data");
        sent.extend_from_slice(&self.out[self.sent..]);
        self.out = sent;
        self.sent = 0;
        self.finished = false;
        Box::new(std::mem::take(self))
    }

    /// Compressed.
    pub(crate) fn encoded(&mut self, encoder: Option<Box<Encoder>>) -> &mut Self {
        self.encoder = encoder;
        self
    }

    /// Body bytes for the receiver so far, compressed where they are.
    pub(crate) fn delivered(&self) -> u64 {
        self.encoder.as_ref().map_or(self.moved, |encoder| encoder.produced())
    }

    /// Body bytes that passed so far.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// Bytes that the receiver took so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// A figure that grows with every byte read or written: unchanged means a stall.
    pub(crate) fn progress(&self) -> u64 {
        self.moved.wrapping_add(self.written)
    }

    /// Whether everything was handed to the receiver.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether the receiver is what it waits for: to take bytes, or, over TLS, to let the last ones go.
    pub(crate) fn waits_for_receiver(&self) -> bool {
        self.pending > 0 || self.sent < self.out.len() || (self.decoded_all && !self.finished)
    }

    /// The bytes behind the body: of the next message, or of nobody.
    pub(crate) fn take_input(&mut self) -> Option<Buffer> {
        self.input.take()
    }

    /// The serialised bytes' vector, empty, for reuse.
    pub(crate) fn take_out(&mut self) -> Vec<u8> {
        self.out.clear();
        self.sent = 0;
        std::mem::take(&mut self.out)
    }

    /// Moves what can be moved. Ready when the whole body is with the receiver's kernel.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Source,
        to: &mut impl Sink,
        buffers: &BufferPool,
    ) -> Poll<Result<(), PumpError>> {
        if let Some(encoder) = &mut self.encoder {
            encoder.begin_slice();
        }
        loop {
            // Before writing: a head shares its segment with the body bytes at hand.
            self.decode(buffers)?;
            ready!(self.poll_write(cx, to))?;
            self.give_back(buffers);
            if self.decoded_all {
                if self.framed == Framed::Messages {
                    to.end(self.decoder.trailers());
                }
                ready!(to.poll_push(cx)).map_err(|_| PumpError::To)?;
                self.finished = true;
                return Poll::Ready(Ok(()));
            }
            if self.encoder.as_ref().is_some_and(|encoder| encoder.slice_is_over()) {
                // Encoding is work, not waiting: others have their turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.input.is_none() && self.poll_read(cx, from, buffers)?.is_pending() {
                if self.let_go()? {
                    continue;
                }
                let _ = to.poll_push(cx).map_err(|_| PumpError::To)?;
                return Poll::Pending;
            }
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut impl Source,
        buffers: &BufferPool,
    ) -> Poll<Result<(), PumpError>> {
        debug_assert!(self.pending == 0, "reads only when nothing is left to write");
        let mut buffer = if self.wide { buffers.large() } else { buffers.small() };
        match from.poll_fill(cx, &mut buffer) {
            Poll::Pending => {
                buffers.give(buffer);
                Poll::Pending
            }
            Poll::Ready(Err(_)) => {
                buffers.give(buffer);
                Poll::Ready(Err(PumpError::From))
            }
            Poll::Ready(Ok(0)) => {
                buffers.give(buffer);
                if self.decoder.eof().is_ok() {
                    Poll::Ready(self.decoder.add_trailers(from.trailers()).map_err(|_| PumpError::Framing))
                } else {
                    Poll::Ready(Err(PumpError::Truncated))
                }
            }
            Poll::Ready(Ok(n)) => {
                self.wide = n == buffer.capacity() || n > SMALL;
                self.input = Some(buffer);
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Decodes what is at hand: data that is framed alike on both sides stays where it is, other data is
    /// copied behind its new chunk line.
    fn decode(&mut self, buffers: &BufferPool) -> Result<(), PumpError> {
        while self.pending == 0 && !self.decoder.is_done() && self.out.len() - self.sent < OUT_MOST {
            let Some(input) = self.input.as_mut().filter(|input| !input.is_empty()) else { break };
            let most = if self.encoder.is_some() { STEP } else { usize::MAX };
            let bytes = &input.bytes()[..input.bytes().len().min(most)];
            let piece = self.decoder.next(bytes).map_err(|_| PumpError::Framing)?;
            self.moved += piece.data.len() as u64;
            if self.limit.is_some_and(|limit| self.moved > limit) {
                return Err(PumpError::TooLarge);
            }
            if piece.consumed == 0 {
                break;
            }
            if let Some(copy) = &mut self.copy
                && !copy.push(&bytes[piece.data.clone()])
            {
                self.copy = None;
            }
            if let Some(encoder) = &mut self.encoder {
                encoder.push(&bytes[piece.data]).map_err(|_| PumpError::Encoder)?;
                input.consume(piece.consumed);
                take_encoded(encoder, self.framed, &mut self.out);
                if encoder.slice_is_over() {
                    break;
                }
                continue;
            }
            if self.framed == Framed::Messages {
                // Data ends where the step ended: what frames it stands before it.
                input.consume(piece.data.start);
                self.pending = piece.data.len();
                continue;
            }
            let in_place = self.framed == Framed::Raw && piece.data.len() == piece.consumed;
            if in_place && (piece.data.len() > COPIED || self.out.is_empty()) {
                self.pending = piece.data.len();
                continue;
            }
            if self.framed == Framed::Chunked && !piece.data.is_empty() {
                chunk_head(piece.data.len(), &mut self.out);
            }
            self.out.extend_from_slice(&input.bytes()[piece.data.clone()]);
            if self.framed == Framed::Chunked && !piece.data.is_empty() {
                chunk_end(&mut self.out);
            }
            input.consume(piece.consumed);
        }
        if self.decoder.is_done() && !self.decoded_all {
            if let Some(copy) = self.copy.take() {
                copy.send();
            }
            if let Some(encoder) = &mut self.encoder {
                encoder.finish().map_err(|_| PumpError::Encoder)?;
                take_encoded(encoder, self.framed, &mut self.out);
            }
            if self.framed == Framed::Chunked {
                last_chunk(self.decoder.trailers(), &mut self.out);
            }
            self.decoded_all = true;
        }
        self.give_back(buffers);
        Ok(())
    }

    /// An empty buffer is nobody's: one that is kept hinders the next read from borrowing a larger one, and at the
    /// end looks like bytes behind the body.
    fn give_back(&mut self, buffers: &BufferPool) {
        if let Some(buffer) = self.input.take_if(|input| input.is_empty()) {
            buffers.give(buffer);
        }
    }

    /// Takes out of the encoder what it holds back: the sender pauses, and its receiver may wait for just that.
    fn let_go(&mut self) -> Result<bool, PumpError> {
        let Some(encoder) = self.encoder.as_mut().filter(|encoder| encoder.holds_back()) else {
            return Ok(false);
        };
        encoder.flush().map_err(|_| PumpError::Encoder)?;
        take_encoded(encoder, self.framed, &mut self.out);
        Ok(true)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, to: &mut impl Sink) -> Poll<Result<(), PumpError>> {
        while self.sent < self.out.len() || self.pending > 0 {
            let raw = self.input.as_ref().map_or(&[][..], |input| &input.bytes()[..self.pending]);
            let n = ready!(to.poll_send(cx, &self.out[self.sent..], raw)).map_err(|_| PumpError::To)?;
            self.written += n as u64;
            let from_out = n.min(self.out.len() - self.sent);
            self.sent += from_out;
            if let Some(input) = self.input.as_mut().filter(|_| n > from_out) {
                input.consume(n - from_out);
                self.pending -= n - from_out;
            }
        }
        self.out.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

fn take_encoded(encoder: &mut Encoder, framed: Framed, out: &mut Vec<u8>) {
    if encoder.out().is_empty() {
        return;
    }
    if framed == Framed::Chunked {
        chunk_head(encoder.out().len(), out);
    }
    out.extend_from_slice(encoder.out());
    if framed == Framed::Chunked {
        chunk_end(out);
    }
    encoder.taken();
}

#[cfg(test)]
mod encoded_tests;
#[cfg(test)]
mod tests;
