//! Conditions on paths as lbd's patterns, and how patterns lie to each other.
//!
//! HAProxy's path conditions are questions, lbd's patterns stand in a tree and the most specific wins. To keep an
//! order of rules, one must know of each pattern which conditions hold for all that it matches. The ranks here are
//! those of the router (`router/tree.rs`): whatever lies deeper, then `(starts-with)` by length, then `(regex)`.

use super::expr::{How, TextTest};

/// A pattern, and what it is known to mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) pattern: Pattern,
    pub(super) ignore_case: bool,
    /// Numbers of the path conditions that hold for each path that it matches.
    pub(super) holds: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Pattern {
    /// Every path.
    Root,
    Begins(String),
    Exact(String),
    /// And the literal segments that it is filed under.
    Regex(String, Vec<String>),
}

/// What is known of a condition for the paths of a pattern that no other pattern takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Holds,
    Fails,
    /// For some paths it does, for some it does not.
    Both,
}

/// How one condition lies to another: what is known of `other` where `this` holds.
pub(super) fn relation(this: &TextTest, other: &TextTest) -> Relation {
    if this == other {
        return Relation::Holds;
    }
    let literal = |test: &TextTest| matches!(test.how, How::Exact | How::Begins);
    match (this.how, literal(other)) {
        (How::Exact, _) => exact(this, other),
        (How::Begins, true) => begins(this, other),
        (How::Begins, false) => contained(&this.text, this.ignore_case, other),
        (How::Ends, _) if other.how == How::Ends => ends(this, other),
        (How::Ends | How::Contains, _) if other.how == How::Contains => {
            let sure = other.ignore_case || !this.ignore_case;
            if sure && other.passes(&this.text) { Relation::Holds } else { Relation::Both }
        }
        _ => searched(this, other),
    }
}

fn exact(this: &TextTest, other: &TextTest) -> Relation {
    if this.ignore_case && !other.ignore_case && has_letters(&this.text) {
        let folded = TextTest { ignore_case: true, ..other.clone() };
        return if folded.passes(&this.text) { Relation::Both } else { Relation::Fails };
    }
    if other.passes(&this.text) { Relation::Holds } else { Relation::Fails }
}

fn begins(this: &TextTest, other: &TextTest) -> Relation {
    let (a, b) = (this.text.to_ascii_lowercase(), other.text.to_ascii_lowercase());
    let longer = a.starts_with(&b) && other.how == How::Begins;
    let case_agrees = other.ignore_case
        || !has_letters(&other.text)
        || (!this.ignore_case && this.text.starts_with(&other.text));
    match longer {
        true if case_agrees => Relation::Holds,
        // Both count case, and the texts differ in it.
        true if !this.ignore_case => Relation::Fails,
        true => Relation::Both,
        // What lies within has a pattern of its own: there, not here, it holds.
        false => Relation::Fails,
    }
}

/// A beginning against a search: it holds when what is searched stands in the beginning itself.
fn contained(text: &str, ignore_case: bool, other: &TextTest) -> Relation {
    let sure = other.ignore_case || !ignore_case;
    match other.how {
        How::Contains if sure && other.passes(text) => Relation::Holds,
        How::Dir if sure && other.passes(&text[..text.rfind('/').map_or(0, |at| at + 1)]) => Relation::Holds,
        How::Regex => match start_of(&other.text) {
            // Both begin with literal text: where the texts part, nothing is in both.
            Some(start) => {
                let fold = |text: &str| text.to_ascii_lowercase();
                let (a, b) = (fold(text), fold(&start));
                if a.starts_with(&b) || b.starts_with(&a) { Relation::Both } else { Relation::Fails }
            }
            None => Relation::Both,
        },
        _ => Relation::Both,
    }
}

fn ends(this: &TextTest, other: &TextTest) -> Relation {
    let (a, b) = (this.text.to_ascii_lowercase(), other.text.to_ascii_lowercase());
    if a.ends_with(&b) {
        let agrees = other.ignore_case || (!this.ignore_case && this.text.ends_with(&other.text));
        return if agrees { Relation::Holds } else { Relation::Both };
    }
    if b.ends_with(&a) { Relation::Both } else { Relation::Fails }
}

