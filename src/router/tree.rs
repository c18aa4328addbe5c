//! The routes of one site, found by path and conditions.
//!
//! A radix tree by segments: nodes in one vector, literal children of all nodes in one hash table. The
//! walk visits what matches best first, so a lookup is a walk that stops at the first route whose
//! conditions hold. It allocates nothing; its depth is bounded by the longest pattern.

use std::borrow::Cow;
use std::ops::Range;

use super::build::Builder;
use super::path::encode;
use super::pattern::Segment;
use super::table::Table;
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

impl<T> RouteEntry<T> {
    /// The third rule of precedence: of several match nodes the smallest counts.
    pub(super) fn conditions(&self) -> usize {
        self.matches.iter().map(Conditions::count).min().unwrap_or(0)
    }

    fn holds(&self, facts: &impl Facts) -> bool {
        self.matches.is_empty() || self.matches.iter().any(|conditions| conditions.hold(facts))
    }
}

/// Two routes that would want the same request with equal right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    pub(super) entries: Vec<RouteEntry<T>>,
    /// Literal children: (node, segment) -> node.
    pub(super) literals: Table,
    /// The first is the root.
    pub(super) nodes: Vec<Node>,
    pub(super) starts: Vec<Start>,
    pub(super) leaves: Vec<Leaf>,
    /// Whether `literals` and `starts` are blind to case.
    pub(super) folds: bool,
}

/// A number of leaves, best first.
pub(super) type Span = Range<u32>;

/// What may follow the segments that lead here.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    /// Indexes of `starts`: the longest first, those of one length sorted.
    pub(super) starts: Span,
    pub(super) regexes: Span,
    /// The node behind a parameter; zero, the root, is nobody's child.
    pub(super) param: u32,
    pub(super) rests: Span,
    pub(super) exact: Span,
    pub(super) prefix: Span,
}

/// A `(starts-with)` in its last segment.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) text: Box<[u8]>,
    pub(super) leaves: Span,
}

/// A pattern of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) entry: u32,
    pub(super) pattern: u32,
    /// The tree folds, this route does not: its literals are compared once more.
    pub(super) check_case: bool,
}

impl<T> PathRouter<T> {
    /// Builds the tree, or says which entries tie. Their order means nothing. Of the options only
    /// `merge_slashes` counts here; each entry says itself whether it ignores case.
    pub fn build(entries: Vec<RouteEntry<T>>, options: PathOptions) -> Result<Self, Vec<Tie>> {
        Builder::new(entries, options).build()
    }

    /// The route that serves a request. The path was parsed with the site's options.
    pub fn find<'r>(&'r self, path: &NormalPath<'_>, facts: &impl Facts) -> Option<Found<'r, T>> {
        let mut found = None;
        self.walk(path, &mut |leaf| {
            let (entry, pattern) = self.leaf(leaf);
            if entry.holds(facts) {
                found = Some(Found { value: &entry.value, pattern });
            }
            found.is_some()
        });
        found
    }

    /// The closest route of a path, whatever its conditions.
    pub fn first(&self, path: &NormalPath<'_>) -> Option<&T> {
        let mut found = None;
        self.walk(path, &mut |leaf| {
            found = Some(leaf);
            true
        });
        found.map(|leaf| &self.leaf(leaf).0.value)
    }

    /// All routes, in the order in which they were given.
    pub fn entries(&self) -> &[RouteEntry<T>] {
        &self.entries
    }

    pub(super) fn leaf(&self, leaf: Leaf) -> (&RouteEntry<T>, &Pattern) {
        let entry = &self.entries[leaf.entry as usize];
        (entry, &entry.patterns[leaf.pattern as usize])
    }

    /// Visits each pattern that matches the path, best first, until a visit returns true.
    pub(super) fn walk(&self, path: &NormalPath<'_>, visit: &mut impl FnMut(Leaf) -> bool) {
        let text = path.compared();
        let mut checked = |leaf: Leaf| {
            let (_, pattern) = self.leaf(leaf);
            let matches = !leaf.check_case || literals_equal(pattern, text);
            matches && pattern.regex().is_none_or(|regex| regex.is_match(text)) && visit(leaf)
        };
        self.descend(0, Some(&text[1..]), &mut checked);
    }

