//! One check of one server: connect, perhaps TLS, perhaps a request, on a connection of its own.
//!
//! What is found is an [`Outcome`] for the health machine and a [`ProbeReport`] for whoever asked by hand. Whatever
//! the server does, a check ends within its timeout and reads no more than [`MOST_BODY`].

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::pool::{CheckSpec, HttpProbe, Outcome, ProbeKind, ProbeVersion, Server, TlsToServer};

/// How much of a body is looked at.
pub const MOST_BODY: usize = 64 * 1024;
const USER_AGENT: &str = concat!("lbd/", env!("CARGO_PKG_VERSION"), " health");

/// What a check found, in full.
#[derive(Debug, Clone)]
pub struct ProbeReport {
    /// What the health machine is told.
    pub outcome: Outcome,
    /// Where it connected to; `None` while the server's name has no address.
    pub endpoint: Option<SocketAddr>,
    /// Time to connect.
    pub connect: Option<Duration>,
    /// Time of the TLS handshake.
    pub tls: Option<Duration>,
    /// The TLS version: `TLSv1_3`.
    pub tls_version: Option<String>,
    /// From the request to the head of the answer.
    pub first_byte: Option<Duration>,
    /// The answer's status.
    pub status: Option<u16>,
    /// The answer's fields; a value that is not text is shown as such.
    pub headers: Vec<(String, String)>,
}

/// Checks a server once, now; changes nothing.
pub async fn check_once(server: &Server, spec: &CheckSpec, health_port: Option<u16>) -> ProbeReport {
    let start = tokio::time::Instant::now();
    let port = health_port.or(spec.port).unwrap_or(server.port);
    let mut report = ProbeReport {
        outcome: Outcome::CheckPassed { took: Duration::ZERO },
        endpoint: server.endpoint_at(port),
        connect: None,
        tls: None,
        tls_version: None,
        first_byte: None,
        status: None,
        headers: Vec::new(),
    };
    let target = Target { server, spec, port };
    let result = match tokio::time::timeout(spec.timeout, target.probe(&mut report)).await {
        Ok(result) => result,
        Err(_) => Err(Failure(format!("timeout after {:?} ({})", spec.timeout, report.stage(spec)))),
    };
    let took = start.elapsed();
    report.outcome = match result {
        Ok(Verdict::Passed) => Outcome::CheckPassed { took },
        Ok(Verdict::WantsDrain(reason)) => Outcome::CheckWantsDrain { reason, took },
        Err(Failure(reason)) => Outcome::CheckFailed { reason, took },
    };
    report
}

impl ProbeReport {
    /// Keeps the head of an answer.
    fn note(&mut self, status: u16, headers: &http::HeaderMap) {
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        self.status = Some(status);
        self.headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    }

    /// What it was waiting for.
    fn stage(&self, spec: &CheckSpec) -> &'static str {
        match self {
            Self { connect: None, .. } => "connect",
            Self { tls: None, .. } if spec.tls.is_some() => "tls handshake",
            Self { status: None, .. } => "answer",
            _ => "body",
        }
    }
}

enum Verdict {
    Passed,
    WantsDrain(String),
}

/// Why a check failed, in a few words.
struct Failure(String);

struct Target<'a> {
    server: &'a Server,
    spec: &'a CheckSpec,
    port: u16,
}

