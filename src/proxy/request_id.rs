//! The name of one request: `X-Request-Id`.
//!
//! Servers get it with the request, the access log has it as `id`, lbd's own error answers bear it, and
//! `lbctl route of` finds the request by it. A sender that `trust-forwarded` lists may bring its own; anyone
//! else's is replaced, so that nobody can name two requests alike.

use super::head::{Known, RequestHead};

/// The longest that is taken over.
pub(super) const LONGEST: usize = 64;
/// Bytes of one that is made here: 128 random bits in hexadecimal.
const MADE: usize = 32;

/// A name, in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestId {
    bytes: [u8; LONGEST],
    length: u8,
}

impl RequestId {
    /// The one that a trusted sender gave, or a new one.
    pub(crate) fn of(head: &RequestHead, trusted: bool) -> Self {
        let said = if trusted { head.get_known(Known::XRequestId) } else { None };
        said.and_then(Self::take).unwrap_or_else(Self::make)
    }

    /// One of a test.
    #[cfg(test)]
    pub(crate) fn named(text: &str) -> Self {
        Self::take(text.as_bytes()).expect("a name of a test")
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        // Made of visible ASCII only.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// As bytes, for those who need no text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// Appends the line for the server.
    pub(crate) fn write_line(&self, out: &mut Vec<u8>) {
        const NAME: &[u8; 14] = b"X-Request-Id: ";
        match self.bytes.first_chunk::<MADE>() {
            // One copy, of a length that is known when this is compiled.
            Some(made) if usize::from(self.length) == MADE => {
                let mut line = [0; NAME.len() + MADE + 2];
                line[..NAME.len()].copy_from_slice(NAME);
                line[NAME.len()..NAME.len() + MADE].copy_from_slice(made);
                line[NAME.len() + MADE..].copy_from_slice(b"\r\n");
                out.extend_from_slice(&line);
            }
            _ => {
                out.extend_from_slice(NAME);
                out.extend_from_slice(self.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    fn take(said: &[u8]) -> Option<Self> {
        let said = said.trim_ascii();
        let fits = (1..=LONGEST).contains(&said.len()) && said.iter().all(u8::is_ascii_graphic);
        let length = u8::try_from(said.len()).ok().filter(|_| fits)?;
        let mut bytes = [0; LONGEST];
        bytes[..said.len()].copy_from_slice(said);
        Some(Self { bytes, length })
    }

    fn make() -> Self {
        let mut bytes = [0; LONGEST];
        let (eights, _) = bytes.as_chunks_mut::<8>();
        let random = fastrand::u128(..);
        for (at, eight) in eights.iter_mut().take(MADE / 8).enumerate() {
            *eight = digits((random >> (at * 32)) as u32);
        }
        Self { bytes, length: MADE as u8 }
    }
}

/// Eight hexadecimal digits at once, in no particular order of the bits.
fn digits(bits: u32) -> [u8; 8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // A nibble to each byte.
    let spread = u64::from(bits);
    let spread = (spread | spread << 16) & 0x0000_FFFF_0000_FFFF;
    let spread = (spread | spread << 8) & 0x00FF_00FF_00FF_00FF;
    let spread = (spread | spread << 4) & 0x0F0F_0F0F_0F0F_0F0F;
    // One for each nibble above nine: adding six carries into the next bit.
    let letters = ((spread + ONES * 6) >> 4) & ONES;
    (spread + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)).to_le_bytes()
}

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_short_plain_and_new() {
        let (one, other) = (RequestId::make(), RequestId::make());
        assert_eq!(one.as_str().len(), MADE);
        assert!(one.as_str().bytes().all(|byte| byte.is_ascii_hexdigit()), "{one:?}");
        assert_ne!(one, other);
        let mut line = Vec::new();
        one.write_line(&mut line);
        assert_eq!(line, format!("X-Request-Id: {}\r\n", one.as_str()).into_bytes());
    }

    #[test]
    fn every_digit_stands_for_its_bits() {
        let mut seen: Vec<u8> = (0..16).map(|nibble| digits(nibble << 12)[3]).collect();
        assert_eq!(digits(0xfedc_ba98), *b"89abcdef");
        seen.sort_unstable();
        assert_eq!(seen, b"0123456789abcdef");
    }

    #[test]
    fn what_is_taken_over_is_visible_and_bounded() {
        let check = |said: &[u8], expected: Option<&str>| {
            assert_eq!(RequestId::take(said).as_ref().map(RequestId::as_str), expected);
        };
        check(b" 4bf92f35-77b3 ", Some("4bf92f35-77b3"));
        check(&[b'x'; LONGEST], Some(&"x".repeat(LONGEST)));
        check(&[b'x'; LONGEST + 1], None);
        for bad in [&b""[..], b" ", b"a b", b"a\x01", b"\xff"] {
            check(bad, None);
        }
    }
}
