//! Request smuggling: what two parsers could read in two ways. Each row is refused, and its connection closed, or it
//! reaches the server written anew, with one meaning. What hides in a row (`/evil`) is never a request.
//!
//! The rows follow the published techniques: CL.TE, TE.CL, TE.TE, CL.0, 0.CL, chunk extensions and terminators,
//! trailers, bare CR and LF, absolute targets against `Host`, and `Connection` that names what rules read.

use std::sync::{Arc, Mutex};

use crate::proxying::config;
use crate::support::{After, Client, Daemon, Message, Origin, Tail};

/// A request that hides behind, or inside, another one.
const EVIL: &str = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Want {
    /// An error, or a closed connection; no server reads it to its end.
    Refused,
    /// One request with this body.
    Served(&'static str),
    /// One of both.
    Either,
}

use Want::{Either, Refused, Served};

/// Lines that stand for `Transfer-Encoding`: what they are alone, and beside a `Content-Length`.
const CODINGS: &[(&str, Want, Want)] = &[
    ("Transfer-Encoding: chunked", Served(""), Refused),
    ("transfer-encoding: CHUNKED", Served(""), Refused),
    ("Transfer-Encoding:chunked", Served(""), Refused),
    ("Transfer-Encoding: \t chunked \t", Served(""), Refused),
    ("Transfer-Encoding : chunked", Refused, Refused),
    ("Transfer-Encoding\t: chunked", Refused, Refused),
    ("X: y\r\n Transfer-Encoding: chunked", Refused, Refused),
    ("X: y\r\n\tTransfer-Encoding: chunked", Refused, Refused),
    ("Transfer-Encoding:\r\n chunked", Refused, Refused),
    ("Transfer-Encoding:\r\n\tchunked", Refused, Refused),
    ("Transfer-Encoding: chunked\r\n x", Refused, Refused),
    ("Transfer-Encoding: xchunked", Refused, Refused),
    ("Transfer-Encoding: chunkedx", Refused, Refused),
    ("Transfer-Encoding: x chunked", Refused, Refused),
    ("Transfer-Encoding: chunk", Refused, Refused),
    ("Transfer-Encoding: cow", Refused, Refused),
    ("Transfer-Encoding: identity", Refused, Refused),
    ("Transfer-Encoding: identity, chunked", Refused, Refused),
    ("Transfer-Encoding: chunked, identity", Refused, Refused),
    ("Transfer-Encoding: gzip, chunked", Refused, Refused),
    ("Transfer-Encoding: chunked, chunked", Refused, Refused),
    ("Transfer-Encoding: ,chunked", Refused, Refused),
    ("Transfer-Encoding: chunked,", Refused, Refused),
    ("Transfer-Encoding: chunked;q=1", Refused, Refused),
    ("Transfer-Encoding: chunked ; x", Refused, Refused),
    ("Transfer-Encoding: \"chunked\"", Refused, Refused),
    ("Transfer-Encoding: 'chunked'", Refused, Refused),
    ("Transfer-Encoding:", Refused, Refused),
    ("Transfer-Encoding", Refused, Refused),
    ("Transfer-Encoding= chunked", Refused, Refused),
    ("Transfer-Encoding: \u{b}chunked", Refused, Refused),
    ("Transfer-Encoding: \u{c}chunked", Refused, Refused),
    ("Transfer-Encoding: chunked\u{b}", Refused, Refused),
    ("Transfer-Encoding: \0chunked", Refused, Refused),
    ("Transfer-Encoding: chunked\0", Refused, Refused),
    ("Transfer-Encoding: \u{7f}chunked", Refused, Refused),
    ("Transfer-Encoding: \u{a0}chunked", Refused, Refused),
    ("Transfer-Encoding: \u{ff43}hunked", Refused, Refused),
    ("Transfer-Encoding: chun\rked", Refused, Refused),
    ("Transfer-Encoding: chunked\r", Refused, Refused),
    ("X: y\rTransfer-Encoding: chunked", Refused, Refused),
    ("X: y\nTransfer-Encoding: chunked", Refused, Refused),
    ("X: y\n\rTransfer-Encoding: chunked", Refused, Refused),
    ("\0Transfer-Encoding: chunked", Refused, Refused),
    ("Transfer-\tEncoding: chunked", Refused, Refused),
    ("Transfer-Encoding\0: chunked", Refused, Refused),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Refused, Refused),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", Refused, Refused),
    ("Transfer-Encoding: x\r\nTransfer-Encoding: chunked", Refused, Refused),
    ("Transfer-Encoding: chunked\r\nTransfer-encoding: identity", Refused, Refused),
    // Servers behind gateways read an underscore as a hyphen: the field goes no further.
    ("Transfer_Encoding: chunked", Served(""), Served("0\r\n\r\n")),
    ("Content-Encoding: chunked", Served(""), Served("0\r\n\r\n")),
];

