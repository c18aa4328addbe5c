//! Tables of patterns: what they are parsed to, and what is said about those that are refused.

use super::super::asked::pattern;
use super::*;

fn shown(pattern: &Pattern) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let segments = pattern.segments().iter().map(|segment| match segment {
        Segment::Literal(literal) => text(literal),
        Segment::StartsWith(start) => text(start) + "*",
        Segment::Regex => "~".to_owned(),
        Segment::Param(name) => format!("{{{name}}}"),
        Segment::Rest(name) => format!("{{*{name}}}"),
    });
    segments.collect::<Vec<_>>().join("|")
}

#[track_caller]
fn refused(written: &str, offset: Option<usize>, says: &str) -> PatternError {
    let (kind, text) = match written.split_once(')') {
        Some(("(exact", text)) => (PatternKind::Exact, text),
        Some(("(regex", text)) => (PatternKind::Regex, text),
        Some(("(starts-with", text)) => (PatternKind::StartsWith, text),
        _ => (PatternKind::Prefix, written),
    };
    let error = Pattern::parse(kind, text).unwrap_err();
    assert_eq!(error.offset(), offset, "{written}: {error}");
    assert!(error.to_string().contains(says), "{written}: {error}");
    error
}

#[test]
fn patterns_become_segments() {
    for (written, segments) in [
        ("/", ""),
        ("/a", "a"),
        ("/a/", "a"),
        ("/a//b", "a||b"),
        ("/a/{id}/b/{*rest}", "a|{id}|b|{*rest}"),
        ("/%57S/a b/%c3%a9", "WS|a b|é"),
        ("/a%2fb/100%25/%7Bx%7D", "a%2Fb|100%25|{x}"),
        ("(exact)/", ""),
        ("(exact)/a/", "a|"),
        ("(exact)/a/{*rest}", "a|{*rest}"),
        ("(starts-with)/Thingworx/WS", "Thingworx|WS*"),
        ("(starts-with)/a/", "a|*"),
        ("(starts-with)/", "*"),
        ("(starts-with)/.w", ".w*"),
    ] {
        let pattern = pattern(written);
        assert_eq!(shown(&pattern), segments, "{written}");
        assert!(written.ends_with(&pattern.to_string()));
    }
}

#[test]
fn a_regex_is_filed_under_its_whole_literal_segments() {
    for (written, segments) in [
        (r"(regex)^/old/(?<id>\d+)$", "old|~"),
        (r"(regex)/old/\d+", "old|~"),
        ("(regex)^/old/?$", "~"),
        ("(regex)^/old$", "~"),
        ("(regex)^/a/b/c", "a|b|~"),
        ("(regex)^/(a|b)/c", "~"),
        ("(regex)^/x/(a|ab)/c", "x|~"),
        ("(regex)(?i)^/a/b/", "~"),
        (r"(regex).*\.php", "~"),
        ("(regex)^/v[0-9]/x", "~"),
    ] {
        assert_eq!(shown(&pattern(written)), segments, "{written}");
    }
}

#[test]
fn a_regex_is_anchored_whatever_it_says() {
    for (written, path, matches) in [
        (r"(regex)^/old/\d+$", "/old/7", true),
        (r"(regex)/old/\d+", "/old/7", true),
        (r"(regex)/old/\d+", "/old/7/x", false),
        (r"(regex)/old/\d+", "/x/old/7", false),
        ("(regex)^/a.*", "/a/b/c", true),
        (r"(regex)^/a\.*", "/a...", true),
        (r"(regex)^/a\.*", "/a.b", false),
        ("(regex)/a|/b", "/bc", false),
        ("(regex)/a|/b", "/b", true),
        ("(regex)(?x)/a # a comment", "/a", true),
        ("(regex)(?x)/a # a comment", "/ab", false),
        ("(regex)/.*", "/\u{fffd}", true),
    ] {
        assert_eq!(pattern(written).regex().unwrap().is_match(path.as_bytes()), matches, "{written} {path}");
    }
    assert!(pattern("(regex)/.*").regex().unwrap().is_match(b"/\xff\xfe"));
}

#[test]
fn parameters_are_listed_in_order() {
    let names = |written| pattern(written).params().map(str::to_owned).collect::<Vec<_>>().join(" ");
    assert_eq!(names("/users/{id}/files/{*rest}"), "id rest");
    assert_eq!(names(r"(regex)^/(?<a>\d)(x)(?P<b>.)"), "a b");
    assert_eq!(names("/a"), "");
}

#[test]
fn bad_parameters_are_refused() {
    for (written, offset, says) in [
        ("/v{n}", 2, "whole segment"),
        ("/a/{id", 3, "whole segment"),
        ("/a/id}", 5, "whole segment"),
        ("/{a}{b}", 1, "whole segment"),
        ("/{}", 1, "name of a parameter"),
        ("/a/{1x}", 3, "name of a parameter"),
        ("/{a.b}", 1, "name of a parameter"),
        ("/{a}/{a}", 5, "same name"),
        ("/{*r}/x", 1, "last segment"),
        ("/{path}", 1, "request's own"),
        ("(regex)^/(?<host>.)", 4, "request's own"),
        ("(starts-with)/a/{id}", 3, "no parameters"),
    ] {
        let error = refused(written, Some(offset), says);
        assert!(matches!(error, PatternError::Parameter { .. }), "{written}: {error:?}");
    }
}

#[test]
fn what_never_matches_is_refused() {
    for (written, offset, says) in [
        ("", 0, "begins with"),
        ("a/b", 0, "begins with"),
        ("(regex)a/b", 0, "begins with"),
        ("(regex)", 0, "begins with"),
        ("/a?x=1", 2, "query"),
        ("/a#b", 2, "fragment"),
        ("/a;b", 2, "path parameters"),
        ("/a\\b", 2, "backslash"),
        ("/a\tb", 2, "control"),
        ("/a%2", 2, "hexadecimal"),
        ("/a%00", 2, "always refused"),
        ("/a/../b", 3, "dot segments"),
        ("(exact)/.", 1, "dot segments"),
        ("/%2e%2e", 1, "dot segments"),
    ] {
        refused(written, Some(offset), says);
    }
}

#[test]
fn bad_regexes_are_refused() {
    refused("(regex)^/a(b", Some(3), "unclosed group");
    refused("(regex)^/a)(b", Some(3), "unopened group");
    refused(r"(regex)^/(\w{100}){200}", None, "256 KiB");
    refused(r"(regex)^/\pL", Some(2), "Unicode");
}

#[test]
fn depth_is_bounded() {
    assert!(Pattern::parse(PatternKind::Prefix, &"/a".repeat(128)).is_ok());
    assert_eq!(Pattern::parse(PatternKind::Prefix, &"/a".repeat(129)), Err(PatternError::TooDeep));
    let regex = "/a".repeat(40) + "/.*";
    assert!(shown(&pattern(&format!("(regex){regex}"))).ends_with('~'));
}

#[test]
fn patterns_are_equal_as_written() {
    assert_eq!(pattern("/a"), pattern("/a"));
    assert_ne!(pattern("/a"), pattern("(exact)/a"));
    assert_ne!(pattern("/a"), pattern("/a/"));
}
