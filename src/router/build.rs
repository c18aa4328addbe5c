//! Builds the tree of a site's routes, and finds the ties among them.
//!
//! Every pattern is filed first; then each group of patterns that rank the same by their segments and
//! kind is put in order: more conditions, greater priority. What is still equal must be provably
//! disjoint, or it is a tie. The order within such a run depends on the texts alone, never on the order
//! in which the routes were written.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::pattern::Segment;
use super::table::{Table, short};
use super::tree::{Leaf, Node, Span, Start};
use super::{Conditions, PathOptions, PathRouter, Pattern, PatternKind, RouteEntry, Tie};

pub(super) struct Builder<T> {
    entries: Vec<RouteEntry<T>>,
    folds: bool,
    literals: Table,
    drafts: Vec<Draft>,
    ties: Vec<Tie>,
}

/// A node while it is filled.
#[derive(Default)]
struct Draft {
    starts: BTreeMap<LongestFirst, Vec<Leaf>>,
    regexes: Vec<Leaf>,
    param: u32,
    rests: Ends,
    ends: Ends,
}

/// A begin of a segment, so that the longest sorts first.
type LongestFirst = (Reverse<usize>, Box<[u8]>);

/// Patterns that end with the same segments.
#[derive(Default)]
struct Ends {
    exact: Vec<Leaf>,
    prefix: Vec<Leaf>,
}

impl<T> Builder<T> {
    pub(super) fn new(mut entries: Vec<RouteEntry<T>>, options: PathOptions) -> Self {
        for entry in &mut entries {
            for pattern in &mut entry.patterns {
                pattern.adapt(options.merge_slashes, entry.ignore_case);
            }
        }
        let folds = entries.iter().any(|entry| entry.ignore_case);
        Builder {
            entries,
            folds,
            literals: Table::new(folds),
            drafts: vec![Draft::default()],
            ties: Vec::new(),
        }
    }

    pub(super) fn build(mut self) -> Result<PathRouter<T>, Vec<Tie>> {
        for entry in 0..self.entries.len() {
            for pattern in 0..self.entries[entry].patterns.len() {
                self.file(entry, pattern);
            }
        }
        let mut nodes = Vec::with_capacity(self.drafts.len());
        let mut starts = Vec::new();
        let mut leaves = Vec::new();
        for draft in std::mem::take(&mut self.drafts) {
            let first = short(starts.len());
            for ((_, text), group) in draft.starts {
                starts.push(Start { text, leaves: self.settle(group, &mut leaves) });
            }
            let rests = self.settle(draft.rests.exact, &mut leaves);
            let rests = rests.start..self.settle(draft.rests.prefix, &mut leaves).end;
            nodes.push(Node {
                starts: first..short(starts.len()),
                regexes: self.settle(draft.regexes, &mut leaves),
                param: draft.param,
                rests,
                exact: self.settle(draft.ends.exact, &mut leaves),
                prefix: self.settle(draft.ends.prefix, &mut leaves),
            });
        }
        if !self.ties.is_empty() {
            self.ties.sort();
            self.ties.dedup_by_key(|tie| (tie.a, tie.b));
            return Err(self.ties);
        }
        let Builder { entries, folds, literals, .. } = self;
        Ok(PathRouter { entries, literals, nodes, starts, leaves, folds })
    }

