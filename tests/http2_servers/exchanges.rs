//! One request each: what the server sees of it, and what the client gets.

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame};
use hyper::{HeaderMap, Response};
use tokio::sync::mpsc;

use super::{front, front_with};
use crate::support::http2::{connect, empty, read, request, run, send, streamed, whole};
use crate::support::http2_server::{Reply, any, text};
use crate::support::{Client, Http2Server};

#[test]
fn a_request_of_http1_reaches_the_server_as_one_of_http2() {
    let server = Http2Server::run(|_| async {
        let mut answer = text("hello");
        answer.headers_mut().insert("x-own", "yes".parse().unwrap());
        answer
    });
    let daemon = front(&[&server]);
    let mut client = Client::connect(daemon.address());
    let answer = client.request("POST", "/page?q=1", "X-Own: yes\r\nCookie: a=1\r\n", b"body");
    assert_eq!((answer.status(), answer.text(), answer.field("x-own")), (200, "hello", Some("yes")));
    assert_eq!((answer.field("content-length"), answer.field("via")), (Some("5"), Some("2.0 lbd")));
    assert_eq!(client.get("/again").status(), 200, "the client's connection goes on");
    let seen = &server.requests()[0];
    let field = |name: &str| seen.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(seen.version, hyper::Version::HTTP_2);
    assert_eq!((seen.method.as_str(), seen.uri.path(), seen.uri.query()), ("POST", "/page", Some("q=1")));
    assert_eq!((seen.uri.scheme_str(), seen.uri.authority().unwrap().as_str()), (Some("http"), "app.test"));
    assert_eq!(
        (field("x-own"), field("cookie"), field("content-length")),
        (Some("yes"), Some("a=1"), Some("4"))
    );
    assert_eq!((field("x-forwarded-for"), field("via")), (Some("127.0.0.1"), Some("1.1 lbd")));
    assert_eq!((field("te"), field("connection"), field("host")), (None, None, None));
}

#[test]
fn answers_without_a_body_have_none() {
    let server = Http2Server::run(|request| async move {
        let status = request.uri().path()[1..].parse().unwrap();
        Response::builder().status::<u16>(status).body(any(http_body_util::Empty::new())).unwrap()
    });
    let daemon = front(&[&server]);
    let mut client = Client::connect(daemon.address());
    for (method, status) in [("GET", 204), ("GET", 304), ("HEAD", 200), ("GET", 404), ("DELETE", 200)] {
        let answer = client.request(method, &format!("/{status}"), "", b"");
        assert_eq!((answer.status(), answer.text()), (status, ""), "{method} {status}");
    }
}

/// Answers a request with its own body and trailers.
async fn echo(request: hyper::Request<hyper::body::Incoming>) -> Reply {
    Response::new(any(request.into_body()))
}

#[test]
fn large_bodies_pass_both_ways_unchanged() {
    let server = Http2Server::run(echo);
    let daemon = front(&[&server]);
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let answer = Client::connect(daemon.address()).request("POST", "/", "", &body);
    assert!(answer.body == body, "{} bytes came back over HTTP/1", answer.body.len());
    run(async {
        let mut client = connect(daemon.address()).await;
        let answer = send(&mut client, request("POST", "/", whole(body.clone()))).await;
        assert!(answer.body == body, "{} bytes came back over HTTP/2", answer.body.len());
    });
}

#[test]
fn both_bodies_stream_at_once() {
    let server = Http2Server::run(echo);
    let daemon = front(&[&server]);
    run(async {
        let mut client = connect(daemon.address()).await;
        let (body, frames) = streamed();
        let mut answer = client.send_request(request("POST", "/", frames)).await.unwrap();
        for n in 0..20 {
            let piece = Bytes::from(format!("piece {n}"));
            body.send(Frame::data(piece.clone())).unwrap();
            let back = answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(back, piece, "each piece is back before the next one goes");
        }
        drop(body);
        assert_eq!(read(answer).await.unwrap().body.len(), 0, "no more than was sent");
    });
}

