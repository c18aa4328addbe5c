//! Upgraded connections: WebSockets, other protocols, and upgrades that are refused.

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

#[test]
fn bytes_right_behind_the_heads_are_not_lost() {
    let origin = Origin::scripted(|_, wire| {
        wire.send(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: line/1\r\n\r\nwelcome\n",
        )?;
        let mut said = [0; 6];
        wire.reader().read_exact(&mut said)?;
        wire.send(said)?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: line/1\r\n\r\n");
    let head = client.read_head();
    assert_eq!((head.status(), head.field("upgrade")), (101, Some("line/1")));
    assert_eq!(client.read_until("\n"), "welcome\n");
    client.send("hello\n");
    assert_eq!(client.read_until("\n"), "hello\n");
    assert!(client.is_closed());
}

#[test]
fn a_half_closed_tunnel_still_delivers_the_other_half() {
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: line/1\r\n\r\n")?;
        let mut all = Vec::new();
        wire.reader().read_to_end(&mut all)?;
        wire.reader().get_mut().write_all(&all)?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: line/1\r\n\r\n");
    assert_eq!(client.read_head().status(), 101);
    client.send("the last words\n").end_sending();
    assert_eq!(client.read_until("\n"), "the last words\n");
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
    let mut client = Client::connect(daemon.address());
    client.send("CONNECT app.test:443 HTTP/1.1\r\nHost: app.test:443\r\n\r\n");
    let answer = client.read(Tail::AsSaid);
    assert!((400..=501).contains(&answer.status()), "{answer:?}");
    assert_eq!(origin.requests().len(), 0);
}
