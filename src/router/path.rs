//! A request's path in two readings: as it is compared with patterns, and as the server gets it.
//!
//! The invariant: the server can never read another path than the one that was routed. So whatever
//! servers are known to read in two ways (dot segments, encoded or with parameters, backslashes,
//! `%2F` beside a dot segment) is resolved here or refused. The forwarded path parses to itself.

use std::borrow::Cow;
use std::fmt;

use super::doubt;

/// How the paths of a site are compared; none of it changes what a server is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathOptions {
    /// `/A` is `/a` (ASCII letters). Only the default of a site's routes: what counts is
    /// [`RouteEntry::ignore_case`](super::RouteEntry::ignore_case).
    pub ignore_case: bool,
    /// `//` is `/`.
    pub merge_slashes: bool,
    /// A path with `%2F` is refused; otherwise it stands inside its segment.
    pub reject_encoded_slash: bool,
}

/// A checked path in its two readings: as compared and as forwarded. Borrows when they are equal to
/// what was received, which is the common case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath<'a> {
    forwarded: Cow<'a, [u8]>,
    /// `None` when it is the same as `forwarded`.
    compared: Option<Vec<u8>>,
    /// Some servers may read it otherwise: see `doubt`.
    doubtful: bool,
    merged: bool,
}

impl<'a> NormalPath<'a> {
    /// Reads a path as received, without its query.
    pub fn parse(path: &'a [u8], options: PathOptions) -> Result<Self, PathError> {
        if path.first() != Some(&b'/') {
            return Err(PathError::NotAbsolute);
        }
        let merged = options.merge_slashes;
        let Looked { plain, doubled: doubtful } = look(path, merged)?;
        if plain {
            return Ok(NormalPath { forwarded: Cow::Borrowed(path), compared: None, doubtful, merged });
        }
        let resolved = resolve(&decode_unreserved(path, options.reject_encoded_slash)?)?;
        let compared = compared(&resolved, merged);
        let doubtful = doubt::is_doubtful(&resolved, &compared);
        let compared = (compared != resolved).then_some(compared);
        let forwarded = if resolved == path { Cow::Borrowed(path) } else { Cow::Owned(resolved) };
        Ok(NormalPath { forwarded, compared, doubtful, merged })
    }

    /// The path in another reading: what patterns would be compared with.
    pub(super) fn read_as(compared: Vec<u8>) -> NormalPath<'static> {
        NormalPath {
            forwarded: Cow::Borrowed(b"/"),
            compared: Some(compared),
            doubtful: false,
            merged: false,
        }
    }

    /// Whether some servers may read it otherwise.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Whether `//` is `/` here.
    pub(super) fn is_merged(&self) -> bool {
        self.merged
    }

    /// What the server is sent: the bytes as received, except that dot segments are resolved and
    /// percent-encoded unreserved characters (letters, digits, `-._~`) are decoded.
    pub fn forwarded(&self) -> &[u8] {
        &self.forwarded
    }

    /// What patterns are compared with: decoded (except `%2F`, `%25` and control characters, whose
    /// hexadecimal digits are in upper case), without path parameters, and with `//` merged when the
    /// options say so. Begins with `/`.
    pub fn compared(&self) -> &[u8] {
        self.compared.as_deref().unwrap_or(&self.forwarded)
    }

    /// The compared segments. There is at least one; the last is empty when the path ends with `/`.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.compared()[1..].split(|byte| *byte == b'/')
    }
}

