//! A path pattern as written in a route, parsed into segments and checked.
//!
//! Patterns are read like paths: percent-encodings are decoded, so `/a b` and `/a%20b` are the same, and
//! what no path can ever equal is an error. Compilation for a site (case, merged slashes) comes later.

use std::fmt;
use std::sync::Arc;

use super::path::{encoded, push_compared};
use super::regexp::PathRegex;

/// The deepest pattern; it bounds the recursion of a lookup.
const MAX_SEGMENTS: usize = 128;

/// Names that mean something else in a redirect.
const RESERVED: [&str; 3] = ["host", "path", "query"];

/// How the text of a pattern is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatternKind {
    /// The path and everything below it, by whole segments: `/a` matches `/a` and `/a/b`, not `/ab`. A
    /// slash at the end means nothing. `{name}` is one segment that is not empty; `{*name}` at the end is
    /// everything that is left, one segment at least.
    Prefix,
    /// This path only, with its slash at the end or without it; parameters as in a prefix.
    Exact,
    /// A regular expression over the whole path (decoded, without path parameters), anchored at both
    /// ends. Classes such as `\d` are ASCII.
    Regex,
    /// A raw string prefix, `(starts-with)`: `/a/b` also matches `/a/bc`, and `/a/` everything below `/a`.
    StartsWith,
}

/// A parsed pattern; displays as it was written. Two are equal when kind and text are. Copies share what it is: a
/// route's patterns stand in its model, in each listener's routes and in their router.
#[derive(Clone)]
pub struct Pattern {
    parts: Arc<Parts>,
}

#[derive(Clone)]
struct Parts {
    kind: PatternKind,
    text: Box<str>,
    segments: Box<[Segment]>,
    regex: Option<Box<PathRegex>>,
}

/// What one segment of a path must be; the order is that of precedence, save that a longer
/// `StartsWith` goes before a shorter one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// This, in the compared reading.
    Literal(Box<[u8]>),
    /// Begins with this; always the last.
    StartsWith(Box<[u8]>),
    /// The regular expression decides about this segment and all that follow; always the last.
    Regex,
    /// Any that is not empty.
    Param(Box<str>),
    /// Any, and all that follow; always the last.
    Rest(Box<str>),
}

impl Pattern {
    /// Parses and checks a pattern.
    pub fn parse(kind: PatternKind, text: &str) -> Result<Pattern, PatternError> {
        let (segments, regex) = match kind {
            PatternKind::Prefix | PatternKind::Exact => (whole_segments(kind, text)?, None),
            PatternKind::StartsWith => (raw_prefix(text)?, None),
            PatternKind::Regex => {
                // A site decides later whether case counts: a pattern is one that is fit for both.
                PathRegex::new(text, true)?;
                let regex = PathRegex::new(text, false)?;
                if let Some(name) = regex.names().find(|name| RESERVED.contains(name)) {
                    let offset = text.find(&format!("<{name}>")).unwrap_or_default();
                    return Err(PatternError::Parameter { offset, problem: RESERVED_NAME });
                }
                let literals = regex.prefix().map(|segment| Segment::Literal(segment.into()));
                (literals.chain([Segment::Regex]).collect(), Some(Box::new(regex)))
            }
        };
        if segments.len() > MAX_SEGMENTS {
            return Err(PatternError::TooDeep);
        }
        let parts = Parts { kind, text: text.into(), segments: segments.into(), regex };
        Ok(Pattern { parts: Arc::new(parts) })
    }

    /// The kind that it was written with.
    pub fn kind(&self) -> PatternKind {
        self.parts.kind
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.parts.text
    }

    /// Names of its parameters (of a regex: its named groups), in order.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        let groups = self.regex().into_iter().flat_map(PathRegex::names);
        let segments = self.segments().iter().filter_map(|segment| match segment {
            Segment::Param(name) | Segment::Rest(name) => Some(&**name),
            _ => None,
        });
        segments.chain(groups)
    }

    /// The literal segments that each path of it begins with, as a path: `/old/` of `^/old/\d+$`.
    pub fn literal_begin(&self) -> String {
        let literal = |segment: &Segment| match segment {
            Segment::Literal(text) => Some(String::from_utf8_lossy(text).into_owned() + "/"),
            _ => None,
        };
        std::iter::once("/".to_owned()).chain(self.segments().iter().map_while(literal)).collect()
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.parts.segments
    }

    pub(super) fn regex(&self) -> Option<&PathRegex> {
        self.parts.regex.as_deref()
    }

    /// Makes it fit for a site: empty segments vanish where slashes are merged (a regex says itself what
    /// it wants), and a regex learns to ignore case.
    pub(super) fn adapt(&mut self, merge_slashes: bool, ignore_case: bool) {
        let is_empty = |segment: &Segment| matches!(segment, Segment::Literal(text) if text.is_empty());
        let before_last = self.segments().split_last().map_or(&[][..], |(_, before)| before);
        let (teaches, merges) = match self.regex() {
            Some(_) => (ignore_case, false),
            None => (false, merge_slashes && before_last.iter().any(is_empty)),
        };
        if !teaches && !merges {
            return;
        }
        let Parts { segments, regex, .. } = Arc::make_mut(&mut self.parts);
        if let (Some(regex), true) = (regex, teaches) {
            regex.ignore_case();
        } else {
            let last = segments.len().saturating_sub(1);
            let mut at = 0;
            let mut kept = std::mem::take(segments).into_vec();
            kept.retain(|segment| {
                at += 1;
                at > last || !is_empty(segment)
            });
            *segments = kept.into();
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind() && self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({})", self.parts.kind, self.parts.text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts.text)
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
            PatternError::TooDeep => write!(f, "a path pattern has at most {MAX_SEGMENTS} segments"),
        }
    }
}

