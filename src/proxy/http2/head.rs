//! Heads between the types of `h2` and ours: a request becomes a [`RequestHead`], a serialised answer becomes
//! what is sent.
//!
//! An answer is composed as text, once for both versions, and its lines are read back here: no rule about
//! fields stands here again.

use data_encoding::BASE64;
use h2::ext::Protocol;
use http::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_VERSION};
use http::{Method, Response, StatusCode, request};

use super::recurring::Recurring;
use crate::proxy::head::{Authority, BodyFraming, Known, ParseError, RequestHead, Version, same_authority};
use crate::proxy::http1::HeadLimits;

/// Fields that the smallest table has room for, and that an answer has room for before they are looked at.
const LEAST_RESERVED: usize = 6;
const MOST_RESERVED: usize = 64;
/// Bytes of a line of an answer, about.
const USUAL_LINE: usize = 32;

/// Fills `head` from a request. `empty` says that no body follows.
pub fn read(
    parts: &request::Parts,
    empty: bool,
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<(), ParseError> {
    head.clear();
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let too_long = target.len() > limits.target;
    let opening = if parts.method == Method::CONNECT { opening(parts).map(Some) } else { Ok(None) };
    let method = opening.ok().flatten().unwrap_or(parts.method.as_str());
    // First: an answer to what is refused is one of HTTP/2 as well.
    head.set_line(method.as_bytes(), if too_long { b"" } else { target.as_bytes() }, Version::Http2);
    if too_long {
        return Err(ParseError::TargetTooLong);
    }
    if parts.headers.len() > limits.fields {
        return Err(ParseError::TooManyFields);
    }
    let tunnel = opening?.is_some();
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    if let Some(authority) = authority {
        head.push_known(Known::Host, b"host", authority);
    }
    // One that is empty is none.
    if authority.is_some() && parts.uri.scheme_str().is_none_or(str::is_empty) {
        return Err(ParseError::BadTarget);
    }
    let default_port = if parts.uri.scheme_str() == Some("https") { 443 } else { 80 };
    for (name, value) in &parts.headers {
        let (known, value) = (Known::of(name.as_str().as_bytes()), value.as_bytes());
        if known == Known::Other && !is_name(name) {
            return Err(ParseError::BadFieldName);
        }
        // A server of HTTP/1 would read such a value without its blanks: another one than rules were asked about.
        if value.first().is_some_and(u8::is_ascii_whitespace)
            || value.last().is_some_and(u8::is_ascii_whitespace)
        {
            return Err(ParseError::BadFieldValue);
        }
        match (known, authority) {
            (Known::Cookie, _) => {}
            // A tunnel has neither: its bytes are framed by nobody, and HTTP/2 needs no key.
            (Known::ContentLength | Known::SecWebSocketKey, _) if tunnel => {}
            (Known::Host, Some(authority)) => agree(authority, value, default_port)?,
            _ => head.push_known(known, name.as_str().as_bytes(), value),
        }
    }
    push_cookies(&parts.headers, head);
    if tunnel {
        push_upgrade(head);
    }
    head.seal()?;
    if tunnel {
        return Ok(());
    }
    if head.framing() == BodyFraming::None && !empty {
        head.set_framing(BodyFraming::Chunked);
    }
    Ok(())
}

/// Whether a name is a token: the type lets quotes pass.
pub(super) fn is_name(name: &HeaderName) -> bool {
    memchr::memchr(b'"', name.as_str().as_bytes()).is_none()
}

/// The method that opens over HTTP/1 what this CONNECT opens (RFC 8441, section 5). Only a WebSocket does: its
/// answer must not be taken for that to another request.
fn opening(parts: &request::Parts) -> Result<&'static str, ParseError> {
    let websocket = parts.extensions.get::<Protocol>().is_some_and(|name| name.as_str() == "websocket");
    let version = parts.headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    match (websocket, version) {
        (true, true) => Ok("GET"),
        (true, false) => Err(ParseError::BadWebSocket),
        (false, _) => Err(ParseError::ConnectRefused),
    }
}

/// What HTTP/1 says of a WebSocket and HTTP/2 does not.
fn push_upgrade(head: &mut RequestHead) {
    let key: [u8; 16] = std::array::from_fn(|_| fastrand::u8(..));
    head.push(b"connection", b"Upgrade");
    head.push(b"upgrade", b"websocket");
    head.push(b"sec-websocket-key", BASE64.encode(&key).as_bytes());
}

