//! The name in a client's TLS hello, read without ending TLS (RFC 8446, section 4.1.2; RFC 6066, section 3).
//!
//! Strict and bounded: a hello is whole within [`MOST`] bytes, in as many records and reads as its sender
//! likes, or the connection ends. Nothing is kept, nothing but the name is looked at.

/// The longest hello that is taken, its records' headers included.
pub const MOST: usize = 16 * 1024;
/// No name in DNS is longer.
const MOST_NAME: usize = 255;
const RECORD_HEADER: usize = 5;
const MOST_RECORD: usize = 1 << 14;

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hello {
    /// A whole hello, with the name that it has.
    Whole(Option<Vec<u8>>),
    /// The beginning of one.
    Partial,
    /// Not TLS.
    Other,
    /// TLS, and not as it should be.
    Wrong,
}

/// Reads the first bytes of a connection.
pub fn read(bytes: &[u8]) -> Hello {
    match bytes {
        [] | [22] => return Hello::Partial,
        [22, 3, ..] => {}
        _ => return Hello::Other,
    }
    match message(bytes) {
        Some(Some(message)) => name(&message).map_or(Hello::Wrong, Hello::Whole),
        Some(None) if bytes.len() < MOST => Hello::Partial,
        _ => Hello::Wrong,
    }
}

/// The hello, put together from its records: `Some(None)` while some of it is missing, `None` when it is
/// no hello.
fn message(bytes: &[u8]) -> Option<Option<Vec<u8>>> {
    let mut whole = Vec::new();
    let mut rest = bytes;
    loop {
        let record = match rest {
            [] => return Some(None),
            [22, 3, _, high, low, record @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                if length == 0 || length > MOST_RECORD {
                    return None;
                }
                rest = record.get(length..).unwrap_or_default();
                &record[..length.min(record.len())]
            }
            [22] | [22, 3] => return Some(None),
            [22, 3, ..] if rest.len() < RECORD_HEADER => return Some(None),
            // Another kind of record in the middle of a hello.
            _ => return None,
        };
        whole.extend_from_slice(record);
        if whole.first().is_some_and(|&kind| kind != 1) {
            return None;
        }
        if let [_, a, b, c, ..] = whole[..] {
            let length = 4 + usize::from(a) * 65536 + usize::from(b) * 256 + usize::from(c);
            if length > MOST {
                return None;
            }
            if whole.len() >= length {
                whole.truncate(length);
                whole.drain(..4);
                return Some(Some(whole));
            }
        }
    }
}

/// The name in a hello's body; `None` when the body is not right.
fn name(hello: &[u8]) -> Option<Option<Vec<u8>>> {
    let mut hello = Reader(hello);
    hello.take(2 + 32)?;
    let session = hello.vector8()?;
    let ciphers = hello.vector16()?;
    let compression = hello.vector8()?;
    if session.0.len() > 32 || ciphers.0.is_empty() || ciphers.0.len() % 2 != 0 || compression.0.is_empty() {
        return None;
    }
    if hello.0.is_empty() {
        return Some(None);
    }
    let mut extensions = hello.vector16()?;
    if !hello.0.is_empty() {
        return None;
    }
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.number()?;
        let body = extensions.vector16()?;
        // A second one would leave it open which of them the server believes.
        if kind == 0 && found.replace(server_name(body)?).is_some() {
            return None;
        }
    }
    Some(found)
}

/// The one host name of the extension.
fn server_name(mut extension: Reader<'_>) -> Option<Vec<u8>> {
    let mut list = extension.vector16()?;
    let kind = list.take(1)?;
    let name = list.vector16()?.0;
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let good = kind == [0] && extension.0.is_empty() && list.0.is_empty();
    let good = good && !name.is_empty() && name.len() <= MOST_NAME && name.iter().all(plain);
    good.then(|| name.to_ascii_lowercase())
}

/// Bytes not yet read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let bytes = self.take(2)?;
        Some(usize::from(bytes[0]) * 256 + usize::from(bytes[1]))
    }

    fn vector8(&mut self) -> Option<Reader<'a>> {
        let length = usize::from(self.take(1)?[0]);
        self.take(length).map(Reader)
    }

    fn vector16(&mut self) -> Option<Reader<'a>> {
        let length = self.number()?;
        self.take(length).map(Reader)
    }
}

#[cfg(test)]
mod tests;
