//! The client's side of one exchange over HTTP/2.
//!
//! The exchange writes into an outlet that holds one piece of the body at most; hyper takes it from there
//! when the client's window allows. So a client that does not read costs one piece and what hyper has
//! buffered, and the exchange's clocks see that nothing moves. When hyper drops its end (the client reset the
//! stream, or went), the exchange is told at its next step.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::activity::Tail;
use super::head;
use crate::proxy::buffer::Buffer;

/// The most bytes of an answer that wait for hyper to take them.
const PIECE: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Http2Stream {
    incoming: Incoming,
    /// Of the frame that was read last, what did not fit.
    left: Bytes,
    ended: bool,
    /// Lines of the request's trailers.
    trailers: Vec<u8>,
    outlet: Rc<RefCell<Outlet>>,
    tls: bool,
}

/// How far an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Open,
    Complete,
    Broken,
}

/// Between the exchange and hyper.
#[derive(Debug, Default)]
struct Outlet {
    head: Option<Response<()>>,
    data: Vec<u8>,
    trailers: Option<HeaderMap>,
    stage: Stage,
    /// Hyper takes no more.
    gone: bool,
    writer: Option<Waker>,
    sender: Option<Waker>,
}

impl Http2Stream {
    /// A stream whose request has this body, and what hyper is to wait for.
    pub(super) fn open(incoming: Incoming, tls: bool, tail: Tail) -> (Self, Answer) {
        let outlet = Rc::<RefCell<Outlet>>::default();
        let answer = Answer { end: Some(SendingEnd { outlet: Rc::clone(&outlet), tail }) };
        let stream = Self { incoming, left: Bytes::new(), ended: false, trailers: Vec::new(), outlet, tls };
        (stream, answer)
    }

    /// Whether the connection is encrypted.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }

    /// The trailers of the request, once its body was read to the end.
    pub(crate) fn trailers(&self) -> &[u8] {
        &self.trailers
    }

    /// Reads some of the request's body; zero is its end.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>, buffer: &mut Buffer) -> Poll<io::Result<usize>> {
        while self.left.is_empty() {
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            match ready!(Pin::new(&mut self.incoming).poll_frame(cx)) {
                None => self.ended = true,
                Some(Err(_)) => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.left = data,
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            head::lines(&trailers, &mut self.trailers);
                        }
                    }
                },
            }
        }
        let room = buffer.room();
        let n = room.len().min(self.left.len());
        self.left.copy_to_slice(&mut room[..n]);
        buffer.filled(n);
        Poll::Ready(Ok(n))
    }

    /// Sends a serialised head that a body follows.
    pub(crate) fn begin(&mut self, text: &[u8]) -> io::Result<()> {
        let mut outlet = self.outlet.borrow_mut();
        if outlet.gone {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        outlet.head = Some(head::answer(text).ok_or(io::ErrorKind::InvalidData)?);
        outlet.wake_sender();
        Ok(())
    }

    /// Sends a whole serialised answer.
    pub(crate) fn send_message(&mut self, text: &[u8]) -> io::Result<()> {
        let end = memchr::memmem::find(text, b"\r\n\r\n").map_or(text.len(), |at| at + 4);
        self.begin(&text[..end])?;
        self.outlet.borrow_mut().data.extend_from_slice(&text[end..]);
        self.end(b"");
        Ok(())
    }

    /// Takes some of an answer's body; ready with how much.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut outlet = self.outlet.borrow_mut();
        if outlet.gone {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = bytes.len().min(PIECE.saturating_sub(outlet.data.len()));
        if n == 0 {
            outlet.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        outlet.data.extend_from_slice(&bytes[..n]);
        outlet.wake_sender();
        Poll::Ready(Ok(n))
    }

    /// The answer is whole; these are the lines of its trailers.
    pub(crate) fn end(&mut self, trailers: &[u8]) {
        let mut outlet = self.outlet.borrow_mut();
        if !trailers.is_empty() {
            let mut fields = HeaderMap::new();
            head::fields(trailers, &mut fields);
            outlet.trailers = Some(fields);
        }
        outlet.stage = Stage::Complete;
        outlet.wake_sender();
    }

    /// Ready when the client gave the stream up.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut outlet = self.outlet.borrow_mut();
        if outlet.gone {
            return Poll::Ready(());
        }
        outlet.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Http2Stream {
    /// An answer that is not whole when its exchange is over is broken, and must not look whole.
    fn drop(&mut self) {
        let mut outlet = self.outlet.borrow_mut();
        if outlet.stage == Stage::Open {
            outlet.stage = Stage::Broken;
            outlet.wake_sender();
        }
    }
}

impl Outlet {
    fn wake_sender(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }
}

/// Hyper's end of the outlet.
#[derive(Debug)]
struct SendingEnd {
    outlet: Rc<RefCell<Outlet>>,
    tail: Tail,
}

impl Drop for SendingEnd {
    fn drop(&mut self) {
        let mut outlet = self.outlet.borrow_mut();
        outlet.gone = true;
        outlet.data = Vec::new();
        if let Some(writer) = outlet.writer.take() {
            writer.wake();
        }
    }
}

/// The answer broke: hyper resets the stream.
#[derive(Debug)]
pub(super) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the answer broke off")
    }
}

impl std::error::Error for Broken {}

/// Waits for the head of the answer.
#[derive(Debug)]
pub(super) struct Answer {
    end: Option<SendingEnd>,
}

impl Future for Answer {
    type Output = Result<Response<AnswerBody>, Broken>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(end) = self.end.take() else { return Poll::Ready(Err(Broken)) };
        let mut outlet = end.outlet.borrow_mut();
        if let Some(head) = outlet.head.take() {
            drop(outlet);
            return Poll::Ready(Ok(head.map(|()| AnswerBody { end })));
        }
        if outlet.stage != Stage::Open {
            return Poll::Ready(Err(Broken));
        }
        outlet.sender = Some(cx.waker().clone());
        drop(outlet);
        self.end = Some(end);
        Poll::Pending
    }
}

/// The body of the answer, as hyper asks for it.
#[derive(Debug)]
pub(super) struct AnswerBody {
    end: SendingEnd,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.end.tail.moved();
        let mut outlet = self.end.outlet.borrow_mut();
        if !outlet.data.is_empty() {
            let data = std::mem::take(&mut outlet.data);
            if let Some(writer) = outlet.writer.take() {
                writer.wake();
            }
            return Poll::Ready(Some(Ok(Frame::data(data.into()))));
        }
        match outlet.stage {
            Stage::Complete => {
                Poll::Ready(outlet.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
            }
            Stage::Broken => Poll::Ready(Some(Err(Broken))),
            Stage::Open => {
                outlet.sender = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let outlet = self.end.outlet.borrow();
        outlet.stage == Stage::Complete && outlet.data.is_empty() && outlet.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // A length is said by the head, or not at all.
        SizeHint::default()
    }
}