/// `Host` beside `:authority` may only repeat it (RFC 9113, section 8.3.1).
fn agree(authority: &[u8], host: &[u8], default_port: u16) -> Result<(), ParseError> {
    let host = Authority::parse(host).ok_or(ParseError::BadHost)?;
    let authority = Authority::parse(authority).ok_or(ParseError::BadHost)?;
    if same_authority(host, authority, default_port) { Ok(()) } else { Err(ParseError::HostDisagrees) }
}

/// Clients may split cookies over several fields, to compress them better; HTTP/1 has one (RFC 9113, 8.2.3).
fn push_cookies(fields: &HeaderMap, head: &mut RequestHead) {
    let mut cookies = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
    match (cookies.next(), cookies.next()) {
        (None, _) => {}
        (Some(only), None) => head.push_known(Known::Cookie, b"cookie", only),
        (Some(first), Some(second)) => {
            // An empty one says nothing, and at the end would leave a blank behind it.
            let all = [first, second].into_iter().chain(cookies).filter(|cookie| !cookie.is_empty());
            let all: Vec<&[u8]> = all.collect();
            head.push_known(Known::Cookie, b"cookie", &all.join(&b"; "[..]));
        }
    }
}

/// The answer whose head is serialised in `text`; `None` when it is no head, which never happens to one that
/// was written here.
pub fn answer(text: &[u8], recurring: &Recurring) -> Option<Response<()>> {
    let line_end = memchr::memchr(b'\n', text)?;
    let status = StatusCode::from_bytes(text.get(9..12)?).ok()?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    let lines = &text[line_end + 1..];
    // Room for about as many as there are: the allocator has small pieces at hand, and a kilobyte more is a slow way.
    response.headers_mut().reserve((lines.len() / USUAL_LINE).clamp(LEAST_RESERVED, MOST_RESERVED));
    fields(lines, recurring, response.headers_mut());
    Some(response)
}

