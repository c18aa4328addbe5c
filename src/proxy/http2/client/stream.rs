//! One request to a server over HTTP/2.
//!
//! Data goes only as far as the server's windows allow, and the server's windows open only as its data is
//! passed on. The last piece of a body is held back until it is known to be the last: it then carries the end of
//! the stream. A stream that is dropped before both sides are whole is reset. What was sent of a body is kept,
//! up to a bound, until the answer begins: a server may say that it never looked at the request.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::HeaderMap;

use super::super::head::{fields, lines};
use super::{Http2Connection, head};
use crate::proxy::buffer::Buffer;
use crate::proxy::failure::Failure;
use crate::proxy::head::{ParseError, ResponseHead};

/// The most that is handed to the connection at once.
const PIECE: usize = 64 * 1024;
/// The most of a body that is kept to be sent again.
const KEPT: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct ServerStream {
    connection: Rc<Http2Connection>,
    /// Opens the stream, once.
    opener: Option<SendRequest<Bytes>>,
    out: Option<SendStream<Bytes>>,
    /// A piece of the body that waits for what follows it.
    held: Bytes,
    answer: Answer,
    /// Of the frame that was read last, what did not fit.
    left: Bytes,
    /// Lines of the answer's trailers.
    trailers: Vec<u8>,
    /// What was sent of the body; `None` when that cannot be sent again.
    sent: Option<Vec<Bytes>>,
    sent_bytes: usize,
}

/// How far the answer is.
#[derive(Debug)]
enum Answer {
    None,
    Awaited(ResponseFuture),
    Body(RecvStream),
    Whole,
}

impl ServerStream {
    /// A place on `connection`, which counts it already.
    pub(super) fn new(connection: Rc<Http2Connection>, opener: SendRequest<Bytes>) -> Self {
        Self {
            connection,
            opener: Some(opener),
            out: None,
            held: Bytes::new(),
            answer: Answer::None,
            left: Bytes::new(),
            trailers: Vec::new(),
            sent: Some(Vec::new()),
            sent_bytes: 0,
        }
    }

    /// Whether another request was sent on the connection before.
    pub(crate) fn is_reused(&self) -> bool {
        self.connection.uses.get() > 1
    }

    /// Sends a serialised head; `whole` when no body follows.
    pub(crate) fn begin(&mut self, text: &[u8], whole: bool) -> Result<(), Failure> {
        let request = head::request(text, self.connection.tls, &self.connection.recurring)
            .map_err(Failure::BadRequest)?;
        let mut opener = self.opener.take().ok_or(Failure::Unprocessed)?;
        let (answer, out) = opener.send_request(request, whole).map_err(|error| {
            if error.is_io() || error.is_go_away() || error.is_reset() {
                self.connection.retire();
                return Failure::Unprocessed;
            }
            Failure::BadRequest(ParseError::BadFieldName)
        })?;
        self.answer = Answer::Awaited(answer);
        self.out = (!whole).then_some(out);
        Ok(())
    }

