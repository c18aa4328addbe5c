//! The client's side of one exchange over HTTP/2.
//!
//! The exchange's own task reads and writes here; no task and no queue stands between it and the frames. A
//! body is taken only as far as the client's window and the bound of what may wait for it reach, so a client
//! that does not read costs no more than that, and the exchange's clocks see that nothing moves. The last
//! piece of a body is held back until it is known to be the last: it then carries the end of the stream.

use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response, request};

use super::head;
use super::piece::Piece;
use crate::proxy::buffer::Buffer;
use crate::proxy::head::{ParseError, RequestHead};
use crate::proxy::http1::HeadLimits;
use crate::proxy::worker::Worker;

/// The most bytes that are taken at once.
const PIECE: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Http2Stream {
    worker: Rc<Worker>,
    /// The request's head, until it is read.
    request: Option<request::Parts>,
    incoming: RecvStream,
    /// Of the frame that was read last, what did not fit.
    left: Bytes,
    ended: bool,
    /// Lines of the request's trailers.
    trailers: Vec<u8>,
    respond: SendResponse<Piece>,
    /// A head that waits for what follows it.
    head: Option<Response<()>>,
    /// Where the body goes, once the head went.
    body: Option<SendStream<Piece>>,
    /// A piece of the body that waits for what follows it.
    held: Piece,
    /// What the stream is reset with if its answer does not become whole; `None` once it is.
    reason: Option<Reason>,
    tls: bool,
    /// Whether the request is a CONNECT: to the client, any 2xx says that the tunnel stands.
    connect: bool,
}

impl Http2Stream {
    /// A stream whose request is this and whose answer goes there. In a box from the beginning: the head of a request
    /// is too large to be moved about.
    pub(super) fn new(
        worker: &Rc<Worker>,
        request: Request<RecvStream>,
        respond: SendResponse<Piece>,
        tls: bool,
    ) -> Box<Self> {
        let (request, incoming) = request.into_parts();
        Box::new(Self {
            worker: Rc::clone(worker),
            connect: request.method == Method::CONNECT,
            request: Some(request),
            incoming,
            left: Bytes::new(),
            ended: false,
            trailers: Vec::new(),
            respond,
            head: None,
            body: None,
            held: Piece::default(),
            reason: Some(Reason::INTERNAL_ERROR),
            tls,
        })
    }

    /// Reads the request's head, once.
    pub(super) fn read_head(
        &mut self,
        limits: &HeadLimits,
        into: &mut RequestHead,
    ) -> Result<(), ParseError> {
        let Some(request) = &self.request else { return Err(ParseError::BadRequestLine) };
        let read = head::read(request, self.incoming.is_end_stream(), limits, into);
        self.request = None;
        read
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }

    /// Whether a 2xx would promise a tunnel.
    pub(crate) fn is_connect(&self) -> bool {
        self.connect
    }

    /// The trailers of the request, once its body was read to the end.
    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Nothing was done with the request: the client may send it again elsewhere (RFC 9113, section 8.7).
    pub(super) fn refuse(&mut self) {
        self.reason = Some(Reason::REFUSED_STREAM);
    }

