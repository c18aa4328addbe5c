//! How the body of a server's response reaches the client, whatever version each of them speaks.

use super::write::FramingLine;
use crate::proxy::head::{RequestHead, ResponseFraming, ResponseHead, Version};

/// How a body goes to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The framing line for the client.
    pub framing: FramingLine,
    /// Whether the body's data must be written as chunks.
    pub chunked: bool,
    /// Whether only the end of the connection ends the body, so that it must be closed.
    pub close: bool,
}

impl Delivery {
    /// Decides from both heads.
    ///
    /// A body that ends with the server's connection goes out in chunks, which keeps the client's connection;
    /// a 1.0 client knows no chunks and gets the end of its connection instead.
    #[must_use]
    pub fn of(request: &RequestHead, response: &ResponseHead) -> Delivery {
        let old = request.version() == Version::Http10;
        let chunks = request.version() == Version::Http11;
        let framed = |framing| Delivery { framing, chunked: false, close: false };
        match response.framing_for(request.is_head(), false) {
            ResponseFraming::None => framed(declared_line(response, chunks)),
            ResponseFraming::Length(length) => framed(FramingLine::Length(length)),
            ResponseFraming::Chunked | ResponseFraming::Close if old => {
                Delivery { framing: FramingLine::Omit, chunked: false, close: true }
            }
            // HTTP/2 ends a body by its own frames.
            ResponseFraming::Chunked | ResponseFraming::Close if !chunks => framed(FramingLine::Omit),
            ResponseFraming::Chunked | ResponseFraming::Close => {
                Delivery { framing: FramingLine::Chunked, chunked: true, close: false }
            }
        }
    }
}

/// A response to HEAD and a 304 tell how the body would be framed; 1xx and 204 must not.
fn declared_line(response: &ResponseHead, chunks: bool) -> FramingLine {
    if response.is_informational() || response.status() == 204 {
        return FramingLine::Omit;
    }
    match response.declared_length() {
        Some(length) => FramingLine::Length(length),
        None if response.declared_chunked() && chunks => FramingLine::Chunked,
        None => FramingLine::Omit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(method: &str, version: Version, status: u16, field: Option<(&str, &str)>) -> Delivery {
        let mut request = RequestHead::new();
        request.set_line(method.as_bytes(), b"/", version);
        request.push(b"Host", b"a");
        request.seal().unwrap();
        let mut response = ResponseHead::new();
        response.set_line(status, b"", Version::Http11);
        if let Some((name, value)) = field {
            response.push(name.as_bytes(), value.as_bytes());
        }
        response.seal().unwrap();
        Delivery::of(&request, &response)
    }

    #[test]
    fn each_client_is_told_the_end_in_its_own_way() {
        use FramingLine::{Chunked, Length, Omit};
        use Version::{Http2, Http10, Http11};
        let (length, chunks) = (Some(("Content-Length", "7")), Some(("Transfer-Encoding", "chunked")));
        let table = [
            ("GET", Http11, 200, length, (Length(7), false, false)),
            ("GET", Http10, 200, length, (Length(7), false, false)),
            ("GET", Http11, 200, chunks, (Chunked, true, false)),
            ("GET", Http10, 200, chunks, (Omit, false, true)),
            ("GET", Http11, 200, None, (Chunked, true, false)),
            ("GET", Http10, 200, None, (Omit, false, true)),
            ("GET", Http2, 200, length, (Length(7), false, false)),
            ("GET", Http2, 200, chunks, (Omit, false, false)),
            ("GET", Http2, 200, None, (Omit, false, false)),
            ("HEAD", Http2, 200, chunks, (Omit, false, false)),
            ("HEAD", Http11, 200, length, (Length(7), false, false)),
            ("HEAD", Http11, 200, chunks, (Chunked, false, false)),
            ("HEAD", Http10, 200, chunks, (Omit, false, false)),
            ("HEAD", Http11, 200, None, (Omit, false, false)),
            ("GET", Http11, 304, length, (Length(7), false, false)),
            ("GET", Http11, 304, None, (Omit, false, false)),
            ("GET", Http11, 204, length, (Omit, false, false)),
            ("GET", Http11, 100, chunks, (Omit, false, false)),
        ];
        for (method, version, status, field, (framing, chunked, close)) in table {
            let expected = Delivery { framing, chunked, close };
            assert_eq!(delivery(method, version, status, field), expected, "{method} {status} {field:?}");
        }
    }
}