/// What follows `Content-Length`, before a body of three bytes.
const LENGTHS: &[(&str, Want)] = &[
    (": 3", Served("abc")),
    (":3", Served("abc")),
    (": \t3\t ", Served("abc")),
    (": 003", Served("abc")),
    (": +3", Refused),
    (": -3", Refused),
    (": -0", Refused),
    (": 3,3", Refused),
    (": 3, 3", Refused),
    (": 3, 0", Refused),
    (": 3 3", Refused),
    (": 0 3", Refused),
    (": 0x3", Refused),
    (": 3.0", Refused),
    (": 3e0", Refused),
    (": 3;", Refused),
    (": 3abc", Refused),
    (": abc", Refused),
    (": chunked", Refused),
    (": \"3\"", Refused),
    (": '3'", Refused),
    (":", Refused),
    (": \u{b}3", Refused),
    (": 3\0", Refused),
    (": \u{ff13}", Refused),
    (": 9223372036854775808", Refused),
    (": 18446744073709551619", Refused),
    (": 99999999999999999999999999", Refused),
    (": 3\r\nContent-Length: 3", Refused),
    (": 3\r\nContent-Length: 0", Refused),
    (": 0\r\nContent-Length: 3", Refused),
    (": 3\r\ncontent-length: 3", Refused),
    (": 3\r\n 0", Refused),
    (":\r\n 3", Refused),
    (" : 3", Refused),
    ("\t: 3", Refused),
    ("\0: 3", Refused),
    ("\r: 3", Refused),
    (": 3\r", Refused),
    (": 3\nX: y", Refused),
    (": 3\rX: y", Refused),
];