/// A search against anything: known only where its beginning is literal.
fn searched(this: &TextTest, other: &TextTest) -> Relation {
    let start = if this.how == How::Regex { start_of(&this.text) } else { None };
    let Some(start) = start else {
        // A literal pattern has a place of its own, and this one is asked behind it.
        return if matches!(other.how, How::Exact) { Relation::Fails } else { Relation::Both };
    };
    match other.how {
        How::Begins => {
            let fold = |text: &str| text.to_ascii_lowercase();
            let (a, b) = (fold(&start), fold(&other.text));
            let agrees = other.ignore_case || (!this.ignore_case && start.starts_with(&other.text));
            match (a.starts_with(&b), b.starts_with(&a)) {
                (true, _) if agrees => Relation::Holds,
                (true, _) | (_, true) => Relation::Both,
                _ => Relation::Fails,
            }
        }
        How::Exact => Relation::Fails,
        _ => Relation::Both,
    }
}

/// The literal text that every match of a regular expression begins with, where that is plain to see.
pub(super) fn start_of(regex: &str) -> Option<String> {
    let rest = regex.strip_prefix('^')?;
    if has_top_alternation(rest) {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-~".contains(c);
    let end = rest.find(|c: char| !plain(c)).unwrap_or(rest.len());
    // A counted or optional character may not be there.
    let end = if rest[end..].starts_with(['?', '*', '{']) { end.saturating_sub(1) } else { end };
    Some(rest[..end].to_owned())
}

fn has_top_alternation(regex: &str) -> bool {
    let (mut depth, mut escaped) = (0_u32, false);
    for c in regex.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// The pattern of a condition: for searches, and for beginnings where searches are among the others.
pub(super) fn regex_of(test: &TextTest) -> String {
    let text = regex::escape(&test.text);
    match test.how {
        How::Exact => text,
        How::Begins => format!("{text}.*"),
        How::Ends if test.text.starts_with('/') => format!(".*{text}"),
        How::Ends => format!("/.*{text}"),
        How::Contains if test.text.starts_with('/') => format!(".*{text}.*"),
        How::Contains => format!("/.*{text}.*"),
        How::Dir => format!("/(?:.*/)?{}(?:/.*)?", regex::escape(test.text.trim_matches('/'))),
        How::Regex | How::Domain => whole(&test.text),
    }
}

/// A search as a match of the whole path.
fn whole(regex: &str) -> String {
    if has_top_alternation(regex) {
        return format!(".*(?:{regex}).*");
    }
    let (front, rest) = regex.strip_prefix('^').map_or((".*", regex), |rest| ("", rest));
    let escaped = rest.ends_with("\\$");
    let (rest, back) = match rest.strip_suffix('$') {
        Some(rest) if !escaped => (rest, ""),
        _ => (rest, ".*"),
    };
    let (rest, back) =
        rest.strip_suffix(".*").filter(|_| !rest.ends_with("\\.*")).map_or((rest, back), |rest| (rest, ".*"));
    format!("{front}{rest}{back}")
}

impl Cell {
    /// The pattern of one condition.
    pub(super) fn of(number: usize, test: &TextTest, begins_as_regex: bool) -> Cell {
        let pattern = match test.how {
            How::Exact => Pattern::Exact(test.text.clone()),
            How::Begins if !begins_as_regex => Pattern::Begins(test.text.clone()),
            How::Begins => Pattern::Regex(regex_of(test), segments(&test.text)),
            _ => {
                let regex = regex_of(test);
                let start = if test.how == How::Regex { start_of(&test.text) } else { None };
                Pattern::Regex(regex, segments(&start.unwrap_or_default()))
            }
        };
        Cell { pattern, ignore_case: test.ignore_case && has_letters(&test.text), holds: vec![number] }
    }

    /// The pattern of two conditions together, where that can be said: a beginning and a search, or two searches.
    pub(super) fn both(one: (usize, &TextTest), other: (usize, &TextTest)) -> Option<Cell> {
        let ((a, first), (b, second)) = (one, other);
        let holds = vec![a.min(b), a.max(b)];
        let cased = |test: &TextTest| has_letters(&test.text).then_some(test.ignore_case);
        let ignore_case = match (cased(first), cased(second)) {
            (Some(one), Some(other)) if one != other => None,
            (one, other) => Some(one.or(other).unwrap_or(false)),
        };
        let filed = match first.how {
            How::Begins if ignore_case.is_some() || !first.ignore_case => segments(&first.text),
            _ => Vec::new(),
        };
        let regex = match (first.how, second.how) {
            (How::Begins, _) => sequence(first, second, ignore_case.is_none())?,
            (How::Contains, How::Ends) => format!(".*{}", sequence(first, second, ignore_case.is_none())?),
            (How::Ends, How::Contains) => format!(".*{}", sequence(second, first, ignore_case.is_none())?),
            (How::Contains, How::Contains) => {
                let (there, back) = (
                    sequence(first, second, ignore_case.is_none())?,
                    sequence(second, first, ignore_case.is_none())?,
                );
                format!(".*(?:{there}|{back})")
            }
            (How::Dir, How::Dir | How::Contains | How::Ends) | (How::Contains | How::Ends, How::Dir) => {
                folders(first, second, ignore_case.is_none())?
            }
            _ => return None,
        };
        Some(Cell { pattern: Pattern::Regex(regex, filed), ignore_case: ignore_case.unwrap_or(false), holds })
    }

    /// What counts between two patterns that match the same path; greater wins.
    pub(super) fn rank(&self) -> (usize, u8, usize) {
        match &self.pattern {
            Pattern::Root => (0, 0, 0),
            Pattern::Begins(text) => (segments(text).len(), 3, text.rsplit('/').next().map_or(0, str::len)),
            Pattern::Regex(_, segments) => (segments.len(), 2, 0),
            Pattern::Exact(text) => (text.matches('/').count() + 1, 4, 0),
        }
    }

    /// Patterns of one group are told apart by conditions and priority alone.
    pub(super) fn group(&self) -> String {
        match &self.pattern {
            Pattern::Root => "root".to_owned(),
            Pattern::Begins(text) => format!("begins {}", text.to_ascii_lowercase()),
            Pattern::Exact(text) => format!("exact {}", text.to_ascii_lowercase()),
            Pattern::Regex(_, segments) => format!("regex /{}", segments.join("/").to_ascii_lowercase()),
        }
    }
}

/// One text, and the other somewhere behind it or beginning within its end. `mixed`: case counts in one of them only.
fn sequence(first: &TextTest, second: &TextTest, mixed: bool) -> Option<String> {
    // Where case counts in one of them only, the other says so itself.
    let written = |test: &TextTest, text: &str| match mixed && test.ignore_case {
        true => format!("(?i:{})", regex::escape(text)),
        false => regex::escape(text),
    };
    let (token, back) = match second.how {
        How::Ends => (second.text.clone(), ""),
        How::Contains => (second.text.clone(), ".*"),
        How::Dir => (format!("/{}", second.text.trim_matches('/')), "(?:/.*)?"),
        _ => return None,
    };
    let rests = crossing(&first.text, &token, first.ignore_case || second.ignore_case);
    if !rests.is_empty() && mixed {
        return None;
    }
    let mut found = format!(".*{}", written(second, &token));
    rests.iter().for_each(|rest| found.push_str(&format!("|{}", regex::escape(rest))));
    let found = if rests.is_empty() { found } else { format!("(?:{found})") };
    Some(format!("{}{found}{back}", written(first, &first.text)))
}

/// Two searches of which one or both are for a folder, in either order.
fn folders(first: &TextTest, second: &TextTest, mixed: bool) -> Option<String> {
    let closed = |test: &TextTest| match test.how {
        How::Dir => TextTest {
            how: How::Contains,
            text: format!("/{}/", test.text.trim_matches('/')),
            ignore_case: test.ignore_case,
        },
        _ => test.clone(),
    };
    let within = |outer: &TextTest, inner: &TextTest| {
        let end = if inner.how == How::Dir { 1 } else { 0 };
        let (outer, inner) = (closed(outer).text, closed(inner).text);
        outer.to_ascii_lowercase().contains(&inner[..inner.len() - end].to_ascii_lowercase())
    };
    if within(first, second) || within(second, first) {
        return None;
    }
    let then = |one: &TextTest, other: &TextTest| sequence(&closed(one), other, mixed);
    Some(match (first.how, second.how) {
        (How::Ends, _) => format!(".*{}", then(second, first)?),
        (_, How::Ends) => format!(".*{}", then(first, second)?),
        _ => format!(".*(?:{}|{})", then(first, second)?, then(second, first)?),
    })
}

/// What is left of a searched text where it begins within the end of another.
fn crossing<'t>(begin: &str, token: &'t str, ignore_case: bool) -> Vec<&'t str> {
    let fold = |text: &str| if ignore_case { text.to_ascii_lowercase() } else { text.to_owned() };
    let begin = fold(begin);
    let inner = token.char_indices().map(|(at, c)| at + c.len_utf8());
    inner.filter(|at| begin.ends_with(&fold(&token[..*at]))).map(|at| &token[at..]).collect()
}

