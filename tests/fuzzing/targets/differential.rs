//! The codec of HTTP/1 against hyper's: the same bytes must mean the same, or be refused here.
//!
//! Both read one connection's bytes, message after message. What this codec serves must be what hyper serves, in
//! method, path, fields and body; it may stop earlier by refusing, never go on where hyper stops.

use std::cell::OnceCell;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use lbd::proxy::head::{RequestHead, ResponseHead, Version};
use lbd::proxy::http1::{BodyDecoder, HeadLimits, Status, parse_request, parse_response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

/// Names and values, in the order of the names: hyper keeps a map.
type Fields = Vec<(String, Vec<u8>)>;

/// One request as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    method: String,
    path: String,
    query: Option<String>,
    version: Version,
    fields: Fields,
    body: Vec<u8>,
}

/// One answer as it was understood.
#[derive(Debug, PartialEq, Eq)]
struct Answered {
    status: u16,
    fields: Fields,
    body: Vec<u8>,
}

/// Why a reader served no more.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It wants more bytes, or had none left.
    Waits,
    /// The last message closed the connection.
    Closed,
    Refused(String),
}

/// Requests mean the same to hyper, or are refused.
pub(crate) fn requests(data: &[u8]) {
    requests_served_by_both(data);
}

/// The same; how many were served, when hyper served no more.
pub(crate) fn requests_served_by_both(data: &[u8]) -> Option<usize> {
    let (ours, end) = our_requests(data);
    let theirs = hypers_requests(data);
    let shown = data.escape_ascii();
    assert!(theirs.starts_with(&ours), "\"{shown}\"\nours: {ours:#?} {end:?}\nhyper's: {theirs:#?}");
    assert!(
        end != End::Waits || ours.len() == theirs.len(),
        "\"{shown}\"\nwe wait, hyper served {theirs:#?}"
    );
    (ours.len() == theirs.len()).then_some(ours.len())
}

/// Answers to a GET and to a HEAD mean the same to hyper, or are refused.
pub(crate) fn responses(data: &[u8]) {
    answer_taken_by_both("GET", data);
    answer_taken_by_both("HEAD", data);
}

/// The same for one method; whether the answer was taken.
pub(crate) fn answer_taken_by_both(method: &str, data: &[u8]) -> bool {
    let Some(ours) = our_answer(method, data) else { return false };
    let theirs = hypers_answer(method, data);
    assert_eq!(Some(&ours), theirs.as_ref(), "{method}: \"{}\"", data.escape_ascii());
    true
}

fn our_requests(bytes: &[u8]) -> (Vec<Asked>, End) {
    let (mut asked, mut rest, mut head) = (Vec::new(), bytes, RequestHead::new());
    loop {
        match parse_request(rest, &HeadLimits::default(), &mut head) {
            Ok(Status::Complete(length)) => rest = &rest[length..],
            Ok(Status::Partial) => return (asked, End::Waits),
            Err(error) => return (asked, End::Refused(error.to_string())),
        }
        let (mut decoder, mut body) = (BodyDecoder::for_request(head.framing()), Vec::new());
        while !decoder.is_done() {
            match decoder.next(rest) {
                Err(error) => return (asked, End::Refused(error.to_string())),
                Ok(piece) => {
                    body.extend_from_slice(&rest[piece.data]);
                    rest = &rest[piece.consumed..];
                    if rest.is_empty() && !piece.done {
                        return (asked, End::Waits);
                    }
                }
            }
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("what is taken is ASCII");
        // hyper has no asterisk form for an absolute target without a path.
        let path = if head.target() == b"*" || head.path() != b"*" { head.path() } else { b"/" };
        asked.push(Asked {
            method: head.method().to_owned(),
            path: text(path),
            query: head.query().map(text),
            version: head.version(),
            fields: sorted(
                head.fields().map(|field| (text(field.name).to_ascii_lowercase(), field.value.to_vec())),
            ),
            body,
        });
        if !head.keep_alive() {
            return (asked, End::Closed);
        }
    }
}

async fn serve(
    request: http::Request<Incoming>,
    log: Arc<Mutex<Vec<Asked>>>,
) -> Result<http::Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    if let Ok(body) = body.collect().await {
        let old = parts.version == http::Version::HTTP_10;
        log.lock().expect("nobody panics with it").push(Asked {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            version: if old { Version::Http10 } else { Version::Http11 },
            fields: fields(&parts.headers),
            body: body.to_bytes().to_vec(),
        });
    }
    Ok(http::Response::new(Empty::new()))
}

