//! What lbd does within WebSockets: it closes them by frames, tells clients of lost servers, and pings the silent.

use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::{front, front_with};
use crate::support::{After, Client, DEADLINE, Daemon, Origin, eventually, websocket};

const NOW: &str = "drain deadline=\"0s\"";

/// Drains the only server, whatever that means for new clients.
fn drain(daemon: &Daemon) {
    let wish = json!({"state": "drain", "force": true, "reason": "kernel"});
    let (status, answer) = daemon.control_with("PUT", "/v1/pools/app/servers/s0/admin", &wish);
    assert_eq!(status, 202, "{answer}");
}

#[test]
fn a_close_comes_behind_all_that_the_server_said_before_it() {
    let (say, told) = mpsc::sync_channel::<()>(0);
    let told = std::sync::Mutex::new(told);
    let origin = Origin::scripted(move |message, wire| {
        let mut socket = websocket::accept(message, wire)?;
        told.lock().unwrap().recv().unwrap();
        // A message in fragments, begun before the drain and ended behind the Close of the balancer.
        let stream = socket.get_mut();
        stream.write_all(b"\x01\x03one")?;
        told.lock().unwrap().recv().unwrap();
        let mut close = [0; 8];
        stream.read_exact(&mut close)?;
        assert_eq!(close[0], 0x88, "a Close");
        assert_eq!(u16::from_be_bytes([close[6] ^ close[2], close[7] ^ close[3]]), 1001, "going away");
        stream.write_all(b"\x00\x03two\x80\x05three\x81\x04last\x88\x02\x03\xe9")?;
        let _ = stream.read_to_end(&mut Vec::new());
        Ok(After::Close)
    });
    let daemon = front_with(&[&origin], NOW, "");
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    say.send(()).unwrap();
    drain(&daemon);
    say.send(()).unwrap();
    let (texts, close) = websocket::read_to_close(&mut socket);
    assert_eq!(texts, ["onetwothree", "last"]);
    assert_eq!(close, Some((1012, "kernel".to_owned())));
}

#[test]
fn a_client_is_told_when_its_server_is_gone() {
    let origin = Origin::scripted(|message, wire| {
        let mut socket = websocket::accept(message, wire)?;
        let _ = socket.send(Frame::text("bye"));
        Ok(if message.target() == "/reset" { After::Reset } else { After::Close })
    });
    for (settings, code) in [("", 1012), ("websocket lost-code=4001", 4001)] {
        let daemon = front_with(&[&origin], settings, "");
        let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
        let (texts, close) = websocket::read_to_close(&mut socket);
        assert_eq!(texts, ["bye"]);
        assert_eq!(close.map(|(code, _)| code), Some(code));
        // A reset may overtake the message; what there is, is still frames.
        let (mut socket, _) = websocket::open(daemon.address(), "/reset", "");
        assert_eq!(websocket::read_to_close(&mut socket).1.map(|(code, _)| code), Some(code));
    }
}

#[test]
fn what_a_server_says_to_a_close_is_all_that_its_client_hears() {
    // Servers drop who breaks the protocol; a Close of ours would say that all is well.
    let masked = |first: u8, payload: &[u8]| {
        let head: &[u8] = &[first, 0x80 | payload.len().min(126) as u8];
        let size = (payload.len() as u16).to_be_bytes();
        [head, if payload.len() > 125 { &size } else { &[] }, &[0; 4], payload].concat()
    };
    for (what, frame) in [
        ("a Close", masked(0x88, &1000_u16.to_be_bytes())),
        ("one without a code", masked(0x88, &[])),
        ("one with half a code", masked(0x88, &[3])),
        ("one with a code that nobody may send", masked(0x88, &999_u16.to_be_bytes())),
        ("one with bits of no extension", masked(0xf8, &[])),
        ("one that is too long", masked(0x88, &[0x61; 126])),
    ] {
        let length = frame.len();
        let origin = Origin::scripted(move |message, wire| {
            let mut socket = websocket::accept(message, wire)?;
            socket.get_mut().read_exact(&mut vec![0; length])?;
            Ok(After::Close)
        });
        let daemon = front(&[&origin]);
        let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
        socket.get_mut().write_all(&frame).unwrap();
        let mut heard = Vec::new();
        socket.get_mut().read_to_end(&mut heard).unwrap();
        assert!(heard.is_empty(), "{what}: {heard:?}");
    }
}

