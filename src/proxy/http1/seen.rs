//! Lines of heads that were read lately: one that comes again byte for byte is known without being read.
//!
//! Most lines of most heads are such: what a server says of itself and of its answers, what a client says of its
//! languages. A worker keeps one table for all of its connections, so that it stays in the cache. Found by a hash of
//! the first bytes, and taken only if all bytes are the same, up to the line's end; so a line means what it meant when
//! it was read, and whoever thrashes the table with lines of his own only makes it useless for a moment. The seven
//! lines of a small request and its answer take 900 instructions so, and 2,200 where they are read.

use crate::proxy::head::{Known, KnownSet};

/// Lines that are kept, 16 KiB with their places.
const PLACES: usize = 128;
/// The longest line that is kept, its end included.
const LONGEST: usize = 125;
/// Bytes that choose a line's place: as many as tell `content-length` from `content-type`.
const CHOOSING: usize = 16;

/// Lines that differ from client to client, or are secrets: they are read each time, and kept nowhere.
const VARY: KnownSet = KnownSet::of(&[
    Known::Authorization,
    Known::Cookie,
    Known::Etag,
    Known::Location,
    Known::ProxyAuthorization,
    Known::SecWebSocketAccept,
    Known::SecWebSocketKey,
    Known::SetCookie,
    Known::Traceparent,
    Known::XRequestId,
]);

/// See the module. As it is made by default it keeps nothing.
#[derive(Debug, Default)]
pub struct SeenLines(Vec<Line>);

/// One line, `name: value` with its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) known: Known,
    /// Bytes of its name.
    pub(super) name: u8,
    /// Bytes of all of it; 0 where there is none.
    length: u8,
    bytes: [u8; LONGEST],
}

impl SeenLines {
    /// An empty table.
    #[must_use]
    pub fn new() -> SeenLines {
        SeenLines(vec![Line { known: Known::Other, name: 0, length: 0, bytes: [0; LONGEST] }; PLACES])
    }

    /// The line that `text` begins with, if it was read before.
    pub(super) fn find(&self, text: &[u8]) -> Option<&Line> {
        let line = self.0.get(place(text)?)?;
        let length = line.length();
        (length > 0 && text.get(..length)? == line.bytes.get(..length)?).then_some(line)
    }

    /// Keeps a line that was read: `text`, whose first bytes, up to `name`, are its name.
    pub(super) fn keep(&mut self, text: &[u8], name: usize, known: Known) {
        let Some(line) = place(text).and_then(|place| self.0.get_mut(place)) else { return };
        let Some(bytes) = line.bytes.get_mut(..text.len()) else { return };
        if VARY.has(known) {
            return;
        }
        bytes.copy_from_slice(text);
        // Both are at most `LONGEST`.
        (line.known, line.name, line.length) = (known, name as u8, text.len() as u8);
    }
}

impl Line {
    pub(super) fn length(&self) -> usize {
        usize::from(self.length)
    }
}

fn place(text: &[u8]) -> Option<usize> {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, _) = text.first_chunk::<CHOOSING>()?.as_chunks::<8>();
    let hash = words
        .iter()
        .fold(0, |hash: u64, word| (hash.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(ODD));
    Some((hash >> (u64::BITS - PLACES.ilog2())) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(lines: &[(&str, usize, Known)]) -> SeenLines {
        let mut seen = SeenLines::new();
        lines.iter().for_each(|(line, name, known)| seen.keep(line.as_bytes(), *name, *known));
        seen
    }

    #[test]
    fn a_line_is_known_again_whole_and_only_then() {
        let seen = kept(&[
            ("Server: some server/1.0\r\n", 6, Known::Server),
            ("X-A: 012345678\r\n", 3, Known::Other),
        ]);
        let found =
            |text: &str| seen.find(text.as_bytes()).map(|line| (line.known, line.name, line.length()));
        assert_eq!(found("Server: some server/1.0\r\nDate: "), Some((Known::Server, 6, 25)));
        assert_eq!(found("X-A: 012345678\r\n"), Some((Known::Other, 3, 16)));
        for other in [
            "Server: some server/1.0\r",
            "Server: some server/1.1\r\n",
            "Server: some server/1.0 \r\n",
            "X",
            "",
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_is_found_where_nothing_is_kept() {
        let zeroes = [0; 64];
        assert!(SeenLines::new().find(&zeroes).is_none());
        assert!(SeenLines::default().find(&zeroes).is_none());
        let mut none = SeenLines::default();
        none.keep(b"Server: some server/1.0\r\n", 6, Known::Server);
        assert!(none.find(b"Server: some server/1.0\r\n").is_none());
    }

    #[test]
    fn what_varies_what_is_secret_and_what_is_long_is_not_kept() {
        let long = format!("X-Long: {}\r\n", "x".repeat(LONGEST));
        let lines = [
            ("Cookie: a=1234567890\r\n", 6, Known::Cookie),
            (&*long, 6, Known::Other),
            ("A: b\r\n", 1, Known::Other),
        ];
        let seen = kept(&lines);
        for (line, ..) in lines {
            assert!(seen.find(line.as_bytes()).is_none(), "{line}");
        }
        let longest = format!("X-Long: {}\r\n", "x".repeat(LONGEST - 10));
        assert!(kept(&[(&longest, 6, Known::Other)]).find(longest.as_bytes()).is_some());
    }

    #[test]
    fn lines_of_one_answer_have_places_of_their_own() {
        let names = [
            "server: nginx/1.22.1",
            "date: Mon, 01 Jan",
            "content-type: text",
            "content-length: 1",
            "connection: keep-al",
        ];
        let mut places: Vec<_> =
            names.iter().map(|name| place(name.as_bytes()).expect("long enough")).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), names.len());
    }
}
