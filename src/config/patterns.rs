//! Path patterns as they can only have been meant: what stands in a pattern and in no path as it is compared.

use crate::router::PatternKind;

/// What a pattern says in plain words: without dot segments, empty segments and encodings of letters that need none,
/// and without the slash at the end of a prefix. `None` when it is plain, or when nobody knows.
pub(super) fn plain(kind: PatternKind, text: &str) -> Option<String> {
    let inside = text.strip_prefix('/').filter(|_| kind != PatternKind::Regex)?;
    // Nearly all are, and need no copy.
    if !inside.contains('%') && !inside.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
        return None;
    }
    let inside = decoded(inside);
    let mut segments: Vec<&str> = inside.split('/').collect();
    let last = segments.pop()?;
    let mut kept = Vec::new();
    for segment in segments {
        step(&mut kept, segment)?;
    }
    match kind {
        // Whatever goes on behind it is meant as well.
        PatternKind::StartsWith => kept.push(last),
        PatternKind::Prefix => step(&mut kept, last)?,
        PatternKind::Exact | PatternKind::Regex => {
            step(&mut kept, last)?;
            if matches!(last, "" | "." | "..") && !kept.is_empty() {
                kept.push("");
            }
        }
    }
    let plain = format!("/{}", kept.join("/"));
    (plain != text).then_some(plain)
}

/// One segment further, or one back; `None` above the root, and where a parameter would be lost.
fn step<'a>(kept: &mut Vec<&'a str>, segment: &'a str) -> Option<()> {
    match segment {
        "" | "." => {}
        ".." => drop(kept.pop().filter(|lost| !lost.contains('{'))?),
        segment => kept.push(segment),
    }
    Some(())
}

/// Without the encodings that mean the character itself (RFC 3986, 2.3).
fn decoded(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let digits = rest.get(at + 1..at + 3).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte)) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            None => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kind: PatternKind, written: &str, expected: Option<&str>) {
        assert_eq!(plain(kind, written).as_deref(), expected, "{written}");
    }

    #[test]
    fn what_no_path_holds_is_taken_out() {
        for (written, expected) in [
            ("/api/", "/api"),
            ("/a//b", "/a/b"),
            ("//a", "/a"),
            ("//", "/"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a"),
            ("/a/../b", "/b"),
            ("/a/%2e%2E/b", "/b"),
            ("/%41pi%2d", "/Api-"),
            ("/a/{id}/", "/a/{id}"),
        ] {
            check(PatternKind::Prefix, written, Some(expected));
        }
    }

    #[test]
    fn what_is_plain_or_uncertain_is_left() {
        for written in
            ["/", "/api", "/a%2Fb", "/100%", "/%", "/a%4", "/a/{id}", "/..", "/{id}/../b", "a//b", "/\u{e9}%"]
        {
            check(PatternKind::Prefix, written, None);
        }
        check(PatternKind::Regex, "/a//b", None);
    }

    #[test]
    fn the_end_of_an_exact_path_and_of_a_beginning_counts() {
        check(PatternKind::Exact, "/a/", None);
        check(PatternKind::Exact, "/a//", Some("/a/"));
        check(PatternKind::Exact, "/a/.", Some("/a/"));
        check(PatternKind::Exact, "//", Some("/"));
        check(PatternKind::StartsWith, "/a/", None);
        check(PatternKind::StartsWith, "/a/.", None);
        check(PatternKind::StartsWith, "/a//b/", Some("/a/b/"));
    }
}
