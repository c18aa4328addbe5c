//! Upgraded connections: WebSockets, and what must never become a tunnel.

use std::io::{Read, Write};

use tokio_tungstenite::tungstenite::Message as Frame;

use super::{front, front_with};
use crate::support::{After, Client, Origin, Tail, websocket};

fn echo_server() -> Origin {
    Origin::scripted(|message, wire| websocket::echo(message, wire))
}

#[test]
fn a_websocket_carries_messages_both_ways_and_closes_in_order() {
    let origin = echo_server();
    let daemon = front(&[&origin]);
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    websocket::round_trip(&mut socket, "hello");
    let large = Frame::binary(vec![7; 1_000_000]);
    socket.send(large.clone()).unwrap();
    assert_eq!(socket.read().unwrap(), large);
    socket.close(None).unwrap();
    assert!(socket.read().unwrap().is_close());
}

#[test]
fn a_websocket_request_tells_the_server_what_a_plain_one_does() {
    let origin = echo_server();
    let daemon = front(&[&origin]);
    let (_socket, _) = websocket::open(daemon.address(), "/ws?room=1", "Sec-WebSocket-Protocol: chat\r\n");
    let request = origin.requests().remove(0);
    assert_eq!(request.target(), "/ws?room=1");
    assert_eq!(request.field("upgrade").map(str::to_lowercase).as_deref(), Some("websocket"));
    assert_eq!(request.field("connection").map(str::to_lowercase).as_deref(), Some("upgrade"));
    assert_eq!(request.field("sec-websocket-protocol"), Some("chat"));
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
}

#[test]
fn many_websockets_stay_open_beside_plain_requests() {
    let origin = Origin::scripted(|message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok("plain"),
    });
    let daemon = front(&[&origin]);
    let mut sockets: Vec<_> = (0..50).map(|_| websocket::open(daemon.address(), "/ws", "").0).collect();
    let mut client = Client::connect(daemon.address());
    for round in 0..3 {
        for (n, socket) in sockets.iter_mut().enumerate() {
            websocket::round_trip(socket, &format!("{round} {n}"));
        }
        assert_eq!(client.get("/").text(), "plain");
    }
}

#[test]
fn a_refused_upgrade_is_an_ordinary_answer() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    assert_eq!(client.request("GET", "/ws", upgrade, b"").status(), 200);
    assert_eq!(client.get("/after").status(), 200);
}

/// A handshake, and the answer that proves its key (RFC 6455, section 1.3).
const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[test]
fn bytes_right_behind_the_heads_are_not_lost() {
    let origin = Origin::scripted(|_, wire| {
        wire.send([SWITCHED.as_bytes(), b"\x81\x08welcome\n"].concat())?;
        let mut said = [0; 12];
        wire.reader().read_exact(&mut said)?;
        wire.send(b"\x81\x06")?;
        wire.send(&said[6..])?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send([HANDSHAKE.as_bytes(), b"\x81\x86\0\0\0\0hello\n"].concat());
    let head = client.read_head();
    assert_eq!((head.status(), head.field("upgrade")), (101, Some("websocket")));
    assert_eq!(client.read_bytes(10), b"\x81\x08welcome\n");
    assert_eq!(client.read_bytes(8), b"\x81\x06hello\n");
}

#[test]
fn a_half_closed_tunnel_still_delivers_the_other_half() {
    let origin = Origin::scripted(|_, wire| {
        wire.send(SWITCHED)?;
        let mut all = Vec::new();
        wire.reader().read_to_end(&mut all)?;
        wire.send(b"\x81\x0f")?;
        wire.reader().get_mut().write_all(&all[6..])?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send(HANDSHAKE);
    assert_eq!(client.read_head().status(), 101);
    client.send(b"\x81\x8f\0\0\0\0the last words\n").end_sending();
    assert_eq!(client.read_bytes(17), b"\x81\x0fthe last words\n");
}

#[test]
fn only_a_whole_websocket_handshake_opens_a_tunnel() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (what, version, fields) in [
        ("h2c", "1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
        (
            "h2c beside a websocket",
            "1.1",
            "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\nSec-WebSocket-Version: 13\r\n",
        ),
        (
            "a websocket beside h2c",
            "1.1",
            "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\nSec-WebSocket-Version: 13\r\n",
        ),
        ("tls", "1.1", "Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n"),
        ("a protocol of the server's own", "1.1", "Connection: Upgrade\r\nUpgrade: line/1\r\n"),
        (
            "a websocket of another version",
            "1.1",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n",
        ),
        ("a websocket without a version", "1.1", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        (
            "a websocket that Connection does not name",
            "1.1",
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        ),
        (
            "HTTP/1.0",
            "1.0",
            "Connection: Upgrade, keep-alive\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        ),
    ] {
        let mut client = Client::connect(daemon.address());
        client.send(format!("GET / HTTP/{version}\r\nHost: app.test\r\n{fields}{key}\r\n"));
        let answer = client.read(Tail::AsSaid);
        assert_eq!(answer.status(), 200, "{what}: {answer:?}");
        let asked = answer.text().to_owned();
        for gone in ["\nupgrade:", "\nconnection:", "\nhttp2-settings:"] {
            assert!(!asked.contains(gone), "{what}: the server was asked {asked}");
        }
        assert_eq!(client.get("/after").status(), 200, "{what}: the connection still speaks HTTP");
    }
}

#[test]
fn a_switch_that_was_not_asked_for_or_does_not_prove_the_key_is_a_502() {
    let rows = [
        ("no proof", "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        (
            "another key's proof",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
        ),
        (
            "another protocol",
            "Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        ),
        ("no Upgrade", "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        ("no Connection", "Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
    ];
    for (what, fields) in rows {
        let origin = Origin::scripted(move |message, wire| match message.target() {
            "/good" => wire.ok("good"),
            _ => {
                wire.send(format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\nHTTP/1.1 200 OK\r\n"))?;
                Ok(After::Keep)
            }
        });
        let daemon = front(&[&origin]);
        let mut client = Client::connect(daemon.address());
        client.send(HANDSHAKE);
        assert_eq!(client.read(Tail::AsSaid).status(), 502, "{what}");
        let mut client = Client::connect(daemon.address());
        assert_eq!(client.get("/plain").status(), 502, "{what}, unasked");
        assert_eq!(
            client.get("/good").text(),
            "good",
            "{what}: the connection of the liar is not used again"
        );
    }
}

#[test]
fn a_server_that_switches_without_being_asked_is_refused() {
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 502);
}

#[test]
fn a_silent_tunnel_ends_with_its_clock_and_not_with_that_of_requests() {
    let origin = echo_server();
    let clocks = "timeout tunnel-idle=\"1s\" idle=\"100ms\" response=\"100ms\"";
    let daemon = front_with(&[&origin], "", clocks);
    let opened = std::time::Instant::now();
    let mut socket = websocket::opened(daemon.address(), "/ws");
    assert!(!matches!(socket.read(), Ok(frame) if !frame.is_close()));
    assert!(opened.elapsed() >= std::time::Duration::from_millis(900), "{:?}", opened.elapsed());
}

#[test]
fn a_connect_request_is_refused() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    for target in ["app.test:443", "/"] {
        let mut client = Client::connect(daemon.address());
        client.send(format!("CONNECT {target} HTTP/1.1\r\nHost: app.test:443\r\n\r\n"));
        assert_eq!(client.read(Tail::AsSaid).status(), 501, "{target}");
    }
    assert_eq!(origin.requests().len(), 0);
}
