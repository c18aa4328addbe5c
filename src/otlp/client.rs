//! Messages to the collector, over one connection of HTTP/1.1 that is kept while it lasts.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Settings, message};

/// What is read of an answer.
const MOST_ANSWER: usize = 64 * 1024;
const USER_AGENT: &str = concat!("lbd/", env!("CARGO_PKG_VERSION"));

/// Why a message was not taken.
#[derive(Debug)]
pub(super) struct Failure {
    /// In a few words.
    pub(super) why: String,
    /// Whether it may be sent again, and not before when.
    pub(super) again: Option<Duration>,
}

impl Failure {
    /// One that may be over soon.
    pub(super) fn passing(doing: &str, why: impl Display) -> Self {
        Self { why: format!("{doing}: {why}"), again: Some(Duration::ZERO) }
    }
}

/// The connection, and to whom.
#[derive(Default)]
pub(super) struct Client {
    kept: Option<Kept>,
}

struct Kept {
    settings: Arc<Settings>,
    sender: SendRequest<Full<Bytes>>,
    connection: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Client {
    /// Sends one message; gives how many of its spans the collector did not take.
    pub(super) async fn post(&mut self, settings: &Arc<Settings>, body: &Bytes) -> Result<usize, Failure> {
        if let Some(mut kept) = self.kept.take().filter(|kept| Arc::ptr_eq(&kept.settings, settings))
            && let Ok(answer) = kept.exchange(body).await
        {
            self.kept = Some(kept);
            return judge(answer);
        }
        // A kept connection may have been at its end just then; a new one is not.
        let mut opened = open(settings).await?;
        let answer = opened.exchange(body).await.map_err(|error| Failure::passing("send", error))?;
        self.kept = Some(opened);
        judge(answer)
    }
}

struct Answer {
    status: u16,
    /// The collector wants to be asked again after this.
    after: Option<Duration>,
    body: Vec<u8>,
}

/// Statuses that OTLP calls passing; any other says that the same message is refused again.
fn judge(answer: Answer) -> Result<usize, Failure> {
    match answer.status {
        200..=299 => Ok(message::rejected(&answer.body)),
        429 | 502 | 503 | 504 => Err(Failure {
            why: format!("status {}", answer.status),
            again: Some(answer.after.unwrap_or_default()),
        }),
        status => Err(Failure { why: format!("status {status}"), again: None }),
    }
}

async fn open(settings: &Arc<Settings>) -> Result<Kept, Failure> {
    let collector = &settings.trace.collector;
    let stream = TcpStream::connect((&*collector.host, collector.port));
    let stream = stream.await.map_err(|error| Failure::passing("connect", error))?;
    let _ = stream.set_nodelay(true);
    match &settings.tls {
        None => shake(settings, stream).await,
        Some(config) => {
            let name = ServerName::try_from(collector.host.to_string());
            let name = name.map_err(|error| Failure::passing("tls", error))?;
            let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
            shake(settings, stream.map_err(|error| Failure::passing("tls", error))?).await
        }
    }
}

async fn shake<S>(settings: &Arc<Settings>, stream: S) -> Result<Kept, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|error| Failure::passing("send", error))?;
    let connection = Box::pin(async move { drop(connection.await) });
    Ok(Kept { settings: Arc::clone(settings), sender, connection })
}

impl Kept {
    async fn exchange(&mut self, body: &Bytes) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
        let request = self.request(body)?;
        let Self { sender, connection, .. } = self;
        let mut exchange = std::pin::pin!(async {
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            let status = answer.status().as_u16();
            let after = answer.headers().get(http::header::RETRY_AFTER);
            let after = after.and_then(|after| after.to_str().ok()?.trim().parse().ok());
            let body = Limited::new(answer.into_body(), MOST_ANSWER).collect().await?.to_bytes().to_vec();
            Ok(Answer { status, after: after.map(Duration::from_secs), body })
        });
        // The connection may end before its last bytes were taken from it; then only they are waited for.
        tokio::select! {
            biased;
            answer = &mut exchange => answer,
            () = connection => exchange.await,
        }
    }

    fn request(&self, body: &Bytes) -> Result<http::Request<Full<Bytes>>, http::Error> {
        let trace = &self.settings.trace;
        let collector = &trace.collector;
        let host = match collector.host.contains(':') {
            true => format!("[{}]:{}", collector.host, collector.port),
            false => format!("{}:{}", collector.host, collector.port),
        };
        let mut request = http::Request::post(&*collector.path)
            .header(http::header::HOST, host)
            .header(http::header::CONTENT_TYPE, "application/x-protobuf")
            .header(http::header::USER_AGENT, USER_AGENT);
        for (name, value) in &trace.headers {
            request = request.header(&**name, &**value);
        }
        request.body(Full::new(body.clone()))
    }
}