fn hypers_requests(bytes: &[u8]) -> Vec<Asked> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (client, server) = tokio::io::duplex(256 * 1024);
    let service = {
        let log = Arc::clone(&log);
        hyper::service::service_fn(move |request| serve(request, Arc::clone(&log)))
    };
    on_this_thread(async {
        let served = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(server), service);
        let (mut reader, mut writer) = tokio::io::split(client);
        let asked = async {
            // A server that has refused the beginning does not read the rest.
            let _ = writer.write_all(bytes).await;
            let _ = writer.shutdown().await;
            let _ = reader.read_to_end(&mut Vec::new()).await;
        };
        let _ = tokio::join!(served, asked);
    });
    let asked = log.lock().expect("nobody panics with it");
    asked.clone()
}

/// The final response in the bytes, complete; `None` when it is refused, cut off or a switch of protocols.
fn our_answer(method: &str, bytes: &[u8]) -> Option<Answered> {
    let (mut rest, mut head) = (bytes, ResponseHead::new());
    loop {
        match parse_response(rest, &HeadLimits::default(), &mut head).ok()? {
            Status::Complete(length) => rest = &rest[length..],
            Status::Partial => return None,
        }
        if head.status() == 101 {
            return None;
        }
        if !head.is_informational() {
            break;
        }
    }
    let mut decoder = BodyDecoder::for_response(head.framing_for(method == "HEAD", false));
    let mut body = Vec::new();
    while !decoder.is_done() && !rest.is_empty() {
        let piece = decoder.next(rest).ok()?;
        body.extend_from_slice(&rest[piece.data]);
        rest = &rest[piece.consumed..];
    }
    decoder.eof().ok()?;
    let named = |name: &[u8]| String::from_utf8_lossy(name).to_ascii_lowercase();
    let fields = sorted(head.fields().map(|field| (named(field.name), field.value.to_vec())));
    Some(Answered { status: head.status(), fields, body })
}

fn hypers_answer(method: &str, bytes: &[u8]) -> Option<Answered> {
    let (client, server) = tokio::io::duplex(256 * 1024);
    let (_requests, mut answers) = tokio::io::split(server);
    on_this_thread(async {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(client))
            .await
            .expect("it only takes the stream");
        let request = http::Request::builder().method(method).uri("/").header("host", "a");
        let request = request.body(Empty::<Bytes>::new()).expect("a good request");
        let asked = async {
            let (parts, body) = sender.send_request(request).await.ok()?.into_parts();
            let body = body.collect().await.ok()?.to_bytes().to_vec();
            Some(Answered { status: parts.status.as_u16(), fields: fields(&parts.headers), body })
        };
        let answered = async {
            // A client that has not asked yet takes an early answer for an error.
            tokio::task::yield_now().await;
            let _ = answers.write_all(bytes).await;
            let _ = answers.shutdown().await;
        };
        let (answer, _, ()) = tokio::join!(asked, connection, answered);
        answer
    })
}

fn fields(map: &http::HeaderMap) -> Fields {
    sorted(map.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())))
}

fn sorted(fields: impl Iterator<Item = (String, Vec<u8>)>) -> Fields {
    let mut fields: Fields = fields.collect();
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

fn on_this_thread<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
    }
    RUNTIME.with(|runtime| {
        let made = || Builder::new_current_thread().build().expect("a runtime without drivers");
        runtime.get_or_init(made).block_on(work)
    })
}
