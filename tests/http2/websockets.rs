//! WebSockets over HTTP/2 (RFC 8441): to the server they are those of HTTP/1.

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::front;
use crate::support::http2::{WebSocket, connect, connect_to, get, read, run, upgraded};
use crate::support::{After, Origin, Wire, eventually, websocket};

fn echo_server() -> Origin {
    Origin::scripted(|message, wire: &mut Wire| match message.target() {
        "/" => wire.ok("plain"),
        _ => websocket::echo(message, wire),
    })
}

async fn round_trip(socket: &mut WebSocket, frame: Frame) {
    socket.send(frame.clone()).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), frame);
}

#[test]
fn a_websocket_carries_messages_both_ways_and_closes_in_order() {
    let origin = echo_server();
    let daemon = front(&[&origin], "sticky cookie name=NODE", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        assert_eq!(get(&mut client, "/").await.text(), "plain");
        let answer =
            connect_to(&mut client, "websocket", "/ws?room=1", &[("sec-websocket-protocol", "chat")]).await;
        let fields = answer.headers().clone();
        assert_eq!(answer.status(), 200);
        assert!(fields["set-cookie"].to_str().unwrap().starts_with("NODE="), "{fields:?}");
        for gone in ["sec-websocket-accept", "upgrade", "connection", "content-length"] {
            assert!(!fields.contains_key(gone), "{fields:?}");
        }
        let mut socket = upgraded(answer).await;
        round_trip(&mut socket, Frame::text("hello")).await;
        round_trip(&mut socket, Frame::binary(vec![7; 1_000_000])).await;
        assert_eq!(get(&mut client, "/").await.text(), "plain", "beside it, requests go on");
        socket.close(None).await.unwrap();
        assert!(socket.next().await.unwrap().unwrap().is_close());
        assert!(socket.next().await.is_none(), "an end, not a reset");
    });
    let seen = origin.requests().into_iter().find(|message| message.target() == "/ws?room=1").unwrap();
    assert_eq!((seen.line.as_str(), seen.field("host")), ("GET /ws?room=1 HTTP/1.1", Some("app.test")));
    let lower = |name| seen.field(name).map(str::to_lowercase);
    assert_eq!(
        (lower("connection").as_deref(), lower("upgrade").as_deref()),
        (Some("upgrade"), Some("websocket"))
    );
    assert_eq!(
        (seen.field("sec-websocket-version"), seen.field("sec-websocket-protocol")),
        (Some("13"), Some("chat"))
    );
    assert_eq!((seen.field("via"), seen.field("x-forwarded-for")), (Some("2.0 lbd"), Some("127.0.0.1")));
    assert_eq!((seen.field("content-length"), seen.field("transfer-encoding")), (None, None));
}

#[test]
fn a_refusal_is_an_ordinary_answer_and_what_would_pass_for_a_tunnel_is_none() {
    let origin = Origin::scripted(|message, wire: &mut Wire| match message.target() {
        "/forbidden" => {
            wire.send(
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nwho?",
            )?;
            Ok(After::Keep)
        }
        "/unproven" => {
            wire.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
            )?;
            Ok(After::Close)
        }
        _ => wire.ok("plain"),
    });
    let daemon = front(&[&origin], "", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        assert_eq!(get(&mut client, "/").await.text(), "plain");
        let refused = connect_to(&mut client, "websocket", "/forbidden", &[]).await;
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["www-authenticate"]),
            (401, &"Basic".parse().unwrap())
        );
        assert_eq!(read(refused).await.unwrap().text(), "who?");
        for (protocol, path, fields, status) in [
            ("websocket", "/", &[][..], 502),
            ("websocket", "/unproven", &[], 502),
            ("websocket", "/ws", &[("sec-websocket-version", "8")], 400),
            ("connect-udp", "/", &[], 501),
        ] {
            let answer = connect_to(&mut client, protocol, path, fields).await;
            assert_eq!(answer.status(), status, "{protocol} {path} {fields:?}");
        }
        assert_eq!(get(&mut client, "/").await.text(), "plain");
    });
}

#[test]
fn a_session_is_counted_closed_by_an_operator_and_by_its_clock() {
    let origin = echo_server();
    let daemon = front(&[&origin], "", "timeout tunnel-idle=\"2s\" idle=\"500ms\" response=\"500ms\"");
    let sessions = || daemon.control("GET", "/v1/pools/app").1["servers"][0]["sessions"].clone();
    run(async {
        let mut client = connect(daemon.address()).await;
        // A busy machine may be too slow for the clock of answers.
        let answer = loop {
            let answer = connect_to(&mut client, "websocket", "/ws", &[]).await;
            if answer.status() == 200 {
                break answer;
            }
        };
        let opened = std::time::Instant::now();
        let mut socket = upgraded(answer).await;
        round_trip(&mut socket, Frame::text("hello")).await;
        assert_eq!(sessions(), 1);
        assert!(!matches!(socket.next().await, Some(Ok(frame)) if !frame.is_close()), "silent for too long");
        assert!(opened.elapsed() >= std::time::Duration::from_millis(1900), "{:?}", opened.elapsed());
        eventually("the session is gone", || (sessions() == 0).then_some(()));
        while get(&mut client, "/").await.status != 200 {}
    });
}

#[test]
fn its_frames_are_followed_a_drain_closes_it_by_a_close_and_a_lost_server_is_told() {
    let drained = Origin::scripted(|message, wire| websocket::echo(message, wire));
    let lost = Origin::scripted(|message, wire| {
        let mut socket = websocket::accept(message, wire)?;
        let _ = socket.send(Frame::text("bye"));
        Ok(After::Close)
    });
    let daemon = front(&[&drained], "websocket ping=\"2s\"", "");
    let gone = front(&[&lost], "websocket lost-code=4001", "");
    let close = |frame: &Frame| match frame {
        Frame::Close(Some(close)) => (u16::from(close.code), close.reason.to_string()),
        other => panic!("{other:?} is no Close"),
    };
    run(async {
        let mut client = connect(daemon.address()).await;
        let mut socket = upgraded(connect_to(&mut client, "websocket", "/ws", &[]).await).await;
        round_trip(&mut socket, Frame::text("hello")).await;
        assert!(socket.next().await.unwrap().unwrap().is_ping(), "it was silent");
        let wish = serde_json::json!({"state": "drain", "force": true, "reason": "kernel"});
        let (status, answer) = daemon.control_with("PUT", "/v1/pools/app/servers/s0/admin", &wish);
        assert_eq!(status, 202, "{answer}");
        let mut last = socket.next().await.unwrap().unwrap();
        while last.is_ping() {
            last = socket.next().await.unwrap().unwrap();
        }
        assert_eq!(close(&last), (1012, "kernel".to_owned()));
        assert!(socket.next().await.is_none(), "an end, not a reset");
        let mut client = connect(gone.address()).await;
        let mut socket = upgraded(connect_to(&mut client, "websocket", "/ws", &[]).await).await;
        assert_eq!(socket.next().await.unwrap().unwrap(), Frame::text("bye"));
        assert_eq!(close(&socket.next().await.unwrap().unwrap()).0, 4001);
    });
}