    /// Reads some of the request's body; zero is its end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        while self.left.is_empty() {
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            match ready!(self.incoming.poll_data(cx)) {
                Some(data) => self.left = data.map_err(|_| reset())?,
                None => {
                    if let Some(trailers) = ready!(self.incoming.poll_trailers(cx)).map_err(|_| reset())? {
                        head::lines(&trailers, &mut self.trailers);
                    }
                    self.ended = true;
                }
            }
        }
        let room = buffer.room();
        let n = room.len().min(self.left.len());
        self.left.copy_to_slice(&mut room[..n]);
        buffer.filled(n);
        // Only now may the client send as much again.
        self.incoming.flow_control().release_capacity(n).map_err(|_| reset())?;
        Poll::Ready(Ok(n))
    }

    /// Takes a serialised head that a body, or the end, follows.
    pub(crate) fn begin(&mut self, text: &[u8]) -> io::Result<()> {
        let head = head::answer(text, &self.worker.recurring).ok_or(io::ErrorKind::InvalidData)?;
        if self.connect && head.status().is_success() {
            self.reason = Some(Reason::CONNECT_ERROR);
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.head = Some(head);
        Ok(())
    }

    /// Takes the head of a whole serialised answer; gives back its body, which is to be sent.
    pub(crate) fn begin_message<'a>(&mut self, text: &'a [u8]) -> io::Result<&'a [u8]> {
        let end = memchr::memmem::find(text, b"\r\n\r\n").map_or(text.len(), |at| at + 4);
        self.begin(&text[..end])?;
        Ok(&text[end..])
    }

    /// Sends a serialised interim answer; the exchange goes on.
    pub(crate) fn send_interim(&mut self, text: &[u8]) -> io::Result<()> {
        let head = head::answer(text, &self.worker.recurring).ok_or(io::ErrorKind::InvalidData)?;
        self.respond.send_informational(head).map_err(gone)
    }

    /// Sends the head that says that the stream is a tunnel from now on: the server's 101, which is 200 here
    /// (RFC 8441, section 5).
    pub(crate) fn send_accepted(&mut self, text: &[u8]) -> io::Result<()> {
        let mut head = head::answer(text, &self.worker.recurring).ok_or(io::ErrorKind::InvalidData)?;
        *head.status_mut() = http::StatusCode::OK;
        self.head = Some(head);
        // What was a reset of the connection under HTTP/1 is a reset of this kind.
        self.reason = Some(Reason::CANCEL);
        self.flush()
    }

    /// Takes some of an answer's body; ready with how much.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.flush()?;
        let Some(body) = &mut self.body else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let wanted = bytes.len().min(PIECE);
        let mut room = body.capacity();
        if room < wanted {
            body.reserve_capacity(wanted);
            room = body.capacity();
        }
        while room == 0 && wanted > 0 {
            room = match ready!(body.poll_capacity(cx)) {
                Some(Ok(room)) => room,
                _ => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        let n = wanted.min(room);
        self.held = Piece::of(&bytes[..n], &self.worker);
        Poll::Ready(Ok(n))
    }

    /// Sends what was taken: nothing follows soon.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if let Some(head) = self.head.take() {
            self.body = Some(self.respond.send_response(head, false).map_err(gone)?);
        }
        match &mut self.body {
            Some(body) if !self.held.is_empty() => {
                body.send_data(std::mem::take(&mut self.held), false).map_err(gone)
            }
            _ => Ok(()),
        }
    }

    /// The answer is whole; these are the lines of its trailers. A client that is gone misses nothing.
    pub(crate) fn end(&mut self, trailers: &[u8]) {
        if self.reason.is_some() && self.send_end(trailers).is_ok() {
            self.reason = None;
        }
    }

    fn send_end(&mut self, trailers: &[u8]) -> io::Result<()> {
        if trailers.is_empty() && self.held.is_empty() && self.head.is_some() {
            let head = self.head.take().unwrap_or_default();
            return self.respond.send_response(head, true).map(|_| ()).map_err(gone);
        }
        let last = std::mem::take(&mut self.held);
        self.flush()?;
        let Some(body) = &mut self.body else { return Err(io::ErrorKind::BrokenPipe.into()) };
        if trailers.is_empty() {
            return body.send_data(last, true).map_err(gone);
        }
        if !last.is_empty() {
            body.send_data(last, false).map_err(gone)?;
        }
        let mut fields = HeaderMap::new();
        head::fields(trailers, &self.worker.recurring, &mut fields);
        body.send_trailers(fields).map_err(gone)
    }

    /// Ready when the client gave the stream up.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.body {
            Some(body) => body.poll_reset(cx).map(|_| ()),
            None => self.respond.poll_reset(cx).map(|_| ()),
        }
    }
}

impl Drop for Http2Stream {
    /// An answer that is not whole when its exchange is over is broken, and must not look whole.
    fn drop(&mut self) {
        if let Some(reason) = self.reason {
            match &mut self.body {
                Some(body) => body.send_reset(reason),
                None => self.respond.send_reset(reason),
            }
        }
    }
}

/// The client reset the stream, or the connection is lost.
fn gone(_: h2::Error) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}
