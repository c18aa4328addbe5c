//! A rewrite, compiled: leading segments are compared as the router compares them.

use crate::config::model::{LocationPart, PathRewrite, Rewrite};
use crate::router::{NormalPath, PathOptions};

/// What is changed of a request before it is forwarded.
#[derive(Debug)]
pub struct RewriteSnap {
    /// How its site reads paths.
    pub paths: PathOptions,
    /// The path's new text, with holes.
    pub path: Option<Vec<LocationPart>>,
    /// The new host, with holes.
    pub host: Option<Vec<LocationPart>>,
    /// Segments that the path loses, in the compared reading.
    strip: Vec<Vec<u8>>,
    ignore_case: bool,
}

impl RewriteSnap {
    /// For a route that compares so.
    pub(super) fn new(rewrite: &Rewrite, paths: PathOptions, ignore_case: bool) -> Self {
        let (strip, path) = match &rewrite.path {
            PathRewrite::Keep => (Vec::new(), None),
            PathRewrite::StripPrefix(prefix) => {
                (prefix.split('/').skip(1).map(|segment| compared(segment.as_bytes())).collect(), None)
            }
            PathRewrite::Replace(parts) => (Vec::new(), Some(parts.clone())),
        };
        Self { paths, path, host: rewrite.host.clone(), strip, ignore_case }
    }

    /// The path without the prefix, by whole segments; `None` when it does not begin with it.
    pub fn stripped<'p>(&self, path: &'p [u8]) -> Option<&'p [u8]> {
        if self.strip.is_empty() {
            return None;
        }
        let mut rest = path;
        for want in &self.strip {
            let (segment, behind) = loop {
                let (segment, behind) = split_first(rest)?;
                if !(segment.is_empty() && self.paths.merge_slashes && !behind.is_empty()) {
                    break (segment, behind);
                }
                rest = behind;
            };
            let is = |have: &[u8]| match self.ignore_case {
                true => have.eq_ignore_ascii_case(want),
                false => have == want,
            };
            if !is(segment) && !is(&compared(segment)) {
                return None;
            }
            rest = behind;
        }
        Some(if rest.is_empty() { b"/" } else { rest })
    }
}

/// `/a/b` is `a` and `/b`.
fn split_first(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = path.strip_prefix(b"/")?;
    Some(inner.split_at(memchr::memchr(b'/', inner).unwrap_or(inner.len())))
}

/// A segment as the router compares it: decoded, without path parameters.
fn compared(segment: &[u8]) -> Vec<u8> {
    let path = [b"/", segment].concat();
    match NormalPath::parse(&path, PathOptions::default()) {
        Ok(path) => path.compared()[1..].to_vec(),
        // What cannot be read is no prefix of what was.
        Err(_) => segment.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prefix: &str, options: PathOptions, path: &str, expected: Option<&str>) {
        let rewrite = Rewrite { path: PathRewrite::StripPrefix(prefix.into()), host: None };
        let snap = RewriteSnap::new(&rewrite, options, options.ignore_case);
        let stripped = snap.stripped(path.as_bytes()).map(|rest| std::str::from_utf8(rest).unwrap());
        assert_eq!(stripped, expected, "{prefix} of {path}");
    }

    #[test]
    fn a_prefix_is_whole_segments_read_as_the_router_reads_them() {
        let plain = PathOptions::default();
        check("/api", plain, "/api/x", Some("/x"));
        check("/api", plain, "/api", Some("/"));
        check("/api", plain, "/api/", Some("/"));
        check("/api", plain, "/api//x", Some("//x"));
        check("/api", plain, "/apis/x", None);
        check("/api", plain, "/API/x", None);
        check("/api/v1", plain, "/api/v1/a%20b;c=d", Some("/a%20b;c=d"));
        check("/api/v1", plain, "/api", None);
        check("/a b", plain, "/a%20b/x", Some("/x"));
        check("/api", plain, "/api;v=1/x", Some("/x"));
        let loose = PathOptions { ignore_case: true, merge_slashes: true, ..plain };
        check("/api/v1", loose, "//API///v1/x", Some("/x"));
        check("/api", plain, "//api/x", None);
    }
}
