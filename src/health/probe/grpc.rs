//! The gRPC check: `grpc.health.v1.Health/Check`, as the gRPC health checking protocol defines it, over HTTP/2.
//!
//! Only `SERVING` with `grpc-status: 0` is well. The two messages are one field each, so they are written and read
//! here; nothing else of Protocol Buffers is needed.

use std::time::Instant;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Failure, MOST_BODY, ProbeReport, USER_AGENT, Verdict, add_fields, failed_http, impossible};
use crate::pool::GrpcProbe;

const METHOD: &str = "/grpc.health.v1.Health/Check";
/// `ServingStatus` by its number.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: u64 = 1;
/// The codes that a server answers a check with, when it does not answer it.
const CODES: &[(&str, &str)] = &[
    ("5", "NOT_FOUND: it does not know the service"),
    ("7", "PERMISSION_DENIED"),
    ("12", "UNIMPLEMENTED: it has no health service"),
    ("14", "UNAVAILABLE"),
    ("16", "UNAUTHENTICATED"),
];

/// Asks on `stream`, which speaks HTTP/2 from its first byte.
pub(super) async fn ask<S>(
    stream: S,
    probe: &GrpcProbe,
    scheme: &str,
    host: &str,
    report: &mut ProbeReport,
) -> Result<Verdict, Failure>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let request = request(probe, scheme, host)?;
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| failed_http(&error))?;
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(async {
        let start = Instant::now();
        let answer = sender.send_request(request).await.map_err(|error| broken(&error))?;
        report.first_byte = Some(start.elapsed());
        report.note(answer.status().as_u16(), answer.headers());
        judge(answer).await
    });
    tokio::select! {
        biased;
        verdict = &mut exchange => verdict,
        _ = &mut connection => exchange.await,
    }
}

fn request(probe: &GrpcProbe, scheme: &str, host: &str) -> Result<http::Request<Full<Bytes>>, Failure> {
    let mut request = http::Request::post(format!("{scheme}://{host}{METHOD}"))
        .version(http::Version::HTTP_2)
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .header(http::header::TE, "trailers")
        .header(http::header::USER_AGENT, USER_AGENT);
    if let Some(headers) = request.headers_mut() {
        add_fields(headers, &probe.headers)?;
    }
    request.body(Full::new(question(&probe.service).into())).map_err(|error| impossible(&error))
}

/// `HealthCheckRequest { service }` in its frame: no compression, length, message.
fn question(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0A);
        push_varint(service.len() as u64, &mut message);
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend_from_slice(&u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.append(&mut message);
    framed
}

async fn judge(answer: http::Response<Incoming>) -> Result<Verdict, Failure> {
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(Failure(format!("status {status}")));
    }
    let kind = answer.headers().get(http::header::CONTENT_TYPE).map(|kind| kind.as_bytes().to_vec());
    if !kind.is_some_and(|kind| kind.starts_with(b"application/grpc")) {
        return Err(Failure("answer is not gRPC".into()));
    }
    // Without a message, the trailers are in the head.
    let early = answer.headers().get("grpc-status").cloned();
    let body = Limited::new(answer.into_body(), MOST_BODY).collect().await;
    let body = body.map_err(|error| Failure(format!("answer is broken: {error}")))?;
    let late = body.trailers().and_then(|trailers| trailers.get("grpc-status")).cloned();
    let code = late.or(early).ok_or_else(|| Failure("answer has no grpc-status".into()))?;
    if code != "0" {
        let code = String::from_utf8_lossy(code.as_bytes()).into_owned();
        let meaning = CODES.iter().find(|(number, _)| *number == code).map(|(_, name)| *name);
        return Err(Failure(
            meaning.map_or_else(|| format!("grpc-status {code}"), |name| format!("grpc {name}")),
        ));
    }
    match serving(&body.to_bytes()) {
        Some(SERVING) => Ok(Verdict::Passed),
        Some(other) => {
            let name = usize::try_from(other).ok().and_then(|at| STATUSES.get(at));
            Err(Failure(name.map_or_else(|| format!("serving status {other}"), |name| (*name).to_owned())))
        }
        None => Err(Failure("answer is no HealthCheckResponse".into())),
    }
}

/// The status in a framed `HealthCheckResponse`; fields that are not known are skipped.
fn serving(framed: &[u8]) -> Option<u64> {
    let (head, rest) = framed.split_at_checked(5)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    // Nobody was asked for compression.
    let mut message = rest.get(..length).filter(|_| head[0] == 0)?;
    let mut status = 0;
    while !message.is_empty() {
        let tag = take_varint(&mut message)?;
        match tag & 7 {
            0 => {
                let value = take_varint(&mut message)?;
                status = if tag >> 3 == 1 { value } else { status };
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn push_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take_varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A server that does not speak HTTP/2 is the usual mistake, and shows itself only here.
fn broken(error: &hyper::Error) -> Failure {
    let text = failed_http(error).0;
    Failure(format!("no HTTP/2: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_the_protocol() {
        assert_eq!(question(""), [0, 0, 0, 0, 0]);
        assert_eq!(question("ab"), [0, 0, 0, 0, 4, 0x0A, 2, b'a', b'b']);
        let long = question(&"x".repeat(300));
        assert_eq!(long[..8], [0, 0, 0, 1, 47, 0x0A, 0xAC, 2]);
        let check = |message: &[u8], expected: Option<u64>| {
            let mut framed = vec![0, 0, 0, 0, message.len() as u8];
            framed.extend_from_slice(message);
            assert_eq!(serving(&framed), expected, "{message:?}");
        };
        check(&[8, 1], Some(1));
        check(&[8, 2], Some(2));
        check(&[], Some(0));
        check(&[0x12, 2, 9, 9, 0x1D, 0, 0, 0, 0, 8, 1], Some(1));
        check(&[8], None);
        check(&[0x12, 9, 1], None);
        check(&[0xFF; 11], None);
        assert_eq!(serving(&[0, 0, 0, 0, 2, 8]), None, "cut");
        assert_eq!(serving(&[1, 0, 0, 0, 2, 8, 1]), None, "compressed");
        assert_eq!(serving(&[]), None);
    }
}