    /// Takes some of the request's body; ready with how much.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let broken = || Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        self.flush()?;
        let Some(out) = &mut self.out else { return broken() };
        if out.capacity() == 0 {
            out.reserve_capacity(bytes.len().min(PIECE));
        }
        while out.capacity() == 0 {
            match ready!(out.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return broken(),
            }
        }
        let n = bytes.len().min(out.capacity()).min(PIECE);
        let piece = Bytes::copy_from_slice(&bytes[..n]);
        self.held = piece.clone();
        self.keep(piece);
        Poll::Ready(Ok(n))
    }

    /// Sends what was taken: nothing follows soon.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Some(out) if !self.held.is_empty() => out
                .send_data(std::mem::take(&mut self.held), false)
                .map_err(|_| io::ErrorKind::BrokenPipe.into()),
            _ => Ok(()),
        }
    }

    fn keep(&mut self, piece: Bytes) {
        self.sent_bytes += piece.len();
        if self.sent_bytes > KEPT {
            self.sent = None;
        }
        if let Some(sent) = &mut self.sent {
            sent.push(piece);
        }
    }

    /// The body is whole; these are the lines of its trailers.
    pub(crate) fn end(&mut self, trailers: &[u8]) {
        let last = std::mem::take(&mut self.held);
        let Some(mut out) = self.out.take() else { return };
        // What fails here fails the answer too.
        if trailers.is_empty() {
            let _ = out.send_data(last, true);
            return;
        }
        if !last.is_empty() {
            let _ = out.send_data(last, false);
        }
        let mut map = HeaderMap::new();
        fields(trailers, &self.connection.recurring, &mut map);
        let _ = out.send_trailers(map);
    }

    /// What was sent of the body, if it can be sent again.
    pub(crate) fn take_sent(&mut self) -> Option<Vec<u8>> {
        self.sent.take().map(|pieces| pieces.concat())
    }

    /// Reads the next head of the answer, an interim one or the last.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ResponseHead,
    ) -> Poll<Result<(), Failure>> {
        let Answer::Awaited(answer) = &mut self.answer else {
            return Poll::Ready(Err(Failure::ServerClosed));
        };
        let read = |parts: &http::response::Parts, into: &mut ResponseHead| {
            head::read(parts, into).map_err(Failure::BadResponse)
        };
        match answer.poll_informational(cx) {
            Poll::Ready(Some(Ok(interim))) => return Poll::Ready(read(&interim.into_parts().0, into)),
            Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.refused(&error))),
            Poll::Ready(None) | Poll::Pending => {}
        }
        let (parts, body) = match ready!(Pin::new(answer).poll(cx)) {
            Ok(answer) => answer.into_parts(),
            Err(error) => return Poll::Ready(Err(self.refused(&error))),
        };
        self.answer = Answer::Body(body);
        self.sent = None;
        Poll::Ready(read(&parts, into))
    }

    /// What the end of the stream before its answer means. A connection that refuses streams gets no more of them: it
    /// may be at its end, and the one that was refused is sent once more.
    fn refused(&self, error: &h2::Error) -> Failure {
        let failure = verdict(error);
        if failure == Failure::Unprocessed {
            self.connection.retire();
        }
        failure
    }

    /// Reads some of the answer's body; zero is its end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        while self.left.is_empty() {
            let body = match &mut self.answer {
                Answer::Body(body) => body,
                Answer::Whole => return Poll::Ready(Ok(0)),
                Answer::None | Answer::Awaited(_) => {
                    return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
                }
            };
            match ready!(body.poll_data(cx)) {
                Some(Ok(data)) => {
                    // Passed on before the next one is read: the server may send as much again.
                    let _ = body.flow_control().release_capacity(data.len());
                    self.left = data;
                }
                Some(Err(_)) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                None => {
                    let trailers =
                        ready!(body.poll_trailers(cx)).map_err(|_| io::ErrorKind::ConnectionReset)?;
                    if let Some(trailers) = trailers {
                        lines(&trailers, &mut self.trailers);
                    }
                    self.answer = Answer::Whole;
                }
            }
        }
        let room = buffer.room();
        let n = room.len().min(self.left.len());
        self.left.copy_to_slice(&mut room[..n]);
        buffer.filled(n);
        Poll::Ready(Ok(n))
    }

    /// The trailers of the answer, once its body was read to the end.
    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }
}

impl Drop for ServerStream {
    fn drop(&mut self) {
        let whole = match &self.answer {
            Answer::Whole | Answer::None => true,
            Answer::Body(body) => body.is_end_stream(),
            Answer::Awaited(_) => false,
        };
        self.opener = None;
        self.out = None;
        self.answer = Answer::None;
        self.connection.release(whole);
    }
}

/// What the end of a stream before its answer means. A stream that was refused, or is beyond the last one that a
/// GOAWAY names, was not looked at (RFC 9113, sections 6.8 and 8.7).
fn verdict(error: &h2::Error) -> Failure {
    if error.is_remote() && (error.is_go_away() || error.reason() == Some(Reason::REFUSED_STREAM)) {
        return Failure::Unprocessed;
    }
    if error.is_remote() && error.reason() == Some(Reason::HTTP_1_1_REQUIRED) {
        return Failure::NotHttp2;
    }
    match () {
        () if error.is_library() => Failure::BadResponse(ParseError::BadStatusLine),
        () if error.is_reset() => Failure::StreamReset,
        () => Failure::ServerClosed,
    }
}
