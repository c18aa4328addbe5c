//! Paths that servers read in different ways, and whether a route depends on the way.
//!
//! Some servers read `%2F` as `/`, some decode `%3B` before they cut parameters off, some merge `//`, some take what
//! follows a `//` at the start for a host (RFC 3986, section 4.2). Where all of these readings lead to one route, it
//! does not matter which of them the server has. Where they lead to two, the path is a way around the more specific
//! route, and is refused.

use super::path::{compared, find_encoded};
use super::{Facts, Found, NormalPath, PathError, PathRouter};

impl<T> PathRouter<T> {
    /// The route that serves a request, however its server reads the path. Where there is none, nobody reads it.
    pub fn find_surely<'r>(
        &'r self,
        path: &NormalPath<'_>,
        facts: &impl Facts,
    ) -> Result<Option<Found<'r, T>>, PathError> {
        let found = self.find(path, facts);
        if path.is_doubtful() && found.is_some() {
            let route =
                |found: &Option<Found<'r, T>>| found.as_ref().map(|found| std::ptr::from_ref(found.value));
            let other = |reading| route(&self.find(&NormalPath::read_as(reading), facts)) != route(&found);
            if other_readings(path).any(other) {
                return Err(PathError::TwoRoutes);
            }
        }
        Ok(found)
    }
}

/// Whether a path, as it is sent on and as it is compared, has another reading.
pub(super) fn is_doubtful(forwarded: &[u8], compared: &[u8]) -> bool {
    memchr::memmem::find(compared, b"//").is_some()
        || find_encoded(forwarded, b'/').is_some()
        || find_encoded(forwarded, b';').is_some()
}

/// When a server decodes `%2F`, and `%3B`: before it cuts parameters off, after it, or between two cuts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slashes {
    Kept,
    Before,
    Between,
    After,
}

/// Every reading, the strict one among them.
fn other_readings(path: &NormalPath<'_>) -> impl Iterator<Item = Vec<u8>> {
    let slashes = [Slashes::Kept, Slashes::Before, Slashes::Between, Slashes::After];
    let ways = slashes.into_iter().flat_map(|when| [(when, false), (when, true)]);
    let ways = ways.flat_map(|(when, params)| [(when, params, false), (when, params, true)]);
    let texts = [Some(path.forwarded()), behind_host(path.forwarded()).filter(|_| !path.is_merged())];
    let ways = ways.flat_map(move |way| texts.into_iter().flatten().map(move |text| (way, text)));
    ways.map(move |((when, params, merges), text)| {
        let merges = merges || path.is_merged();
        let mut sent = text.to_vec();
        if when == Slashes::Between {
            sent = cut_params(&sent);
        }
        if matches!(when, Slashes::Before | Slashes::Between) {
            sent = decode(&sent, b'/');
        }
        if params {
            sent = decode(&sent, b';');
        }
        let mut read = compared(&sent, merges);
        if when == Slashes::After {
            read = decode(&read, b'/');
        }
        if merges {
            read.dedup_by(|a, b| (*a, *b) == (b'/', b'/'));
        }
        read
    })
}

/// What is left of `//host/path` for who takes it for a reference to a host. A server that merges `//` does not.
fn behind_host(path: &[u8]) -> Option<&[u8]> {
    let rest = path.strip_prefix(b"//")?;
    Some(memchr::memchr(b'/', rest).map_or(b"/", |at| &rest[at..]))
}

fn cut_params(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    for segment in path[1..].split(|byte| *byte == b'/') {
        out.push(b'/');
        out.extend_from_slice(&segment[..memchr::memchr(b';', segment).unwrap_or(segment.len())]);
    }
    out
}

/// Decodes one character.
fn decode(path: &[u8], value: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = find_encoded(rest, value) {
        out.extend_from_slice(&rest[..at]);
        out.push(value);
        rest = &rest[at + 3..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
#[path = "doubt_tests.rs"]
mod tests;
