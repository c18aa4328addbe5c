//! Frames that a client may send, and those that it must not, each in its state: what RFC 9113 says becomes of the
//! stream or of the connection. What makes a whole message malformed stands in `malformed`.

use super::{front, speaking};
use crate::support::http2::{DATA, Frames, GOAWAY, HEADERS, RESET, SETTINGS};
use crate::support::{Client, Origin};

const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const UNKNOWN: u8 = 0x16;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const COMPRESSION_ERROR: u32 = 9;

/// `GET http://app.test/`, by the static table but for the authority.
const GET: &[u8] = b"\x82\x84\x86\x41\x08app.test";
/// `POST http://app.test/`
const POST: &[u8] = b"\x83\x84\x86\x41\x08app.test";
/// A window of 2^31-1 more.
const WIDEST: &[u8] = &[0x7f, 0xff, 0xff, 0xff];

/// Kind, flags, stream, payload.
type Sent = (u8, u8, u32, Vec<u8>);

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    /// The connection ends with one of these codes.
    Ended(&'static [u32]),
    /// The stream ends with one of these, or the connection.
    Reset(&'static [u32]),
    /// A request on this stream is answered.
    Answered(u32),
    /// The connection goes on.
    Fine,
}

use Becomes::{Answered, Ended, Fine, Reset};

fn get(stream: u32) -> Sent {
    (HEADERS, END_STREAM | END_HEADERS, stream, GET.to_vec())
}

/// A request whose body is to come.
fn post(stream: u32) -> Sent {
    (HEADERS, END_HEADERS, stream, POST.to_vec())
}

fn sent(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Sent {
    (kind, flags, stream, payload.to_vec())
}

/// Looks at what comes until it is clear; a ping of our own comes back when nothing ended.
fn look(frames: &mut Frames, due: Becomes) -> Becomes {
    while let Some(frame) = frames.next() {
        let code = |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
        match (frame.kind, due) {
            (GOAWAY, Ended(codes) | Reset(codes)) if codes.contains(&code(4)) => return due,
            (GOAWAY, _) => panic!("GOAWAY with {}, due: {due:?}", code(4)),
            (RESET, Reset(codes)) if codes.contains(&code(0)) => return due,
            (RESET, _) => panic!("RST_STREAM with {}, due: {due:?}", code(0)),
            (HEADERS, Answered(stream)) if stream == frame.stream => return due,
            (PING, Fine) if frame.payload == *b"are you?" => return Fine,
            _ => {}
        }
    }
    panic!("the connection ended without a word, due: {due:?}");
}

fn check(table: Vec<(&str, Vec<Sent>, Becomes)>) {
    // It answers what is whole, and waits for the rest of what is not.
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.ok("read")
    });
    let daemon = front(&[&origin], "", "");
    for (name, list, due) in table {
        let mut frames = Frames::connect(daemon.address());
        for (kind, flags, stream, payload) in list {
            frames.send(kind, flags, stream, &payload);
        }
        if due == Fine {
            frames.send(PING, 0, 0, b"are you?");
        }
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| look(&mut frames, due)));
        assert_eq!(seen.ok(), Some(due), "{name}");
    }
    assert_eq!(Client::fetch(daemon.address(), "/").text(), "read", "others are served");
}

#[test]
fn what_a_client_may_send_is_taken() {
    check(vec![
        ("a frame of an unknown kind", vec![sent(UNKNOWN, 0, 0, &[0; 8]), get(1)], Answered(1)),
        ("flags that mean nothing", vec![sent(PING, 0x16, 0, b"are you?")], Fine),
        ("a reserved bit", vec![sent(PING, 0, 1 << 31, b"are you!")], Fine),
        ("padding", vec![post(1), sent(DATA, PADDED | END_STREAM, 1, b"\x06body\0\0\0\0\0\0")], Answered(1)),
        ("a priority", vec![sent(HEADERS, 0x25, 1, &[&[0, 0, 0, 0, 7], GET].concat())], Answered(1)),
        ("PRIORITY of what never was", vec![sent(PRIORITY, 0, 9, &[0, 0, 0, 1, 7]), get(1)], Answered(1)),
        ("a body of nothing", vec![post(1), sent(DATA, END_STREAM, 1, b"")], Answered(1)),
        (
            "trailers",
            vec![post(1), sent(DATA, 0, 1, b"x"), sent(HEADERS, 5, 1, b"\0\x01a\x01b")],
            Answered(1),
        ),
        (
            "a head in pieces",
            vec![
                sent(HEADERS, END_STREAM, 1, &GET[..1]),
                sent(CONTINUATION, 0, 1, &GET[1..5]),
                sent(CONTINUATION, END_HEADERS, 1, &GET[5..]),
            ],
            Answered(1),
        ),
        (
            "a window for what is answered",
            vec![get(1), sent(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])],
            Answered(1),
        ),
        (
            "settings that nobody knows",
            vec![sent(SETTINGS, 0, 0, &[0, 0xff, 0, 0, 0, 0]), get(1)],
            Answered(1),
        ),
        ("an echo of a ping that was not sent", vec![sent(PING, ACK, 0, b"who are?")], Fine),
        (
            "a table of another size",
            vec![sent(HEADERS, 5, 1, &[b"\x20\x3f\xe1\x1f", GET].concat())],
            Answered(1),
        ),
        ("a reset with an unknown code", vec![post(1), sent(RESET, 0, 1, &[0, 0, 0, 0xff])], Fine),
        ("largest frame", vec![post(1), sent(DATA, END_STREAM, 1, &[b'x'; 16_384])], Answered(1)),
    ]);
}

