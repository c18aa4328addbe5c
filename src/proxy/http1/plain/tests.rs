//! The one pass against the slower way: the same verdict and the same head for every small change of a plain head.

use super::*;
use crate::proxy::http1::{
    ParseError, Status, parse_request, parse_request_by, parse_response, parse_response_by,
};

const REQUEST: &[u8] = b"GET /a?b=%20c HTTP/1.1\r\nHost: a.test:80\r\nX-1: v\r\nContent-Length: 0\r\n\r\nGET";
const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: some server/1.0\r\nETag: \"6-\xe9\"\r\nA: b\r\n\r\nbody";

/// What is read of a request: at the first look, and when it came in pieces, which is never read in one pass. Which of
/// the two it was is left out.
fn requests(text: &[u8], limits: &HeadLimits) -> [(Result<Status, ParseError>, String); 2] {
    [0, 1].map(|scanned| {
        let mut head = RequestHead::new();
        head.scan = scanned;
        let status = parse_request(text, limits, &mut head);
        head.scan = 0;
        head.set_line_end(0);
        (status, format!("{head:?}"))
    })
}

fn responses(text: &[u8], limits: &HeadLimits) -> [(Result<Status, ParseError>, String); 2] {
    [0, 1].map(|scanned| {
        let mut head = ResponseHead::new();
        head.scan = scanned;
        let status = parse_response(text, limits, &mut head);
        head.scan = 0;
        head.set_line_end(0);
        (status, format!("{head:?}"))
    })
}

/// `text`, with one byte changed, added or left out, at each place.
fn changed(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    const BYTES: &[u8] = b"\0\t\n\r !\":/0A_a~\x7f\x80\xff";
    let places = (0..=text.len()).flat_map(|at| BYTES.iter().map(move |byte| (at, *byte)));
    let put = move |(at, byte): (usize, u8), over: usize| {
        let rest = text.get(at + over..).unwrap_or_default();
        [&text[..at], &[byte], rest].concat()
    };
    let without = (0..text.len()).map(move |at| [&text[..at], &text[at + 1..]].concat());
    places.flat_map(move |place| [put(place, 0), put(place, 1)]).chain(without)
}

#[test]
fn a_plain_head_is_read_in_one_pass() {
    let limits = HeadLimits::default();
    assert_eq!(
        request(REQUEST, &limits, &mut RequestHead::new(), &mut SeenLines::new()),
        Some(REQUEST.len() - 3)
    );
    assert_eq!(
        response(RESPONSE, &limits, &mut ResponseHead::new(), &mut SeenLines::new()),
        Some(RESPONSE.len() - 4)
    );
}

#[test]
fn one_pass_and_several_read_the_same() {
    let limits = HeadLimits::default();
    for text in changed(REQUEST) {
        let [once, slowly] = requests(&text, &limits);
        assert_eq!(once, slowly, "{:?}", String::from_utf8_lossy(&text));
    }
    for text in changed(RESPONSE) {
        let [once, slowly] = responses(&text, &limits);
        assert_eq!(once, slowly, "{:?}", String::from_utf8_lossy(&text));
    }
}

/// Each text is read three times by one table: lines that it kept of other texts, refused ones among them, change
/// nothing.
#[test]
fn lines_that_were_seen_before_are_read_as_at_first_sight() {
    let (limits, mut seen) = (HeadLimits::default(), SeenLines::new());
    for text in changed(REQUEST).flat_map(|text| [text.clone(), REQUEST.to_vec(), text]) {
        let mut head = RequestHead::new();
        let status = parse_request_by(&text, &limits, &mut head, &mut seen);
        head.scan = 0;
        head.set_line_end(0);
        assert_eq!((status, format!("{head:?}")), requests(&text, &limits)[1]);
    }
    for text in changed(RESPONSE).flat_map(|text| [text.clone(), RESPONSE.to_vec(), text]) {
        let mut head = ResponseHead::new();
        let status = parse_response_by(&text, &limits, &mut head, &mut seen);
        head.scan = 0;
        head.set_line_end(0);
        assert_eq!((status, format!("{head:?}")), responses(&text, &limits)[1]);
    }
}

#[test]
fn every_beginning_of_a_head_is_partial() {
    let limits = HeadLimits::default();
    for end in 1..REQUEST.len() - 3 {
        assert!(requests(&REQUEST[..end], &limits).iter().all(|(status, _)| *status == Ok(Status::Partial)));
    }
    for end in 1..RESPONSE.len() - 4 {
        assert!(
            responses(&RESPONSE[..end], &limits).iter().all(|(status, _)| *status == Ok(Status::Partial))
        );
    }
}

#[test]
fn limits_hold_in_one_pass_too() {
    let exact = HeadLimits { bytes: REQUEST.len() - 3, fields: 3, target: 9 };
    let check = |limits: HeadLimits, expected: Result<Status, ParseError>| {
        let [once, slowly] = requests(REQUEST, &limits);
        assert_eq!((&once.0, &once), (&expected, &slowly), "{limits:?}");
    };
    check(exact, Ok(Status::Complete(exact.bytes)));
    check(HeadLimits { bytes: exact.bytes - 1, ..exact }, Err(ParseError::TooLarge));
    check(HeadLimits { fields: 2, ..exact }, Err(ParseError::TooManyFields));
    check(HeadLimits { target: 8, ..exact }, Err(ParseError::TargetTooLong));
}

#[test]
fn the_first_control_byte_is_found_wherever_it_stands() {
    for length in 0..40 {
        let text: Vec<u8> = (0..length).map(|at| b" ~\x80\xff@"[at % 5]).collect();
        assert_eq!(control(&text), None);
        for (at, byte) in (0..length).flat_map(|at| b"\0\t\n\r\x1f\x7f".iter().map(move |byte| (at, *byte))) {
            let mut text = text.clone();
            text[at] = byte;
            assert_eq!(control(&text), Some(at), "{byte:#x} at {at} of {length}");
            *text.last_mut().unwrap() = 1;
            assert_eq!(control(&text), Some(at), "{byte:#x} at {at} of {length}, and one at the end");
        }
    }
}
