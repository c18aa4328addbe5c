//! One HTTP/1 message as it came over the wire, read by a reader that is not the one under test.

use std::io::{self, BufRead, Read};

/// How much body follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// What the head says.
    AsSaid,
    /// None, whatever the head says: the answer to a HEAD.
    Nothing,
}

/// A request or a response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message {
    /// The first line, without its end.
    pub(crate) line: String,
    /// Names as written, values trimmed.
    pub(crate) fields: Vec<(String, String)>,
    /// The body, decoded.
    pub(crate) body: Vec<u8>,
    /// Sizes of the chunks, when it came in chunks.
    pub(crate) chunks: Vec<usize>,
    /// Fields after the last chunk.
    pub(crate) trailers: Vec<(String, String)>,
}

impl Message {
    /// Reads a head; `None` when the stream ended before its first byte.
    pub(crate) fn read_head(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(line) = read_line(from)? else { return Ok(None) };
        let fields = read_fields(from)?;
        Ok(Some(Self { line, fields, ..Self::default() }))
    }

    /// Reads the body that belongs to this head.
    pub(crate) fn read_body(&mut self, from: &mut impl BufRead, tail: Tail) -> io::Result<()> {
        if tail == Tail::Nothing || matches!(self.status(), 100..=199 | 204 | 304) {
            return Ok(());
        }
        if self.field("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            return self.read_chunks(from);
        }
        if let Some(length) = self.field("content-length") {
            let length: usize = length.parse().map_err(|_| bad("content-length is not a number"))?;
            self.body = vec![0; length];
            return from.read_exact(&mut self.body);
        }
        if self.status() != 0 {
            from.read_to_end(&mut self.body)?;
        }
        Ok(())
    }

    fn read_chunks(&mut self, from: &mut impl BufRead) -> io::Result<()> {
        loop {
            let line = read_line(from)?.ok_or_else(|| bad("ended before the last chunk"))?;
            let digits = line.split(';').next().unwrap_or_default();
            let length = usize::from_str_radix(digits, 16).map_err(|_| bad("a chunk without a size"))?;
            if length == 0 {
                self.trailers = read_fields(from)?;
                return Ok(());
            }
            let start = self.body.len();
            self.body.resize(start + length, 0);
            from.read_exact(&mut self.body[start..])?;
            self.chunks.push(length);
            if read_line(from)?.as_deref() != Some("") {
                return Err(bad("a chunk that is longer than it said"));
            }
        }
    }

    /// The status of a response; 0 for a request.
    pub(crate) fn status(&self) -> u16 {
        let mut words = self.line.split(' ');
        match words.next() {
            Some(version) if version.starts_with("HTTP/") => {
                words.next().and_then(|status| status.parse().ok()).unwrap_or_default()
            }
            _ => 0,
        }
    }

    /// The method of a request.
    pub(crate) fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    /// The one field of that name. Two of them are a failure of the test that asks.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() <= 1, "{name} stands there {} times: {values:?}", values.len());
        values.first().copied()
    }

    /// Every value of that name, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<&str> {
        let named = self.fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap_or("(not text)")
    }
}

/// A line without its CRLF; `None` at the end of the stream.
pub(crate) fn read_line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if from.take(1 << 20).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    match line.strip_suffix(b"\r\n") {
        Some(line) => Ok(Some(String::from_utf8_lossy(line).into_owned())),
        None => Err(bad(&format!("a line that does not end: {:?}", String::from_utf8_lossy(&line)))),
    }
}

fn read_fields(from: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let line = read_line(from)?.ok_or_else(|| bad("ended inside the fields"))?;
        if line.is_empty() {
            return Ok(fields);
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a field without a colon"))?;
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