/// Appends lines of fields. What could not be sent is left out: it was never a field of HTTP.
pub(super) fn fields(lines: &[u8], recurring: &Recurring, into: &mut HeaderMap) {
    let mut begin = 0;
    for end in memchr::memchr_iter(b'\n', lines).chain([lines.len()]) {
        let line = lines.get(begin..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if !line.is_empty() {
            recurring.append(line, into);
        }
        begin = end + 1;
    }
}

/// Appends the trailers of a request as lines.
pub(super) fn lines(trailers: &HeaderMap, into: &mut Vec<u8>) {
    for (name, value) in trailers {
        crate::proxy::http1::write_field(name.as_str().as_bytes(), value.as_bytes(), into);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, fields: &[(&str, &str)], empty: bool) -> Result<RequestHead, ParseError> {
        let mut builder = http::Request::builder().method("POST").uri(uri);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        let mut head = RequestHead::new();
        let limits = HeadLimits { fields: 4, ..HeadLimits::default() };
        read(&parts, empty, &limits, &mut head).map(|()| head)
    }

    #[test]
    fn a_request_is_read_as_if_it_had_come_over_http1() {
        let head = request("https://App.test/a?b=c", &[("x-a", "1")], true).unwrap();
        assert_eq!((head.method(), head.target(), head.version()), ("POST", &b"/a?b=c"[..], Version::Http2));
        assert_eq!((head.host(), head.framing()), (Some(&b"App.test"[..]), BodyFraming::None));
        assert!(head.keep_alive());
        let framing = |fields, empty| request("http://a/", fields, empty).unwrap().framing();
        assert_eq!(framing(&[("content-length", "5")], false), BodyFraming::Length(5));
        assert_eq!(framing(&[], false), BodyFraming::Chunked);
    }

    #[test]
    fn a_value_with_blanks_around_it_is_malformed() {
        // RFC 9113, section 8.2.1.
        let malformed = |value| request("http://a/", &[("x-a", value)], true).map(|_| ());
        assert_eq!(malformed("1 2"), Ok(()));
        for value in [" 1", "1 ", "\t1", "1\t", " "] {
            assert_eq!(malformed(value), Err(ParseError::BadFieldValue), "{value:?}");
        }
        let cookie = request("http://a/", &[("cookie", " a=1")], true).map(|_| ());
        assert_eq!(cookie, Err(ParseError::BadFieldValue));
    }

    #[test]
    fn a_name_of_any_bytes_is_a_token_or_refused() {
        for byte in 0..=255_u8 {
            let Ok(name) = HeaderName::from_lowercase(&[b'x', byte]) else { continue };
            assert_eq!(is_name(&name), crate::proxy::head::is_token_byte(byte), "{byte}");
        }
        let mut quoted = http::Request::builder().uri("http://a/").body(()).unwrap();
        quoted
            .headers_mut()
            .insert(HeaderName::from_lowercase(b"\"x\"").unwrap(), HeaderValue::from_static("1"));
        let read = read(&quoted.into_parts().0, true, &HeadLimits::default(), &mut RequestHead::new());
        assert_eq!(read, Err(ParseError::BadFieldName));
    }

    #[test]
    fn cookies_are_joined_and_the_host_may_only_repeat_the_authority() {
        let head =
            request("http://a/", &[("cookie", "b=1"), ("x", "y"), ("cookie", "c=2; d=3")], true).unwrap();
        let cookies: Vec<_> = head.all_known(Known::Cookie).collect();
        assert_eq!(cookies, [b"b=1; c=2; d=3"]);
        let empty = [("cookie", ""), ("cookie", "a=1"), ("cookie", "")];
        let head = request("http://a/", &empty, true).unwrap();
        assert_eq!(head.all_known(Known::Cookie).collect::<Vec<_>>(), [b"a=1"]);
        let table = [
            (&[("host", "a")][..], Ok(())),
            (&[("host", "A:80")], Ok(())),
            (&[("host", "b")], Err(ParseError::HostDisagrees)),
            (&[("host", "a b")], Err(ParseError::BadHost)),
        ];
        for (fields, expected) in table {
            assert_eq!(
                request("http://a/", fields, true).map(|head| {
                    assert_eq!(head.all_known(Known::Host).count(), 1);
                }),
                expected,
                "{fields:?}"
            );
        }
        assert_eq!(request("/", &[], true).map(|_| ()), Err(ParseError::MissingHost));
        assert_eq!(request("/", &[("host", "a")], true).map(|_| ()), Ok(()));
        assert_eq!(request("http://a/", &[("x", "y"); 5], true).map(|_| ()), Err(ParseError::TooManyFields));
        let long = format!("http://a/{}", "x".repeat(40_000));
        assert_eq!(request(&long, &[], true).map(|_| ()), Err(ParseError::TargetTooLong));
    }

    #[test]
    fn a_serialised_answer_is_read_back() {
        let text = b"HTTP/1.1 404 Not Found\r\nX-A: b: c\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\n";
        let answer = answer(text, &Recurring::default()).unwrap();
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers()["x-a"], "b: c");
        assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(answer.headers().len(), 3);
    }

    #[test]
    fn what_concerns_one_connection_only_is_never_said() {
        let text =
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nKeep-Alive: timeout=5\r\nA: b\r\nupgrade: h2c\r\n\
              Transfer-Encoding: chunked\r\nProxy-Connection: close\r\n\r\n";
        let answer = answer(text, &Recurring::default()).unwrap();
        assert_eq!(answer.headers().keys().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn a_connect_opens_a_websocket_or_nothing() {
        let connect = |protocol: Option<&'static str>, version: &str| {
            let builder = http::Request::builder().method("CONNECT").uri("https://a/chat?x=1");
            let builder = builder.header("sec-websocket-version", version).header("content-length", "7");
            let builder = builder.header("sec-websocket-key", "mine");
            let mut request = builder.body(()).unwrap();
            request.extensions_mut().extend(
                protocol
                    .map(|name| {
                        let mut one = http::Extensions::new();
                        one.insert(Protocol::from_static(name));
                        one
                    })
                    .unwrap_or_default(),
            );
            let mut head = RequestHead::new();
            let read = read(&request.into_parts().0, false, &HeadLimits::default(), &mut head);
            (read, head)
        };
        let (read, head) = connect(Some("websocket"), "13");
        assert_eq!(read, Ok(()));
        assert!(head.is_websocket(), "{head:?}");
        assert_eq!(
            (head.method(), head.target(), head.framing()),
            ("GET", &b"/chat?x=1"[..], BodyFraming::None)
        );
        assert_eq!(connect(Some("websocket"), "8").0, Err(ParseError::BadWebSocket));
        assert_eq!(connect(Some("connect-udp"), "13").0, Err(ParseError::ConnectRefused));
        let (read, head) = connect(None, "13");
        assert_eq!(
            (read, head.method(), head.version()),
            (Err(ParseError::ConnectRefused), "CONNECT", Version::Http2)
        );
    }
}
