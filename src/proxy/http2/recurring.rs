//! Lines of fields that recur, read once: most lines of an answer stand word for word in the one before, whoever
//! sent it. Their names and values are shared, not parsed, checked and copied again; that saves two thirds of what
//! the head of a small answer costs.
//!
//! A line is kept when it comes twice in a row at its place in the table. One that never comes again costs a comparison.

use std::cell::RefCell;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::proxy::head::{Known, KnownSet};

/// What a message must not say over HTTP/2 (RFC 9113, section 8.2.2), whoever made it say so.
const OF_ONE_CONNECTION: KnownSet = KnownSet::of(&[
    Known::Connection,
    Known::KeepAlive,
    Known::ProxyConnection,
    Known::TransferEncoding,
    Known::Upgrade,
]);

/// What is for one client only, and not to be kept longer than its message.
const OF_ONE_CLIENT: KnownSet = KnownSet::of(&[
    Known::Authorization,
    Known::Cookie,
    Known::ProxyAuthorization,
    Known::SecWebSocketAccept,
    Known::SecWebSocketKey,
    Known::SetCookie,
]);

/// Lines that a worker keeps.
const PLACES: usize = 128;
/// The longest of them; all together they are 64 KiB at most.
const LONGEST: usize = 256;

/// See the module.
#[derive(Debug)]
pub struct Recurring {
    places: RefCell<Box<[Place]>>,
}

/// Where all lines of one digest would stand.
#[derive(Debug, Default)]
struct Place {
    /// Of the line that came last and did not stand here.
    missed: u64,
    kept: Option<Line>,
}

/// A line that came before.
#[derive(Debug)]
struct Line {
    /// As it was written, without its end.
    text: Box<[u8]>,
    name: HeaderName,
    value: HeaderValue,
}

impl Default for Recurring {
    fn default() -> Self {
        Self { places: RefCell::new((0..PLACES).map(|_| Place::default()).collect()) }
    }
}

impl Recurring {
    /// Appends what a line says. Nothing, if that could not be sent: it was never a field of HTTP.
    pub(super) fn append(&self, line: &[u8], into: &mut HeaderMap) {
        let digest = digest(line);
        let place = &mut self.places.borrow_mut()[digest as usize % PLACES];
        if let Some(kept) = place.kept.as_ref().filter(|kept| *kept.text == *line) {
            into.append(kept.name.clone(), kept.value.clone());
            return;
        }
        let Some(colon) = memchr::memchr(b':', line) else { return };
        let known = Known::of(&line[..colon]);
        if OF_ONE_CONNECTION.has(known) {
            return;
        }
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        let (Ok(name), Ok(value)) = (name, value) else { return };
        let again = std::mem::replace(&mut place.missed, digest) == digest;
        if again && line.len() <= LONGEST && !OF_ONE_CLIENT.has(known) {
            place.kept = Some(Line { text: line.into(), name: name.clone(), value: value.clone() });
        }
        into.append(name, value);
    }
}

/// Of the length and both ends of a line: names differ at the beginning, values at the end.
fn digest(line: &[u8]) -> u64 {
    let (first, last) = match (line.first_chunk::<8>(), line.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => line.iter().fold((0, 0), |(all, _), byte| (all << 8 | u64::from(*byte), 0)),
    };
    // Multiplied by large odd numbers; the upper half of the product depends on all bits.
    let mixed = (first ^ (line.len() as u64).rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ last;
    mixed.wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(recurring: &Recurring, line: &str) -> Vec<(String, String)> {
        let mut map = HeaderMap::new();
        recurring.append(line.as_bytes(), &mut map);
        map.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    fn kept(recurring: &Recurring) -> usize {
        recurring.places.borrow().iter().filter(|place| place.kept.is_some()).count()
    }

    #[test]
    fn a_line_says_the_same_however_often_it_comes() {
        let recurring = Recurring::default();
        let lines = [
            ("Content-Type: text/html", Some(("content-type", "text/html"))),
            ("X-Own:  a: b ", Some(("x-own", "a: b"))),
            ("x-own: a: b", Some(("x-own", "a: b"))),
            ("A:", Some(("a", ""))),
            ("Connection: close", None),
            ("no colon", None),
            ("a b: c", None),
            ("a: b\u{7f}", None),
        ];
        for turn in 0..4 {
            for (line, expected) in lines {
                let expected: Vec<_> =
                    expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
                assert_eq!(appended(&recurring, line), expected, "{line:?} for the {turn}. time");
            }
        }
    }

    #[test]
    fn only_what_came_twice_is_kept_and_nothing_of_one_client_or_of_unusual_length() {
        let recurring = Recurring::default();
        for number in 0..1000 {
            appended(&recurring, &format!("etag: \"{number}\""));
        }
        assert_eq!(kept(&recurring), 0);
        let long = format!("a: {}", "x".repeat(LONGEST));
        for line in ["server: app", "server: app", "set-cookie: a=b", "set-cookie: a=b", &long, &long, &long]
        {
            appended(&recurring, line);
        }
        assert_eq!(kept(&recurring), 1);
    }

    #[test]
    fn lines_of_one_digest_are_told_apart() {
        let recurring = Recurring::default();
        let (one, two) = ("x-own-name: 1-------end", "x-own-name: 2-------end");
        assert_eq!(digest(one.as_bytes()), digest(two.as_bytes()));
        for _ in 0..3 {
            for line in [one, one, two, two] {
                assert_eq!(appended(&recurring, line), [("x-own-name".to_owned(), line[12..].to_owned())]);
            }
        }
    }
}
