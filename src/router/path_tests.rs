//! Tables of paths in their two readings, and the promise that the server reads what was routed.

use proptest::prelude::*;

use super::*;

const PLAIN: PathOptions =
    PathOptions { ignore_case: false, merge_slashes: false, reject_encoded_slash: false };
const MERGE: PathOptions =
    PathOptions { ignore_case: false, merge_slashes: true, reject_encoded_slash: false };
const REJECT: PathOptions =
    PathOptions { ignore_case: false, merge_slashes: false, reject_encoded_slash: true };

#[track_caller]
fn check(options: PathOptions, path: &str, compared: &str, forwarded: &str) {
    let normal = NormalPath::parse(path.as_bytes(), options).unwrap();
    let texts = (String::from_utf8_lossy(normal.compared()), String::from_utf8_lossy(normal.forwarded()));
    assert_eq!((texts.0.as_ref(), texts.1.as_ref()), (compared, forwarded), "{path}");
}

#[track_caller]
fn refuse(options: PathOptions, path: &str, error: PathError) {
    assert_eq!(NormalPath::parse(path.as_bytes(), options), Err(error), "{path}");
}

#[test]
fn plain_paths_are_borrowed() {
    for path in
        ["/", "/a", "/a/", "/Thingworx/WS", "/.well-known/x", "/a..b/...", "//a", "/ü", "/a:b@c!$&'()*+,="]
    {
        let normal = NormalPath::parse(path.as_bytes(), PLAIN).unwrap();
        assert!(matches!(normal.forwarded, Cow::Borrowed(_)) && normal.compared.is_none(), "{path}");
        check(PLAIN, path, path, path);
    }
}

#[test]
fn unreserved_characters_are_decoded_in_both_readings() {
    check(PLAIN, "/Thingworx/%57S", "/Thingworx/WS", "/Thingworx/WS");
    check(PLAIN, "/%7euser/%2d%2E%5f", "/~user/-._", "/~user/-._");
}

#[test]
fn other_encodings_are_decoded_for_comparison_only() {
    check(PLAIN, "/a%20b/%24x", "/a b/$x", "/a%20b/%24x");
    check(PLAIN, "/caf%c3%a9", "/café", "/caf%c3%a9");
    check(PLAIN, "/a%3bb", "/a;b", "/a%3bb");
}

#[test]
fn what_would_change_the_meaning_stays_encoded() {
    check(PLAIN, "/a%2fb/c", "/a%2Fb/c", "/a%2fb/c");
    check(PLAIN, "/100%25/%252e", "/100%25/%252e", "/100%25/%252e");
    check(PLAIN, "/a%0a%7f", "/a%0A%7F", "/a%0a%7f");
}

#[test]
fn dot_segments_are_resolved() {
    for (path, resolved) in [
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("/.", "/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/.%2e/b", "/b"),
        ("/a/;x/../b", "/a/b"),
        ("/a//../b", "/a/b"),
    ] {
        check(PLAIN, path, resolved, resolved);
    }
}

#[test]
fn climbing_above_the_root_is_refused() {
    for path in ["/..", "/../a", "/a/../..", "/a/%2e%2e/%2e%2e/b", "/./.."] {
        refuse(PLAIN, path, PathError::ClimbsAboveRoot);
    }
}

#[test]
fn path_parameters_are_forwarded_but_not_compared() {
    check(PLAIN, "/app;jsessionid=A1/x", "/app/x", "/app;jsessionid=A1/x");
    check(PLAIN, "/app/;v=1", "/app/", "/app/;v=1");
    check(MERGE, "/;x/app", "/app", "/;x/app");
}

#[test]
fn dot_segments_with_parameters_are_refused() {
    for path in ["/a/..;x/b", "/a/.;", "/a/%2e%2e;/b", "/a/..;", "/a/..%3b/b", "/a/..%3Bx;y", "/.;a/b"] {
        refuse(PLAIN, path, PathError::DotSegmentWithParams);
    }
}

#[test]
fn slashes_are_merged_for_comparison_only() {
    check(PLAIN, "//Thingworx/WS", "//Thingworx/WS", "//Thingworx/WS");
    check(MERGE, "//Thingworx/WS", "/Thingworx/WS", "//Thingworx/WS");
    check(MERGE, "/a///b//", "/a/b/", "/a///b//");
    check(MERGE, "//", "/", "//");
}