#[test]
fn a_server_that_dies_within_a_frame_is_a_cut() {
    let origin = Origin::scripted(|message, wire| {
        let mut socket = websocket::accept(message, wire)?;
        socket.get_mut().write_all(b"\x81\x05hal")?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    assert_eq!(websocket::read_to_close(&mut socket), (Vec::new(), None));
}

#[test]
fn what_is_no_websocket_passes_as_it_is() {
    let origin = Origin::scripted(|message, wire| {
        let mut socket = websocket::accept(message, wire)?;
        let mut line = [0; 6];
        socket.get_mut().read_exact(&mut line)?;
        socket.get_mut().write_all(&line)?;
        let _ = socket.get_mut().read(&mut line);
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send(
        "GET /ws HTTP/1.1\r\nHost: app.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.read_head().status(), 101);
    client.send("hello\n");
    assert_eq!(client.read_until("\n"), "hello\n");
}

#[test]
fn both_sides_are_pinged_when_they_are_silent_and_see_no_pong_of_the_other() {
    let (pinged, server) = mpsc::channel();
    let pinged = std::sync::Mutex::new(pinged);
    let origin = Origin::scripted(move |message, wire| {
        let mut socket = websocket::accept(message, wire)?;
        while let Ok(frame) = socket.read() {
            if frame.is_text() {
                socket.send(frame).unwrap();
            } else {
                let _ = pinged.lock().unwrap().send(frame);
            }
        }
        Ok(After::Close)
    });
    let daemon = front_with(&[&origin], "websocket ping=\"2s\"", "timeout tunnel-idle=\"10s\"");
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    for _ in 0..2 {
        let Ok(Frame::Ping(payload)) = socket.read() else { panic!("a ping is due") };
        assert_eq!(payload.len(), 8);
        let seen = server.recv_timeout(DEADLINE).expect("the server is pinged too");
        assert!(matches!(seen, Frame::Ping(_)), "{seen:?}");
    }
    // Reading has answered the pings; what comes next at either side is a ping or the message.
    socket.send(Frame::text("hello")).unwrap();
    let answer = std::iter::from_fn(|| socket.read().ok()).find(|frame| !frame.is_ping());
    assert_eq!(answer, Some(Frame::text("hello")));
    assert!(server.try_iter().all(|frame| frame.is_ping()), "no pong of the client reaches the server");
    let (_, held) = daemon.control("GET", "/v1/connections");
    assert!(held["connections"][0]["rtt_us"].as_u64().is_some_and(|micros| micros > 0), "{held}");
}

#[test]
fn who_does_not_answer_pings_is_given_up() {
    let origin = Origin::scripted(|message, wire| {
        let mut socket = websocket::accept(message, wire)?;
        // It reads and never answers.
        let _ = socket.get_mut().read_to_end(&mut Vec::new());
        Ok(After::Close)
    });
    let daemon = front_with(&[&origin], "websocket ping=\"300ms\"", "");
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    let mut close = None;
    while let Ok(frame) = socket.read() {
        if let Frame::Close(frame) = frame {
            close = frame.map(|frame| u16::from(frame.code));
        }
    }
    assert_eq!(close, Some(1012), "the client is told");
    let origin = Origin::scripted(|message, wire| websocket::echo(message, wire));
    let deaf = front_with(&[&origin], "websocket ping=\"300ms\"", "");
    let (mut socket, _) = websocket::open(deaf.address(), "/ws", "");
    eventually("a client that answers no ping is given up", || {
        let sessions = deaf.control("GET", "/v1/pools/app/servers/s0").1["sessions"].as_u64();
        (sessions == Some(0)).then_some(())
    });
    let _ = socket.get_mut().set_read_timeout(Some(Duration::from_secs(5)));
    let mut rest = Vec::new();
    let _ = socket.get_mut().read_to_end(&mut rest);
    assert_eq!(rest[0], 0x89, "it was pinged");
}