#[test]
fn what_no_stream_may_carry_ends_it_or_the_connection() {
    let closed = &[STREAM_CLOSED, PROTOCOL_ERROR];
    check(vec![
        ("DATA before its head", vec![sent(DATA, END_STREAM, 1, b"x")], Ended(&[PROTOCOL_ERROR])),
        ("RST_STREAM before its head", vec![sent(RESET, 0, 1, &[0, 0, 0, 8])], Ended(&[PROTOCOL_ERROR])),
        (
            "a window before its head",
            vec![sent(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 9])],
            Ended(&[PROTOCOL_ERROR]),
        ),
        ("CONTINUATION of nothing", vec![sent(CONTINUATION, 4, 1, GET)], Ended(&[PROTOCOL_ERROR])),
        ("DATA behind its end", vec![get(1), sent(DATA, END_STREAM, 1, b"x")], Reset(closed)),
        ("a head behind its end", vec![get(1), get(1)], Reset(closed)),
        ("CONTINUATION behind its head", vec![get(1), sent(CONTINUATION, 4, 1, GET)], Ended(closed)),
        ("an even number", vec![get(2)], Ended(&[PROTOCOL_ERROR])),
        ("a smaller number", vec![get(5), get(3)], Ended(&[PROTOCOL_ERROR])),
        (
            "PUSH_PROMISE",
            vec![sent(PUSH_PROMISE, 4, 1, &[&[0, 0, 0, 2], GET].concat())],
            Ended(&[PROTOCOL_ERROR]),
        ),
        (
            "trailers without an end",
            vec![post(1), sent(HEADERS, 4, 1, b"\0\x01a\x01b")],
            Reset(&[PROTOCOL_ERROR]),
        ),
        ("no window at all", vec![post(1), sent(WINDOW_UPDATE, 0, 1, &[0; 4])], Reset(&[PROTOCOL_ERROR])),
        (
            "a window beyond its bound",
            vec![post(1), sent(WINDOW_UPDATE, 0, 1, WIDEST)],
            Reset(&[FLOW_CONTROL_ERROR]),
        ),
        (
            "a stream that depends on itself",
            vec![sent(PRIORITY, 0, 1, &[0, 0, 0, 1, 7])],
            Reset(&[PROTOCOL_ERROR]),
        ),
        (
            "a head that depends on itself",
            vec![sent(HEADERS, 5 | WITH_PRIORITY, 1, &[&[0, 0, 0, 1, 7], GET].concat())],
            Reset(&[PROTOCOL_ERROR]),
        ),
    ]);
}

#[test]
fn what_no_connection_may_carry_ends_it() {
    let protocol = Ended(&[PROTOCOL_ERROR]);
    let begun = || sent(HEADERS, END_STREAM, 1, GET);
    check(vec![
        ("DATA of no stream", vec![sent(DATA, END_STREAM, 0, b"x")], protocol),
        ("a head of no stream", vec![sent(HEADERS, 5, 0, GET)], protocol),
        ("PRIORITY of no stream", vec![sent(PRIORITY, 0, 0, &[0, 0, 0, 1, 7])], protocol),
        ("RST_STREAM of no stream", vec![sent(RESET, 0, 0, &[0, 0, 0, 8])], protocol),
        ("CONTINUATION of no stream", vec![begun(), sent(CONTINUATION, 4, 0, b"")], protocol),
        ("SETTINGS of a stream", vec![sent(SETTINGS, 0, 1, &[])], protocol),
        ("PING of a stream", vec![sent(PING, 0, 1, &[0; 8])], protocol),
        ("GOAWAY of a stream", vec![sent(GOAWAY, 0, 1, &[0; 8])], protocol),
        ("PRIORITY within a head", vec![begun(), sent(PRIORITY, 0, 1, &[0, 0, 0, 3, 7])], protocol),
        ("another head within a head", vec![begun(), get(3)], protocol),
        ("DATA within a head", vec![begun(), sent(DATA, 0, 1, b"x")], protocol),
        ("an unknown frame within a head", vec![begun(), sent(UNKNOWN, 0, 1, b"x")], protocol),
        ("padding beyond DATA", vec![post(1), sent(DATA, PADDED, 1, b"\xffx")], protocol),
        ("padding beyond a head", vec![sent(HEADERS, 5 | PADDED, 1, &[b"\xff", GET].concat())], protocol),
        ("a push of 2", vec![sent(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2])], protocol),
        ("frames that are too small", vec![sent(SETTINGS, 0, 0, &[0, 5, 0, 0, 0x3f, 0xff])], protocol),
        ("frames that are too large", vec![sent(SETTINGS, 0, 0, &[0, 5, 1, 0, 0, 0])], protocol),
        ("no window at all", vec![sent(WINDOW_UPDATE, 0, 0, &[0; 4])], protocol),
        (
            "an initial window beyond its bound",
            vec![sent(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])],
            Ended(&[FLOW_CONTROL_ERROR]),
        ),
        ("a window beyond its bound", vec![sent(WINDOW_UPDATE, 0, 0, WIDEST)], Ended(&[FLOW_CONTROL_ERROR])),
    ]);
}

