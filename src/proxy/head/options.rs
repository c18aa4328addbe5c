//! The options of a `Connection` field (RFC 9110, section 7.6.1).

use super::{Fields, Known, ParseError, is_token_byte};

/// The most `Connection` options that are accepted.
const MAX_OPTIONS: usize = 64;

/// What the `Connection` fields of a head say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Options {
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) upgrade: bool,
    /// Any option beside close, keep-alive, upgrade and te.
    pub(super) names_fields: bool,
}

impl Options {
    #[inline]
    pub(super) fn read(fields: &Fields) -> Result<Options, ParseError> {
        if fields.has(Known::Connection) { Options::read_fields(fields) } else { Ok(Options::default()) }
    }

    fn read_fields(fields: &Fields) -> Result<Options, ParseError> {
        let mut options = Options::default();
        match fields.get(Known::Connection) {
            // What most servers say, and what needs no list to be read.
            Some(b"keep-alive" | b"Keep-Alive") if !fields.repeats(Known::Connection) => {
                options.keep_alive = true;
                return Ok(options);
            }
            _ => {}
        }
        for (index, option) in fields.tokens(Known::Connection).enumerate() {
            if index == MAX_OPTIONS || !option.iter().all(|byte| is_token_byte(*byte)) {
                return Err(ParseError::BadConnection);
            }
            if option.eq_ignore_ascii_case(b"close") {
                options.close = true;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                options.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                options.upgrade = true;
            } else if !option.eq_ignore_ascii_case(b"te") {
                options.names_fields = true;
            }
        }
        Ok(options)
    }
}
