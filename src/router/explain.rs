//! Why a request goes where it goes: every route whose pattern matches, best first, with the reason.

use std::cmp::Ordering;
use std::fmt;

use super::pattern::Segment;
use super::{Facts, NormalPath, PathRouter, Pattern, PatternKind, RouteEntry};

/// A route whose pattern matches the path.
#[derive(Debug)]
pub struct Candidate<'r, T> {
    /// What the route is.
    pub value: &'r T,
    /// The pattern that matched.
    pub pattern: &'r Pattern,
    /// Why it won or lost.
    pub verdict: Verdict,
}

/// Why a candidate won or lost; displays as a few words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It serves the request.
    Chosen,
    /// This, in words, does not hold; otherwise it would have won or been in question.
    ConditionFailed(String),
    /// A pattern that matches more closely won.
    LessSpecific,
    /// An equal pattern with more conditions won.
    FewerConditions,
    /// One that is equal in all else, but has a greater `priority=`, won.
    LowerPriority,
    /// One that is equal in all won; only a field that was sent twice with two values leads here.
    SecondOfEquals,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Chosen => f.write_str("chosen"),
            Verdict::ConditionFailed(what) => write!(f, "condition failed: {what}"),
            Verdict::LessSpecific => f.write_str("less specific"),
            Verdict::FewerConditions => f.write_str("fewer conditions"),
            Verdict::LowerPriority => f.write_str("lower priority"),
            Verdict::SecondOfEquals => f.write_str("second of equals"),
        }
    }
}

impl<T> PathRouter<T> {
    /// All routes whose pattern matches, best first. Allocates: for people, not for traffic.
    pub fn candidates<'r>(&'r self, path: &NormalPath<'_>, facts: &impl Facts) -> Vec<Candidate<'r, T>> {
        let mut winner: Option<(&RouteEntry<T>, &Pattern)> = None;
        let mut candidates = Vec::new();
        self.walk(path, &mut |leaf| {
            let (entry, pattern) = self.leaf(leaf);
            let closer = winner.is_some_and(|(_, closest)| closeness(closest, pattern) != Ordering::Equal);
            let verdict = match (failed(entry, facts), winner) {
                _ if closer => Verdict::LessSpecific,
                (Some(what), _) => Verdict::ConditionFailed(what),
                (None, Some((best, _))) => outranked(best, entry),
                (None, None) => Verdict::Chosen,
            };
            if verdict == Verdict::Chosen {
                winner = Some((entry, pattern));
            }
            candidates.push(Candidate { value: &entry.value, pattern, verdict });
            false
        });
        candidates
    }
}

/// What keeps a route from serving: of each match node the first condition that does not hold.
fn failed<T>(entry: &RouteEntry<T>, facts: &impl Facts) -> Option<String> {
    let failed: Option<Vec<_>> = entry.matches.iter().map(|conditions| conditions.failed(facts)).collect();
    failed.filter(|all| !all.is_empty()).map(|all| all.join("; "))
}

fn outranked<T>(winner: &RouteEntry<T>, loser: &RouteEntry<T>) -> Verdict {
    if winner.conditions() != loser.conditions() {
        Verdict::FewerConditions
    } else if winner.priority != loser.priority {
        Verdict::LowerPriority
    } else {
        Verdict::SecondOfEquals
    }
}

/// The first two rules of precedence for two patterns that match the same path; the lesser is the
/// closer one.
pub(super) fn closeness(a: &Pattern, b: &Pattern) -> Ordering {
    let segments = |pattern: &Pattern| pattern.segments().iter().map(level).chain([END]).collect::<Vec<_>>();
    let kind = |pattern: &Pattern| pattern.kind() != PatternKind::Exact;
    segments(a).cmp(&segments(b)).then(kind(a).cmp(&kind(b)))
}

/// What ends before the other is less close.
const END: (u8, usize) = (u8::MAX, 0);

fn level(segment: &Segment) -> (u8, usize) {
    match segment {
        Segment::Literal(_) => (0, 0),
        Segment::StartsWith(text) => (1, usize::MAX - text.len()),
        Segment::Regex => (2, 0),
        Segment::Param(_) => (3, 0),
        Segment::Rest(_) => (4, 0),
    }
}