#[test]
fn a_frame_of_another_size_ends_its_connection() {
    let size = Ended(&[FRAME_SIZE_ERROR]);
    check(vec![
        ("PING", vec![sent(PING, 0, 0, &[0; 6])], size),
        ("RST_STREAM", vec![post(1), sent(RESET, 0, 1, &[0; 3])], size),
        ("WINDOW_UPDATE", vec![sent(WINDOW_UPDATE, 0, 0, &[0; 3])], size),
        ("SETTINGS", vec![sent(SETTINGS, 0, 0, &[0; 3])], size),
        ("an echo of SETTINGS", vec![sent(SETTINGS, ACK, 0, &[0; 6])], size),
        ("DATA", vec![post(1), sent(DATA, END_STREAM, 1, &[b'x'; 16_385])], size),
        ("PRIORITY", vec![get(1), sent(PRIORITY, 0, 1, &[0; 4])], Reset(&[FRAME_SIZE_ERROR, PROTOCOL_ERROR])),
    ]);
}

#[test]
fn fields_that_cannot_be_unpacked_end_their_connection() {
    let unpacked = Ended(&[COMPRESSION_ERROR, PROTOCOL_ERROR]);
    let with = |more: &[u8]| vec![sent(HEADERS, 5, 1, &[GET, more].concat())];
    check(vec![
        ("an index of nothing", with(b"\x80"), unpacked),
        ("an index beyond the table", with(b"\xff\x7f"), unpacked),
        ("a name beyond the table", with(b"\x7f\x7f\x01a"), unpacked),
        ("a size of the table at the end", with(b"\x20"), unpacked),
        (
            "a table that is too large",
            vec![sent(HEADERS, 5, 1, &[b"\x3f\xff\xff\x03", GET].concat())],
            unpacked,
        ),
        ("an end of text within a text", with(b"\0\x01a\x84\xff\xff\xff\xff"), unpacked),
        ("padding of zeros", with(b"\0\x01a\x81\x1e"), unpacked),
        ("padding of more than seven bits", with(b"\0\x01a\x82\x1f\xff"), unpacked),
        ("half a field", with(b"\0\x05a"), unpacked),
    ]);
}

#[test]
fn a_preface_that_is_none_is_refused_and_one_that_does_not_end_is_cut() {
    let origin = Origin::echo("a");
    for (protocols, other) in [("h2c", &b""[..]), ("http1 h2c", b"HTTP/1.1 400 ")] {
        let listen = format!("protocols {protocols}; timeout request-header=\"300ms\"");
        let daemon = speaking(&listen, &[&origin], "", "");
        for (preface, answer) in [
            (&b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"[..], &b""[..]),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", b""),
            (b"PRI * HTTP/2.0\r\nHost: app.test\r\n\r\n", b""),
            (b"PRI * HTTP/2.0\r\n\r\n", b""),
            (b"INVALID CONNECTION PREFACE\r\n\r\n", other),
        ] {
            let mut client = Client::connect(daemon.address());
            client.send(preface);
            let mut said = Vec::new();
            loop {
                let more = client.read_some();
                if more.is_empty() {
                    break;
                }
                said.extend(more);
            }
            let name = String::from_utf8_lossy(preface);
            match answer.is_empty() {
                // Its settings, and nothing that answers a request.
                true => assert_eq!(said.get(3), Some(&SETTINGS), "{protocols}: {name}"),
                false => assert!(said.starts_with(answer), "{protocols}: {name}"),
            }
        }
    }
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn more_streams_than_were_announced_are_refused() {
    const REFUSED_STREAM: u32 = 7;
    let origin = Origin::echo("a");
    let daemon = speaking("protocols h2c; limits streams=2", &[&origin], "", "");
    let mut frames = Frames::connect(daemon.address());
    for stream in [1, 3, 5] {
        let (kind, flags, stream, payload) = post(stream);
        frames.send(kind, flags, stream, &payload);
    }
    let refused = frames.expect(RESET);
    assert_eq!((refused.stream, &refused.payload[..]), (5, &REFUSED_STREAM.to_be_bytes()[..]));
    frames.send(DATA, END_STREAM, 1, b"");
    assert_eq!(frames.expect(HEADERS).stream, 1, "the others go on");
}
