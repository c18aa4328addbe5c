//! Responses that are made here, not by a server.

use super::write::{ConnectionLine, FramingLine, write_field, write_framing, write_status_line};

/// A response that is made here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Simple<'a> {
    /// The status code.
    pub status: u16,
    /// The reason phrase; empty for the usual one, which also replaces one with a control byte.
    pub reason: &'a str,
    /// More fields. A value with a control byte is left out, so that no configuration can split a response.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; its length is declared even when it is not sent.
    pub body: &'a [u8],
    /// The value of `Date`; empty for none.
    pub date: &'a [u8],
    /// What to say about the connection.
    pub connection: ConnectionLine,
    /// Whether the request was HEAD, so that no body is sent.
    pub is_head: bool,
}

/// Appends a whole response that is made here.
pub fn write_simple(response: &Simple<'_>, out: &mut Vec<u8>) {
    let own = !response.reason.is_empty() && !has_control(response.reason);
    let reason = if own { response.reason } else { reason_phrase(response.status) };
    write_status_line(response.status, reason.as_bytes(), out);
    if !response.date.is_empty() {
        write_field(b"Date", response.date, out);
    }
    for (name, value) in response.headers {
        if !has_control(value) {
            write_field(name.as_bytes(), value.as_bytes(), out);
        }
    }
    let has_body = response.status >= 200 && response.status != 204 && response.status != 304;
    if has_body {
        write_framing(FramingLine::Length(response.body.len() as u64), out);
    }
    match response.connection {
        ConnectionLine::Close => write_field(b"Connection", b"close", out),
        ConnectionLine::KeepAlive => write_field(b"Connection", b"keep-alive", out),
        ConnectionLine::None | ConnectionLine::Upgrade => {}
    }
    out.extend_from_slice(b"\r\n");
    if has_body && !response.is_head {
        out.extend_from_slice(response.body);
    }
}

fn has_control(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t')
}

/// The usual reason phrase of a status; empty for an unknown one.
#[must_use]
pub fn reason_phrase(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(response: &Simple<'_>) -> String {
        let mut out = Vec::new();
        write_simple(response, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_response_is_complete_with_date_length_and_connection() {
        let response = Simple {
            status: 503,
            headers: &[("Retry-After", "1"), ("X-Split", "a\r\nb: c")],
            body: b"no server",
            date: b"Sun, 06 Nov 1994 08:49:37 GMT",
            connection: ConnectionLine::Close,
            ..Simple::default()
        };
        let head = "HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: 1\r\n\
                    Content-Length: 9\r\nConnection: close\r\n\r\n";
        assert_eq!(text(&response), format!("{head}no server"));
        assert_eq!(text(&Simple { is_head: true, ..response }), head);
        let status_line = |reason| text(&Simple { reason, ..response }).lines().next().map(str::to_owned);
        assert_eq!(status_line("Fully Booked").as_deref(), Some("HTTP/1.1 503 Fully Booked"));
        assert_eq!(status_line("a\r\nb: c").as_deref(), Some("HTTP/1.1 503 Service Unavailable"));
    }

    #[test]
    fn a_status_without_body_declares_none() {
        let bare = |status| text(&Simple { status, body: b"x", ..Simple::default() });
        assert_eq!(bare(100), "HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(bare(204), "HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(bare(304), "HTTP/1.1 304 Not Modified\r\n\r\n");
        assert_eq!(bare(599), "HTTP/1.1 599 \r\nContent-Length: 1\r\n\r\nx");
    }
}
