//! First match into most specific: rules in order become routes that mean the same without an order.
//!
//! In HAProxy the first rule that holds decides; in lbd the most specific route does: by path, then by the number of
//! conditions, then by `priority=`. For each pattern, and each set of conditions that can hold together, what HAProxy
//! would do is compared with what the routes so far would do, by the router's own order; a route is added where they
//! differ. What cannot be told apart so is reported, never passed over.

use std::collections::{BTreeMap, BTreeSet};

use super::cond::{self, Cond};
use super::differs::{self, Difference};
use super::expr::{Atom, Expr, How, TextTest};
use super::paths::{Cell, Pattern, Relation};
use super::relations::Relations;
use super::rule::{Act, Outcome, Rule, Verdict, decided, evaluate};

/// Sets of conditions that are looked at for one pattern.
const MAX_SETS: usize = 400;
/// Rules that are evaluated for one file; a bound on the work.
const BUDGET: usize = 400_000;
/// Pairs of conditions that are looked up in the time that one rule takes.
const CHEAP: usize = 16;
/// Pairs of a beginning and a search.
const MAX_PAIRS: usize = 3000;
/// How often all is looked at again, when routes were added.
const MAX_ROUNDS: usize = 4;
/// Overlaps of patterns that are looked at for one site.
const MAX_UNIONS: usize = 120;

/// A route without an order.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) patterns: Vec<Cell>,
    /// Alternatives; none is no condition.
    pub(super) matches: Vec<Vec<Cond>>,
    pub(super) outcome: Outcome,
    pub(super) priority: i32,
    pub(super) lines: Vec<usize>,
}

/// What is known of the conditions of one file.
pub(super) struct Decider<'a> {
    atoms: &'a [Atom],
    paths: Relations<'a>,
    budget: usize,
    /// Lines whose place in the order could not be kept for every request, and how that shows.
    pub(super) unsure: Unsure,
}

/// What differs, by the line that decided in HAProxy.
pub(super) type Unsure = BTreeMap<usize, Vec<Difference>>;

/// A route while it is made.
struct Draft {
    cell: usize,
    set: Vec<usize>,
    count: usize,
    conditions: Vec<Cond>,
    verdict: Verdict,
}

/// The patterns of one site, and the routes that were made for them.
struct Work<'a> {
    rules: &'a [Rule],
    cells: Vec<Cell>,
    /// For each cell, the path conditions that hold in all of it.
    holds: Vec<BTreeSet<usize>>,
    /// For each cell, what counts between it and others.
    ranks: Vec<(usize, u8, usize)>,
    drafts: Vec<Draft>,
    unsure: Unsure,
    /// How often the router would choose wrong.
    wrong: usize,
    /// Beginnings that it chose then.
    greedy: BTreeSet<usize>,
}

impl<'a> Decider<'a> {
    pub(super) fn new(atoms: &'a [Atom]) -> Self {
        Decider { atoms, paths: Relations::new(atoms), budget: BUDGET, unsure: Unsure::new() }
    }

    /// The routes that do what the rules do, where `truth` knows some atoms already.
    pub(super) fn decide(&mut self, rules: &[Rule], truth: &dyn Fn(usize) -> Option<bool>) -> Vec<Route> {
        let mut rules: Vec<Rule> =
            left(rules, truth).into_iter().map(|(rule, when)| Rule { when, ..rule.clone() }).collect();
        rules.retain(|rule| rule.when != Expr::Is(false));
        let mut searched = BTreeSet::new();
        let mut best = self.attempt(&rules, &searched);
        let searches =
            |work: &Work<'_>| work.cells.iter().any(|cell| matches!(cell.pattern, Pattern::Regex(..)));
        // A beginning that takes what a search should have is better a search itself: `priority=` tells these apart.
        for _ in 0..MAX_ROUNDS {
            let before = searched.len();
            searched.extend(&best.greedy);
            if best.wrong == 0 || self.budget == 0 || searched.len() == before || !searches(&best) {
                break;
            }
            let other = self.attempt(&rules, &searched);
            if other.wrong >= best.wrong {
                break;
            }
            best = other;
        }
        for (line, differs) in &best.unsure {
            let known = self.unsure.entry(*line).or_default();
            let new: Vec<_> = differs.iter().filter(|how| !known.contains(how)).cloned().collect();
            known.extend(new);
        }
        finish(best)
    }

