//! What decides where a request goes: cookies, paths, routes.

use std::net::{IpAddr, Ipv4Addr};

use lbd::proxy::head::{Fate, cookie_pairs, keep_cookies};
use lbd::router::{
    Conditions, Facts, HostRouter, NormalPath, PathOptions, PathRouter, Pattern, PatternKind, RouteEntry,
    ValueMatch, Verdict,
};

/// Cookies are found where a plain search finds them, and one that is taken out takes nothing else with it. The first
/// line is a name, the rest a field's value.
pub(crate) fn cookies(data: &[u8]) {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (name, value) = (data[..line].trim_ascii(), data.get(line + 1..).unwrap_or_default());
    let found: Vec<_> = cookie_pairs(value).collect();
    assert_eq!(found, searched(value));
    let of = |value: &[u8], own: bool| -> Vec<(Vec<u8>, Vec<u8>)> {
        let pairs = cookie_pairs(value).filter(|(one, _)| (*one == name) == own);
        pairs.map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    };
    let mut out = b"before".to_vec();
    let left = keep_cookies(value, &|one, _| if one == name { Fate::Drop } else { Fate::Keep }, &mut out);
    assert!(out.starts_with(b"before") && left == (out.len() > 6) || value.is_empty());
    let kept = &out[6..];
    assert_eq!((of(kept, true), of(kept, false)), (Vec::new(), of(value, false)), "{}", kept.escape_ascii());
    if of(value, true).is_empty() {
        assert_eq!(kept, value, "nothing was to be taken out");
    }
    let mut out = Vec::new();
    keep_cookies(value, &|one, _| if one == name { Fate::Trim(b"t") } else { Fate::Keep }, &mut out);
    assert_eq!(of(&out, false), of(value, false), "{}", out.escape_ascii());
    assert!(of(&out, true).iter().all(|(_, value)| value == b"t"), "{}", out.escape_ascii());
    assert_eq!(of(&out, true).len(), of(value, true).len());
}

/// Byte by byte, without a library.
fn searched(value: &[u8]) -> Vec<(&[u8], &[u8])> {
    let (mut found, mut start) = (Vec::new(), 0);
    for (at, byte) in value.iter().chain(b";").enumerate() {
        if *byte != b';' {
            continue;
        }
        if let Some(equals) = (start..at).find(|at| value[*at] == b'=') {
            found.push((value[start..equals].trim_ascii(), value[equals + 1..at].trim_ascii()));
        }
        start = at + 1;
    }
    found
}

/// A path that is normal stays as it is, and no server finds a dot segment in it. The first byte is how it is read.
pub(crate) fn path(data: &[u8]) {
    let Some((&how, path)) = data.split_first() else { return };
    let options = options(how);
    let Ok(normal) = NormalPath::parse(path, options) else { return };
    let again = NormalPath::parse(normal.forwarded(), options).expect("what is forwarded is a path");
    assert_eq!(again.forwarded(), normal.forwarded(), "a normal path is left alone");
    assert_eq!(again.compared(), normal.compared(), "the server reads what was routed");
    assert!(normal.segments().all(|segment| segment != b"." && segment != b".."));
    assert!(normal.segments().count() > 0);
    // The most lenient server: it decodes first, takes any slash for one, and drops parameters.
    let lenient = decoded(normal.forwarded());
    for segment in lenient.split(|byte| matches!(byte, b'/' | b'\\')) {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        assert!(name != b"." && name != b"..", "{}", lenient.escape_ascii());
    }
    assert!(!lenient.contains(&0) && !normal.forwarded().contains(&b'\\'));
    if options.merge_slashes {
        assert!(!normal.compared().windows(2).any(|two| two == b"//"), "{normal:?}");
    }
}

fn options(how: u8) -> PathOptions {
    PathOptions { ignore_case: how & 1 != 0, merge_slashes: how & 2 != 0, reject_encoded_slash: how & 4 != 0 }
}

/// Percent-decoded, once.
fn decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if text[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(text[at]);
                at += 1;
            }
        }
    }
    out
}