/// Why a path is refused; each of these is answered with 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathError {
    /// `/..` has no parent.
    ClimbsAboveRoot,
    /// `..;x`, which servlet containers read as `..`.
    DotSegmentWithParams,
    /// `%00`.
    NulByte,
    /// `%5C` or `\`, which some servers read as `/`.
    EncodedBackslash,
    /// `%2F` where the options refuse it, and everywhere beside a dot segment (`..%2F`).
    EncodedSlash,
    /// `%` without two hexadecimal digits.
    BadPercent,
    /// Does not begin with `/`.
    NotAbsolute,
    /// A control character, a space, or the `?` or `#` that ends a path, not encoded.
    ControlByte,
    /// Servers that read `%2F` as `/`, `%3B` as `;` or `//` as `/` would read the path of another route.
    TwoRoutes,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PathError::ClimbsAboveRoot => "path climbs above the root",
            PathError::DotSegmentWithParams => "dot segment with parameters in path",
            PathError::NulByte => "%00 in path",
            PathError::EncodedBackslash => "backslash in path",
            PathError::EncodedSlash => "%2F in path",
            PathError::BadPercent => "bad percent-encoding in path",
            PathError::NotAbsolute => "path does not begin with /",
            PathError::ControlByte => "byte in path that must be encoded",
            PathError::TwoRoutes => "path that some servers read as one of another route (%2F, %3B or //)",
        })
    }
}

impl std::error::Error for PathError {}

/// Bytes of the compared reading, percent-encoded again so that they can stand in any path.
pub(super) fn encode(compared: &[u8]) -> Cow<'_, str> {
    let stands = |byte: &u8| {
        // `%` stands: in the compared reading it always begins one of the three kept encodings.
        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/%".contains(byte)
    };
    if let (true, Ok(text)) = (compared.iter().all(stands), std::str::from_utf8(compared)) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(compared.len() + 16);
    for byte in compared {
        if stands(byte) {
            text.push(char::from(*byte));
        } else {
            push_encoded(*byte, |digit| text.push(char::from(digit)));
        }
    }
    Cow::Owned(text)
}

/// Appends one segment in the compared reading. Its percent-encodings have been checked.
pub(super) fn push_compared(out: &mut Vec<u8>, segment: &[u8]) {
    let mut rest = segment;
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        match encoded(&rest[at..]) {
            Some(value @ (b'/' | b'%' | ..0x20 | 0x7f)) => push_encoded(value, |digit| out.push(digit)),
            Some(value) => out.push(value),
            None => break,
        }
        rest = &rest[at + 3..];
    }
    out.extend_from_slice(rest);
}

/// The value of the `%XX` that a text begins with.
pub(super) fn encoded(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    match text {
        [b'%', high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

fn push_encoded(byte: u8, mut push: impl FnMut(u8)) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    push(b'%');
    push(DIGITS[usize::from(byte >> 4)]);
    push(DIGITS[usize::from(byte & 15)]);
}

/// What a byte means to the scan.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    Plain,
    Slash,
    Dot,
    /// `%` and `;`: the slow way decides.
    Work,
    Backslash,
    Refused,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Plain; 256];
    let mut byte = 0;
    while byte <= 0x20 {
        classes[byte] = Class::Refused;
        byte += 1;
    }
    classes[0x7f] = Class::Refused;
    classes[b'?' as usize] = Class::Refused;
    classes[b'#' as usize] = Class::Refused;
    classes[b'\\' as usize] = Class::Backslash;
    classes[b'%' as usize] = Class::Work;
    classes[b';' as usize] = Class::Work;
    classes[b'/' as usize] = Class::Slash;
    classes[b'.' as usize] = Class::Dot;
    classes
};

/// What one look at a path finds.
struct Looked {
    /// Both readings are the path as received.
    plain: bool,
    /// It has a `//` that is not merged.
    doubled: bool,
}

fn look(path: &[u8], merge_slashes: bool) -> Result<Looked, PathError> {
    let (mut plain, mut doubled) = (true, false);
    for (at, byte) in path.iter().enumerate() {
        let class = CLASSES[usize::from(*byte)];
        if class == Class::Plain {
            continue;
        }
        let after_slash = at > 0 && path[at - 1] == b'/';
        match class {
            Class::Plain => {}
            Class::Slash if merge_slashes => plain &= !after_slash,
            Class::Slash => doubled |= after_slash,
            Class::Dot => plain &= !(after_slash && begins_with_dot_segment(&path[at..])),
            Class::Work => plain = false,
            Class::Backslash => return Err(PathError::EncodedBackslash),
            Class::Refused => return Err(PathError::ControlByte),
        }
    }
    Ok(Looked { plain, doubled })
}