    fn attempt<'r>(&mut self, rules: &'r [Rule], searched: &BTreeSet<usize>) -> Work<'r> {
        let mut used = BTreeSet::new();
        rules.iter().for_each(|rule| each(&rule.when, &mut used));
        let tests: Vec<(usize, &TextTest)> =
            used.iter().filter_map(|atom| self.path(*atom).map(|t| (*atom, t))).collect();
        let root = Cell { pattern: Pattern::Root, ignore_case: false, holds: Vec::new() };
        let mut cells = vec![root];
        cells.extend(tests.iter().map(|(atom, test)| Cell::of(*atom, test, searched.contains(atom))));
        let open = self.pairs(&tests, &mut cells);
        self.spend(cells.len() * tests.len() / CHEAP);
        let closure = |cell: &Cell| -> BTreeSet<usize> {
            let implied = |(other, _): &&(usize, &TextTest)| {
                cell.holds.iter().any(|atom| self.paths.of(*atom, *other) == Relation::Holds)
            };
            tests.iter().filter(implied).map(|(atom, _)| *atom).collect()
        };
        let mut sorted: Vec<(BTreeSet<usize>, Cell)> =
            cells.into_iter().map(|cell| (closure(&cell), cell)).collect();
        sorted.sort_by_key(|(holds, cell)| (holds.len(), cell.rank()));
        let (holds, cells): (_, Vec<Cell>) = sorted.into_iter().unzip();
        let ranks = cells.iter().map(Cell::rank).collect();
        let mut work = Work {
            rules,
            cells,
            holds,
            ranks,
            drafts: Vec::new(),
            unsure: Unsure::new(),
            wrong: 0,
            greedy: BTreeSet::new(),
        };
        // A route that mends one overlap may be wrong in another: until none is added.
        for _ in 0..MAX_ROUNDS {
            let before = work.drafts.len();
            self.round(&mut work, &open);
            if work.drafts.len() == before || self.budget == 0 {
                break;
            }
        }
        work
    }

    /// Looks at every pattern, then at what overlaps.
    fn round(&mut self, work: &mut Work<'_>, open: &[(usize, usize)]) {
        work.unsure.clear();
        work.wrong = 0;
        work.greedy.clear();
        for cell in 0..work.cells.len() {
            let holds = work.holds[cell].clone();
            self.explore(work, &holds, Some(cell));
        }
        let mut unions: BTreeSet<BTreeSet<usize>> = BTreeSet::new();
        for (a, b) in open {
            let of = |atom: usize| work.cells.iter().position(|cell| cell.holds == [atom]);
            let (Some(x), Some(y)) = (of(*a), of(*b)) else { continue };
            unions.insert(work.holds[x].union(&work.holds[y]).copied().collect());
        }
        if !self.overlaps(work, &mut unions) {
            work.too_many();
        }
        for holds in unions {
            self.explore(work, &holds, None);
        }
    }

    fn path(&self, atom: usize) -> Option<&'a TextTest> {
        self.paths.path(atom)
    }

    fn spend(&mut self, work: usize) {
        self.budget = self.budget.saturating_sub(work);
    }

    /// Adds the patterns of two conditions at once; gives back the pairs that no pattern can say.
    fn pairs(&mut self, tests: &[(usize, &TextTest)], cells: &mut Vec<Cell>) -> Vec<(usize, usize)> {
        let mut open = Vec::new();
        let mut left = MAX_PAIRS;
        for (a, one) in tests {
            self.spend(tests.len() / CHEAP);
            if self.budget == 0 {
                break;
            }
            for (b, other) in tests {
                let searches = |test: &TextTest| !matches!(test.how, How::Exact | How::Begins);
                // Of two that are alike, one order is enough.
                let twice = searches(one) && (!searches(other) || a >= b);
                if a == b || twice || left == 0 || self.paths.of(*a, *b) != Relation::Both {
                    continue;
                }
                match self.paths.of(*b, *a) {
                    // All of the other is in this one, and has a pattern of its own.
                    Relation::Holds => continue,
                    Relation::Fails if searches(other) && one.how != How::Exact => continue,
                    _ => left -= 1,
                }
                match Cell::both((*a, one), (*b, other)) {
                    Some(cell) => cells.push(cell),
                    None => open.push((*a, *b)),
                }
            }
        }
        open
    }

    /// Patterns that stand side by side and may match the same path, and conditions that a rule asks for at once. False
    /// when there are more than are looked at.
    fn overlaps(&self, work: &Work<'_>, unions: &mut BTreeSet<BTreeSet<usize>>) -> bool {
        let used: BTreeSet<usize> = work.drafts.iter().map(|draft| draft.cell).collect();
        let searches = |cell: &&usize| matches!(work.cells[**cell].pattern, Pattern::Regex(..));
        let mut sides: BTreeSet<BTreeSet<usize>> =
            used.iter().filter(searches).map(|cell| work.holds[*cell].clone()).collect();
        let is_path = |atom: usize| self.path(atom).is_some();
        for rule in work.rules {
            let sets = rule.when.together(&is_path, MAX_UNIONS);
            sides.extend(sets.into_iter().filter(|set| set.len() > 1));
        }
        let excluded = |a: usize, b: usize| {
            self.paths.of(a, b) == Relation::Fails && self.paths.of(b, a) == Relation::Fails
        };
        let possible = |a: &BTreeSet<usize>, b: &BTreeSet<usize>| {
            !a.iter().any(|one| b.iter().any(|other| excluded(*one, *other)))
        };
        let mut all = sides.len() <= MAX_UNIONS;
        let sides: Vec<_> = sides.into_iter().take(MAX_UNIONS).filter(|side| possible(side, side)).collect();
        for (at, a) in sides.iter().enumerate() {
            for b in &sides[at..] {
                let new = a == b || (!a.is_subset(b) && !b.is_subset(a) && possible(a, b));
                if new && unions.len() < MAX_UNIONS {
                    unions.insert(a | b);
                } else {
                    all &= !new;
                }
            }
        }
        // One that has a pattern of its own was looked at.
        unions.retain(|union| !work.holds.contains(union));
        all
    }

    /// Goes through the sets of conditions that may hold where these conditions on the path do. With a pattern, adds the
    /// routes that it needs; without one, only says where the router would choose wrong.
    fn explore(&mut self, work: &mut Work<'_>, holds: &BTreeSet<usize>, cell: Option<usize>) {
        // Each rule is gone through, and each route so far.
        self.spend(work.rules.len() + work.drafts.len());
        if self.budget == 0 {
            return work.too_many();
        }
        let known = |atom: usize| self.path(atom).map(|_| holds.contains(&atom));
        let rules = left(work.rules, &known);
        let work_of = rules.iter().filter(|(_, when)| *when != Expr::Is(false)).count();
        let mut conditions = BTreeSet::new();
        rules.iter().for_each(|(_, when)| each(when, &mut conditions));
        for draft in work.drafts.iter().filter(|draft| work.applies(draft, holds)) {
            conditions.extend(&draft.set);
        }
        let conditions: Vec<usize> = conditions.into_iter().collect();
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        let mut at = 0;
        while at < sets.len() {
            let set = sets[at].clone();
            at += 1;
            let from = set.last().map_or(0, |last| conditions.partition_point(|atom| atom <= last));
            let larger = &conditions[from..];
            self.spend(work_of + 1 + work.drafts.len() / 4 + larger.len() / 2);
            let Some(asked) = cond::asked(&set, self.atoms) else { continue };
            let pairs = rules.iter().map(|(rule, when)| (*rule, when));
            let wanted = decided(pairs, &|atom| set.contains(&atom));
            if !work.is_right(holds, &set, &wanted.outcome) {
                self.mend(work, holds, cell, &set, asked, &wanted);
            }
            if !work.is_right(holds, &set, &wanted.outcome) {
                work.wrong += 1;
                let found = work.winner(holds, &set);
                let begins = found.map(|draft| &work.cells[draft.cell]);
                let begins = begins.filter(|cell| matches!(cell.pattern, Pattern::Begins(_)));
                let greedy: Vec<usize> = begins.map(|cell| cell.holds.clone()).unwrap_or_default();
                let found = found.map(|draft| &draft.verdict.outcome);
                let how = differs::told(self.atoms, holds, &set, &wanted.outcome, found);
                work.greedy.extend(greedy);
                let deciding = rules.get(wanted.order).map(|(rule, _)| vec![rule.line]);
                for line in deciding.unwrap_or(wanted.lines) {
                    work.unsure.entry(line).or_default().push(how.clone());
                }
            }
            for next in larger {
                let larger: Vec<usize> = set.iter().copied().chain([*next]).collect();
                if cond::asked(&larger, self.atoms).is_some() {
                    sets.push(larger);
                }
            }
            if sets.len() > MAX_SETS || self.budget == 0 {
                work.too_many();
                sets.truncate(if self.budget == 0 { 0 } else { MAX_SETS });
            }
        }
    }
}