/// The order in which routes are given means nothing, and the reasons that are told are those that decided. Lines
/// are a request's target, its host and its cookie, then routes: `kind pattern name value`.
pub(crate) fn route(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let target = lines.next().unwrap_or_default();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let asked =
        Asked { query: query.map(str::as_bytes), cookie: lines.next().unwrap_or_default().as_bytes() };
    let host = lines.next().unwrap_or_default();
    let mut entries: Vec<RouteEntry<usize>> = lines.filter_map(entry).take(12).collect();
    entries.iter_mut().enumerate().for_each(|(at, entry)| entry.value = at);
    let hosts =
        entries.iter().map(|entry| (vec![entry.patterns[0].as_str().to_owned()], entry.value)).collect();
    let _ = HostRouter::build(hosts, None).find(host.as_bytes());
    let options = options(path.len() as u8);
    let mut turned = copy(&entries);
    turned.reverse();
    let (one, other) = match (PathRouter::build(entries, options), PathRouter::build(turned, options)) {
        (Ok(one), Ok(other)) => (one, other),
        (one, other) => {
            let ties = |built: Result<PathRouter<usize>, Vec<_>>| built.err().map(|ties| ties.len());
            assert_eq!(ties(one), ties(other), "ties do not hang on the order");
            return;
        }
    };
    let Ok(path) = NormalPath::parse(path.as_bytes(), options) else { return };
    let candidates = one.candidates(&path, &asked);
    let chosen = candidates.iter().find(|candidate| candidate.verdict == Verdict::Chosen);
    let found = one.find(&path, &asked);
    assert_eq!(found.as_ref().map(|found| found.value), chosen.map(|chosen| chosen.value));
    let doubtful = candidates.iter().any(|candidate| candidate.verdict == Verdict::SecondOfEquals);
    if !doubtful {
        assert_eq!(
            other.find(&path, &asked).map(|found| *found.value),
            found.as_ref().map(|found| *found.value)
        );
    }
    let Some(found) = found else { return };
    for name in found.pattern.params() {
        // A value stands in a path as it is.
        let value = found.param(name, &path).unwrap_or_default();
        assert!(value.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>\\".contains(&byte)), "{value}");
    }
}

fn copy(entries: &[RouteEntry<usize>]) -> Vec<RouteEntry<usize>> {
    let copied = |entry: &RouteEntry<usize>| RouteEntry {
        patterns: entry.patterns.clone(),
        matches: entry.matches.clone(),
        priority: entry.priority,
        ignore_case: entry.ignore_case,
        value: entry.value,
    };
    entries.iter().map(copied).collect()
}

fn entry(line: &str) -> Option<RouteEntry<usize>> {
    let mut words = line.split(' ');
    let kind = words.next()?;
    let pattern_kind = match kind.as_bytes().first()? {
        b'e' => PatternKind::Exact,
        b'r' => PatternKind::Regex,
        b's' => PatternKind::StartsWith,
        _ => PatternKind::Prefix,
    };
    let pattern = Pattern::parse(pattern_kind, words.next()?).ok()?;
    let again = Pattern::parse(pattern.kind(), pattern.as_str());
    assert_eq!(again.as_ref().ok(), Some(&pattern), "a pattern is what its text says");
    let (name, value) = (words.next().unwrap_or_default().to_owned(), words.next());
    let value = match (value, kind.len() % 3) {
        (None, _) => None,
        (Some(value), 0) => Some(ValueMatch::regex(value).ok()?),
        (Some(value), 1) => Some(ValueMatch::Prefix(value.to_owned())),
        (Some(value), _) => Some(ValueMatch::Exact(value.to_owned())),
    };
    let matches = match name.as_str() {
        "" => Vec::new(),
        _ if kind.contains('q') => vec![Conditions { queries: vec![(name, value)], ..Conditions::default() }],
        _ => vec![Conditions { cookies: vec![(name, value)], ..Conditions::default() }],
    };
    let (priority, ignore_case) = (kind.len() as i32, kind.contains('i'));
    Some(RouteEntry { patterns: vec![pattern], matches, priority, ignore_case, value: 0 })
}

/// A request that nobody sent.
struct Asked<'a> {
    query: Option<&'a [u8]>,
    cookie: &'a [u8],
}

impl Facts for Asked<'_> {
    fn method(&self) -> &str {
        "GET"
    }

    fn any_header(&self, _name: &str, _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn any_cookie(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        cookie_pairs(self.cookie).any(|(one, value)| one == name.as_bytes() && test(value))
    }

    fn query(&self) -> Option<&[u8]> {
        self.query
    }

    fn client_ip(&self) -> IpAddr {
        Ipv4Addr::LOCALHOST.into()
    }

    fn is_websocket(&self) -> bool {
        false
    }
}
