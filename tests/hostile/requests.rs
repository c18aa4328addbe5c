//! What a client may send to hurt: every row ends in its status or in a closed connection.

use crate::proxying::config;
use crate::support::daemon::reserve_port;
use crate::support::{Client, Daemon, Origin, Tail};

/// The name, the bytes, and the status; 0 stands for a closed connection without an answer.
type Row = (&'static str, &'static str, u16);

const FRAMING: &[Row] = &[
    (
        "both framings",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    (
        "one length twice",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        400,
    ),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", 400),
    ("a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400),
    ("a negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
    ("a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", 400),
    ("an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
    ("a length with a blank inside", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 2\r\n\r\n", 400),
    (
        "a length beyond 64 bits",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
        400,
    ),
    ("gzip, chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "two transfer encodings",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "an unknown transfer encoding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        0,
    ),
    (
        "chunked with a vertical tab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    ("chunks of HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
];

const FIELDS: &[Row] = &[
    ("no host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", 400),
    ("two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("one host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    ("a host with a blank", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    ("a host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("a host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
    ("a host that is not the target's", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a blank before the colon", "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    ("a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", 400),
    ("a blank before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("a field without a colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400),
    ("a field without a name", "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n", 400),
    ("a zero byte in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: y\0z\r\n\r\n", 400),
    ("a carriage return in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", 400),
    ("a bell in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: y\u{7}z\r\n\r\n", 400),
    ("a name with a bracket", "GET / HTTP/1.1\r\nHost: a\r\nX[0]: y\r\n\r\n", 400),
    ("a bare line feed", "GET / HTTP/1.1\nHost: a\n\n", 400),
    ("a bare line feed after a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
];

const LINES: &[Row] = &[
    ("no version", "GET /\r\n\r\n", 400),
    ("two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a tab", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a method that is no token", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a version to come", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ("a version that is none", "GET / HTTP/1.12\r\nHost: a\r\n\r\n", 0),
    ("another protocol", "GET / FTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0),
    ("a relative target", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a star that is not OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a zero byte in the target", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a TLS handshake", "\u{16}\u{3}\u{1}\u{0}\u{a5}\u{1}\0\0\r\n\r\n", 400),
    ("a blank line and then rubbish", "\r\nrubbish\r\n\r\n", 400),
];

const CHUNKS: &[(&str, &str)] = &[
    ("no digits", "\r\nabc\r\n0\r\n\r\n"),
    ("not hexadecimal", "xyz\r\nabc\r\n0\r\n\r\n"),
    ("a prefix 0x", "0x3\r\nabc\r\n0\r\n\r\n"),
    ("a sign", "+3\r\nabc\r\n0\r\n\r\n"),
    ("a blank before", " 3\r\nabc\r\n0\r\n\r\n"),
    ("more digits than a size has", "00000000000000000003\r\nabc\r\n0\r\n\r\n"),
    ("a size that overflows", "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n"),
    ("longer than said", "2\r\nabc\r\n0\r\n\r\n"),
    ("a bare line feed after the size", "3\nabc\r\n0\r\n\r\n"),
    ("a bare line feed after the data", "3\r\nabc\n0\r\n\r\n"),
    ("a carriage return in an extension", "3;a\rb\r\nabc\r\n0\r\n\r\n"),
    ("a trailer without a colon", "3\r\nabc\r\n0\r\nrubbish\r\n\r\n"),
];

/// Sends the bytes and gives the status of what came, 0 for a closed connection.
fn status_of(daemon: &Daemon, bytes: impl AsRef<[u8]>) -> u16 {
    let mut client = Client::connect(daemon.address());
    // lbd may have refused and closed before everything was sent.
    let _ = client.try_send(bytes);
    client.try_read(Tail::AsSaid).ok().flatten().map_or(0, |answer| answer.status())
}

fn good_request_works(daemon: &mut Daemon, after: &str) {
    assert!(daemon.is_alive(), "the process ended after: {after}");
    assert_eq!(Client::fetch(daemon.address(), "/good").status(), 200, "after: {after}");
}

fn refuses(rows: &[Row]) {
    let origin = Origin::echo("a");
    let mut daemon = Daemon::run(&config(&[&origin], "", ""));
    for (name, bytes, expected) in rows {
        let status = status_of(&daemon, bytes);
        match expected {
            0 => assert!(status == 0 || (400..=505).contains(&status), "{name}: {status}"),
            _ => assert_eq!(status, *expected, "{name}"),
        }
        good_request_works(&mut daemon, name);
    }
    let leaked: Vec<_> = origin.requests().into_iter().filter(|r| r.target() != "/good").collect();
    assert!(leaked.is_empty(), "a server saw {leaked:?}");
}

#[test]
fn a_body_whose_length_is_in_doubt_is_refused() {
    refuses(FRAMING);
}

#[test]
fn a_field_that_could_be_read_in_two_ways_is_refused() {
    refuses(FIELDS);
}

#[test]
fn a_request_line_that_is_not_one_is_refused() {
    refuses(LINES);
}

#[test]
fn a_bad_chunk_ends_the_request_and_the_connection() {
    let origin = Origin::echo("a");
    let mut daemon = Daemon::run(&config(&[&origin], "", ""));
    for (name, body) in CHUNKS {
        let head = "POST /bad HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let mut client = Client::connect(daemon.address());
        let _ = client.try_send(format!("{head}{body}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
        let status = client.try_read(Tail::AsSaid).ok().flatten().map_or(0, |answer| answer.status());
        assert!(matches!(status, 0 | 400 | 502), "{name}: {status}");
        assert!(client.is_closed(), "{name}: the connection is out of step and must end");
        good_request_works(&mut daemon, name);
    }
    let smuggled = origin.requests().into_iter().filter(|r| r.target() == "/smuggled").count();
    assert_eq!(smuggled, 0);
    let whole = origin.requests().into_iter().filter(|r| r.target() == "/bad" && !r.body.is_empty());
    assert_eq!(whole.count(), 0, "a server took a broken body for whole");
}

#[test]
fn what_is_too_large_is_refused_by_its_own_status() {
    let origin = Origin::echo("a");
    let mut daemon = Daemon::run(&config(&[&origin], "", ""));
    let head = |fields: String| format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let many: String = (0..500).map(|n| format!("X-{n}: y\r\n")).collect();
    assert_eq!(status_of(&daemon, head(many)), 431, "too many fields");
    assert_eq!(status_of(&daemon, head(format!("X: {}\r\n", "y".repeat(100_000)))), 431, "a field too long");
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100_000));
    assert_eq!(status_of(&daemon, long), 414, "a target too long");
    assert_eq!(status_of(&daemon, "A".repeat(200_000)) / 100, 4, "a line without an end");
    good_request_works(&mut daemon, "too much");
}

#[test]
fn a_refused_request_ends_its_connection_with_what_was_pipelined_behind_it() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&config(&[&origin], "", ""));
    let mut client = Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.read(Tail::AsSaid).status(), 400);
    assert!(client.is_closed());
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn a_client_that_is_slow_with_its_head_is_told_in_time() {
    let origin = Origin::echo("a");
    let (_port, address) = reserve_port();
    let kdl = config(&[&origin], "", "");
    let slow = format!("listen \"{address}\" name=slow {{ timeout request-header=\"300ms\"; }}\n");
    let mut daemon = Daemon::run(&(slow + &kdl));
    let mut client = Client::connect(address);
    client.send("GET / HTTP/1.1\r\nHost:");
    match client.try_read(Tail::AsSaid) {
        Ok(answer) => assert!(answer.is_none_or(|answer| answer.status() == 408)),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it is told in time"),
    }
    good_request_works(&mut daemon, "a slow head");
}

#[test]
fn rubbish_of_every_length_does_no_harm() {
    let origin = Origin::echo("a");
    let mut daemon = Daemon::run(&config(&[&origin], "", ""));
    let mut state = 0x9e37_79b9_u32;
    let mut next = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for length in [1, 2, 3, 17, 255, 4096, 70_000] {
        for ending in ["", "\r\n\r\n"] {
            let mut bytes: Vec<u8> = (0..length).map(|_| next()).collect();
            bytes.extend(ending.bytes());
            let mut client = Client::connect(daemon.address());
            let _ = client.try_send(bytes);
            client.end_sending_if_open();
            let answer = client.try_read(Tail::AsSaid).ok().flatten();
            assert!(answer.is_none_or(|a| (400..=505).contains(&a.status())), "{length} bytes");
        }
    }
    good_request_works(&mut daemon, "rubbish");
    assert!(origin.requests().iter().all(|r| r.target() == "/good"));
}
