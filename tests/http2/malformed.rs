//! Requests that are none (RFC 9113, section 8.1.1): each is refused with the right code, and reaches no server.

use super::front;
use crate::proxying::config;
use crate::support::http2::{DATA, Frames, GOAWAY, HEADERS, RESET};
use crate::support::{Daemon, Origin};

const PROTOCOL_ERROR: u32 = 1;

const METHOD: (&str, &str) = (":method", "GET");
const PATH: (&str, &str) = (":path", "/");
const SCHEME: (&str, &str) = (":scheme", "http");
const HOST: (&str, &str) = (":authority", "app.test");
const GOOD: [(&str, &str); 4] = [METHOD, PATH, SCHEME, HOST];

/// What is said about stream 1: whether it, or the whole connection, ends, and with which code.
fn refusal(frames: &mut Frames) -> (&'static str, u32) {
    loop {
        let frame = frames.next().expect("a frame that says why");
        let code = |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
        match frame.kind {
            RESET => return ("stream", code(0)),
            GOAWAY => return ("connection", code(4)),
            HEADERS => return ("answered", 0),
            _ => {}
        }
    }
}

#[test]
fn a_malformed_head_ends_its_stream_and_the_connection_goes_on() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin], "", "");
    let with = |fields: &[(&'static str, &'static str)]| [&GOOD, fields].concat();
    let table: [Vec<(&str, &str)>; 20] = [
        with(&[("connection", "close")]),
        with(&[("keep-alive", "timeout=5")]),
        with(&[("proxy-connection", "close")]),
        with(&[("transfer-encoding", "chunked")]),
        with(&[("upgrade", "websocket")]),
        with(&[("te", "gzip")]),
        with(&[(":status", "200")]),
        with(&[("content-length", "5")]),
        with(&[METHOD]),
        with(&[PATH]),
        with(&[SCHEME]),
        with(&[("x-a", "b"), PATH]),
        with(&[(":protocol", "websocket")]),
        vec![PATH, SCHEME, HOST],
        vec![METHOD, SCHEME, HOST],
        vec![METHOD, PATH, HOST],
        vec![("x-a", "b"), METHOD, PATH, SCHEME, HOST],
        vec![METHOD, (":path", ""), SCHEME, HOST],
        vec![METHOD, PATH, SCHEME, (":authority", "a b")],
        vec![(":method", "CONNECT"), PATH, SCHEME, HOST],
    ];
    for fields in table {
        let mut frames = Frames::connect(daemon.address());
        frames.head(1, &fields);
        assert_eq!(refusal(&mut frames), ("stream", PROTOCOL_ERROR), "{fields:?}");
        frames.head(3, &GOOD);
        assert_eq!(frames.expect(HEADERS).stream, 3, "{fields:?}");
    }
    assert!(origin.requests().iter().all(|request| request.line == "GET / HTTP/1.1"));
}

#[test]
fn a_field_that_cannot_be_ends_the_connection() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin], "", "");
    for field in [
        (":unknown", "x"),
        ("X-Upper", "case"),
        ("x a", "b"),
        ("", "b"),
        ("x-a", "b\r\nx-c: d"),
        ("x-a", "b\nc"),
        ("x-a", "b\0c"),
    ] {
        let mut frames = Frames::connect(daemon.address());
        frames.head(1, &[&GOOD[..], &[field]].concat());
        assert_eq!(refusal(&mut frames), ("connection", PROTOCOL_ERROR), "{field:?}");
    }
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn a_body_of_another_length_ends_the_stream_and_trailers_say_nothing_of_the_request() {
    const END_STREAM: u8 = 1;
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.ok("read")
    });
    let daemon = front(&[&origin], "", "");
    let post = [(":method", "POST"), PATH, SCHEME, HOST];
    for length in ["2", "9"] {
        let mut frames = Frames::connect(daemon.address());
        frames.head_with_body(1, &[&post[..], &[("content-length", length)]].concat());
        frames.send(DATA, END_STREAM, 1, b"body");
        assert_eq!(refusal(&mut frames), ("stream", PROTOCOL_ERROR), "{length}");
    }
    let mut frames = Frames::connect(daemon.address());
    frames.head_with_body(1, &post);
    frames.send(DATA, 0, 1, b"body");
    frames.head(1, &[PATH, ("x-end", "yes")]);
    assert_eq!(frames.expect(HEADERS).stream, 1);
    let requests = origin.requests();
    let read: Vec<_> = requests.iter().filter(|request| request.body == b"body").collect();
    assert_eq!(read.len(), 1, "only the last was whole: {requests:?}");
    assert_eq!(read[0].trailers, [("x-end".to_owned(), "yes".to_owned())], "a pseudo-field is no trailer");
}