/// Bodies in chunks; what hides follows each.
const CHUNKS: &[(&str, Want)] = &[
    ("3\r\nabc\r\n0\r\n\r\n", Served("abc")),
    ("03\r\nabc\r\n000\r\n\r\n", Served("abc")),
    ("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", Served("abc")),
    ("3;ext\r\nabc\r\n0;ext\r\n\r\n", Served("abc")),
    ("3;a=\"b;c\"\r\nabc\r\n0\r\n\r\n", Served("abc")),
    ("3;a=b;\u{e9}\r\nabc\r\n0\r\n\r\n", Served("abc")),
    ("3;a\nabc\r\n0\r\n\r\n", Refused),
    ("3;a\rb\r\nabc\r\n0\r\n\r\n", Refused),
    ("3;a\r\r\nabc\r\n0\r\n\r\n", Refused),
    ("3;\0\r\nabc\r\n0\r\n\r\n", Refused),
    ("3;\u{7f}\r\nabc\r\n0\r\n\r\n", Refused),
    ("3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n", Refused),
    ("3 \r\nabc\r\n0\r\n\r\n", Refused),
    ("3 ;a\r\nabc\r\n0\r\n\r\n", Refused),
    ("3\t\r\nabc\r\n0\r\n\r\n", Refused),
    (" 3\r\nabc\r\n0\r\n\r\n", Refused),
    ("3\nabc\r\n0\r\n\r\n", Refused),
    ("3\rabc\r\n0\r\n\r\n", Refused),
    ("3\rxabc\r\n0\r\n\r\n", Refused),
    ("0\rx\r\n", Refused),
    ("3\r\nabc\n0\r\n\r\n", Refused),
    ("3\r\nabc\r0\r\n\r\n", Refused),
    ("3\r\nabc0\r\n\r\n", Refused),
    ("3\r\nabcd\r\n0\r\n\r\n", Refused),
    ("2\r\nabc\r\n0\r\n\r\n", Refused),
    ("4\r\nabc\r\n0\r\n\r\n", Refused),
    ("3\r\n\r\nabc\r\n0\r\n\r\n", Refused),
    ("\r\nabc\r\n0\r\n\r\n", Refused),
    (";\r\nabc\r\n0\r\n\r\n", Refused),
    ("0x3\r\nabc\r\n0\r\n\r\n", Refused),
    ("+3\r\nabc\r\n0\r\n\r\n", Refused),
    ("-0\r\n\r\n", Refused),
    ("3,3\r\nabc\r\n0\r\n\r\n", Refused),
    ("g\r\nabc\r\n0\r\n\r\n", Refused),
    ("3h\r\nabc\r\n0\r\n\r\n", Refused),
    ("fffffffffffffffff\r\nabc\r\n0\r\n\r\n", Refused),
    ("10000000000000003\r\nabc\r\n0\r\n\r\n", Refused),
    ("0000000000000000000003\r\nabc\r\n0\r\n\r\n", Refused),
    ("0\r\n\n", Refused),
    ("0\n\r\n", Refused),
    ("0\r\r\n\r\n", Refused),
    ("0\r\n\r", Refused),
    ("0\r\nX: y\r\n", Refused),
    ("0\r\nX\r\n\r\n", Refused),
    ("0\r\nX : y\r\n\r\n", Refused),
    ("0\r\n X: y\r\n\r\n", Refused),
    ("0\r\nX: y\r\n z\r\n\r\n", Refused),
    ("0\r\nX: y\n\r\n", Refused),
    ("0\r\nX: y\0z\r\n\r\n", Refused),
    ("0\r\nX: y\rz\r\n\r\n", Refused),
    // Fields that would change the request are left out of its end (RFC 9110, section 6.5.1).
    ("0\r\nX-Sum: y\r\n\r\n", Served("")),
    ("0\r\nContent-Length: 5\r\n\r\n", Served("")),
    ("0\r\nTransfer-Encoding: chunked\r\n\r\n", Served("")),
    ("0\r\nHost: b\r\n\r\n", Served("")),
    ("0\r\nAuthorization: x\r\n\r\n", Served("")),
    ("0\r\nCookie: x=y\r\n\r\n", Served("")),
    ("0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n", Served("")),
    ("0\r\nX_Forwarded_For: 1.2.3.4\r\n\r\n", Either),
];