/// The whole segments of a beginning.
fn segments(text: &str) -> Vec<String> {
    let whole = &text[..text.rfind('/').unwrap_or(0)];
    whole.split('/').skip(1).map(str::to_owned).collect()
}

pub(super) fn has_letters(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(how: How, text: &str) -> TextTest {
        TextTest { how, text: text.to_owned(), ignore_case: false }
    }

    #[test]
    fn relations_are_those_of_the_paths() {
        let check = |this: TextTest, other: TextTest, expected| {
            assert_eq!(relation(&this, &other), expected, "{this:?} {other:?}");
        };
        let begins = |text| test(How::Begins, text);
        check(begins("/a/b"), begins("/a"), Relation::Holds);
        check(begins("/a"), begins("/a/b"), Relation::Fails);
        check(begins("/a"), begins("/b"), Relation::Fails);
        check(begins("/a"), test(How::Ends, ".php"), Relation::Both);
        check(begins("/img/x"), test(How::Contains, "img"), Relation::Holds);
        check(begins("/img/x"), test(How::Dir, "img"), Relation::Holds);
        check(begins("/api"), test(How::Regex, "^/admin/[0-9]"), Relation::Fails);
        check(test(How::Exact, "/a.php"), test(How::Ends, ".php"), Relation::Holds);
        check(test(How::Exact, "/a"), begins("/b"), Relation::Fails);
        check(test(How::Ends, ".tar.gz"), test(How::Ends, ".gz"), Relation::Holds);
        check(test(How::Ends, ".jpg"), test(How::Ends, ".png"), Relation::Fails);
        check(test(How::Regex, "^/api/v[0-9]"), begins("/api"), Relation::Holds);
        check(TextTest { ignore_case: true, ..begins("/A") }, begins("/a"), Relation::Both);
        check(begins("/A/b"), TextTest { ignore_case: true, ..begins("/a") }, Relation::Holds);
    }

    #[test]
    fn searches_become_matches_of_the_whole_path() {
        let check = |test: &TextTest, yes: &[&str], no: &[&str]| {
            let pattern = crate::router::Pattern::parse(crate::router::PatternKind::Regex, &regex_of(test));
            assert!(pattern.is_ok(), "{test:?} {pattern:?}");
            let regex = regex::Regex::new(&format!("^(?:{})$", regex_of(test))).expect("a regex");
            yes.iter().for_each(|path| assert!(regex.is_match(path) && test.passes(path), "{test:?} {path}"));
            no.iter()
                .for_each(|path| assert!(!regex.is_match(path) && !test.passes(path), "{test:?} {path}"));
        };
        check(&test(How::Ends, ".php"), &["/.php", "/a/b.php"], &["/a.php3"]);
        check(&test(How::Ends, "/x"), &["/x", "/a/x"], &["/ax"]);
        check(&test(How::Contains, "adm"), &["/adm", "/x/admin/y"], &["/ad"]);
        check(&test(How::Dir, "img"), &["/img", "/a/img/b"], &["/imgs", "/aimg/x"]);
        check(&test(How::Regex, "^/v[0-9]+$"), &["/v1"], &["/v1/", "/x/v1"]);
        check(&test(How::Regex, "v[0-9]"), &["/v1", "/x/v1y"], &["/vx"]);
        check(&test(How::Regex, "^/a|b$"), &["/ax", "/xb"], &["/xa"]);
    }
}
