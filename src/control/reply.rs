//! Answers: JSON, a problem, or lines that come when something happens.

use futures_util::Stream;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{Either, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use lbctl::protocol::{Kind, PROBLEM_CONTENT_TYPE, Problem};
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;

/// Frames of a streaming answer.
pub type Lines = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>>>>;
/// The body of any answer.
pub(super) type Body = Either<Full<Bytes>, StreamBody<Lines>>;
/// Any answer.
pub type Reply = Response<Body>;
/// What a handler gives.
pub(super) type Outcome = Result<Reply, Box<Problem>>;

/// 200 with JSON.
pub(super) fn json<T: Serialize>(value: &T) -> Outcome {
    let body = serde_json::to_vec(value)
        .map_err(|error| Problem::new(Kind::Internal, format!("the answer cannot be written: {error}")))?;
    Ok(full(StatusCode::OK, "application/json", body))
}

/// 200 with text.
pub(super) fn text(content_type: &'static str, text: String) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(Bytes::from(text))));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// 202 with JSON: work goes on at `location`.
pub(super) fn accepted<T: Serialize>(value: &T, location: &str) -> Outcome {
    let mut reply = json(value)?;
    *reply.status_mut() = StatusCode::ACCEPTED;
    if let Ok(location) = HeaderValue::from_str(location) {
        reply.headers_mut().insert(LOCATION, location);
    }
    Ok(reply)
}

/// Lines of JSON.
pub(super) fn lines(lines: Lines) -> Reply {
    let mut reply = Response::new(Either::Right(StreamBody::new(lines)));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    reply
}

/// A problem.
pub(super) fn problem(problem: &Problem) -> Reply {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // A problem is strings and numbers; it can always be written.
    let mut reply = full(status, PROBLEM_CONTENT_TYPE, serde_json::to_vec(problem).unwrap_or_default());
    if status == StatusCode::METHOD_NOT_ALLOWED
        && let Some(allow) = problem.help.first().and_then(|allow| HeaderValue::from_str(allow).ok())
    {
        reply.headers_mut().insert(ALLOW, allow);
    }
    reply
}

/// One value as a line.
pub(super) fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).unwrap_or_default();
    line.push(b'\n');
    line
}

fn full(status: StatusCode, content_type: &'static str, mut body: Vec<u8>) -> Reply {
    body.push(b'\n');
    let mut reply = Response::new(Either::Left(Full::new(Bytes::from(body))));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}