/// First lines and fields of requests without a body.
const HEADS: &[(&str, Want)] = &[
    ("GET http://a/row HTTP/1.1\r\nHost: a", Served("")),
    ("GET HTTP://A/row HTTP/1.1\r\nHost: a", Served("")),
    ("GET http://a:80/row HTTP/1.1\r\nHost: a", Served("")),
    ("GET http://b/row HTTP/1.1\r\nHost: a", Refused),
    ("GET http://a:81/row HTTP/1.1\r\nHost: a", Refused),
    ("GET http://b@a/row HTTP/1.1\r\nHost: a", Refused),
    ("GET http://a\\@b/row HTTP/1.1\r\nHost: a", Refused),
    ("GET http:///row HTTP/1.1\r\nHost: a", Refused),
    ("GET http:/a/row HTTP/1.1\r\nHost: a", Refused),
    ("GET file:///row HTTP/1.1\r\nHost: a", Refused),
    ("GET @b/row HTTP/1.1\r\nHost: a", Refused),
    ("GET .b/row HTTP/1.1\r\nHost: a", Refused),
    ("GET row HTTP/1.1\r\nHost: a", Refused),
    ("GET http://a/row HTTP/1.1", Refused),
    ("GET /row HTTP/1.1", Refused),
    ("GET /row HTTP/1.1\r\nHost: a\r\nHost: a", Refused),
    ("GET /row HTTP/1.1\r\nHost: a\r\nhost: b", Refused),
    ("GET /row HTTP/1.1\r\nHost: a\r\nHost : b", Refused),
    ("GET /row HTTP/1.1\r\nHost: a\r\n Host: b", Refused),
    ("GET /row HTTP/1.1\r\nHost: a, b", Refused),
    ("GET /row HTTP/1.1\r\nHost:", Refused),
    ("GET /row HTTP/1.1\r\nHost: a\0", Refused),
    ("GET /row HTTP/1.1\r\nHost: a b", Refused),
    ("GET /row HTTP/1.1\r\nHost: a/b", Refused),
    ("GET /row HTTP/1.1\r\nHost: a?b", Refused),
    ("GET /row HTTP/1.1\r\nHost: a#b", Refused),
    ("GET /row HTTP/1.1\r\nHost: a:80:81", Refused),
    ("GET /row HTTP/1.1\r\nHost: a:99999", Refused),
    ("GET /row HTTP/1.1\r\nHost: a:8o", Refused),
    ("GET /row HTTP/1.1\r\nHost: [::1", Refused),
    ("GET /row HTTP/1.1\r\nHost: a%2eb", Refused),
    ("GET /row HTTP/1.1 HTTP/1.1\r\nHost: a", Refused),
    ("GET /row HTTP/1.1 \r\nHost: a", Refused),
    ("GET /row  HTTP/1.1\r\nHost: a", Refused),
    ("GET  /row HTTP/1.1\r\nHost: a", Refused),
    ("GET\t/row HTTP/1.1\r\nHost: a", Refused),
    (" GET /row HTTP/1.1\r\nHost: a", Refused),
    ("\nGET /row HTTP/1.1\r\nHost: a", Refused),
    ("\r\n\r\nGET /row HTTP/1.1\r\nHost: a", Refused),
    ("\r\nGET /row HTTP/1.1\r\nHost: a", Served("")),
    ("GET /row HTTP/1.1\r\r\nHost: a", Refused),
    ("GET /row HTTP/1.1\nHost: a", Refused),
    ("GET /row HTTP/1.1\r\nHost: a\nX: y", Refused),
    ("GET /row HTTP/1.1\r\nHost: a\r\nX: y\n", Refused),
    ("GET /row HTTP/1.1\r\n\0: y\r\nHost: a", Refused),
    ("GET /row HTTP/01.1\r\nHost: a", Refused),
    ("GET /row HTTP/1.1x\r\nHost: a", Refused),
    ("GET /row http/1.1\r\nHost: a", Refused),
    ("GET /row HTTP/2.0\r\nHost: a", Refused),
    ("GET /row HTTP/0.9\r\nHost: a", Refused),
    ("GET /row\r\nHost: a", Refused),
    ("GET /row\0 HTTP/1.1\r\nHost: a", Refused),
    ("GET /row\rX HTTP/1.1\r\nHost: a", Refused),
    ("GET /row?a=\u{1} HTTP/1.1\r\nHost: a", Refused),
    ("GET /row#/../evil HTTP/1.1\r\nHost: a", Refused),
    ("GET /row?a#b HTTP/1.1\r\nHost: a", Refused),
    ("GET /row\"x HTTP/1.1\r\nHost: a", Refused),
    ("GET /row<x> HTTP/1.1\r\nHost: a", Refused),
    ("GET /row^x HTTP/1.1\r\nHost: a", Refused),
    ("GET /row`x HTTP/1.1\r\nHost: a", Refused),
    ("GET /row?a=\"<x>\" HTTP/1.1\r\nHost: a", Refused),
    ("G\0T /row HTTP/1.1\r\nHost: a", Refused),
    ("CONNECT a:80 HTTP/1.1\r\nHost: a:80", Refused),
    ("CONNECT /row HTTP/1.1\r\nHost: a", Refused),
    ("PRI /row HTTP/1.1\r\nHost: a", Refused),
    ("PRI * HTTP/1.1\r\nHost: a", Refused),
    ("POST /row HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked", Refused),
];

/// A daemon, and a server that tells which requests it read to their ends.
struct Bench {
    daemon: Daemon,
    _origin: Origin,
    whole: Arc<Mutex<Vec<Message>>>,
}

impl Bench {
    fn new() -> Self {
        let whole = Arc::new(Mutex::new(Vec::new()));
        let read = Arc::clone(&whole);
        let origin = Origin::scripted(move |message, wire| {
            wire.read_body(message)?;
            read.lock().unwrap().push(message.clone());
            let target = message.target().to_owned();
            wire.ok(&target)
        });
        Self { daemon: Daemon::run(&config(&[&origin], "", "")), _origin: origin, whole }
    }