impl Decider<'_> {
    /// Adds the route that is missing: with the pattern, or, where none says all of these conditions at once, with one
    /// that says some of them and for which the same is right.
    fn mend(
        &mut self,
        work: &mut Work<'_>,
        holds: &BTreeSet<usize>,
        cell: Option<usize>,
        set: &[usize],
        conditions: Vec<Cond>,
        wanted: &Verdict,
    ) {
        self.spend(work.rules.len() + 1 + work.cells.len() / CHEAP);
        let within: Vec<usize> = match cell {
            Some(cell) => vec![cell],
            None => (0..work.cells.len()).filter(|at| work.holds[*at].is_subset(holds)).collect(),
        };
        for cell in within.into_iter().rev() {
            if work.drafts.iter().any(|draft| draft.cell == cell && draft.set == set) || self.budget == 0 {
                continue;
            }
            let verdict = match work.holds[cell] == *holds {
                true => wanted.clone(),
                false => {
                    self.spend(work.rules.len() + work.drafts.len() / 4);
                    let holds = &work.holds[cell];
                    let path = |atom: usize| self.path(atom).is_some();
                    evaluate(work.rules, &|atom| {
                        if path(atom) { holds.contains(&atom) } else { set.contains(&atom) }
                    })
                }
            };
            if verdict.outcome != wanted.outcome {
                continue;
            }
            let (set, count, conditions) = (set.to_vec(), conditions.len(), conditions.clone());
            work.drafts.push(Draft { cell, set: set.clone(), count, conditions, verdict });
            if work.is_right(holds, &set, &wanted.outcome) {
                return;
            }
            // It would never be asked.
            work.drafts.pop();
        }
    }
}