#[test]
fn encoded_slashes_stay_or_are_refused() {
    refuse(REJECT, "/a%2Fb", PathError::EncodedSlash);
    refuse(REJECT, "/a;x=%2f", PathError::EncodedSlash);
    for path in ["/a/..%2fb", "/a/x%2F..", "/a/x%2f%2e%2e%2Fy", "/a/x;p%2f../y", "/x%2f..;a"] {
        refuse(PLAIN, path, PathError::EncodedSlash);
    }
}

#[test]
fn malformed_paths_are_refused() {
    for path in ["", "*", "a/b", "http://h/"] {
        refuse(PLAIN, path, PathError::NotAbsolute);
    }
    for path in ["/%zz", "/%", "/a%2", "/%g0", "/a;x=%"] {
        refuse(PLAIN, path, PathError::BadPercent);
    }
    refuse(PLAIN, "/a%00", PathError::NulByte);
    for path in ["/a%5Cb", "/a%5cb", "/a\\b", "/..\\a"] {
        refuse(PLAIN, path, PathError::EncodedBackslash);
    }
    for path in ["/a\0", "/a\r\nb", "/a b", "/\x7f", "/a?b", "/a#b", "/\t"] {
        refuse(PLAIN, path, PathError::ControlByte);
    }
}

#[test]
fn values_are_encoded_so_that_they_stand_in_a_path() {
    for (compared, text) in
        [("a:b@c", "a:b@c"), ("a b", "a%20b"), ("a;b", "a%3Bb"), ("é", "%C3%A9"), ("a%2Fb?", "a%2Fb%3F")]
    {
        assert_eq!(encode(compared.as_bytes()), text);
    }
}

/// Paths made of what servers are known to read in different ways.
fn nasty_path() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "/", "/", "//", ".", "..", "%2e", "%2E%2e", ";", ";x", "%3b", "%2f", "%2F", "%25", "%252e", "%57",
        "W", "a", "b", "%20", "%c3%a9", "é", "~", "%0a", "=", "%5", "..;", "%",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()).into_bytes())
}

fn options() -> impl Strategy<Value = PathOptions> {
    (any::<bool>(), any::<bool>()).prop_map(|(merge_slashes, reject_encoded_slash)| PathOptions {
        ignore_case: false,
        merge_slashes,
        reject_encoded_slash,
    })
}

/// What a servlet container makes of a path: parameters off, decoded, dot segments resolved.
fn as_servlet(path: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    for segment in path[1..].split(|byte| *byte == b'/') {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        decoded.push(b'/');
        push_compared(&mut decoded, name);
    }
    let dots = |segment: &[u8]| segment == b"." || segment == b"..";
    assert!(!decoded.split(|byte| *byte == b'/').any(dots), "a server finds a dot segment");
    decoded
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_server_reads_the_path_that_was_routed(path in nasty_path(), options in options()) {
        if let Ok(normal) = NormalPath::parse(&path, options) {
            let again = NormalPath::parse(normal.forwarded(), options).unwrap();
            prop_assert_eq!(again.forwarded(), normal.forwarded());
            prop_assert_eq!(again.compared(), normal.compared());
            prop_assert!(!normal.segments().any(|segment| segment == b"." || segment == b".."));
            let mut read = as_servlet(normal.forwarded());
            if options.merge_slashes {
                read.dedup_by(|a, b| *a == b'/' && *b == b'/');
            }
            prop_assert_eq!(read, normal.compared());
        }
    }

    #[test]
    fn decoding_twice_finds_no_dot_segment(path in nasty_path()) {
        // A server that takes %2F for a slash must not find more than we did.
        if let Ok(normal) = NormalPath::parse(&path, PLAIN) {
            let lenient = String::from_utf8_lossy(normal.forwarded()).replace("%2f", "/").replace("%2F", "/");
            as_servlet(lenient.as_bytes());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(path in prop::collection::vec(any::<u8>(), 0..64), options in options()) {
        if let Ok(normal) = NormalPath::parse(&path, options) {
            prop_assert!(normal.compared().starts_with(b"/") && normal.forwarded().starts_with(b"/"));
            prop_assert!(normal.segments().count() >= 1);
        }
    }
}
