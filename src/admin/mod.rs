//! lbd's own plain-HTTP endpoint: whether the process lives, whether it takes traffic, its metrics, and a page for
//! people. By the page something can be changed only from this machine, with the token that `operate` names.

mod answer;
mod feed;
mod host;
mod metrics;
mod operate;
mod page;

pub use metrics::{Family, Format, Kind, Metrics, families};

use std::cell::Cell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::Either;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tracing::{debug, warn};

use crate::config::model::Status;
use crate::control::{ControlContext, Patient};
use answer::Endpoint;

/// Clients at a time.
const CLIENTS: usize = 64;
/// For a request's head.
const HEAD: Duration = Duration::from_secs(5);
/// A connection's whole life, unless it carries the page's stream: scrapers and probes come anew.
const LIFE: Duration = Duration::from_secs(60);
/// For the answer that is under way at the end of it.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long a write may make no progress.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at what every pool counted.
const SAMPLE: Duration = Duration::from_secs(1);

/// What the endpoint shows.
pub struct StatusSource {
    /// Its paths, and who may come.
    pub settings: Status,
    /// What is measured.
    pub metrics: Metrics,
    /// False once the process is stopping.
    pub ready: Rc<Cell<bool>>,
    /// Who answers the page.
    pub control: Rc<ControlContext>,
}

/// Answers until `stop` ends. Must run within a `LocalSet`.
pub async fn serve(listener: TcpListener, source: StatusSource, stop: impl Future<Output = ()>) {
    let endpoint = Rc::new(Endpoint::new(source));
    let mut clients = JoinSet::new();
    let mut tick = tokio::time::interval(SAMPLE);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            Some(_) = clients.join_next() => {}
            _ = tick.tick() => endpoint.sample(),
            accepted = listener.accept(), if clients.len() < CLIENTS => match accepted {
                Ok((stream, peer)) => {
                    clients.spawn_local(client(stream, peer.ip().to_canonical(), Rc::clone(&endpoint)));
                }
                Err(error) => {
                    warn!(%error, "cannot accept on the status endpoint");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn client(stream: TcpStream, peer: IpAddr, endpoint: Rc<Endpoint>) {
    // An answer is written at once; whether its last packet waits matters to nobody when this fails.
    let _ = stream.set_nodelay(true);
    let streaming = Cell::new(false);
    let answer = |request| {
        let (endpoint, streaming) = (Rc::clone(&endpoint), &streaming);
        async move {
            let reply = endpoint.answer(request, peer).await;
            streaming.set(matches!(reply.body(), Either::Right(_)));
            Ok::<_, Infallible>(reply)
        }
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(Patient::new(stream, PATIENCE)), service_fn(answer));
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = tokio::time::sleep(LIFE) => {
            connection.as_mut().graceful_shutdown();
            match streaming.get() {
                true => connection.await,
                false => tokio::time::timeout(FAREWELL, connection).await.unwrap_or(Ok(())),
            }
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "status client");
    }
}
