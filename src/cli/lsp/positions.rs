//! Bytes here, lines and columns there: UTF-16 units unless the editor takes bytes (LSP 3.17, `positionEncoding`).

use std::ops::Range;

use lsp_types::Position;

/// How columns are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Utf16,
}

impl Encoding {
    /// The place of byte `at`; one inside a character is the character's.
    pub(super) fn position(self, text: &str, at: usize) -> Position {
        let at = text.floor_char_boundary(at.min(text.len()));
        let line = text[..at].bytes().filter(|byte| *byte == b'\n').count();
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let column = match self {
            Self::Utf8 => at - start,
            Self::Utf16 => text[start..at].encode_utf16().count(),
        };
        Position::new(line as u32, column as u32)
    }

    pub(super) fn range(self, text: &str, bytes: Range<usize>) -> lsp_types::Range {
        lsp_types::Range::new(self.position(text, bytes.start), self.position(text, bytes.end))
    }

    /// The byte at a place; behind the end of a line it is the line's end, behind the text its end.
    pub(super) fn offset(self, text: &str, position: Position) -> usize {
        let mut start = 0;
        for _ in 0..position.line {
            match text[start..].find('\n') {
                Some(newline) => start += newline + 1,
                None => return text.len(),
            }
        }
        let line = text[start..].split('\n').next().unwrap_or_default();
        let line = line.strip_suffix('\r').unwrap_or(line);
        let column = position.character as usize;
        let within = match self {
            Self::Utf8 => line.floor_char_boundary(column.min(line.len())),
            Self::Utf16 => {
                let mut units = 0;
                let past = line.char_indices().find(|(_, letter)| {
                    units += letter.len_utf16();
                    units > column
                });
                past.map_or(line.len(), |(at, _)| at)
            }
        };
        start + within
    }

    pub(super) fn bytes(self, text: &str, range: lsp_types::Range) -> Range<usize> {
        let start = self.offset(text, range.start);
        start..self.offset(text, range.end).max(start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_are_units_or_bytes() {
        let text = "a\u{e9}\u{1f600}b\r\nc";
        let b = text.find('b').unwrap();
        assert_eq!(Encoding::Utf16.position(text, b), Position::new(0, 4));
        assert_eq!(Encoding::Utf8.position(text, b), Position::new(0, 7));
        assert_eq!(Encoding::Utf16.offset(text, Position::new(0, 99)), text.find('\r').unwrap());
        assert_eq!(Encoding::Utf16.offset(text, Position::new(9, 0)), text.len());
    }

    proptest! {
        #[test]
        fn a_place_and_back_is_the_same_byte(text in "[a-z\u{e9}\u{1f600}\n ]{0,40}", at in 0_usize..60) {
            let at = text.floor_char_boundary(at.min(text.len()));
            for encoding in [Encoding::Utf8, Encoding::Utf16] {
                prop_assert_eq!(encoding.offset(&text, encoding.position(&text, at)), at);
            }
        }
    }
}