fn begins_with_dot_segment(rest: &[u8]) -> bool {
    matches!(rest, [b'.'] | [b'.', b'/', ..] | [b'.', b'.'] | [b'.', b'.', b'/', ..])
}

fn decode_unreserved(path: &[u8], reject_slash: bool) -> Result<Vec<u8>, PathError> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = memchr::memchr(b'%', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        match encoded(rest).ok_or(PathError::BadPercent)? {
            0 => return Err(PathError::NulByte),
            b'\\' => return Err(PathError::EncodedBackslash),
            b'/' if reject_slash => return Err(PathError::EncodedSlash),
            value if value.is_ascii_alphanumeric() || b"-._~".contains(&value) => out.push(value),
            _ => out.extend_from_slice(&rest[..3]),
        }
        rest = &rest[3..];
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// Resolves dot segments, and refuses what only some servers would take for one.
fn resolve(path: &[u8]) -> Result<Vec<u8>, PathError> {
    let mut out = Vec::with_capacity(path.len());
    let mut dots = None;
    for segment in path[1..].split(|byte| *byte == b'/') {
        dots = dot_segment(segment)?;
        match dots {
            None => {
                out.push(b'/');
                out.extend_from_slice(segment);
            }
            Some(Dots::Here) => {}
            Some(Dots::Up) => {
                let parent = out.iter().rposition(|byte| *byte == b'/').ok_or(PathError::ClimbsAboveRoot)?;
                out.truncate(parent);
            }
        }
    }
    if dots.is_some() {
        out.push(b'/');
    }
    Ok(out)
}

#[derive(Clone, Copy)]
enum Dots {
    Here,
    Up,
}

/// Reads a segment as the most lenient server would: `%2F` as a slash, `;` and `%3B` as the begin of
/// parameters. Only a dot segment that is one for every server is resolved.
fn dot_segment(segment: &[u8]) -> Result<Option<Dots>, PathError> {
    if memchr::memchr(b'.', segment).is_none() {
        return Ok(None);
    }
    let mut rest = segment;
    loop {
        let end = find_encoded(rest, b'/').unwrap_or(rest.len());
        let piece = &rest[..end];
        let params = piece.iter().position(|byte| *byte == b';').into_iter().chain(find_encoded(piece, b';'));
        let name = &piece[..params.min().unwrap_or(piece.len())];
        if matches!(name, b"." | b"..") {
            if piece.len() != segment.len() {
                return Err(PathError::EncodedSlash);
            }
            if name.len() != piece.len() {
                return Err(PathError::DotSegmentWithParams);
            }
            return Ok(Some(if name.len() == 1 { Dots::Here } else { Dots::Up }));
        }
        match rest.get(end + 3..) {
            Some(after) => rest = after,
            None => return Ok(None),
        }
    }
}

pub(super) fn find_encoded(text: &[u8], value: u8) -> Option<usize> {
    memchr::memchr_iter(b'%', text).find(|at| encoded(&text[*at..]) == Some(value))
}

pub(super) fn compared(path: &[u8], merge_slashes: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut segments = path[1..].split(|byte| *byte == b'/').peekable();
    while let Some(segment) = segments.next() {
        let name = &segment[..memchr::memchr(b';', segment).unwrap_or(segment.len())];
        if merge_slashes && name.is_empty() && segments.peek().is_some() {
            continue;
        }
        out.push(b'/');
        push_compared(&mut out, name);
    }
    out
}

#[cfg(test)]
#[path = "path_tests.rs"]
mod tests;
