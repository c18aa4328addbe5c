//! Bodies: whole, in chunks, streamed both ways, cut short, early, and refused.

use std::io::Read;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::{front, front_with};
use crate::support::{After, Client, DEADLINE, Origin, Tail};

#[test]
fn a_large_body_passes_up_and_down_unchanged() {
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", message.body.len()))?;
        wire.send(&message.body)?;
        Ok(After::Keep)
    });
    let daemon = front(&[&origin]);
    let body: Vec<u8> = (0..3_000_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut client = Client::connect(daemon.address());
    for _ in 0..2 {
        let answer = std::thread::scope(|scope| {
            let sent = scope.spawn(|| client.request("POST", "/", "", &body));
            sent.join().unwrap()
        });
        assert_eq!(answer.status(), 200);
        assert!(answer.body == body, "{} bytes came back", answer.body.len());
    }
}

#[test]
fn a_body_in_chunks_arrives_whole() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5\r\nhello\r\n").send("1;note=yes\r\n \r\n").send("5\r\nworld\r\n0\r\n\r\n");
    assert_eq!(client.read(Tail::AsSaid).status(), 200);
    assert_eq!(client.get("/next").status(), 200);
    let seen = &origin.requests()[0];
    assert_eq!(seen.text(), "hello world");
    assert_eq!((seen.field("transfer-encoding"), seen.field("content-length")), (Some("chunked"), None));
}

#[test]
fn what_a_client_has_sent_reaches_the_server_before_the_rest() {
    let (arrived, seen) = channel();
    let origin = Origin::scripted(move |message, wire| {
        let mut first = [0; 5];
        wire.reader().read_exact(&mut first)?;
        arrived.send(first).unwrap();
        let mut rest = [0; 5];
        wire.reader().read_exact(&mut rest)?;
        let length = message.field("content-length").unwrap_or_default();
        wire.ok(&format!("{length}: {}", String::from_utf8_lossy(&[first, rest].concat())))
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("PUT / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\nfirst");
    assert_eq!(&seen.recv_timeout(DEADLINE).expect("the first half arrives"), b"first");
    client.send("later");
    assert_eq!(client.read(Tail::AsSaid).text(), "10: firstlater");
}

#[test]
fn an_event_stream_arrives_event_by_event() {
    let (go, gate) = channel();
    let gate = Mutex::new(gate);
    let origin = Origin::scripted(move |_, wire| {
        wire.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        )?;
        for n in 0..3 {
            let event = format!("data: {n}\n\n");
            wire.send(format!("{:x}\r\n{event}\r\n", event.len()))?;
            // The next event is only sent when the client has seen this one.
            gate.lock().unwrap().recv_timeout(DEADLINE).expect("the client saw the event");
        }
        wire.send("0\r\n\r\n")?;
        Ok(After::Keep)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("GET /events HTTP/1.1\r\nHost: app.test\r\nAccept: text/event-stream\r\n\r\n");
    assert_eq!(client.read_head().status(), 200);
    for n in 0..3 {
        assert!(client.read_until("\n\n\r\n").contains(&format!("data: {n}\n\n")));
        go.send(()).unwrap();
    }
    client.read_until("0\r\n\r\n");
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_client_that_expects_100_gets_it_once_and_then_the_answer() {
    let origin = Origin::scripted(|message, wire| {
        if message.field("expect").is_some() {
            wire.send("HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        wire.read_body(message)?;
        wire.ok("got it")
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.read_head().status(), 100);
    client.send("body");
    let answer = client.read(Tail::AsSaid);
    assert_eq!((answer.status(), answer.text()), (200, "got it"));
    assert_eq!(origin.requests()[0].text(), "body");
}

#[test]
fn a_server_that_refuses_the_expectation_is_heard_instead() {
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.read(Tail::AsSaid).status(), 417);
}

#[test]
fn an_early_answer_is_delivered_while_the_client_still_sends() {
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 100000000\r\n\r\nonly the beginning");
    let answer = client.read(Tail::AsSaid);
    assert_eq!((answer.status(), answer.text()), (403, "no"));
}

#[test]
fn trailers_pass_both_ways() {
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n")?;
        wire.send("2\r\nok\r\n0\r\nX-Sum: down\r\n\r\n")?;
        Ok(After::Keep)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("2\r\nup\r\n0\r\nX-Sum: up\r\nContent-Length: 9\r\n\r\n");
    let answer = client.read(Tail::AsSaid);
    let sum = |value: &str| vec![("x-sum".to_owned(), value.to_owned())];
    let lower = |fields: &[(String, String)]| -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect()
    };
    assert_eq!((answer.text(), lower(&answer.trailers)), ("ok", sum("down")));
    assert_eq!(lower(&origin.requests()[0].trailers), sum("up"), "framing fields are no trailers");
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let origin = Origin::scripted(|message, wire| {
        match message.target() {
            "/204" => wire.send("HTTP/1.1 204 No Content\r\n\r\n")?,
            "/304" => wire.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"x\"\r\n\r\n")?,
            "/head" => wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")?,
            _ => return wire.ok("after"),
        }
        Ok(After::Keep)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    for (method, target, status) in [("GET", "/204", 204), ("GET", "/304", 304), ("HEAD", "/head", 200)] {
        assert_eq!(client.request(method, target, "", b"").status(), status, "{target}");
        assert_eq!(client.get("/next").text(), "after", "after {target}");
    }
    assert_eq!(client.request("HEAD", "/head", "", b"").field("content-length"), Some("5"));
}

#[test]
fn a_body_that_ends_with_its_connection_is_framed_for_the_client() {
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.0 200 OK\r\n\r\nuntil the end")?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.status(), answer.text()), (200, "until the end"));
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
    }
}

#[test]
fn a_body_that_is_cut_short_is_never_passed_off_as_whole() {
    for head in ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let origin = Origin::scripted(move |_, wire| {
            wire.send(format!("HTTP/1.1 200 OK\r\n{head}"))?;
            Ok(After::Close)
        });
        let daemon = front(&[&origin]);
        let mut client = Client::connect(daemon.address());
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        assert!(client.try_read(Tail::AsSaid).is_err(), "{head:?} was made whole");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_and_one_at_the_limit_passes() {
    let origin = Origin::echo("a");
    let daemon = front_with(&[&origin], "", "body-limit \"1KiB\"");
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.request("POST", "/", "", &[b'x'; 1024]).status(), 200);
    assert_eq!(client.request("POST", "/", "", &[b'x'; 1025]).status(), 413);

    let mut client = Client::connect(daemon.address());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let _ = client.try_send(format!("401\r\n{}\r\n0\r\n\r\n", "x".repeat(0x401)));
    assert_eq!(client.read(Tail::AsSaid).status(), 413);
}