impl Target<'_> {
    async fn probe(&self, report: &mut ProbeReport) -> Result<Verdict, Failure> {
        let endpoint = report.endpoint.ok_or_else(|| Failure("name does not resolve".into()))?;
        let start = Instant::now();
        let mut stream = TcpStream::connect(endpoint).await.map_err(|error| failed("connect", &error))?;
        report.connect = Some(start.elapsed());
        // A port of its own for checks does not expect what traffic begins with.
        if let Some(greeting) = self.spec.greeting.filter(|_| self.port == self.server.port) {
            stream.write_all(greeting).await.map_err(|error| failed("send", &error))?;
        }
        let Some(tls) = &self.spec.tls else {
            let http2 =
                matches!(&self.spec.probe, ProbeKind::Http(http) if http.version == ProbeVersion::Http2);
            return self.speak(stream, http2, report).await;
        };
        let start = Instant::now();
        let stream = self.handshake(tls, stream).await?;
        report.tls = Some(start.elapsed());
        report.tls_version = stream.get_ref().1.protocol_version().map(|version| format!("{version:?}"));
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        self.speak(stream, http2, report).await
    }

    async fn handshake(&self, tls: &TlsToServer, stream: TcpStream) -> Result<TlsStream<TcpStream>, Failure> {
        let name = tls.name_for(&self.server.known_as());
        let name = name.ok_or_else(|| Failure("tls: the server's host is no name to verify".into()))?;
        let mut config = Arc::clone(&tls.config);
        let offers: &[&[u8]] = match &self.spec.probe {
            ProbeKind::Grpc(_) => &[b"h2"],
            ProbeKind::Http(http) => http.version.offers(),
            ProbeKind::Tcp | ProbeKind::WebSocket(_) => &[],
        };
        if !offers.is_empty() {
            Arc::make_mut(&mut config).alpn_protocols = offers.iter().map(|name| name.to_vec()).collect();
        }
        let connector = TlsConnector::from(config);
        connector.connect(name, stream).await.map_err(|error| failed("tls", &error))
    }

    async fn speak<S>(&self, stream: S, http2: bool, report: &mut ProbeReport) -> Result<Verdict, Failure>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let scheme = if self.spec.tls.is_some() { "https" } else { "http" };
        match &self.spec.probe {
            ProbeKind::Tcp => Ok(Verdict::Passed),
            ProbeKind::Grpc(probe) => {
                grpc::ask(stream, probe, scheme, &self.host(probe.host.as_deref()), report).await
            }
            ProbeKind::WebSocket(probe) => {
                websocket::ask(stream, probe, &self.host(probe.host.as_deref()), report).await
            }
            // A server that was offered nothing else may choose nothing: it speaks that.
            ProbeKind::Http(probe) if http2 || probe.version == ProbeVersion::Http2 => {
                http2::ask(stream, probe, self.request(probe)?, scheme, report).await
            }
            ProbeKind::Http(probe) => {
                let request = self.request(probe)?;
                let handshake = http1::handshake(TokioIo::new(stream)).await;
                let (mut sender, connection) = handshake.map_err(|error| failed_http(&error))?;
                let mut connection = std::pin::pin!(connection);
                let mut exchange = std::pin::pin!(async {
                    let start = Instant::now();
                    let answer = sender.send_request(request).await.map_err(|error| failed_http(&error))?;
                    report.first_byte = Some(start.elapsed());
                    judge(probe, answer, report).await
                });
                // The connection may end before its last bytes were taken from it; then only they are waited for.
                tokio::select! {
                    biased;
                    verdict = &mut exchange => verdict,
                    _ = &mut connection => exchange.await,
                }
            }
        }
    }

    fn request(&self, probe: &HttpProbe) -> Result<http::Request<Empty<Bytes>>, Failure> {
        let mut request = http::Request::builder()
            .method(&*probe.method)
            .uri(&*probe.path)
            .header(http::header::HOST, self.host(probe.host.as_deref()))
            .header(http::header::USER_AGENT, USER_AGENT)
            .header(http::header::CONNECTION, "close");
        if let Some(headers) = request.headers_mut() {
            add_fields(headers, &probe.headers)?;
        }
        request.body(Empty::new()).map_err(|error| impossible(&error))
    }

    /// What a client would say: the host that is configured, else the server's own.
    fn host(&self, configured: Option<&str>) -> String {
        if let Some(host) = configured {
            return host.to_string();
        }
        let host = self.server.known_as();
        let default = if self.spec.tls.is_some() { 443 } else { 80 };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }
}

/// Adds configured fields. Ours give way; others may stand several times.
fn add_fields(headers: &mut http::HeaderMap, more: &[(Arc<str>, Arc<str>)]) -> Result<(), Failure> {
    for (name, value) in more {
        let name = http::HeaderName::try_from(&**name).map_err(|error| impossible(&error))?;
        let value = http::HeaderValue::try_from(&**value).map_err(|error| impossible(&error))?;
        match name {
            http::header::HOST | http::header::USER_AGENT | http::header::CONNECTION => {
                headers.insert(name, value);
            }
            name => {
                headers.append(name, value);
            }
        }
    }
    Ok(())
}

async fn judge(
    probe: &HttpProbe,
    answer: http::Response<Incoming>,
    report: &mut ProbeReport,
) -> Result<Verdict, Failure> {
    let status = answer.status().as_u16();
    report.note(status, answer.headers());
    if probe.drain_status.as_ref().is_some_and(|set| set.contains(status)) {
        return Ok(Verdict::WantsDrain(format!("status {status}")));
    }
    if !probe.status.contains(status) {
        return Err(Failure(format!("status {status}")));
    }
    let Some(expected) = &probe.body else { return Ok(Verdict::Passed) };
    let body = read_body(answer.into_body()).await?;
    if expected.is_match(&body) { Ok(Verdict::Passed) } else { Err(Failure("body does not match".into())) }
}

/// The first [`MOST_BODY`] bytes.
async fn read_body(mut body: Incoming) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed_http(&error))?;
        let Some(data) = frame.data_ref() else { continue };
        bytes.extend_from_slice(&data[..data.len().min(MOST_BODY - bytes.len())]);
        if bytes.len() == MOST_BODY {
            break;
        }
    }
    Ok(bytes)
}

/// What an I/O error means to somebody who reads a log: `connect refused`, `tls: invalid peer certificate: …`.
fn failed(stage: &str, error: &io::Error) -> Failure {
    Failure(match error.kind() {
        io::ErrorKind::ConnectionRefused => format!("{stage} refused"),
        io::ErrorKind::ConnectionReset => format!("{stage} reset"),
        io::ErrorKind::UnexpectedEof => format!("{stage}: connection closed"),
        io::ErrorKind::HostUnreachable => format!("{stage}: host unreachable"),
        io::ErrorKind::NetworkUnreachable => format!("{stage}: network unreachable"),
        _ => format!("{stage}: {error}"),
    })
}

fn failed_http(error: &hyper::Error) -> Failure {
    if error.is_incomplete_message() {
        return Failure("connection closed without an answer".into());
    }
    if error.is_parse() {
        return Failure(format!("answer is not HTTP: {error}"));
    }
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    match source {
        Some(error) => failed("connection", error),
        None => Failure(error.to_string()),
    }
}

/// A definition that cannot be asked; compile refuses those, so this is only a last word.
fn impossible(error: &impl fmt::Display) -> Failure {
    Failure(format!("check cannot be made: {error}"))
}

mod grpc;
mod http2;
#[cfg(test)]
mod tests;
mod websocket;