    /// Sends a row, and checks everything that may have come of it.
    fn try_row(&self, row: &str, want: Want) {
        self.whole.lock().unwrap().clear();
        let mut client = Client::connect(self.daemon.address());
        // lbd may have refused and closed before all was sent.
        let _ = client.try_send(row);
        let status = client.try_read(Tail::AsSaid).ok().flatten().map_or(0, |answer| answer.status());
        let whole = self.whole.lock().unwrap().clone();
        let refused = status == 0 || (400..=505).contains(&status);
        let served = |body: Option<&str>| {
            assert_eq!((status, whole.len()), (200, 1), "{row:?}: {whole:?}");
            let read = &whole[0];
            assert!(read.target() == "/row", "{row:?}: {read:?}");
            assert!(body.is_none_or(|body| read.body == body.as_bytes()), "{row:?}: {read:?}");
            has_one_meaning(row, read);
        };
        match want {
            Refused => assert!(refused && whole.is_empty(), "{row:?}: {status}, {whole:?}"),
            Served(body) => served(Some(body)),
            Either if refused => assert!(whole.is_empty(), "{row:?}: {whole:?}"),
            Either => served(None),
        }
        if refused {
            assert!(client.is_closed(), "{row:?}: the connection is out of step, and goes on");
        }
        let mut other = Client::connect(self.daemon.address());
        assert_eq!(other.get("/good").text(), "/good", "after {row:?}");
        let evil = self.whole.lock().unwrap().iter().any(|read| read.target() == "/evil");
        assert!(!evil, "{row:?}: what was hidden reached the server");
    }
}

/// What a server reads can be read in one way only.
fn has_one_meaning(row: &str, read: &Message) {
    let count = |name: &str| read.values(name).len();
    assert_eq!(count("host"), 1, "{row:?}: {read:?}");
    assert!(count("content-length") + count("transfer-encoding") <= 1, "{row:?}: {read:?}");
    assert!(read.values("transfer-encoding").iter().all(|coding| *coding == "chunked"), "{row:?}: {read:?}");
    let odd = |name: &str| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    assert!(!read.fields.iter().any(|(name, _)| odd(name)), "{row:?}: {read:?}");
    assert!(read.trailers.iter().all(|(name, _)| name == "X-Sum"), "{row:?}: {read:?}");
}

#[test]
fn a_transfer_encoding_in_disguise_hides_nothing() {
    let bench = Bench::new();
    for (line, alone, beside) in CODINGS {
        let body = if matches!(alone, Served(_)) && !line.contains("ransfer-") && !line.contains("TRANSFER") {
            ""
        } else {
            "0\r\n\r\n"
        };
        bench.try_row(&format!("POST /row HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n{body}"), *alone);
        let behind = if *beside == Refused { EVIL } else { "" };
        for fields in [format!("Content-Length: 5\r\n{line}"), format!("{line}\r\nContent-Length: 5")] {
            bench.try_row(
                &format!("POST /row HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n{behind}"),
                *beside,
            );
        }
    }
}

#[test]
fn a_length_in_disguise_hides_nothing() {
    let bench = Bench::new();
    for (length, want) in LENGTHS {
        let behind = if *want == Refused { EVIL } else { "" };
        for method in ["POST", "GET"] {
            let head = format!("{method} /row HTTP/1.1\r\nHost: a\r\nContent-Length{length}\r\n\r\n");
            bench.try_row(&format!("{head}abc{behind}"), *want);
        }
    }
}

#[test]
fn chunks_in_disguise_hide_nothing() {
    let bench = Bench::new();
    for (body, want) in CHUNKS {
        let behind = if *want == Refused { EVIL } else { "" };
        let head = "POST /row HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        bench.try_row(&format!("{head}{body}{behind}"), *want);
    }
}

#[test]
fn first_lines_and_hosts_in_disguise_hide_nothing() {
    let bench = Bench::new();
    for (head, want) in HEADS {
        let behind = if *want == Refused { EVIL } else { "" };
        bench.try_row(&format!("{head}\r\n\r\n{behind}"), *want);
    }
}

