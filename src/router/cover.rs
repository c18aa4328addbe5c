//! Which routes can never win: for each of their patterns, what goes before it in the order of the walk takes
//! every request that it could have had.
//!
//! Sound, not complete: a route that is named here is surely never chosen; one that is not may still never be,
//! for instance because two regular expressions mean the same in different words.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::explain::closeness;
use super::pattern::Segment;
use super::{Conditions, PathRouter, Pattern, PatternKind, RouteEntry};

/// Routes compared with one route at most; a site with more of them in one place is compared in part.
const MOST: usize = 128;

/// A route that no request reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadowed {
    /// Index of its entry.
    pub entry: usize,
    /// For each of its patterns the entries that take its requests, and the pattern by which the first of them does.
    pub by: Vec<Winner>,
}

/// What takes the requests of one pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winner {
    /// Indexes of the entries; several when each takes a part.
    pub entries: Vec<usize>,
    /// The index of the pattern in the first of them.
    pub pattern: usize,
    /// Why it goes first.
    pub why: Precedence,
}

/// The rule by which one route goes before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precedence {
    /// Its pattern is closer.
    Closer,
    /// Equal, but with more conditions.
    MoreConditions,
    /// Equal, but with a greater `priority=`.
    Priority,
}

/// One pattern of one entry.
struct Way<'r, T> {
    entry: usize,
    at: usize,
    route: &'r RouteEntry<T>,
    pattern: &'r Pattern,
}

impl<T> Clone for Way<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

// Not derived: a copy of references asks nothing of what a route is.
impl<T> Copy for Way<'_, T> {}

impl<T> PathRouter<T> {
    /// Every route that can never win, in the order in which they were given.
    pub fn shadowed(&self) -> Vec<Shadowed> {
        let mut by_head: HashMap<Vec<Box<[u8]>>, Vec<Way<'_, T>>> = HashMap::new();
        for (entry, route) in self.entries.iter().enumerate() {
            for (at, pattern) in route.patterns.iter().enumerate() {
                by_head.entry(head(pattern)).or_default().push(Way { entry, at, route, pattern });
            }
        }
        let lost = |(entry, route): (usize, &RouteEntry<T>)| {
            let ways = route.patterns.iter().enumerate();
            let ways = ways.map(|(at, pattern)| Way { entry, at, route, pattern });
            let by: Option<Vec<Winner>> = ways.map(|way| winner(way, &by_head)).collect();
            by.filter(|by| !by.is_empty()).map(|by| Shadowed { entry, by })
        };
        self.entries.iter().enumerate().filter_map(lost).collect()
    }
}

/// The literal segments that a pattern begins with, in lower case: what covers a pattern has a begin of them.
fn head(pattern: &Pattern) -> Vec<Box<[u8]>> {
    let literal = |segment: &Segment| match segment {
        Segment::Literal(text) => Some(text.to_ascii_lowercase().into()),
        _ => None,
    };
    pattern.segments().iter().map_while(literal).collect()
}