    /// `rest` is what follows the slash after this node's segments; `None` when the path ends here.
    fn descend(&self, node: u32, rest: Option<&[u8]>, visit: &mut impl FnMut(Leaf) -> bool) -> bool {
        let here = &self.nodes[node as usize];
        let Some(text) = rest else {
            return self.visit(&here.exact, visit) || self.visit(&here.prefix, visit);
        };
        let (segment, rest) = match memchr::memchr(b'/', text) {
            Some(slash) => (&text[..slash], Some(&text[slash + 1..])),
            None => (text, None),
        };
        let literal = self.literals.get(node, segment);
        literal.is_some_and(|child| self.descend(child, rest, visit))
            || self.visit_starts(&here.starts, segment, visit)
            || self.visit(&here.regexes, visit)
            || (here.param != 0 && !segment.is_empty() && self.descend(here.param, rest, visit))
            || self.visit(&here.rests, visit)
            || self.visit(&here.prefix, visit)
    }

    #[inline]
    fn visit(&self, span: &Span, visit: &mut impl FnMut(Leaf) -> bool) -> bool {
        // Most are empty, and a walk asks for several.
        !span.is_empty() && self.visit_leaves(span, visit)
    }

    fn visit_leaves(&self, span: &Span, visit: &mut impl FnMut(Leaf) -> bool) -> bool {
        self.leaves[span.start as usize..span.end as usize].iter().any(|leaf| visit(*leaf))
    }

    fn visit_starts(&self, span: &Span, segment: &[u8], visit: &mut impl FnMut(Leaf) -> bool) -> bool {
        if span.is_empty() {
            return false;
        }
        let mut starts = &self.starts[span.start as usize..span.end as usize];
        loop {
            starts = &starts[starts.partition_point(|start| start.text.len() > segment.len())..];
            let Some(length) = starts.first().map(|start| start.text.len()) else { return false };
            let (same_length, shorter) = starts.split_at(starts.partition_point(|s| s.text.len() == length));
            let begin = segment[..length].iter().map(|byte| self.fold(*byte));
            let found = same_length.binary_search_by(|start| start.text.iter().copied().cmp(begin.clone()));
            if found.is_ok_and(|at| self.visit(&same_length[at].leaves, visit)) {
                return true;
            }
            starts = shorter;
        }
    }

    fn fold(&self, byte: u8) -> u8 {
        if self.folds { byte.to_ascii_lowercase() } else { byte }
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

impl<T> Found<'_, T> {
    /// A parameter's value in the path that this was found with, percent-encoded so that it can stand in
    /// a path as it is. Path parameters (`;x=1`) are not part of it. `None` for a name that the pattern
    /// does not have, and for a named group that took no part in the match.
    pub fn param<'p>(&self, name: &str, path: &'p NormalPath<'_>) -> Option<Cow<'p, str>> {
        let compared = path.compared();
        if let Some(regex) = self.pattern.regex() {
            return regex.group(name, compared).map(encode);
        }
        let mut rest = &compared[1..];
        for segment in self.pattern.segments() {
            let end = memchr::memchr(b'/', rest).unwrap_or(rest.len());
            match segment {
                Segment::Param(param) if **param == *name => return Some(encode(&rest[..end])),
                Segment::Rest(param) if **param == *name => return Some(encode(rest)),
                _ => rest = rest.get(end + 1..).unwrap_or_default(),
            }
        }
        None
    }
}

/// Whether the literals of a pattern that is known to match stand in the path in the same case.
fn literals_equal(pattern: &Pattern, compared: &[u8]) -> bool {
    let mut segments = compared[1..].split(|byte| *byte == b'/');
    pattern.segments().iter().all(|wanted| match (wanted, segments.next()) {
        (Segment::Literal(text), Some(segment)) => **text == *segment,
        (Segment::StartsWith(text), Some(segment)) => segment.starts_with(text),
        _ => true,
    })
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
