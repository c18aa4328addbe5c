//! What the embedded server answers: the page, the counter, readiness, a slow and a large response, and
//! the WebSocket echo.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, COOKIE, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SET_COOKIE, UPGRADE,
};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::sessions::Sessions;

const PAGE: &str = include_str!("page.html");
const COOKIE_NAME: &str = "demo-session";
const SLOW: Duration = Duration::from_secs(3);
const LARGE: u64 = 64 << 20;
const BLOCK: &[u8] = &[b'.'; 64 << 10];

type Answer = Response<Either<Full<Bytes>, Dots>>;

/// The state of one server.
#[derive(Debug)]
pub(super) struct App {
    name: &'static str,
    ready: Cell<bool>,
    sessions: RefCell<Sessions>,
}

impl App {
    /// A server that is ready and knows nobody.
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, ready: Cell::new(true), sessions: RefCell::default() }
    }

    /// One connection, to its end; when it becomes a WebSocket, that too.
    pub(super) async fn serve(self: Rc<Self>, stream: TcpStream) {
        let upgraded: Rc<Cell<Option<OnUpgrade>>> = Rc::default();
        let service = service_fn(|request: Request<Incoming>| {
            let (app, upgraded) = (Rc::clone(&self), Rc::clone(&upgraded));
            async move { Ok::<_, Infallible>(app.answer(request, &upgraded).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        // A client that goes away in the middle is its own affair.
        let _ = connection.await;
        if let Some(on_upgrade) = upgraded.take() {
            echo(on_upgrade).await;
        }
    }

    async fn answer(&self, mut request: Request<Incoming>, upgraded: &Cell<Option<OnUpgrade>>) -> Answer {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/") => self.visited(&request, "text/html; charset=utf-8", |name, count| {
                PAGE.replace("{name}", name).replace("{count}", &count.to_string())
            }),
            (&Method::GET, "/count") => {
                self.visited(&request, "text/plain", |name, count| format!("{name} {count}\n"))
            }
            (&Method::GET | &Method::HEAD, "/ready") => self.readiness(),
            (&Method::POST, "/ready") => self.switch(request.uri().query()),
            (&Method::GET, "/slow") => {
                tokio::time::sleep(SLOW).await;
                text(StatusCode::OK, format!("{} took its time\n", self.name))
            }
            (&Method::GET, "/large") => Response::new(Either::Right(Dots { left: LARGE })),
            (&Method::GET, "/ws") => websocket(&mut request, upgraded),
            _ => text(StatusCode::NOT_FOUND, "nothing here\n"),
        }
    }

    fn visited(
        &self,
        request: &Request<Incoming>,
        content_type: &'static str,
        render: impl FnOnce(&str, u64) -> String,
    ) -> Answer {
        let visit = self.sessions.borrow_mut().visit(session_cookie(request));
        let mut answer = text(StatusCode::OK, render(self.name, visit.count));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(id) = visit.begun {
            let cookie = format!("{COOKIE_NAME}={id}; Path=/; HttpOnly; SameSite=Lax");
            let cookie = HeaderValue::try_from(cookie).expect("hexadecimal digits are valid in a header");
            headers.insert(SET_COOKIE, cookie);
        }
        answer
    }

    fn readiness(&self) -> Answer {
        match self.ready.get() {
            true => text(StatusCode::OK, "ready\n"),
            false => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        }
    }

    fn switch(&self, wish: Option<&str>) -> Answer {
        match wish {
            Some("down") => self.ready.set(false),
            Some("up") => self.ready.set(true),
            _ => return text(StatusCode::BAD_REQUEST, "say /ready?down or /ready?up\n"),
        }
        text(StatusCode::OK, format!("{} is now {}\n", self.name, wish.unwrap_or_default()))
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(body.into())));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn session_cookie(request: &Request<Incoming>) -> Option<&str> {
    let fields = request.headers().get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    fields
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(name, value)| (name == COOKIE_NAME).then_some(value))
}

fn websocket(request: &mut Request<Incoming>, upgraded: &Cell<Option<OnUpgrade>>) -> Answer {
    let wants =
        request.headers().get(UPGRADE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let Some(key) = request.headers().get(SEC_WEBSOCKET_KEY).filter(|_| wants) else {
        return text(StatusCode::UPGRADE_REQUIRED, "this path speaks WebSocket\n");
    };
    let accept = derive_accept_key(key.as_bytes());
    upgraded.set(Some(hyper::upgrade::on(request)));
    let mut answer = Response::new(Either::Left(Full::default()));
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::try_from(accept).expect("base64 is valid in a header"));
    answer
}

async fn echo(on_upgrade: OnUpgrade) {
    let Ok(upgraded) = on_upgrade.await else { return };
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        let echoed = message.is_text() || message.is_binary();
        if echoed && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// A long body that takes no memory.
#[derive(Debug)]
pub(super) struct Dots {
    left: u64,
}

impl Body for Dots {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.left.min(BLOCK.len() as u64);
        self.left -= length;
        let frame = (length > 0).then(|| Ok(Frame::data(Bytes::from_static(&BLOCK[..length as usize]))));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