/// Adds the atoms of a condition.
fn each(expr: &Expr, into: &mut BTreeSet<usize>) {
    expr.each(&mut |atom| {
        into.insert(atom);
    });
}

impl Work<'_> {
    /// Whether a route's pattern matches where these conditions hold.
    fn applies(&self, draft: &Draft, holds: &BTreeSet<usize>) -> bool {
        self.cells[draft.cell].holds.iter().all(|atom| holds.contains(atom))
    }

    /// Notes that not all could be looked at.
    fn too_many(&mut self) {
        self.wrong += 1;
        if let Some(rule) = self.rules.first() {
            let how = "there are more combinations of conditions than are looked at".to_owned();
            let difference = Difference { how, opens: false };
            let known = self.unsure.entry(rule.line).or_default();
            if !known.contains(&difference) {
                known.push(difference);
            }
        }
    }

    fn is_right(&self, holds: &BTreeSet<usize>, set: &[usize], wanted: &Outcome) -> bool {
        self.winner(holds, set).is_some_and(|draft| draft.verdict.outcome == *wanted)
    }

    /// The route that the router would choose.
    fn winner(&self, holds: &BTreeSet<usize>, set: &[usize]) -> Option<&Draft> {
        let applies =
            |draft: &&Draft| self.applies(draft, holds) && draft.set.iter().all(|atom| set.contains(atom));
        let place = |draft: &Draft| (self.ranks[draft.cell], draft.count, self.key(draft));
        self.drafts.iter().filter(applies).max_by_key(|draft| place(draft))
    }

    /// What `priority=` has to say: the pattern that implies more, more conditions, the earlier rule.
    fn key(&self, draft: &Draft) -> (usize, usize, std::cmp::Reverse<usize>) {
        (self.holds[draft.cell].len(), draft.set.len(), std::cmp::Reverse(draft.verdict.order))
    }
}

