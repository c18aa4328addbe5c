//! Finds the frames in bytes that come in pieces: their heads, and what SETTINGS say.
//!
//! It reads beside `h2` and decodes nothing else: what is no frame is found out there.

/// The kinds of RFC 9113, section 6, that are told apart here.
pub(super) mod kind {
    /// DATA
    pub(in crate::proxy::http2) const DATA: u8 = 0;
    /// HEADERS
    pub(in crate::proxy::http2) const HEADERS: u8 = 1;
    /// RST_STREAM
    pub(in crate::proxy::http2) const RESET: u8 = 3;
    /// SETTINGS
    pub(in crate::proxy::http2) const SETTINGS: u8 = 4;
    /// PING
    pub(in crate::proxy::http2) const PING: u8 = 6;
    /// WINDOW_UPDATE
    pub(in crate::proxy::http2) const WINDOW_UPDATE: u8 = 8;
}

/// The flag with which a stream ends; of SETTINGS, that they are taken.
const END_STREAM_OR_ACK: u8 = 1;
/// What a client says first (RFC 9113, section 3.4), whose bytes are looked at elsewhere.
const PREFACE: u32 = 24;
/// One setting: two bytes of name, four of value.
const SETTING: u32 = 6;

/// Something that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The head of a frame.
    Frame {
        /// Its type.
        kind: u8,
        /// Bytes behind the head.
        length: u32,
        /// Whether it ends its stream, or acknowledges.
        last: bool,
    },
    /// A setting.
    Setting(u16, u32),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Bytes to come that hold nothing of interest.
    skip: u32,
    /// Bytes to come of settings.
    settings: u32,
    /// The beginning of a head or of a setting.
    part: [u8; 9],
    have: usize,
}

impl Frames {
    /// Those of a client, whose preface comes first.
    pub(super) fn of_client() -> Self {
        Self { skip: PREFACE, ..Self::default() }
    }

    /// Tells `each` what is found in these bytes, until it says that this is enough. Then with the place where that
    /// begins, 0 if it began before these bytes.
    pub(super) fn find(&mut self, bytes: &[u8], mut each: impl FnMut(Found) -> bool) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            if self.skip > 0 {
                let n = rest.len().min(self.skip as usize);
                self.skip -= n as u32;
                at += n;
                continue;
            }
            let wanted = if self.settings > 0 { SETTING as usize } else { self.part.len() };
            let begin = at.saturating_sub(self.have);
            let n = rest.len().min(wanted - self.have);
            self.part[self.have..self.have + n].copy_from_slice(&rest[..n]);
            self.have += n;
            at += n;
            if self.have == wanted {
                self.have = 0;
                if !each(self.take()) {
                    return Some(begin);
                }
            }
        }
        None
    }

    /// What `part` holds whole.
    fn take(&mut self) -> Found {
        let [a, b, c, d, e, f, ..] = self.part;
        if self.settings > 0 {
            self.settings -= SETTING;
            return Found::Setting(u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]));
        }
        let length = u32::from_be_bytes([0, a, b, c]);
        // Settings of another length are an error, and nothing is read behind them.
        match (d == kind::SETTINGS, length % SETTING) {
            (true, 0) => self.settings = length,
            _ => self.skip = length,
        }
        Found::Frame { kind: d, length, last: e & END_STREAM_OR_ACK != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A request's head of 3 bytes, an empty DATA, two settings, a PING.
    fn conversation() -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend_from_slice(&[0, 0, 3, 1, 5, 0, 0, 0, 1, 0x82, 0x84, 0x86]);
        bytes.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 1]);
        bytes.extend_from_slice(&[0, 0, 12, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7, 0, 4, 0x80, 0, 0, 0]);
        bytes.extend_from_slice(&[0, 0, 8, 6, 1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        bytes
    }

    #[test]
    fn frames_are_found_however_the_bytes_are_cut() {
        let bytes = conversation();
        let frame = |kind, length, last| Found::Frame { kind, length, last };
        let expected = [
            frame(kind::HEADERS, 3, true),
            frame(kind::DATA, 0, false),
            frame(kind::SETTINGS, 12, false),
            Found::Setting(3, 7),
            Found::Setting(4, 0x8000_0000),
            frame(6, 8, true),
        ];
        for step in 1..=bytes.len() {
            let (mut frames, mut found) = (Frames::of_client(), Vec::new());
            for piece in bytes.chunks(step) {
                let whole = frames.find(piece, |one| {
                    found.push(one);
                    true
                });
                assert_eq!(whole, None);
            }
            assert_eq!(found, expected, "in steps of {step}");
        }
    }

    #[test]
    fn the_place_is_where_the_frame_begins_that_is_too_much() {
        let bytes = conversation();
        let is_data = |found: Found| !matches!(found, Found::Frame { kind: kind::DATA, .. });
        assert_eq!(Frames::of_client().find(&bytes, is_data), Some(36));
        let mut frames = Frames::of_client();
        assert_eq!(frames.find(&bytes[..38], is_data), None);
        assert_eq!(frames.find(&bytes[38..], is_data), Some(0), "it began before");
    }
}
