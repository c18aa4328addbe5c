//! The HTTP check of a pool whose servers are spoken to in HTTP/2: they may know nothing else.

use std::time::Instant;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Failure, ProbeReport, Verdict, failed_http, impossible, judge};
use crate::pool::HttpProbe;

/// Asks on `stream`, which speaks HTTP/2 from its first byte; `request` is as HTTP/1 would have it.
pub(super) async fn ask<S>(
    stream: S,
    probe: &HttpProbe,
    request: http::Request<Empty<Bytes>>,
    scheme: &str,
    report: &mut ProbeReport,
) -> Result<Verdict, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let request = translated(request, scheme)?;
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed_http(&error))?;
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(async {
        let start = Instant::now();
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| Failure(format!("no HTTP/2: {}", failed_http(&error).0)))?;
        report.first_byte = Some(start.elapsed());
        judge(probe, answer, report).await
    });
    tokio::select! {
        biased;
        verdict = &mut exchange => verdict,
        _ = &mut connection => exchange.await,
    }
}

/// `Host` becomes `:authority`; what concerns a connection of HTTP/1 is not said.
fn translated(
    mut request: http::Request<Empty<Bytes>>,
    scheme: &str,
) -> Result<http::Request<Empty<Bytes>>, Failure> {
    request.headers_mut().remove(http::header::CONNECTION);
    let host = request.headers_mut().remove(http::header::HOST);
    let authority = host.as_ref().map_or(&b""[..], |host| host.as_bytes());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let uri = http::Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
    *request.uri_mut() = uri.map_err(|error| impossible(&error))?;
    *request.version_mut() = http::Version::HTTP_2;
    Ok(request)
}
