//! lbd's own plain-HTTP endpoint: whether the process lives, whether it takes traffic, and its metrics, for
//! the balancer above and for Prometheus. Nothing can be changed here.

mod metrics;

pub use metrics::{Family, Format, Kind, Metrics, families};

use std::cell::Cell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::config::model::Status;

/// Clients at a time.
const CLIENTS: usize = 64;
/// For a request's head.
const HEAD: Duration = Duration::from_secs(5);
/// A connection's whole life: scrapers and probes come anew.
const LIFE: Duration = Duration::from_secs(60);

/// What the endpoint shows.
pub struct StatusSource {
    /// Its paths, and who may come.
    pub settings: Status,
    /// What is measured.
    pub metrics: Metrics,
    /// False once the process is stopping.
    pub ready: Rc<Cell<bool>>,
}

/// Answers until `stop` ends. Must run within a `LocalSet`.
pub async fn serve(listener: TcpListener, source: StatusSource, stop: impl Future<Output = ()>) {
    let source = Rc::new(source);
    let mut clients = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept(), if clients.len() < CLIENTS => match accepted {
                Ok((stream, peer)) => {
                    clients.spawn_local(client(stream, peer.ip().to_canonical(), Rc::clone(&source)));
                }
                Err(error) => {
                    warn!(%error, "cannot accept on the status endpoint");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn client(stream: TcpStream, peer: IpAddr, source: Rc<StatusSource>) {
    let answer = |request: Request<hyper::body::Incoming>| {
        let accept = request.headers().get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
        let response = source.answer(request.method(), request.uri().path(), accept, peer);
        std::future::ready(Ok::<_, Infallible>(response))
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service_fn(answer));
    if let Ok(Err(error)) = tokio::time::timeout(LIFE, connection).await {
        debug!(%peer, %error, "status client");
    }
}

impl StatusSource {
    fn answer(
        &self,
        method: &Method,
        path: &str,
        accept: Option<&str>,
        peer: IpAddr,
    ) -> Response<Full<Bytes>> {
        let admitted = self.settings.allow_from.is_empty()
            || self.settings.allow_from.iter().any(|net| net.contains(&peer));
        let text = "text/plain; charset=utf-8";
        let (status, kind, body) = if !admitted {
            (StatusCode::FORBIDDEN, text, "forbidden\n".to_owned())
        } else if !matches!(*method, Method::GET | Method::HEAD) {
            (StatusCode::METHOD_NOT_ALLOWED, text, "only GET and HEAD\n".to_owned())
        } else if path == &*self.settings.live {
            (StatusCode::OK, text, "live\n".to_owned())
        } else if path == &*self.settings.ready {
            match self.ready.get() {
                true => (StatusCode::OK, text, "ready\n".to_owned()),
                false => (StatusCode::SERVICE_UNAVAILABLE, text, "stopping\n".to_owned()),
            }
        } else if path == &*self.settings.metrics {
            let format = Format::accepted(accept);
            (StatusCode::OK, format.content_type(), self.metrics.page(format))
        } else {
            let Status { live, ready, metrics, .. } = &self.settings;
            (StatusCode::NOT_FOUND, text, format!("here are {live}, {ready} and {metrics}\n"))
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
        response
    }
}