/// The rules with what is left of their conditions, up to the first that surely decides, each in its place.
fn left<'r>(rules: &'r [Rule], truth: &dyn Fn(usize) -> Option<bool>) -> Vec<(&'r Rule, Expr)> {
    let mut left = Vec::new();
    for rule in rules {
        let when = rule.when.known(truth);
        let decides = when == Expr::Is(true) && matches!(rule.act, Act::Final(_));
        left.push((rule, when));
        if decides {
            break;
        }
    }
    left
}

/// Numbers for priorities, alternatives of one route put together, then patterns of one route.
fn finish(work: Work<'_>) -> Vec<Route> {
    let mut order: Vec<usize> = (0..work.drafts.len()).collect();
    order.sort_by_key(|at| {
        let draft = &work.drafts[*at];
        (work.cells[draft.cell].group(), draft.count, work.key(draft), *at)
    });
    let mut routes: Vec<Route> = Vec::new();
    let mut before: Option<(usize, i32)> = None;
    for at in order {
        let draft = &work.drafts[at];
        let cell = &work.cells[draft.cell];
        let mut priority = 0;
        if let Some((other, last)) = before {
            let earlier = &work.drafts[other];
            if work.cells[earlier.cell].group() == cell.group() && earlier.count == draft.count {
                if earlier.cell == draft.cell
                    && earlier.verdict.outcome == draft.verdict.outcome
                    && draft.count > 0
                    && let Some(route) = routes.last_mut()
                {
                    route.matches.push(draft.conditions.clone());
                    route.lines.extend(&draft.verdict.lines);
                    before = Some((at, last));
                    continue;
                }
                priority = last + 1;
            }
        }
        before = Some((at, priority));
        routes.push(Route {
            patterns: vec![cell.clone()],
            matches: if draft.conditions.is_empty() { Vec::new() } else { vec![draft.conditions.clone()] },
            outcome: draft.verdict.outcome.clone(),
            priority,
            lines: draft.verdict.lines.clone(),
        });
    }
    let mut merged: Vec<Route> = Vec::new();
    for route in routes {
        let same = |other: &&mut Route| {
            other.outcome == route.outcome
                && other.priority == route.priority
                && other.matches == route.matches
                && other.patterns[0].ignore_case == route.patterns[0].ignore_case
        };
        match merged.iter_mut().find(same) {
            Some(other) => {
                other.patterns.extend(route.patterns);
                other.lines.extend(route.lines);
            }
            None => merged.push(route),
        }
    }
    for route in &mut merged {
        route.lines.sort_unstable();
        route.lines.dedup();
        // In the order of the file.
        route.patterns.sort_by(|a, b| a.holds.cmp(&b.holds));
    }
    merged.sort_by_key(|route| (route.lines.first().copied(), route.matches.len()));
    merged
}
