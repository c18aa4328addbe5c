//! A client that speaks HTTP/2: hyper's for what is right, bare frames for what is wrong.
#![allow(clippy::disallowed_methods, reason = "a test owns its tasks: they end with its runtime")]

use std::convert::Infallible;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2::{self, SendRequest};
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::DEADLINE;

/// What a request carries.
pub(crate) type Body = BoxBody<Bytes, Infallible>;

/// Runs what talks HTTP/2, under the deadline of all tests.
pub(crate) fn run<T>(talk: impl Future<Output = T>) -> T {
    run_for(DEADLINE, talk)
}

/// Runs what takes longer.
pub(crate) fn run_for<T>(deadline: Duration, talk: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(deadline, talk).await.expect("done before the deadline") })
}

/// A connection with prior knowledge.
pub(crate) async fn connect(address: SocketAddr) -> SendRequest<Body> {
    over(tokio::net::TcpStream::connect(address).await.unwrap()).await
}

/// A connection over this stream.
pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> SendRequest<Body> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request without fields of its own.
pub(crate) fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder().method(method).uri(format!("http://app.test{path}")).body(body).unwrap()
}

/// No body.
pub(crate) fn empty() -> Body {
    Empty::new().boxed()
}

/// A body of known length.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// A body that is sent as it is given.
pub(crate) fn streamed() -> (mpsc::UnboundedSender<Frame<Bytes>>, Body) {
    let (sender, mut frames) = mpsc::unbounded_channel();
    let stream = futures_util::stream::poll_fn(move |cx| frames.poll_recv(cx).map(|frame| frame.map(Ok)));
    (sender, BodyExt::boxed(StreamBody::new(stream)))
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The fields.
    pub(crate) fields: HeaderMap,
    /// The whole body.
    pub(crate) body: Bytes,
    /// What came after it.
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends a request and reads the answer to its end.
pub(crate) async fn send(sender: &mut SendRequest<Body>, request: Request<Body>) -> Answer {
    sender.ready().await.unwrap();
    let answer = sender.send_request(request).await.unwrap();
    read(answer).await.unwrap()
}

/// `GET path`.
pub(crate) async fn get(sender: &mut SendRequest<Body>, path: &str) -> Answer {
    send(sender, request("GET", path, empty())).await
}

/// A WebSocket over one stream.
pub(crate) type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// Asks for a tunnel of this protocol (RFC 8441); `fields` may replace those of a WebSocket.
pub(crate) async fn connect_to(
    sender: &mut SendRequest<Body>,
    protocol: &'static str,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Response<Incoming> {
    let mut request = request("CONNECT", path, empty());
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request.extensions_mut().insert(Protocol::from_static(protocol));
    sender.ready().await.unwrap();
    sender.send_request(request).await.unwrap()
}

/// The WebSocket that an answer opened.
pub(crate) async fn upgraded(answer: Response<Incoming>) -> WebSocket {
    let stream = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    WebSocketStream::from_raw_socket(stream, Role::Client, None).await
}

/// Reads an answer to its end.
pub(crate) async fn read(answer: Response<Incoming>) -> hyper::Result<Answer> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    let (status, fields) = (parts.status.as_u16(), parts.headers);
    Ok(Answer { status, fields, body: body.to_bytes(), trailers })
}

/// A connection on which any frames can be sent.
#[derive(Debug)]
pub(crate) struct Frames {
    stream: TcpStream,
}

/// One frame as it came.
#[derive(Debug)]
pub(crate) struct RawFrame {
    /// Its type.
    pub(crate) kind: u8,
    /// Its stream.
    pub(crate) stream: u32,
    /// What it holds.
    pub(crate) payload: Vec<u8>,
}

/// Types of frames.
pub(crate) const DATA: u8 = 0;
/// HEADERS
pub(crate) const HEADERS: u8 = 1;
/// RST_STREAM
pub(crate) const RESET: u8 = 3;
/// SETTINGS
pub(crate) const SETTINGS: u8 = 4;
/// GOAWAY
pub(crate) const GOAWAY: u8 = 7;

impl Frames {
    /// Connects and says the preface with no settings.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut frames = Self { stream };
        frames.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        frames.send(SETTINGS, 0, 0, &[]);
        frames
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).unwrap();
    }

    /// Sends a head that ends its stream, its fields as literals.
    pub(crate) fn head(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.send(HEADERS, 0x5, stream, &block(fields));
    }

    /// Sends a head that a body follows.
    pub(crate) fn head_with_body(&mut self, stream: u32, fields: &[(&str, &str)]) {
        self.send(HEADERS, 0x4, stream, &block(fields));
    }

    /// Another way to say something on the same connection.
    pub(crate) fn writer(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// The next frame; `None` when the connection ended.
    pub(crate) fn next(&mut self) -> Option<RawFrame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(RawFrame { kind: head[3], stream, payload })
    }

    /// The next frame of that type.
    pub(crate) fn expect(&mut self, kind: u8) -> RawFrame {
        loop {
            let frame = self.next().expect("a frame, not the end of the connection");
            if frame.kind == kind {
                return frame;
            }
        }
    }
}

/// Fields as literals.
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "a longer literal needs more than one byte for its length");
            block.push(u8::try_from(text.len()).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}