#[test]
fn nothing_is_injected_into_what_a_server_of_http1_reads() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin], "", "");
    let replaced = |name: &'static str, value: &'static str| {
        GOOD.map(|field| if field.0 == name { (name, value) } else { field }).to_vec()
    };
    let with = |name: &'static str, value: &'static str| [&GOOD[..], &[(name, value)]].concat();
    let table = [
        replaced(":path", "/\r\nX: y"),
        replaced(":path", "/ HTTP/1.1\r\nHost: evil\r\n\r\nGET /evil"),
        replaced(":path", "/\nX: y"),
        replaced(":path", "/a b"),
        replaced(":path", "/a\tb"),
        replaced(":path", "/\0"),
        replaced(":path", "/\u{7f}"),
        replaced(":path", "*"),
        replaced(":path", "evil"),
        replaced(":path", "http://b/"),
        replaced(":path", "/a\\b"),
        replaced(":path", "/a\"b"),
        replaced(":path", "/a?\"b"),
        replaced(":path", "/../evil"),
        replaced(":method", "GET /evil HTTP/1.1\r\nX:"),
        replaced(":method", "GET /evil HTTP/1.1"),
        replaced(":method", "G T"),
        replaced(":method", ""),
        replaced(":method", "PRI"),
        replaced(":authority", "app.test\r\nX: y"),
        replaced(":authority", "app.test/evil"),
        replaced(":authority", "evil@app.test"),
        replaced(":authority", "app.test:80:80"),
        replaced(":scheme", "http\r\nX: y"),
        replaced(":scheme", ""),
        replaced(":scheme", "http://evil/?"),
        with("host", "evil"),
        with("host", "app.test, evil"),
        with("x-a", "b\rX: y"),
        with("x-a", " b"),
        with("x-a", "b\t"),
        with("x-a: y\r\nx-b", "c"),
        with("x:a", "b"),
        with("\"x\"", "b"),
        with("cookie", "a=b\r\nX: y"),
        with("content-length", "+0"),
        with("content-length", "0,0"),
        with("content-length", "0\r\nTransfer-Encoding: chunked"),
        with("transfer-encoding", "identity"),
        with("te", "trailers, chunked"),
        with("http2-settings\r\nx", "AAA"),
    ];
    for fields in table {
        let mut frames = Frames::connect(daemon.address());
        frames.head(1, &fields);
        let (_, _) = refusal(&mut frames);
        assert!(origin.requests().is_empty(), "{fields:?} reached the server: {:?}", origin.requests());
    }
    let mut frames = Frames::connect(daemon.address());
    frames.head(1, &GOOD);
    assert_eq!(frames.expect(HEADERS).stream, 1);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_fragment_reaches_neither_rules_nor_servers() {
    let origin = Origin::echo("a");
    let private = "route \"/private\" pool=app { deny-from \"127.0.0.0/8\"; }\n";
    let listen = "defaults { listen { protocols http1 h2c; }; }\n";
    let daemon = Daemon::run(&(listen.to_owned() + &config(&[&origin], "", "") + private));
    for (path, read) in [
        ("/a#b", Some("/a")),
        ("/a?b#c?d", Some("/a?b")),
        ("/#/private", Some("/")),
        ("/a#/../private", Some("/a")),
        ("/private#", None),
        ("/private#/../a", None),
        ("/a/../private#x", None),
    ] {
        let before = origin.requests().len();
        let mut frames = Frames::connect(daemon.address());
        frames.head(1, &[METHOD, (":path", path), SCHEME, HOST]);
        assert_eq!(refusal(&mut frames), ("answered", 0), "{path}");
        let read = read.map(|target| format!("GET {target} HTTP/1.1"));
        assert_eq!(origin.requests().get(before).map(|request| request.line.clone()), read, "{path}");
    }
}