#[test]
fn a_request_inside_a_body_stays_a_body() {
    let bench = Bench::new();
    let length = EVIL.len();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"] {
        for fields in
            ["", "Connection: keep-alive\r\n", "Expect: 100-continue\r\n", "Connection: content-length\r\n"]
        {
            bench.whole.lock().unwrap().clear();
            let mut client = Client::connect(bench.daemon.address());
            let tail = if method == "HEAD" { Tail::Nothing } else { Tail::AsSaid };
            client.send(format!(
                "{method} /row HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: {length}\r\n\r\n{EVIL}"
            ));
            assert_eq!(client.read(tail).status(), 200, "{method} {fields}");
            assert_eq!(client.get("/next").text(), "/next", "{method} {fields}");
            let whole = bench.whole.lock().unwrap().clone();
            let targets: Vec<_> = whole.iter().map(Message::target).collect();
            assert_eq!(targets, ["/row", "/next"], "{method} {fields}");
            assert_eq!(whole[0].body, EVIL.as_bytes(), "{method} {fields}");
        }
    }
}

#[test]
fn the_rest_of_a_request_that_was_answered_early_is_no_request() {
    let origin = Origin::scripted(|message, wire| match message.target() {
        // It neither reads the body nor closes: what comes next it takes for a request.
        "/early" => wire.ok("early"),
        _ => {
            wire.read_body(message)?;
            let target = message.target().to_owned();
            wire.ok(&target)
        }
    });
    let daemon = Daemon::run(&config(&[&origin], "", ""));
    for framing in [format!("Content-Length: {}", EVIL.len()), "Transfer-Encoding: chunked".to_owned()] {
        let mut client = Client::connect(daemon.address());
        client.send(format!("POST /early HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        let answer = client.read(Tail::AsSaid);
        assert_eq!((answer.text(), answer.field("connection")), ("early", Some("close")));
        let _ = client.try_send(EVIL);
        assert!(client.is_closed(), "{framing}");
        assert_eq!(Client::fetch(daemon.address(), "/good").text(), "/good");
    }
    assert!(origin.requests().iter().all(|read| read.target() != "/evil"), "{:?}", origin.requests());
    // That of the first early answer, the one that the first good answer shares with the second early one, and one more.
    assert!(origin.connections() >= 3, "a request went out behind half a one");
}

#[test]
fn a_client_cannot_strip_what_rules_and_servers_read() {
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        Ok(wire.ok("ok").unwrap_or(After::Close))
    });
    let daemon = Daemon::run(&config(&[&origin], "sticky cookie name=NODE", ""));
    let strip = [
        "Cookie",
        "Authorization",
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "X-Real-IP",
        "Forwarded",
        "Via",
        "X-Request-Id",
        "Host",
        "Content-Length",
        "Content-Type",
        "cookie, x-forwarded-for, close",
    ];
    for named in strip {
        let mut client = Client::connect(daemon.address());
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\nAuthorization: Basic eA==\r\nContent-Type: text/x\r\n\
             X-Hop: gone\r\nConnection: {named}, X-Hop\r\nContent-Length: 3\r\n\r\nabc"
        ));
        assert_eq!(client.read(Tail::AsSaid).status(), 200, "{named}");
        let read = origin.requests().pop().unwrap();
        for (field, value) in [
            ("cookie", "s=1"),
            ("authorization", "Basic eA=="),
            ("content-type", "text/x"),
            ("host", "a"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("content-length", "3"),
        ] {
            assert_eq!(read.field(field), Some(value), "Connection: {named}");
        }
        assert_eq!((read.field("x-hop"), &*read.body), (None, &b"abc"[..]), "Connection: {named}");
    }
    let rule = "match { header x-tenant; }";
    let daemon = Daemon::run(&config(&[&origin], "", rule));
    let fields = "X-Tenant: a\r\nX-Hop: gone\r\nConnection: X-Tenant, X-Hop\r\n";
    assert_eq!(Client::connect(daemon.address()).request("GET", "/", fields, b"").status(), 200);
    let read = origin.requests().pop().unwrap();
    assert_eq!((read.field("x-tenant"), read.field("x-hop")), (Some("a"), None), "a rule has read it");
}
