//! Heads between the text that HTTP/1 would send and the types of the h2 crate.
//!
//! A request is composed as text, once for both versions, and its lines are read back here: no rule about
//! fields stands here again.

use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri, response};

use super::super::head::{fields, is_name};
use super::super::recurring::Recurring;
use crate::proxy::head::{ParseError, ResponseHead, Version};
use crate::proxy::http1::reason_phrase;

/// Fields that an answer may have.
const FIELDS: usize = 256;

/// The request whose head is serialised in `text`. HTTP/2 knows fewer targets and hosts than HTTP/1 lets pass.
pub(super) fn request(text: &[u8], tls: bool, recurring: &Recurring) -> Result<Request<()>, ParseError> {
    let line_end = memchr::memchr(b'\r', text).ok_or(ParseError::BadRequestLine)?;
    let mut words = text[..line_end].split(|byte| *byte == b' ');
    let method = words.next().and_then(|word| Method::from_bytes(word).ok()).ok_or(ParseError::BadMethod)?;
    let target =
        words.next().and_then(|word| PathAndQuery::try_from(word).ok()).ok_or(ParseError::BadTarget)?;
    let mut request = Request::new(());
    fields(text.get(line_end + 2..).unwrap_or_default(), recurring, request.headers_mut());
    let host = request.headers_mut().remove(HOST).ok_or(ParseError::MissingHost)?;
    let authority = Authority::try_from(host.as_bytes()).map_err(|_| ParseError::BadHost)?;
    let scheme = if tls { Scheme::HTTPS } else { Scheme::HTTP };
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query(target).build();
    *request.uri_mut() = uri.map_err(|_| ParseError::BadTarget)?;
    *request.method_mut() = method;
    *request.version_mut() = http::Version::HTTP_2;
    Ok(request)
}

/// Fills `head` from an answer.
pub(super) fn read(parts: &response::Parts, head: &mut ResponseHead) -> Result<(), ParseError> {
    head.clear();
    if parts.headers.len() > FIELDS {
        return Err(ParseError::TooManyFields);
    }
    if !parts.headers.keys().all(is_name) {
        return Err(ParseError::BadFieldName);
    }
    let status = parts.status.as_u16();
    head.set_line(status, reason_phrase(status).as_bytes(), Version::Http2);
    for (name, value) in &parts.headers {
        head.push(name.as_str().as_bytes(), value.as_bytes());
    }
    head.seal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serialised_request_is_read_back() {
        let text =
            b"POST /a?b=c HTTP/1.1\r\nHost: app.test:81\r\nX-A: b: c\r\nTransfer-Encoding: chunked\r\n\
                     TE: trailers\r\nConnection: TE\r\n\r\n";
        let request = request(text, false, &Recurring::default()).unwrap();
        assert_eq!(request.uri(), "http://app.test:81/a?b=c");
        assert_eq!((request.method(), request.headers().len()), (&Method::POST, 2));
        assert_eq!(
            (&request.headers()["x-a"], &request.headers()["te"]),
            (&"b: c".parse().unwrap(), &"trailers".parse().unwrap())
        );
    }

    #[test]
    fn the_scheme_is_that_of_the_connection_and_a_target_may_be_a_star() {
        let secure = request(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", true, &Recurring::default()).unwrap();
        assert_eq!((secure.uri().scheme_str(), secure.uri().path()), (Some("https"), "*"));
    }

    #[test]
    fn what_http2_cannot_say_is_refused() {
        let refused =
            |text: &str| request(text.as_bytes(), false, &Recurring::default()).map(|_| ()).unwrap_err();
        assert_eq!(refused("GET / HTTP/1.1\r\n\r\n"), ParseError::MissingHost);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), ParseError::BadHost);
        assert_eq!(refused("GET /a<b HTTP/1.1\r\nHost: a\r\n\r\n"), ParseError::BadTarget);
    }

    #[test]
    fn an_answer_gets_the_usual_reason_and_its_fields_in_order() {
        let answer = http::Response::builder().status(404).header("x-a", "1").header("content-length", "3");
        let (parts, ()) = answer.body(()).unwrap().into_parts();
        let mut head = ResponseHead::new();
        read(&parts, &mut head).unwrap();
        assert_eq!((head.status(), head.reason(), head.declared_length()), (404, &b"Not Found"[..], Some(3)));
        assert_eq!((head.version(), head.field_count()), (Version::Http2, 2));
        let (mut parts, ()) = http::Response::new(()).into_parts();
        let quoted = http::HeaderName::from_lowercase(b"\"x\"").unwrap();
        parts.headers.insert(quoted, http::HeaderValue::from_static("1"));
        assert_eq!(read(&parts, &mut head), Err(ParseError::BadFieldName));
    }
}