/// What takes every request of a way, should there be something.
fn winner<T>(way: Way<'_, T>, by_head: &HashMap<Vec<Box<[u8]>>, Vec<Way<'_, T>>>) -> Option<Winner> {
    let head = head(way.pattern);
    let near = (0..=head.len()).filter_map(|length| by_head.get(&head[..length])).flatten();
    let before: Vec<(Way<'_, T>, Precedence)> = near
        .filter(|other| other.entry != way.entry)
        .take(MOST)
        .filter_map(|other| Some((*other, precedes(*other, way)?)))
        .filter(|(other, _)| covers(*other, way))
        .collect();
    // Without conditions a route takes everything: nobody else need be looked at.
    let open = before.iter().find(|(other, _)| other.route.matches.is_empty());
    let taken: Vec<(Way<'_, T>, Precedence)> = match open {
        Some(one) => vec![*one],
        None => {
            let conditions: Vec<_> = before.iter().map(|(other, _)| (other, &other.route.matches)).collect();
            let always = [Conditions::default()];
            let asked = if way.route.matches.is_empty() { &always[..] } else { &way.route.matches };
            let mut needed = Vec::new();
            for one in asked {
                let takes = |one: &Conditions| {
                    let mut all = conditions.iter().enumerate();
                    all.find(|(_, (_, theirs))| theirs.iter().any(|other| one.implies(other)))
                        .map(|(at, _)| at)
                };
                match (takes(one), one.websocket) {
                    (Some(at), _) => needed.push(at),
                    (None, Some(_)) => return None,
                    (None, None) => {
                        for websocket in [true, false] {
                            needed.push(takes(&Conditions { websocket: Some(websocket), ..one.clone() })?);
                        }
                    }
                }
            }
            needed.sort_unstable();
            needed.dedup();
            needed.into_iter().map(|at| before[at]).collect()
        }
    };
    let (first, why) = taken.first()?;
    let mut entries: Vec<usize> = taken.iter().map(|(other, _)| other.entry).collect();
    entries.dedup();
    Some(Winner { entries, pattern: first.at, why: *why })
}

/// Whether `a` is visited before `b` for each path that both match, and by which rule.
fn precedes<T>(a: Way<'_, T>, b: Way<'_, T>) -> Option<Precedence> {
    match closeness(a.pattern, b.pattern) {
        Ordering::Less => return Some(Precedence::Closer),
        Ordering::Greater => return None,
        Ordering::Equal => {}
    }
    let conditions = a.route.conditions().cmp(&b.route.conditions());
    let priority = a.route.priority.cmp(&b.route.priority);
    match (conditions, priority) {
        (Ordering::Greater, _) => Some(Precedence::MoreConditions),
        (Ordering::Equal, Ordering::Greater) => Some(Precedence::Priority),
        _ => None,
    }
}

/// Whether the pattern of `a` surely matches every path that the pattern of `b` matches.
fn covers<T>(a: Way<'_, T>, b: Way<'_, T>) -> bool {
    let (wide, narrow) = (a.route.ignore_case, b.route.ignore_case);
    let same = |x: &[u8], y: &[u8]| match (wide, narrow) {
        (true, _) => x.eq_ignore_ascii_case(y),
        (false, false) => x == y,
        (false, true) => x == y && !x.iter().any(u8::is_ascii_alphabetic),
    };
    let begins = |text: &[u8], begin: &[u8]| text.get(..begin.len()).is_some_and(|start| same(begin, start));
    let mut theirs = b.pattern.segments().iter();
    for (at, segment) in a.pattern.segments().iter().enumerate() {
        let other = theirs.next();
        // A path has one segment at least, so at its root `/` is no shorter than what takes any first segment.
        if other.is_none() && at > 0 {
            return false;
        }
        let covered = match (segment, other) {
            (Segment::Literal(x), Some(Segment::Literal(y))) => same(x, y),
            (Segment::Param(_), Some(Segment::Param(_))) => true,
            (Segment::Param(_), Some(Segment::Literal(text))) => !text.is_empty(),
            // Both end here: what follows the begun segment is nobody's concern only if nothing is asked of it.
            (Segment::Param(_), Some(Segment::StartsWith(text))) => {
                return !text.is_empty() && is_last_of_prefix(a.pattern, at);
            }
            (Segment::Rest(_), _) => return true,
            (Segment::StartsWith(begin), other) => {
                return match other {
                    _ if begin.is_empty() => true,
                    Some(Segment::Literal(text) | Segment::StartsWith(text)) => begins(text, begin),
                    _ => false,
                };
            }
            (Segment::Regex, other) => return takes_all(a.pattern) || same_regex(a, b, other),
            _ => false,
        };
        if !covered {
            return false;
        }
    }
    // Nothing more is asked: a prefix takes whatever follows, an exact one what ends here as well.
    match a.pattern.kind() {
        PatternKind::Prefix => true,
        _ => b.pattern.kind() == PatternKind::Exact && theirs.next().is_none(),
    }
}

fn is_last_of_prefix(pattern: &Pattern, at: usize) -> bool {
    pattern.kind() == PatternKind::Prefix && at + 1 == pattern.segments().len()
}

/// Whether a regular expression is its literal segments and then anything: `^/a/.*$`, `.*`.
fn takes_all(regex: &Pattern) -> bool {
    let text = regex.as_str();
    let text = text.strip_prefix('^').unwrap_or(text);
    let Some(literal) = text.strip_suffix('$').unwrap_or(text).strip_suffix(".*") else { return false };
    let plain = literal.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_".contains(&b));
    let slashes = literal.bytes().filter(|b| *b == b'/').count();
    plain && (literal.is_empty() || literal.ends_with('/') && slashes == regex.segments().len())
}

fn same_regex<T>(a: Way<'_, T>, b: Way<'_, T>, other: Option<&Segment>) -> bool {
    let blind = a.route.ignore_case || !b.route.ignore_case;
    matches!(other, Some(Segment::Regex)) && a.pattern.as_str() == b.pattern.as_str() && blind
}

#[cfg(test)]
#[path = "cover_tests.rs"]
mod tests;
