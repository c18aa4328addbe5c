//! Heads between hyper's types and ours: a request becomes a [`RequestHead`], a serialised answer becomes
//! what hyper sends.
//!
//! An answer is composed as text, once for both versions, and its lines are read back here: no rule about
//! fields stands here again.

use http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode, request};

use crate::proxy::head::{Authority, BodyFraming, ParseError, RequestHead, Version, same_authority};
use crate::proxy::http1::HeadLimits;

/// Fills `head` from a request. `empty` says that no body follows.
pub(super) fn read(
    parts: &request::Parts,
    empty: bool,
    limits: &HeadLimits,
    head: &mut RequestHead,
) -> Result<(), ParseError> {
    head.clear();
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    if target.len() > limits.target {
        return Err(ParseError::TargetTooLong);
    }
    if parts.headers.len() > limits.fields {
        return Err(ParseError::TooManyFields);
    }
    head.set_line(parts.method.as_str().as_bytes(), target.as_bytes(), Version::Http2);
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    if let Some(authority) = authority {
        head.push(b"host", authority);
    }
    let default_port = if parts.uri.scheme_str() == Some("https") { 443 } else { 80 };
    for (name, value) in &parts.headers {
        match authority {
            _ if *name == COOKIE => {}
            Some(authority) if *name == HOST => agree(authority, value.as_bytes(), default_port)?,
            _ => head.push(name.as_str().as_bytes(), value.as_bytes()),
        }
    }
    push_cookies(&parts.headers, head);
    head.seal()?;
    if head.framing() == BodyFraming::None && !empty {
        head.set_framing(BodyFraming::Chunked);
    }
    Ok(())
}

/// `Host` beside `:authority` may only repeat it (RFC 9113, section 8.3.1).
fn agree(authority: &[u8], host: &[u8], default_port: u16) -> Result<(), ParseError> {
    let host = Authority::parse(host).ok_or(ParseError::BadHost)?;
    let authority = Authority::parse(authority).ok_or(ParseError::BadHost)?;
    if same_authority(host, authority, default_port) { Ok(()) } else { Err(ParseError::HostDisagrees) }
}

/// Clients may split cookies over several fields, to compress them better; HTTP/1 has one (RFC 9113, 8.2.3).
fn push_cookies(fields: &HeaderMap, head: &mut RequestHead) {
    let mut cookies = fields.get_all(COOKIE).iter();
    match (cookies.next(), cookies.next()) {
        (None, _) => {}
        (Some(only), None) => head.push(b"cookie", only.as_bytes()),
        (Some(_), Some(_)) => {
            let all: Vec<&[u8]> = fields.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
            head.push(b"cookie", &all.join(&b"; "[..]));
        }
    }
}

/// The answer whose head is serialised in `text`; `None` when it is no head, which never happens to one that
/// was written here.
pub(super) fn answer(text: &[u8]) -> Option<Response<()>> {
    let line_end = memchr::memchr(b'\n', text)?;
    let status = StatusCode::from_bytes(text.get(9..12)?).ok()?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    fields(&text[line_end + 1..], response.headers_mut());
    Some(response)
}

/// Appends lines of fields. What hyper would not send is left out: it was never a field of HTTP.
pub(super) fn fields(lines: &[u8], into: &mut HeaderMap) {
    for line in lines.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            into.append(name, value);
        }
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
    use crate::proxy::head::Known;

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
    fn cookies_are_joined_and_the_host_may_only_repeat_the_authority() {
        let head =
            request("http://a/", &[("cookie", "b=1"), ("x", "y"), ("cookie", "c=2; d=3")], true).unwrap();
        let cookies: Vec<_> = head.all_known(Known::Cookie).collect();
        assert_eq!(cookies, [b"b=1; c=2; d=3"]);
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
        let answer = answer(text).unwrap();
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.headers()["x-a"], "b: c");
        assert_eq!(answer.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(answer.headers().len(), 3);
    }
}
