//! What a server may answer to hurt: the client gets a 502 or a cut connection, never what the server meant
//! to smuggle, and the server's connection is not used again.

use crate::proxying::config;
use crate::support::{After, Client, Daemon, Origin, Tail};

/// Before the first byte of an answer went out, the client can be told: 502.
const HEADS: &[(&str, &str)] = &[
    ("nothing like HTTP", "hello\r\n\r\n"),
    ("another protocol", "SMTP/1.1 200 OK\r\n\r\n"),
    ("a version to come", "HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    ("a status that is no number", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
    ("a zero byte in the reason", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n"),
    ("both framings", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    ("a list of lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"),
    ("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"),
    ("a length beyond 64 bits", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello"),
    ("an unknown transfer encoding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello"),
    ("a folded field", "HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n"),
    ("a blank before a colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello"),
    ("a zero byte in a value", "HTTP/1.1 200 OK\r\nX: y\0z\r\nContent-Length: 0\r\n\r\n"),
    ("a carriage return in a value", "HTTP/1.1 200 OK\r\nX: y\rz\r\nContent-Length: 0\r\n\r\n"),
    ("half a head", "HTTP/1.1 200 OK\r\nContent-Le"),
    ("nothing at all", ""),
];

/// Afterwards only the cut connection can tell.
const BODIES: &[(&str, &str)] = &[
    ("a chunk without digits", "\r\nhello\r\n0\r\n\r\n"),
    ("a chunk that is not hexadecimal", "xyz\r\nhello\r\n0\r\n\r\n"),
    ("a chunk longer than said", "2\r\nhello\r\n0\r\n\r\n"),
    ("a chunk size that overflows", "ffffffffffffffff1\r\nhello\r\n0\r\n\r\n"),
    ("a bare line feed", "5\nhello\r\n0\r\n\r\n"),
    ("no last chunk", "5\r\nhello\r\n"),
    ("a trailer that is none", "5\r\nhello\r\n0\r\nrubbish\r\n\r\n"),
];

/// Good at `/good`, and `bad` elsewhere.
fn answering(bad: String) -> (Origin, Daemon) {
    let origin = Origin::scripted(move |message, wire| match message.target() {
        "/good" => wire.ok("good"),
        _ => {
            wire.send(&bad)?;
            Ok(After::Close)
        }
    });
    let daemon = Daemon::run(&config(&[&origin], "", ""));
    (origin, daemon)
}

fn good_request_works(daemon: &mut Daemon, client: &mut Client, after: &str) {
    assert!(daemon.is_alive(), "the process ended after: {after}");
    assert_eq!(client.get("/good").text(), "good", "after: {after}");
}

#[test]
fn an_answer_that_is_not_one_is_a_502_and_never_silence() {
    for (name, bytes) in HEADS {
        let (_origin, mut daemon) = answering((*bytes).to_owned());
        let mut client = Client::connect(daemon.address());
        client.send("POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
        let answer =
            client.try_read(Tail::AsSaid).ok().flatten().unwrap_or_else(|| panic!("{name}: silence"));
        assert_eq!(answer.status(), 502, "{name}");
        if answer.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            client = Client::connect(daemon.address());
        }
        good_request_works(&mut daemon, &mut client, name);
    }
}

#[test]
fn a_bad_body_cuts_the_answer_and_is_never_passed_off_as_whole() {
    for (name, body) in BODIES {
        let (_origin, mut daemon) =
            answering(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        let mut client = Client::connect(daemon.address());
        client.send("POST /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
        let answer = client.try_read(Tail::AsSaid);
        let whole = matches!(&answer, Ok(Some(answer)) if answer.status() == 200);
        assert!(!whole, "{name}: {answer:?}");
        let mut client = Client::connect(daemon.address());
        good_request_works(&mut daemon, &mut client, name);
    }
}

#[test]
fn bytes_behind_an_answer_reach_nobody() {
    let origin = Origin::scripted(|message, wire| match message.target() {
        "/bad" => {
            // At once: what comes only after the next request was sent cannot be told from its answer.
            let (answer, stray) = ("Content-Length: 2\r\n\r\nok", "Content-Length: 5\r\n\r\nstray");
            wire.send(format!("HTTP/1.1 200 OK\r\n{answer}HTTP/1.1 200 OK\r\n{stray}"))?;
            Ok(After::Keep)
        }
        _ => wire.ok("good"),
    });
    let mut daemon = Daemon::run(&config(&[&origin], "", ""));
    let mut client = Client::connect(daemon.address());
    for _ in 0..5 {
        assert_eq!(client.get("/bad").text(), "ok");
        good_request_works(&mut daemon, &mut client, "stray bytes");
    }
    assert!(origin.connections() > 5, "none is used behind stray bytes");
}

#[test]
fn a_head_that_is_too_large_is_a_502() {
    let large = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "y".repeat(300_000));
    let many: String = (0..2000).map(|n| format!("X-{n}: y\r\n")).collect();
    for bytes in [large, format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 0\r\n\r\n")] {
        let (_origin, mut daemon) = answering(bytes);
        let mut client = Client::connect(daemon.address());
        assert_eq!(client.get("/bad").status(), 502);
        good_request_works(&mut daemon, &mut client, "a large head");
    }
}

#[test]
fn interim_answers_without_end_do_not_pass_for_ever() {
    let (_origin, mut daemon) = answering("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(10_000));
    let mut client = Client::connect(daemon.address());
    client.send("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut answers = 0;
    while let Ok(Some(answer)) = client.try_read(Tail::AsSaid) {
        answers += 1;
        if answer.status() >= 200 {
            assert_eq!(answer.status(), 502);
            break;
        }
    }
    assert!(answers < 50, "{answers} passed");
    let mut client = Client::connect(daemon.address());
    good_request_works(&mut daemon, &mut client, "interim answers");
}
