//! The whole codec against hyper's: the same bytes must mean the same, or be refused here.
//!
//! Both read one connection's bytes, message after message. What this codec serves must be what hyper serves, in
//! method, path, fields and body; it may stop earlier by refusing, never go on where hyper stops.

mod corpus;
mod responses;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::proxy::head::{RequestHead, Version};

/// One request as it was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    method: String,
    path: String,
    query: Option<String>,
    version: Version,
    fields: Vec<(String, Vec<u8>)>,
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

/// Field order over different names is not compared: hyper keeps a map.
fn sorted(mut fields: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    fields.sort_by(|a, b| a.0.cmp(&b.0));
    fields
}

fn ours(bytes: &[u8]) -> (Vec<Seen>, End) {
    let (mut seen, mut rest, mut head) = (Vec::new(), bytes, RequestHead::new());
    loop {
        match parse_request(rest, &HeadLimits::default(), &mut head) {
            Ok(Status::Complete(length)) => rest = &rest[length..],
            Ok(Status::Partial) => return (seen, End::Waits),
            Err(error) => return (seen, End::Refused(error.to_string())),
        }
        let (mut decoder, mut body) = (BodyDecoder::for_request(head.framing()), Vec::new());
        while !decoder.is_done() {
            match decoder.next(rest) {
                Err(error) => return (seen, End::Refused(error.to_string())),
                Ok(piece) => {
                    body.extend_from_slice(&rest[piece.data]);
                    rest = &rest[piece.consumed..];
                    if rest.is_empty() && !piece.done {
                        return (seen, End::Waits);
                    }
                }
            }
        }
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        // hyper has no asterisk form for an absolute target without a path
        let path = if head.target() == b"*" || head.path() != b"*" { head.path() } else { b"/" };
        seen.push(Seen {
            method: head.method().to_owned(),
            path: text(path),
            query: head.query().map(text),
            version: head.version(),
            fields: sorted(
                head.fields().map(|f| (text(f.name).to_ascii_lowercase(), f.value.to_vec())).collect(),
            ),
            body,
        });
        if !head.keep_alive() {
            return (seen, End::Closed);
        }
    }
}

async fn serve(
    request: http::Request<Incoming>,
    log: Arc<Mutex<Vec<Seen>>>,
) -> Result<http::Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    if let Ok(body) = body.collect().await {
        let fields =
            parts.headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec())).collect();
        log.lock().unwrap().push(Seen {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            version: if parts.version == http::Version::HTTP_10 { Version::Http10 } else { Version::Http11 },
            fields: sorted(fields),
            body: body.to_bytes().to_vec(),
        });
    }
    Ok(http::Response::new(Empty::new()))
}

fn hypers(runtime: &tokio::runtime::Runtime, bytes: &[u8]) -> Vec<Seen> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (client, server) = tokio::io::duplex(256 * 1024);
    let service = {
        let log = Arc::clone(&log);
        hyper::service::service_fn(move |request| serve(request, Arc::clone(&log)))
    };
    runtime.block_on(async {
        let served = hyper::server::conn::http1::Builder::new()
            .half_close(true)
            .serve_connection(TokioIo::new(server), service);
        let (mut reader, mut writer) = tokio::io::split(client);
        let asked = async {
            writer.write_all(bytes).await.unwrap();
            writer.shutdown().await.unwrap();
            let _ = reader.read_to_end(&mut Vec::new()).await;
        };
        let _ = tokio::join!(served, asked);
    });
    let seen = log.lock().unwrap();
    seen.clone()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Gives whether both read the bytes to the same end.
fn compare(runtime: &tokio::runtime::Runtime, bytes: &[u8]) -> Result<bool, String> {
    let (mine, end) = ours(bytes);
    let theirs = hypers(runtime, bytes);
    let shown = String::from_utf8_lossy(bytes).into_owned();
    if !theirs.starts_with(&mine) {
        return Err(format!("{shown:?}\nours: {mine:#?} {end:?}\nhyper: {theirs:#?}"));
    }
    if end == End::Waits && mine.len() != theirs.len() {
        return Err(format!("{shown:?}\nwe wait after {}, hyper served {theirs:#?}", mine.len()));
    }
    Ok(mine.len() == theirs.len())
}

#[test]
fn odd_and_plain_messages_mean_the_same_to_hyper_or_are_refused() {
    let runtime = runtime();
    let messages = corpus::messages();
    assert!(messages.len() >= 150, "{}", messages.len());
    for message in &messages {
        compare(&runtime, message).unwrap_or_else(|difference| panic!("{difference}"));
    }
}

#[test]
fn plain_messages_are_served_by_both() {
    let runtime = runtime();
    for message in corpus::plain() {
        let shown = String::from_utf8_lossy(&message).into_owned();
        assert_eq!(compare(&runtime, &message), Ok(true), "{shown:?}");
        assert!(!ours(&message).0.is_empty(), "{shown:?}");
    }
}

#[test]
fn a_head_that_trickles_in_is_judged_like_a_whole_one() {
    let limits = HeadLimits::default();
    for message in corpus::messages() {
        let whole = parse_request(&message, &limits, &mut RequestHead::new());
        let mut head = RequestHead::new();
        let trickled = (0..=message.len())
            .map(|end| parse_request(&message[..end], &limits, &mut head))
            .find(|result| *result != Ok(Status::Partial))
            .unwrap_or(Ok(Status::Partial));
        assert_eq!(trickled, whole, "{:?}", String::from_utf8_lossy(&message));
    }
}

#[derive(Debug, Clone)]
enum Mutation {
    Insert(usize, u8),
    Replace(usize, u8),
    Remove(usize),
    Repeat(usize, usize),
    Cut(usize),
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let place = |at: usize| at % bytes.len().max(1);
    match *mutation {
        Mutation::Insert(at, byte) => bytes.insert(place(at), byte),
        Mutation::Replace(at, byte) if !bytes.is_empty() => {
            let at = place(at);
            bytes[at] = byte;
        }
        Mutation::Remove(at) if !bytes.is_empty() => {
            bytes.remove(place(at));
        }
        Mutation::Repeat(at, length) if !bytes.is_empty() => {
            let at = place(at);
            let part = bytes[at..(at + length).min(bytes.len())].to_vec();
            bytes.splice(at..at, part);
        }
        Mutation::Cut(at) => bytes.truncate(place(at)),
        Mutation::Replace(..) | Mutation::Remove(_) | Mutation::Repeat(..) => {}
    }
}

fn odd_byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        4 => proptest::sample::select(b"\r\n\t :;,=0123456789aF/?#*\\\"%+-_.@[]".to_vec()),
        1 => any::<u8>(),
    ]
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = 0usize..1000;
    prop_oneof![
        4 => (at.clone(), odd_byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        4 => (at.clone(), odd_byte()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        3 => at.clone().prop_map(Mutation::Remove),
        2 => (at.clone(), 1usize..40).prop_map(|(at, length)| Mutation::Repeat(at, length)),
        1 => at.prop_map(Mutation::Cut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn mutated_messages_mean_the_same_to_hyper_or_are_refused(
        which in any::<proptest::sample::Index>(),
        mutations in proptest::collection::vec(mutation(), 1..4),
    ) {
        let messages = corpus::messages();
        let mut bytes = messages[which.index(messages.len())].clone();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        if let Err(difference) = compare(&runtime(), &bytes) {
            return Err(TestCaseError::fail(difference));
        }
    }
}
