//! Connections to servers: shared, bounded, replaced, and what happens to requests when one ends.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;

use http_body_util::BodyExt;
use tokio::sync::Barrier;

use super::{front, front_with};
use crate::support::http2::{connect, empty, read, request, run};
use crate::support::http2_server::{Manners, Reply, text};
use crate::support::{Client, Daemon, Http2Server, eventually};

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

/// Sends so many requests over one connection; the server answers none before all are there.
fn at_once(count: usize, streams: Option<u32>) -> usize {
    let all = Arc::new(Barrier::new(count));
    let server = Http2Server::with(Manners { streams, ..Manners::default() }, move |_| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            text("done")
        }
    });
    let daemon = front(&[&server]);
    run(async {
        let mut client = connect(daemon.address()).await;
        let mut answers = Vec::new();
        for _ in 0..count {
            client.ready().await.unwrap();
            answers.push(client.send_request(request("GET", "/", empty())));
        }
        for answer in answers {
            assert_eq!(read(answer.await.unwrap()).await.unwrap().text(), "done");
        }
    });
    server.connections()
}

#[test]
fn requests_share_a_connection_as_far_as_the_server_allows() {
    assert_eq!(at_once(40, None), 1);
    assert_eq!(at_once(6, Some(2)), 3);
}

#[test]
fn a_connection_ends_after_max_uses_and_when_nobody_uses_it() {
    let server = Http2Server::named("a");
    let daemon = front_with(&[&server], "http=2 max-uses=2 idle-timeout=\"300ms\"", "", "");
    let mut client = Client::connect(daemon.address());
    for _ in 0..4 {
        assert_eq!(client.get("/").status(), 200);
    }
    assert_eq!(server.connections(), 2);
    assert_eq!(client.get("/").status(), 200);
    eventually("the last connection ends", || (server.open() == 0).then_some(()));
    assert_eq!(client.get("/").status(), 200, "a new one is made");
}

#[test]
fn a_connection_that_names_a_client_serves_nobody_else_and_ends_with_it() {
    let server = Http2Server::with(Manners { proxy: true, ..Manners::default() }, |_| async { text("a") });
    let daemon = front_with(&[&server], "http=2 send-proxy=v1", "", "");
    let (mut one, mut other) = (Client::connect(daemon.address()), Client::connect(daemon.address()));
    let statuses = [one.get("/").status(), other.get("/").status(), one.get("/").status()];
    assert_eq!(statuses, [200; 3]);
    assert_eq!((server.connections(), server.open()), (2, 2));
    drop(one);
    eventually("its connection ends", || (server.open() == 1).then_some(()));
    assert_eq!(other.get("/").status(), 200);
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_server_that_came_back_is_reached_again() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let again = listener.try_clone().unwrap();
    let server = |listener, name: &'static str| {
        Http2Server::with(Manners { listener: Some(listener), ..Manners::default() }, move |_| async move {
            text(name)
        })
    };
    let first = server(listener, "first");
    let daemon = front(&[&first]);
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.get("/").text(), "first");
    drop(first);
    let _second = server(again, "second");
    assert_eq!(client.get("/").text(), "second");
}

async fn echo(request: hyper::Request<hyper::body::Incoming>) -> Reply {
    let body = request.into_body().collect().await.unwrap();
    text(body.to_bytes())
}

/// A server whose first connection reads one request and then says `last` words about its stream.
fn fickle(last: impl FnOnce(&mut TcpStream, u32) + Send + 'static) -> Http2Server {
    let first = move |mut tcp: TcpStream| {
        let mut preface = [0; 24];
        tcp.read_exact(&mut preface).unwrap();
        send(&mut tcp, SETTINGS, 0, &[]);
        let mut stream = 0;
        while stream == 0 {
            let mut head = [0; 9];
            tcp.read_exact(&mut head).unwrap();
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            tcp.read_exact(&mut payload).unwrap();
            if head[3] <= HEADERS && head[4] & 1 == 1 {
                stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            }
        }
        last(&mut tcp, stream);
        // To the end: a socket closed on unread bytes resets, which overtakes what was said.
        let _ = tcp.shutdown(std::net::Shutdown::Write);
        let _ = tcp.read_to_end(&mut Vec::new());
    };
    Http2Server::with(Manners { first: Some(Box::new(first)), ..Manners::default() }, echo)
}

fn send(tcp: &mut TcpStream, kind: u8, stream: u32, payload: &[u8]) {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, 0]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    tcp.write_all(&frame).unwrap();
}

fn goaway(tcp: &mut TcpStream, last: u32) {
    send(tcp, GOAWAY, 0, &[last.to_be_bytes(), [0; 4]].concat());
}

fn post(daemon: &Daemon) -> (u16, String) {
    let answer = Client::connect(daemon.address()).request("POST", "/", "", b"the body");
    (answer.status(), answer.text().to_owned())
}

#[test]
fn a_connection_that_refused_a_request_is_not_asked_again() {
    // It stays open, and never answers another.
    let refusing = fickle(|tcp, stream| {
        send(tcp, RST_STREAM, stream, &7u32.to_be_bytes());
        let _ = tcp.read_to_end(&mut Vec::new());
    });
    assert_eq!(post(&front(&[&refusing])), (200, "the body".to_owned()));
}

#[test]
fn a_request_that_the_server_did_not_look_at_is_sent_again_with_its_body() {
    let refused = fickle(|tcp, stream| send(tcp, RST_STREAM, stream, &7u32.to_be_bytes()));
    assert_eq!(post(&front(&[&refused])), (200, "the body".to_owned()), "REFUSED_STREAM");
    let away = fickle(|tcp, _| goaway(tcp, 0));
    assert_eq!(post(&front(&[&away])), (200, "the body".to_owned()), "GOAWAY");
}

#[test]
fn a_request_that_the_server_may_have_looked_at_is_not() {
    let looked = fickle(goaway);
    let daemon = front(&[&looked]);
    assert_eq!(post(&daemon).0, 502);
    assert_eq!(looked.requests().len(), 0);
    let closed = fickle(|_, _| ());
    assert_eq!(post(&front(&[&closed])).0, 502);
    assert_eq!(closed.requests().len(), 0);
}
