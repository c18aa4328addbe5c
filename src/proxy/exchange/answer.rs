//! Answers that lbd makes itself: redirects, fixed responses, failures.

use super::{Next, Story, error_page, grpc};
use crate::config::model::RedirectToHttps;
use crate::proxy::connection::ClientConnection;
use crate::proxy::failure::Failure;
use crate::proxy::head::{BodyFraming, RequestHead, Version};
use crate::proxy::http1::{ConnectionLine, Simple, write_simple};
use crate::proxy::scratch::Scratch;
use crate::snapshot::ActionSnap;

/// Answers a request whose head could not be read, and closes.
pub(crate) async fn refuse(
    connection: &mut ClientConnection,
    scratch: &mut Scratch,
    failure: Failure,
) -> Next {
    let mut story = Story::new(connection, scratch);
    let next = fail(connection, scratch, &mut story, failure).await;
    let took = story.began.elapsed();
    super::note(connection, &story, took);
    super::count(connection, &story, took);
    super::tell(connection, scratch, &story, took);
    super::traced::tell(connection, scratch, &story, took);
    next
}

/// Answers a failure, if an answer can still be sent.
pub(super) async fn fail(
    connection: &mut ClientConnection,
    scratch: &mut Scratch,
    story: &mut Story,
    failure: Failure,
) -> Next {
    let verdict = failure.verdict();
    story.failure = Some(failure);
    count(connection, story, verdict.status);
    if story.status != 0 {
        // The answer had begun: all that is left is to break it visibly.
        return Next::Abort;
    }
    story.status = verdict.status;
    if matches!(failure, Failure::ClientGone | Failure::ClientStalled) {
        return Next::Abort;
    }
    let close = !failure.keeps_connection();
    if grpc::is_asked(&scratch.request) {
        let message = grpc::message(failure.body());
        let headers = [
            ("content-type", "application/grpc"),
            ("grpc-status", grpc::code(verdict.status)),
            ("grpc-message", message.as_str()),
        ];
        return send(connection, scratch, story, (200, &headers, b""), close).await.unwrap_or(Next::Abort);
    }
    let page = error_page::find(connection, &scratch.request, story, verdict.status);
    let (content_type, body) = match &page {
        Some((content_type, body)) => (*content_type, &**body),
        None => ("text/plain; charset=utf-8", failure.body().as_bytes()),
    };
    let seconds = failure.retry_after().map(|seconds| seconds.to_string());
    let id = story.id;
    let mut headers = vec![("Content-Type", content_type), ("X-Request-Id", id.as_str())];
    headers.extend(seconds.iter().map(|seconds| ("Retry-After", seconds.as_str())));
    send(connection, scratch, story, (verdict.status, &headers, body), close).await.unwrap_or(Next::Abort)
}

fn count(connection: &ClientConnection, story: &Story, status: u16) {
    let Some(route) = &story.route else { return };
    if let ActionSnap::Pool(pool) = &route.action {
        let shard = pool.pool.counters.shard(connection.worker.index);
        shard.failure();
        if story.status == 0 {
            shard.response(status, story.began.elapsed().as_micros() as u64);
        }
    }
}

/// Answers with the same URL on https.
pub(super) async fn redirect_to_https(
    connection: &mut ClientConnection,
    scratch: &mut Scratch,
    story: &mut Story,
    redirect: RedirectToHttps,
) -> Result<Next, Failure> {
    let location = https_location(&scratch.request, redirect)?;
    self::redirect(connection, scratch, story, redirect.status, &location).await
}

/// The same URL on https.
pub(super) fn https_location(request: &RequestHead, redirect: RedirectToHttps) -> Result<Vec<u8>, Failure> {
    let mut location = b"https://".to_vec();
    let Some(host) = request.host().filter(|host| !host.is_empty()) else {
        return Err(Failure::BadRequest(crate::proxy::head::ParseError::MissingHost));
    };
    location.extend_from_slice(host);
    if redirect.port != 443 {
        location.push(b':');
        location.extend_from_slice(itoa::Buffer::new().format(redirect.port).as_bytes());
    }
    location.extend_from_slice(if request.path() == b"*" { b"/" } else { request.path() });
    if let Some(query) = request.query() {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    Ok(location)
}

/// Answers with a redirect.
pub(super) async fn redirect(
    connection: &mut ClientConnection,
    scratch: &mut Scratch,
    story: &mut Story,
    status: u16,
    location: &[u8],
) -> Result<Next, Failure> {
    let location = String::from_utf8_lossy(location);
    let headers = [("Location", &*location)];
    send(connection, scratch, story, (status, &headers, b""), false).await
}

/// Answers with a fixed text.
pub(super) async fn respond(
    connection: &mut ClientConnection,
    scratch: &mut Scratch,
    story: &mut Story,
    status: u16,
    body: &[u8],
    content_type: &str,
) -> Result<Next, Failure> {
    let page = match status {
        400.. if body.is_empty() => error_page::find(connection, &scratch.request, story, status),
        _ => None,
    };
    let (content_type, body) = match &page {
        Some((content_type, body)) => (*content_type, &**body),
        None => (content_type, body),
    };
    let headers = [("Content-Type", content_type)];
    send(connection, scratch, story, (status, if body.is_empty() { &[] } else { &headers }, body), false)
        .await
}

type Content<'a> = (u16, &'a [(&'a str, &'a str)], &'a [u8]);

async fn send(
    connection: &mut ClientConnection,
    scratch: &mut Scratch,
    story: &mut Story,
    (status, headers, body): Content<'_>,
    close: bool,
) -> Result<Next, Failure> {
    let unread = !matches!(scratch.request.framing(), BodyFraming::None | BodyFraming::Length(0));
    let close = close
        || unread
        || !scratch.request.keep_alive()
        || connection.orphaned
        || connection.worker.is_draining();
    let mut headers = headers.to_vec();
    let lines = std::str::from_utf8(&scratch.response_lines).unwrap_or_default();
    headers.extend(lines.split_terminator("\r\n").filter_map(|line| line.split_once(": ")));
    let date = connection.worker.date();
    let mut out = std::mem::take(&mut scratch.answer.to_client);
    out.clear();
    let simple = Simple {
        status,
        reason: "",
        headers: &headers,
        body,
        date: &date,
        connection: match (close, scratch.request.version()) {
            (_, Version::Http2) => ConnectionLine::None,
            (true, _) => ConnectionLine::Close,
            (false, Version::Http10) => ConnectionLine::KeepAlive,
            (false, Version::Http11) => ConnectionLine::None,
        },
        is_head: scratch.request.is_head(),
    };
    write_simple(&simple, &mut out);
    story.status = status;
    story.bytes_out = out.len() as u64;
    let written = connection.write_all(&out).await;
    scratch.answer.to_client = out;
    written.map_err(|_| Failure::ClientGone)?;
    Ok(match (close, unread) {
        (true, true) => Next::Linger,
        (true, false) if story.failure.is_some() => Next::Linger,
        (true, false) => Next::Close,
        (false, _) => Next::KeepAlive,
    })
}