impl std::error::Error for PatternError {}

const RESERVED_NAME: &str =
    "a parameter cannot be named `host`, `path` or `query`: in a redirect these mean the request's own";

fn whole_segments(kind: PatternKind, text: &str) -> Result<Vec<Segment>, PatternError> {
    check_bytes(text)?;
    let mut segments = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut written: Vec<_> = split(text).collect();
    if kind == PatternKind::Prefix && written.last().is_some_and(|(_, segment)| segment.is_empty()) {
        written.pop();
    }
    for (at, (offset, segment)) in written.iter().copied().enumerate() {
        let Some(inside) = braces(offset, segment)? else {
            segments.push(Segment::Literal(literal(offset, segment)?));
            continue;
        };
        let wrong = |problem| Err(PatternError::Parameter { offset, problem });
        let (name, rest) = match inside.strip_prefix('*') {
            Some(name) => (name, true),
            None => (inside, false),
        };
        if !is_name(name) {
            return wrong(
                "the name of a parameter is letters, digits, `_` and `-`, as in `{id}` or `{*rest}`",
            );
        }
        if names.contains(&name) {
            return wrong("two parameters of one pattern cannot have the same name");
        }
        if RESERVED.contains(&name) {
            return wrong(RESERVED_NAME);
        }
        if rest && at + 1 < written.len() {
            return wrong("`{*…}` takes all that is left, so it can only be the last segment");
        }
        names.push(name);
        segments.push(if rest { Segment::Rest(name.into()) } else { Segment::Param(name.into()) });
    }
    Ok(segments)
}

fn raw_prefix(text: &str) -> Result<Vec<Segment>, PatternError> {
    check_bytes(text)?;
    if let Some(offset) = text.find(['{', '}']) {
        let problem = "(starts-with) takes no parameters; a brace itself is written `%7B` or `%7D`";
        return Err(PatternError::Parameter { offset, problem });
    }
    let mut written: Vec<_> = split(text).collect();
    let last = written.pop().map(|(_, segment)| segment).unwrap_or_default();
    let mut segments = Vec::with_capacity(written.len() + 1);
    for (offset, segment) in written {
        segments.push(Segment::Literal(literal(offset, segment)?));
    }
    let mut start = Vec::with_capacity(last.len());
    push_compared(&mut start, last.as_bytes());
    segments.push(Segment::StartsWith(start.into()));
    Ok(segments)
}

/// The segments with their offsets; `/` has one, which is empty.
fn split(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut offset = 1;
    text[1..].split('/').map(move |segment| {
        let start = offset;
        offset += segment.len() + 1;
        (start, segment)
    })
}

/// Refuses the bytes and encodings that no path holds.
fn check_bytes(text: &str) -> Result<(), PatternError> {
    if !text.starts_with('/') {
        return Err(PatternError::NotAbsolute);
    }
    for (offset, byte) in text.bytes().enumerate() {
        let problem = match byte {
            b'?' => "a path has no query; conditions on it stand in `match { query … }`",
            b'#' => "a path has no fragment; the character itself is written `%23`",
            b';' => "path parameters are not compared; the character itself is written `%3B`",
            b'\\' => "a path with a backslash is always refused",
            ..0x20 | 0x7f => "a path holds no control characters",
            b'%' => match encoded(&text.as_bytes()[offset..]) {
                None => "`%` needs two hexadecimal digits; the character itself is written `%25`",
                Some(0 | b'\\') => "a path with `%00` or `%5C` is always refused",
                Some(_) => continue,
            },
            _ => continue,
        };
        return Err(PatternError::NeverMatches { offset, problem });
    }
    Ok(())
}

/// What stands between the braces of a segment that is a parameter.
fn braces(offset: usize, segment: &str) -> Result<Option<&str>, PatternError> {
    let Some(at) = segment.find(['{', '}']) else { return Ok(None) };
    match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(inside) if !inside.contains(['{', '}']) => Ok(Some(inside)),
        _ => {
            let problem = "a parameter is a whole segment, as in `/users/{id}`; \
                           for less, write a (regex); a brace itself is written `%7B` or `%7D`";
            Err(PatternError::Parameter { offset: offset + at, problem })
        }
    }
}

fn literal(offset: usize, segment: &str) -> Result<Box<[u8]>, PatternError> {
    let mut text = Vec::with_capacity(segment.len());
    push_compared(&mut text, segment.as_bytes());
    if matches!(&*text, b"." | b"..") {
        let problem = "dot segments are resolved before paths are compared";
        return Err(PatternError::NeverMatches { offset, problem });
    }
    Ok(text.into())
}

fn is_name(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && text.bytes().all(inner)
}

#[cfg(test)]
#[path = "pattern_tests.rs"]
mod tests;
