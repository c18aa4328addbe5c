//! Heads accepted, heads refused, heads in pieces, and bytes that are no head.

use proptest::prelude::*;

use super::*;
use crate::proxy::head::{BodyFraming, Known, ResponseFraming};

fn request(text: &[u8]) -> Result<RequestHead, ParseError> {
    let mut head = RequestHead::new();
    match parse_request(text, &HeadLimits::default(), &mut head)? {
        Status::Complete(length) => {
            assert_eq!(length, text.len(), "{:?}", String::from_utf8_lossy(text));
            Ok(head)
        }
        Status::Partial => panic!("partial: {:?}", String::from_utf8_lossy(text)),
    }
}

fn response(text: &[u8]) -> Result<ResponseHead, ParseError> {
    let mut head = ResponseHead::new();
    match parse_response(text, &HeadLimits::default(), &mut head)? {
        Status::Complete(length) => {
            assert_eq!(length, text.len());
            Ok(head)
        }
        Status::Partial => panic!("partial: {:?}", String::from_utf8_lossy(text)),
    }
}

/// A request with these lines after `Host`.
fn with(lines: &str) -> Result<RequestHead, ParseError> {
    request(format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n").as_bytes())
}

fn line(line: &str) -> Result<RequestHead, ParseError> {
    request(format!("{line}\r\nHost: a\r\n\r\n").as_bytes())
}

#[test]
fn the_parts_of_a_request_are_found() {
    let head = request(
        b"GET /a/b?x=1&y HTTP/1.1\r\nhost: Shop.example:8080\r\nCookie: s=1; t=2\r\nX-Empty:\r\n\
          X-Odd:  \t v w \t\r\nCOOKIE: s=3\r\nX-High: \xe9\xff\r\n\r\n",
    )
    .unwrap();
    assert_eq!((head.method(), head.version()), ("GET", Version::Http11));
    assert_eq!((head.target(), head.path()), (&b"/a/b?x=1&y"[..], &b"/a/b"[..]));
    assert_eq!(head.query(), Some(&b"x=1&y"[..]));
    assert_eq!(
        (head.authority(), head.host()),
        (Some(&b"Shop.example:8080"[..]), Some(&b"Shop.example"[..]))
    );
    assert_eq!(head.field_count(), 6);
    let fields: Vec<_> = head.fields().map(|f| (f.name, f.value)).collect();
    assert_eq!(fields[2], (&b"X-Empty"[..], &b""[..]));
    assert_eq!(fields[3], (&b"X-Odd"[..], &b"v w"[..]));
    assert_eq!(fields[5], (&b"X-High"[..], &b"\xe9\xff"[..]));
    assert!(head.any("x-odd", &mut |value| value == b"v w"));
    assert!(!head.any("x-none", &mut |_| true));
    assert!(head.any_cookie("s", &mut |value| value == b"3"));
    assert!(!head.any_cookie("S", &mut |_| true));
    assert_eq!(head.all_known(Known::Cookie).count(), 2);
    assert_eq!(head.framing(), BodyFraming::None);
    assert!(head.keep_alive());
}

#[test]
fn targets_are_read_by_their_form() {
    type Parts = (&'static str, Option<&'static str>, &'static str);
    let table: &[(&str, Parts)] = &[
        ("GET / HTTP/1.1", ("/", None, "a")),
        ("GET /? HTTP/1.1", ("/", Some(""), "a")),
        ("GET /a?b?c HTTP/1.1", ("/a", Some("b?c"), "a")),
        ("GET //x/../y;v=1 HTTP/1.1", ("//x/../y;v=1", None, "a")),
        ("GET /{a}|b?^`\\ HTTP/1.1", ("/{a}|b", Some("^`\\"), "a")),
        ("GET http://a HTTP/1.1", ("/", None, "a")),
        ("GET HTTP://A/ HTTP/1.1", ("/", None, "A")),
        ("GET http://a:80/x?y HTTP/1.1", ("/x", Some("y"), "a:80")),
        ("GET https://a:443?y HTTP/1.1", ("/", Some("y"), "a:443")),
        ("OPTIONS * HTTP/1.1", ("*", None, "a")),
        ("OPTIONS /x HTTP/1.1", ("/x", None, "a")),
        ("OPTIONS http://a HTTP/1.1", ("*", None, "a")),
        ("OPTIONS http://a/ HTTP/1.1", ("/", None, "a")),
        ("P!#$%&'*+-.^_`|~ /x HTTP/1.1", ("/x", None, "a")),
    ];
    for &(text, (path, query, authority)) in table {
        let head = line(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(head.path(), path.as_bytes(), "{text}");
        assert_eq!(head.query(), query.map(str::as_bytes), "{text}");
        assert_eq!(head.authority(), Some(authority.as_bytes()), "{text}");
    }
}

#[test]
fn request_lines_are_refused_with_their_cause() {
    use ParseError::{
        BadMethod, BadRequestLine, BadTarget, ConnectRefused, HostDisagrees, Http2Preface, UnsupportedVersion,
    };
    let table: &[(&str, ParseError)] = &[
        ("GET /", BadRequestLine),
        ("GET", BadRequestLine),
        ("GET  / HTTP/1.1", BadRequestLine),
        ("GET / HTTP/1.1 ", BadRequestLine),
        ("GET /  HTTP/1.1", BadRequestLine),
        ("GET /a b HTTP/1.1", BadRequestLine),
        (" GET / HTTP/1.1", BadMethod),
        ("G(T / HTTP/1.1", BadMethod),
        ("GET\t/ HTTP/1.1", BadMethod),
        ("GET /\tHTTP/1.1", BadRequestLine),
        ("GET / http/1.1", BadRequestLine),
        ("GET / HTTP/1.10", BadRequestLine),
        ("GET / HTTP/01.1", BadRequestLine),
        ("GET / HTTP/2.0", UnsupportedVersion),
        ("GET / HTTP/2", UnsupportedVersion),
        ("GET / HTTP/1.2", UnsupportedVersion),
        ("GET / HTTP/0.9", UnsupportedVersion),
        ("GET /\u{e9} HTTP/1.1", BadTarget),
        ("GET /\u{1} HTTP/1.1", BadTarget),
        ("GET /\u{7f} HTTP/1.1", BadTarget),
        ("GET /a#b HTTP/1.1", BadTarget),
        ("GET /a\\b HTTP/1.1", BadTarget),
        ("GET /<a> HTTP/1.1", BadTarget),
        ("GET /?\" HTTP/1.1", BadTarget),
        ("GET a HTTP/1.1", BadTarget),
        ("GET a:80 HTTP/1.1", BadTarget),
        ("GET * HTTP/1.1", BadTarget),
        ("OPTIONS *x HTTP/1.1", BadTarget),
        ("GET ?x HTTP/1.1", BadTarget),
        ("GET ftp://a/ HTTP/1.1", BadTarget),
        ("GET http:/a HTTP/1.1", BadTarget),
        ("GET http:///x HTTP/1.1", BadTarget),
        ("GET http://u@a/ HTTP/1.1", BadTarget),
        ("GET http://b/ HTTP/1.1", HostDisagrees),
        ("GET http://a:8080/ HTTP/1.1", HostDisagrees),
        ("GET https://a:80/ HTTP/1.1", HostDisagrees),
        ("CONNECT a:443 HTTP/1.1", ConnectRefused),
        ("CONNECT / HTTP/1.1", ConnectRefused),
        ("PRI * HTTP/2.0", Http2Preface),
    ];
    for &(text, error) in table {
        assert_eq!(line(text).err(), Some(error), "{text}");
    }
}

#[test]
fn framing_has_one_meaning_or_none() {
    use BodyFraming::{Chunked, Length, None};
    use ParseError::{BadLength, BadTransferEncoding, ConflictingLength, RepeatedLength};
    let table: &[(&str, Result<BodyFraming, ParseError>)] = &[
        ("", Ok(None)),
        ("Content-Length: 0\r\n", Ok(Length(0))),
        ("content-length:\t5 \r\n", Ok(Length(5))),
        ("Content-Length: 005\r\n", Ok(Length(5))),
        ("Content-Length: 9223372036854775807\r\n", Ok(Length(i64::MAX as u64))),
        ("Transfer-Encoding: chunked\r\n", Ok(Chunked)),
        ("TRANSFER-ENCODING:  Chunked \r\n", Ok(Chunked)),
        ("Content_Length: 5\r\n", Ok(None)),
        ("Content-Length: 9223372036854775808\r\n", Err(BadLength)),
        ("Content-Length: 18446744073709551616\r\n", Err(BadLength)),
        ("Content-Length: 000000000000000000005\r\n", Err(BadLength)),
        ("Content-Length:\r\n", Err(BadLength)),
        ("Content-Length: +5\r\n", Err(BadLength)),
        ("Content-Length: -5\r\n", Err(BadLength)),
        ("Content-Length: 5, 5\r\n", Err(BadLength)),
        ("Content-Length: 5,\r\n", Err(BadLength)),
        ("Content-Length: 5 5\r\n", Err(BadLength)),
        ("Content-Length: 0x5\r\n", Err(BadLength)),
        ("Content-Length: 5.0\r\n", Err(BadLength)),
        ("Content-Length: \u{665}\r\n", Err(BadLength)),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Err(RepeatedLength)),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", Err(RepeatedLength)),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", Err(ConflictingLength)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", Err(ConflictingLength)),
        ("Transfer-Encoding: x\r\nContent-Length: 5\r\n", Err(ConflictingLength)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding: gzip, chunked\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding: chunked, chunked\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding: chunked,\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding: ,chunked\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding: chunked;q=1\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding: \"chunked\"\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding: xchunked\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding: identity\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding:\r\n", Err(BadTransferEncoding)),
        ("Transfer-Encoding: chunke\u{212a}d\r\n", Err(BadTransferEncoding)),
    ];
    for &(lines, expected) in table {
        assert_eq!(with(lines).map(|head| head.framing()), expected, "{lines:?}");
    }
    let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(request(old).err(), Some(ParseError::TransferEncodingOnHttp10));
}

#[test]
fn field_lines_are_refused_with_their_cause() {
    use ParseError::{BadFieldName, BadFieldValue, BareCr, BareLf, ObsFold};
    let table: &[(&[u8], ParseError)] = &[
        (b"A : b\r\n", BadFieldName),
        (b"A\t: b\r\n", BadFieldName),
        (b"A b: c\r\n", BadFieldName),
        (b": b\r\n", BadFieldName),
        (b"A\r\n", BadFieldName),
        (b"A(: b\r\n", BadFieldName),
        (b"A\0: b\r\n", BadFieldName),
        (b"\xc3\xa9: b\r\n", BadFieldName),
        (b"Transfer-Encoding : chunked\r\n", BadFieldName),
        (b"Transfer-Encoding\x0b: chunked\r\n", BadFieldName),
        (b"A: b\r\n c\r\n", ObsFold),
        (b"A: b\r\n\tc\r\n", ObsFold),
        (b"A: b\r\n \r\n", ObsFold),
        (b"A: b\0c\r\n", BadFieldValue),
        (b"A: \x7f\r\n", BadFieldValue),
        (b"A: b\x0bc\r\n", BadFieldValue),
        (b"A: \x1b[0m\r\n", BadFieldValue),
        (b"A: b\rc\r\n", BareCr),
        (b"A: b\r\r\n", BareCr),
        (b"A\r: b\r\n", BareCr),
        (b"A: b\n", BareLf),
        (b"A: b\nC: d\r\n", BareLf),
    ];
    for &(lines, error) in table {
        let text = [b"GET / HTTP/1.1\r\nHost: a\r\n", lines, b"\r\n"].concat();
        assert_eq!(request(&text).err(), Some(error), "{:?}", String::from_utf8_lossy(lines));
    }
    assert_eq!(request(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n").err(), Some(ObsFold));
    assert_eq!(request(b"GET / HTTP/1.1\nHost: a\n\n").err(), Some(BareLf));
    assert_eq!(request(b"GET / HTTP/1.1\r\nHost: a\r\n\n").err(), Some(BareLf));
}

#[test]
fn a_request_has_exactly_one_valid_host() {
    use ParseError::{BadHost, HostDisagrees, MissingHost, RepeatedHost};
    let table: &[(&str, Option<ParseError>)] = &[
        ("GET / HTTP/1.1\r\nHost: a\r\n", None),
        ("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n", None),
        ("GET / HTTP/1.0\r\n", None),
        ("GET / HTTP/1.0\r\nHost: a\r\n", None),
        ("GET http://a/ HTTP/1.0\r\n", None),
        ("GET / HTTP/1.1\r\n", Some(MissingHost)),
        ("GET http://a/ HTTP/1.1\r\n", Some(MissingHost)),
        ("GET / HTTP/1.1\r\nX_Host: a\r\n", Some(MissingHost)),
        ("GET / HTTP/1.1\r\nHost:\r\n", Some(BadHost)),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n", Some(BadHost)),
        ("GET / HTTP/1.1\r\nHost: a b\r\n", Some(BadHost)),
        ("GET / HTTP/1.1\r\nHost: a:x\r\n", Some(BadHost)),
        ("GET / HTTP/1.1\r\nHost: http://a\r\n", Some(BadHost)),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n", Some(BadHost)),
        ("GET / HTTP/1.0\r\nHost: a@b\r\n", Some(BadHost)),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", Some(RepeatedHost)),
        ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n", Some(RepeatedHost)),
        ("GET http://a/ HTTP/1.1\r\nHost: b\r\n", Some(HostDisagrees)),
        ("GET http://a/ HTTP/1.0\r\nHost: b\r\n", Some(HostDisagrees)),
    ];
    for &(lines, expected) in table {
        assert_eq!(request(format!("{lines}\r\n").as_bytes()).err(), expected, "{lines:?}");
    }
}

#[test]
fn one_empty_line_may_come_first_and_no_other_noise() {
    assert!(request(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").is_ok());
    let table: &[(&[u8], ParseError)] = &[
        (b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ParseError::BadRequestLine),
        (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ParseError::BadRequestLine),
        (b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ParseError::BadRequestLine),
        (b"\r\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", ParseError::BadRequestLine),
        (b"\x16\x03\x01", ParseError::TlsOnPlainPort),
        (b"\0", ParseError::BadMethod),
    ];
    for &(text, error) in table {
        assert_eq!(request(text).err(), Some(error), "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn limits_are_kept_before_and_after_the_end_is_there() {
    let limits = HeadLimits { bytes: 100, fields: 2, target: 20 };
    let parse = |text: &str| parse_request(text.as_bytes(), &limits, &mut RequestHead::new());
    let padded = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}", "x".repeat(n));
    assert_eq!(parse(&(padded(100 - 32) + "\r\n\r\n")), Ok(Status::Complete(100)));
    assert_eq!(parse(&(padded(101 - 32) + "\r\n\r\n")), Err(ParseError::TooLarge));
    assert_eq!(parse(&padded(100)), Err(ParseError::TooLarge));
    assert_eq!(parse(&format!("GET /{}", "x".repeat(100))), Err(ParseError::TargetTooLong));
    let target = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(n - 1));
    assert!(parse(&target(20)).is_ok());
    assert_eq!(parse(&target(21)), Err(ParseError::TargetTooLong));
    assert_eq!(parse("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n\r\n"), Err(ParseError::TooManyFields));
    let most = HeadLimits { fields: usize::MAX, ..HeadLimits::default() };
    let many = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A:\r\n".repeat(n - 1));
    assert!(parse_request(many(MAX_FIELDS).as_bytes(), &most, &mut RequestHead::new()).is_ok());
    let beyond = many(MAX_FIELDS + 1);
    let refused = parse_request(beyond.as_bytes(), &most, &mut RequestHead::new());
    assert_eq!(refused, Err(ParseError::TooManyFields));
}

#[test]
fn a_head_in_pieces_is_scanned_once_and_read_the_same() {
    let text = b"\r\nGET /a HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\nPOST";
    let mut head = RequestHead::new();
    for end in 0..text.len() - 4 {
        assert_eq!(parse_request(&text[..end], &HeadLimits::default(), &mut head), Ok(Status::Partial));
        assert_eq!(head.scan, end.saturating_sub(2), "after {end} bytes");
    }
    let complete = parse_request(text, &HeadLimits::default(), &mut head);
    assert_eq!(complete, Ok(Status::Complete(text.len() - 4)));
    assert_eq!((head.path(), head.scan), (&b"/a"[..], 0));
    // the same head again, for the next request of the connection
    let next = b"PUT /b HTTP/1.1\r\nHost: b\r\n\r\n";
    assert!(parse_request(next, &HeadLimits::default(), &mut head).is_ok());
    assert_eq!((head.method(), head.path(), head.field_count()), ("PUT", &b"/b"[..], 1));
}

#[test]
fn a_refused_head_shows_nothing_of_the_one_before() {
    let mut head = with("Content-Length: 5\r\n").unwrap();
    let limits = HeadLimits::default();
    assert!(parse_request(b"GET / HTTP/1.1\n", &limits, &mut head).is_err());
    assert_eq!((head.method(), head.framing(), head.field_count()), ("", BodyFraming::None, 0));
    let disagrees = b"PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n";
    assert!(parse_request(disagrees, &limits, &mut head).is_err());
    assert_eq!((head.method(), head.path(), head.framing()), ("PUT", &b"/x"[..], BodyFraming::None));
}

#[test]
fn responses_of_real_servers_are_read() {
    let table: &[(&[u8], u16, &[u8])] = &[
        (b"HTTP/1.1 200 OK\r\n\r\n", 200, b"OK"),
        (b"HTTP/1.1 200 \r\n\r\n", 200, b""),
        (b"HTTP/1.1 200\r\n\r\n", 200, b""),
        (b"HTTP/1.0 404 Not  Found\r\nA: b\r\n\r\n", 404, b"Not  Found"),
        (b"HTTP/1.1 999 \xe9t\xe9\r\n\r\n", 999, b"\xe9t\xe9"),
    ];
    for &(text, status, reason) in table {
        let head = response(text).unwrap();
        assert_eq!((head.status(), head.reason()), (status, reason));
    }
}

#[test]
fn broken_responses_are_refused() {
    use ParseError::{
        BadFieldName, BadFieldValue, BadLength, BadStatus, BadStatusLine, BadTransferEncoding, BareLf,
        ConflictingLength, ObsFold, RepeatedLength, TransferEncodingOnHttp10,
    };
    let table: &[(&[u8], ParseError)] = &[
        (b"<html>", BadStatusLine),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", BadStatusLine),
        (b"http/1.1 200 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/2.0 200 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.2 200 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1  200 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 20 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 2000 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 +20 OK\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 099 OK\r\n\r\n", BadStatus),
        (b"HTTP/1.1 200 O\0K\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 200 OK\nA: b\n\n", BareLf),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", BadFieldName),
        (b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", ObsFold),
        (b"HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n", BadFieldValue),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", RepeatedLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", BadLength),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", ConflictingLength),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", BadTransferEncoding),
        (b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", TransferEncodingOnHttp10),
        (b"HTTP/1.1 204 No\r\nContent-Length: x\r\n\r\n", BadLength),
    ];
    for &(text, error) in table {
        assert_eq!(response(text).err(), Some(error), "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn what_follows_a_response_depends_on_status_and_request() {
    use ResponseFraming::{Chunked, Close, Length, None};
    let table: &[(&str, bool, bool, ResponseFraming)] = &[
        ("200 OK\r\nContent-Length: 3", false, false, Length(3)),
        ("200 OK\r\nTransfer-Encoding: chunked", false, false, Chunked),
        ("200 OK\r\nA: b", false, false, Close),
        ("200 OK\r\nContent-Length: 3", true, false, None),
        ("200 OK\r\nContent-Length: 3", false, true, None),
        ("404 No\r\nContent-Length: 3", false, true, Length(3)),
        ("100 Go\r\nContent-Length: 3", false, false, None),
        ("204 No\r\nTransfer-Encoding: chunked", false, false, None),
        ("304 No\r\nContent-Length: 3", false, false, None),
    ];
    for &(text, is_head, is_connect, framing) in table {
        let head = response(format!("HTTP/1.1 {text}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(head.framing_for(is_head, is_connect), framing, "{text}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse_request(&bytes, &HeadLimits::default(), &mut RequestHead::new());
        let behind_line = [b"GET / HTTP/1.1\r\n", &bytes[..], b"\r\n\r\n"].concat();
        let _ = parse_request(&behind_line, &HeadLimits::default(), &mut RequestHead::new());
        let as_response = [b"HTTP/1.1 ", &bytes[..], b"\r\n\r\n"].concat();
        let _ = parse_response(&as_response, &HeadLimits::default(), &mut ResponseHead::new());
    }
}
