//! What a client of gRPC is told when lbd answers itself: it looks at `grpc-status`, not at the status of HTTP.

use crate::proxy::head::{Known, RequestHead, Version};

/// Whether the request is one of gRPC: over HTTP/2, and of its content type or one that is built upon it.
pub(super) fn is_asked(head: &RequestHead) -> bool {
    let kind = head.get_known(Known::ContentType).unwrap_or_default();
    let is = |rest: &[u8]| matches!(rest.first(), None | Some(b'+' | b';' | b' '));
    head.version() == Version::Http2 && kind.strip_prefix(b"application/grpc").is_some_and(is)
}

/// The code for a status of HTTP, as gRPC's "HTTP to gRPC Status Code Mapping" has it.
pub(super) fn code(status: u16) -> &'static str {
    match status {
        400 => "13",
        401 => "16",
        403 => "7",
        404 => "12",
        429 | 502..=504 => "14",
        _ => "2",
    }
}

/// A message as `grpc-message` carries it: percent-encoded where it is not plain text.
pub(super) fn message(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.trim_end().bytes() {
        match byte {
            b'%' | ..b' ' | 0x7F.. => out.push_str(&format!("%{byte:02X}")),
            byte => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_requests_are_of_grpc() {
        let check = |version, kind: &str, expected| {
            let mut head = RequestHead::new();
            head.set_line(b"POST", b"/", version);
            head.push(b"host", b"a");
            head.push(b"content-type", kind.as_bytes());
            head.seal().unwrap();
            assert_eq!(is_asked(&head), expected, "{version:?} {kind}");
        };
        check(Version::Http2, "application/grpc", true);
        check(Version::Http2, "application/grpc+proto", true);
        check(Version::Http2, "application/grpc; charset=utf-8", true);
        check(Version::Http2, "application/grpc-web", false);
        check(Version::Http2, "application/json", false);
        check(Version::Http11, "application/grpc", false);
    }

    #[test]
    fn statuses_and_messages_are_those_of_the_protocol() {
        let table = [(400, "13"), (403, "7"), (404, "12"), (429, "14"), (503, "14"), (504, "14"), (413, "2")];
        for (status, expected) in table {
            assert_eq!(code(status), expected, "{status}");
        }
        assert_eq!(message("100 % \u{e9}\n"), "100 %25 %C3%A9");
    }
}
