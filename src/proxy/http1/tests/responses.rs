//! Responses against hyper's client: what is accepted here must be what hyper understands.

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::AsyncWriteExt;

use super::{mutate, mutation, runtime, sorted};
use crate::proxy::head::ResponseHead;
use crate::proxy::http1::{BodyDecoder, HeadLimits, Status, parse_response};

#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

/// The final response in the bytes, complete; `None` when it is refused, cut off or a switch of protocols.
fn ours(method: &str, bytes: &[u8]) -> Option<Seen> {
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
    let fields = head
        .fields()
        .map(|f| (String::from_utf8_lossy(f.name).to_ascii_lowercase(), f.value.to_vec()))
        .collect();
    Some(Seen { status: head.status(), fields: sorted(fields), body })
}

fn hypers(runtime: &tokio::runtime::Runtime, method: &str, bytes: &[u8]) -> Option<Seen> {
    let (client, server) = tokio::io::duplex(256 * 1024);
    let (_requests, mut answers) = tokio::io::split(server);
    runtime.block_on(async {
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(client)).await.unwrap();
        let request = http::Request::builder().method(method).uri("/").header("host", "a");
        let asked = async {
            let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.ok()?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.ok()?.to_bytes().to_vec();
            let fields =
                parts.headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec())).collect();
            Some(Seen { status: parts.status.as_u16(), fields: sorted(fields), body })
        };
        let answered = async {
            // a client that has not asked yet takes an early answer for an error
            tokio::task::yield_now().await;
            let _ = answers.write_all(bytes).await;
            let _ = answers.shutdown().await;
        };
        let (seen, _, ()) = tokio::join!(asked, connection, answered);
        seen
    })
}

fn compare(runtime: &tokio::runtime::Runtime, method: &str, bytes: &[u8]) -> Result<bool, String> {
    let Some(mine) = ours(method, bytes) else { return Ok(false) };
    let theirs = hypers(runtime, method, bytes);
    if theirs.as_ref() == Some(&mine) {
        return Ok(true);
    }
    Err(format!("{method} {:?}\nours: {mine:#?}\nhyper: {theirs:#?}", String::from_utf8_lossy(bytes)))
}

/// Each with whether it is accepted as the answer to a GET.
const RESPONSES: &[(&[u8], bool)] = &[
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", true),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", true),
    (b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
    (b"HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", true),
    (b"HTTP/1.1 200 OK\r\nServer: s\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\nup to the end", true),
    (b"HTTP/1.0 200 OK\r\n\r\nold", true),
    (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nold", true),
    (b"HTTP/1.1 204 No Content\r\n\r\n", true),
    (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", true),
    (b"HTTP/1.1 404 \xe9\r\nContent-Length: 0\r\n\r\n", true),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true),
    (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", false),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", false),
    (b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello", false),
    (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        false,
    ),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", false),
    (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", false),
    (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", false),
    (b"HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n", false),
    (b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", false),
    (b"HTTP/2.0 200 OK\r\n\r\n", false),
    (b"<html>no status line</html>", false),
    (b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false),
    (b"HTTP/1.1 99 Low\r\n\r\n", false),
    (b"", false),
];

#[test]
fn responses_mean_the_same_to_hyper_or_are_refused() {
    let runtime = runtime();
    for &(bytes, accepted) in RESPONSES {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(compare(&runtime, "GET", bytes), Ok(accepted), "{shown:?}");
        compare(&runtime, "HEAD", bytes).unwrap_or_else(|difference| panic!("{difference}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn mutated_responses_mean_the_same_to_hyper_or_are_refused(
        which in any::<proptest::sample::Index>(),
        head in any::<bool>(),
        mutations in proptest::collection::vec(mutation(), 1..4),
    ) {
        let mut bytes = RESPONSES[which.index(RESPONSES.len())].0.to_vec();
        for mutation in &mutations {
            mutate(&mut bytes, mutation);
        }
        let method = if head { "HEAD" } else { "GET" };
        if let Err(difference) = compare(&runtime(), method, &bytes) {
            return Err(TestCaseError::fail(difference));
        }
    }
}