#[test]
fn trailers_pass_both_ways() {
    let server = Http2Server::run(|request| async move {
        let wants = request.headers().get("te").cloned();
        let body = request.into_body().collect().await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-back", body.trailers().unwrap()["x-sum"].clone());
        trailers.insert("x-te", wants.unwrap());
        let (frames, stream) = mpsc::unbounded_channel::<Frame<Bytes>>();
        frames.send(Frame::data(body.to_bytes())).unwrap();
        frames.send(Frame::trailers(trailers)).unwrap();
        Response::new(any(StreamBody::new(received(stream))))
    });
    let daemon = front(&[&server]);
    let answer = run(async {
        let mut client = connect(daemon.address()).await;
        let (body, frames) = streamed();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "42".parse().unwrap());
        body.send(Frame::data(Bytes::from("data"))).unwrap();
        body.send(Frame::trailers(trailers)).unwrap();
        drop(body);
        let mut request = request("POST", "/", frames);
        request.headers_mut().insert("te", "trailers".parse().unwrap());
        send(&mut client, request).await
    });
    let trailers = answer.trailers.unwrap();
    assert_eq!(
        (answer.body, &trailers["x-back"], &trailers["x-te"]),
        ("data".into(), &"42".parse().unwrap(), &"trailers".parse().unwrap())
    );
    let mut client = Client::connect(daemon.address());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("2\r\nhi\r\n0\r\nX-Sum: 43\r\n\r\n");
    assert!(client.read_until("x-te: trailers\r\n\r\n").contains("x-back: 43\r\n"), "also between versions");
}

fn received(
    mut frames: mpsc::UnboundedReceiver<Frame<Bytes>>,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, std::convert::Infallible>> {
    futures_util::stream::poll_fn(move |cx| frames.poll_recv(cx).map(|frame| frame.map(Ok)))
}

#[test]
fn an_answer_that_ends_with_its_head_does_so_for_the_client_too() {
    let server = Http2Server::run(|_| async {
        let answer =
            Response::builder().header("content-type", "application/grpc").header("grpc-status", "5");
        answer.body(any(http_body_util::Empty::new())).unwrap()
    });
    let daemon = front(&[&server]);
    let refusing = front_with(&[&server], "http=2", "", "deny-from \"127.0.0.0/8\"");
    for (daemon, status) in [(daemon, "5"), (refusing, "7")] {
        run(async {
            let mut client = connect(daemon.address()).await;
            let mut request = request("POST", "/", whole("ask"));
            request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
            let answer = client.send_request(request).await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()["grpc-status"]),
                (200, &status.parse().unwrap())
            );
            assert!(
                answer.body().is_end_stream(),
                "clients of gRPC look for the status where the answer ends"
            );
        });
    }
}

#[test]
fn a_client_that_gives_up_has_its_stream_reset_at_the_server() {
    let (gone, mut heard) = mpsc::unbounded_channel();
    let server = Http2Server::run(move |request| {
        let gone = gone.clone();
        async move {
            let mut body = request.into_body();
            gone.send("begun".to_owned()).unwrap();
            let end = body.frame().await;
            gone.send(format!("{:?}", end.map(|frame| frame.is_err()))).unwrap();
            text("nobody reads this")
        }
    });
    let daemon = front(&[&server]);
    run(async {
        let mut client = connect(daemon.address()).await;
        let (_body, frames) = streamed();
        let answer = client.send_request(request("POST", "/", frames));
        tokio::select! {
            _ = answer => panic!("no answer was given"),
            begun = heard.recv() => assert_eq!(begun.as_deref(), Some("begun")),
        }
        // The future is dropped: hyper resets the stream.
        assert_eq!(heard.recv().await.as_deref(), Some("Some(true)"));
        let mut other = connect(daemon.address()).await;
        let answer = other.send_request(request("GET", "/", empty())).await.unwrap();
        assert_eq!(answer.status(), 200, "the connection to the server goes on");
    });
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_sticky_cookie_keeps_a_client_on_its_server() {
    let servers = [Http2Server::named("s0"), Http2Server::named("s1")];
    let daemon = front_with(&servers.each_ref(), "http=2", "sticky cookie name=NODE", "");
    let mut client = Client::connect(daemon.address());
    let first = client.get("/");
    let cookie = first.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    for _ in 0..4 {
        let next = client.request("GET", "/", &format!("Cookie: {cookie}\r\n"), b"");
        assert_eq!(next.text(), first.text());
    }
    assert!(servers.iter().flat_map(Http2Server::requests).all(|seen| !seen.headers.contains_key("cookie")));
}