    /// Walks down the segments of a pattern, making what is missing.
    fn file(&mut self, entry: usize, pattern: usize) {
        let route = &self.entries[entry];
        let check_case = self.folds && !route.ignore_case;
        let leaf = Leaf { entry: short(entry), pattern: short(pattern), check_case };
        let pattern = &route.patterns[pattern];
        let mut node = 0;
        for segment in pattern.segments() {
            let fresh = short(self.drafts.len());
            let draft = &mut self.drafts[node as usize];
            node = match segment {
                Segment::Literal(text) => self.literals.get(node, text).unwrap_or_else(|| {
                    self.literals.insert(node, text, fresh);
                    fresh
                }),
                Segment::Param(_) => {
                    if draft.param == 0 {
                        draft.param = fresh;
                    }
                    draft.param
                }
                Segment::StartsWith(text) => {
                    let text = if self.folds { text.to_ascii_lowercase().into() } else { text.clone() };
                    return draft.starts.entry((Reverse(text.len()), text)).or_default().push(leaf);
                }
                Segment::Regex => return draft.regexes.push(leaf),
                Segment::Rest(_) => return draft.rests.push(pattern, leaf),
            };
            if node == fresh {
                self.drafts.push(Draft::default());
            }
        }
        self.drafts[node as usize].ends.push(pattern, leaf);
    }

    /// Puts a group in order behind those that are already settled, and notes its ties.
    fn settle(&mut self, mut group: Vec<Leaf>, leaves: &mut Vec<Leaf>) -> Span {
        if group.len() > 1 {
            group.sort_by_cached_key(|leaf| (self.rank(*leaf), self.texts(*leaf)));
            let ties: Vec<_> = group
                .chunk_by(|a, b| self.rank(*a) == self.rank(*b))
                .flat_map(|run| (1..run.len()).filter_map(|at| self.tie(&run[..at], run[at])))
                .collect();
            self.ties.extend(ties);
        }
        let start = short(leaves.len());
        leaves.append(&mut group);
        start..short(leaves.len())
    }

    fn rank(&self, leaf: Leaf) -> (Reverse<usize>, Reverse<i32>) {
        let entry = &self.entries[leaf.entry as usize];
        (Reverse(entry.conditions()), Reverse(entry.priority))
    }

    /// Orders equals, and does not know in which order they were written.
    fn texts(&self, leaf: Leaf) -> (Vec<String>, &str, bool) {
        let entry = &self.entries[leaf.entry as usize];
        let mut conditions: Vec<_> = entry.matches.iter().map(Conditions::canonical).collect();
        conditions.sort();
        (conditions, self.pattern(leaf).as_str(), entry.ignore_case)
    }

    /// The first of its equals that a leaf ties with. One is enough: it has to be resolved anyway.
    fn tie(&self, equals: &[Leaf], leaf: Leaf) -> Option<Tie> {
        let other = equals.iter().find(|other| self.overlap(**other, leaf))?;
        let (a, b) = if other.entry < leaf.entry { (*other, leaf) } else { (leaf, *other) };
        let pattern = self.pattern(b).to_string();
        Some(Tie { a: a.entry as usize, b: b.entry as usize, pattern })
    }

    /// Whether two patterns that rank the same may want the same request.
    fn overlap(&self, a: Leaf, b: Leaf) -> bool {
        if a.entry == b.entry {
            return false;
        }
        let (one, other) = (&self.entries[a.entry as usize], &self.entries[b.entry as usize]);
        if !one.ignore_case && !other.ignore_case && !same_literals(self.pattern(a), self.pattern(b)) {
            return false;
        }
        let holds_always = one.matches.is_empty() || other.matches.is_empty();
        holds_always || one.matches.iter().any(|x| other.matches.iter().any(|y| !x.disjoint(y)))
    }

    fn pattern(&self, leaf: Leaf) -> &Pattern {
        &self.entries[leaf.entry as usize].patterns[leaf.pattern as usize]
    }
}

impl Ends {
    fn push(&mut self, pattern: &Pattern, leaf: Leaf) {
        match pattern.kind() {
            PatternKind::Exact => self.exact.push(leaf),
            _ => self.prefix.push(leaf),
        }
    }
}

/// Whether two patterns at the same place of a folding tree are the same when case counts.
fn same_literals(a: &Pattern, b: &Pattern) -> bool {
    a.segments().iter().zip(b.segments()).all(|pair| match pair {
        (Segment::Literal(a), Segment::Literal(b)) | (Segment::StartsWith(a), Segment::StartsWith(b)) => {
            a == b
        }
        _ => true,
    })
}
