//! First match into most specific: rules in order become routes that mean the same without an order.
//!
//! In HAProxy the first rule that holds decides; in lbd the most specific route does: by path, then by the number of
//! conditions, then by `priority=`. For each pattern, and each set of conditions that can hold together, what HAProxy
//! would do is compared with what the routes so far would do, by the router's own order; a route is added where they
//! differ. What cannot be told apart so is reported, never passed over.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::expr::{Atom, Expr, How, Place, TextTest, Value};
use super::paths::{Cell, Pattern, Relation, relation};
use super::rule::{Act, Outcome, Rule, Verdict, evaluate};

/// Sets of conditions that are looked at for one pattern.
const MAX_SETS: usize = 400;
/// Rules that are evaluated for one file; a bound on the work.
const BUDGET: usize = 400_000;
/// Pairs of a beginning and a search.
const MAX_PAIRS: usize = 3000;

/// Overlaps of patterns that are looked at for one site.
const MAX_UNIONS: usize = 400;

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

/// A condition of a `match`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cond {
    Method(Vec<String>),
    Source(Vec<IpNet>),
    WebSocket,
    Field(Place, String, Option<Value>),
}

/// What is known of the conditions of one file.
pub(super) struct Decider<'a> {
    atoms: &'a [Atom],
    budget: usize,
    /// Lines whose place in the order could not be kept for every request.
    pub(super) unsure: BTreeSet<usize>,
}

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
    drafts: Vec<Draft>,
    unsure: BTreeSet<usize>,
}

impl<'a> Decider<'a> {
    pub(super) fn new(atoms: &'a [Atom]) -> Self {
        Decider { atoms, budget: BUDGET, unsure: BTreeSet::new() }
    }

    /// The routes that do what the rules do, where `truth` knows some atoms already.
    pub(super) fn decide(&mut self, rules: &[Rule], truth: &dyn Fn(usize) -> Option<bool>) -> Vec<Route> {
        let rules = left(rules, truth);
        let mut best = self.attempt(&rules, false);
        if !best.unsure.is_empty() && best.cells.iter().any(|cell| matches!(cell.pattern, Pattern::Regex(..)))
        {
            let other = self.attempt(&rules, true);
            if other.unsure.len() < best.unsure.len() {
                best = other;
            }
        }
        self.unsure.extend(&best.unsure);
        finish(best)
    }

    fn attempt<'r>(&mut self, rules: &'r [Rule], begins_as_regex: bool) -> Work<'r> {
        let mut used = BTreeSet::new();
        rules.iter().for_each(|rule| each(&rule.when, &mut used));
        let tests: Vec<(usize, &TextTest)> =
            used.iter().filter_map(|atom| self.path(*atom).map(|t| (*atom, t))).collect();
        let root = Cell { pattern: Pattern::Root, ignore_case: false, holds: Vec::new() };
        let mut cells = vec![root];
        cells.extend(tests.iter().map(|(atom, test)| Cell::of(*atom, test, begins_as_regex)));
        let open = self.pairs(&tests, &mut cells);
        let closure = |cell: &Cell| -> BTreeSet<usize> {
            let of = |atom: &usize| self.path(*atom);
            let implied = |other: &&(usize, &TextTest)| {
                cell.holds.iter().filter_map(of).any(|test| relation(test, other.1) == Relation::Holds)
            };
            tests.iter().filter(implied).map(|(atom, _)| *atom).collect()
        };
        let mut sorted: Vec<(BTreeSet<usize>, Cell)> =
            cells.into_iter().map(|cell| (closure(&cell), cell)).collect();
        sorted.sort_by_key(|(holds, cell)| (holds.len(), cell.rank()));
        let (holds, cells) = sorted.into_iter().unzip();
        let mut work = Work { rules, cells, holds, drafts: Vec::new(), unsure: BTreeSet::new() };
        for cell in 0..work.cells.len() {
            let holds = work.holds[cell].clone();
            self.explore(&mut work, &holds, Some(cell));
        }
        let mut unions: BTreeSet<BTreeSet<usize>> = BTreeSet::new();
        for (a, b) in open {
            let of = |atom: usize| work.cells.iter().position(|cell| cell.holds == [atom]);
            let (Some(x), Some(y)) = (of(a), of(b)) else { continue };
            unions.insert(work.holds[x].union(&work.holds[y]).copied().collect());
        }
        self.overlaps(&work, &mut unions);
        for holds in unions {
            self.explore(&mut work, &holds, None);
        }
        work
    }

    fn path(&self, atom: usize) -> Option<&'a TextTest> {
        match &self.atoms[atom] {
            Atom::Path(test) => Some(test),
            _ => None,
        }
    }

    /// Adds the patterns of two conditions at once; gives back the pairs that no pattern can say.
    fn pairs(&self, tests: &[(usize, &TextTest)], cells: &mut Vec<Cell>) -> Vec<(usize, usize)> {
        let mut open = Vec::new();
        let mut left = MAX_PAIRS;
        for (a, one) in tests {
            for (b, other) in tests {
                let searches = |test: &TextTest| !matches!(test.how, How::Exact | How::Begins);
                // Of two that are alike, one order is enough.
                let twice = searches(one) && (!searches(other) || a >= b);
                if a == b || twice || left == 0 || relation(one, other) != Relation::Both {
                    continue;
                }
                match relation(other, one) {
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

    /// Patterns that stand side by side and may match the same path: three conditions at once, for example.
    fn overlaps(&self, work: &Work<'_>, unions: &mut BTreeSet<BTreeSet<usize>>) {
        let used: BTreeSet<usize> = work.drafts.iter().map(|draft| draft.cell).collect();
        let searches = |cell: usize| matches!(work.cells[cell].pattern, Pattern::Regex(..));
        let excluded = |a: usize, b: usize| match (self.path(a), self.path(b)) {
            (Some(one), Some(other)) => {
                let (there, back) = (relation(one, other), relation(other, one));
                there == Relation::Fails && back == Relation::Fails
            }
            _ => false,
        };
        for x in used.iter().copied().filter(|cell| searches(*cell)) {
            for y in used.iter().copied().filter(|cell| *cell < x && searches(*cell)) {
                let (a, b) = (&work.holds[x], &work.holds[y]);
                let apart = a.iter().any(|one| b.iter().any(|other| excluded(*one, *other)));
                if !apart && !a.is_subset(b) && !b.is_subset(a) && unions.len() < MAX_UNIONS {
                    unions.insert(a.union(b).copied().collect());
                }
            }
        }
        // One that has a pattern of its own was looked at.
        unions.retain(|union| !work.holds.contains(union));
    }

    /// Goes through the sets of conditions that may hold where these conditions on the path do. With a pattern, adds the
    /// routes that it needs; without one, only says where the router would choose wrong.
    fn explore(&mut self, work: &mut Work<'_>, holds: &BTreeSet<usize>, cell: Option<usize>) {
        let known = |atom: usize| self.path(atom).map(|_| holds.contains(&atom));
        let rules = left(work.rules, &known);
        let mut conditions = BTreeSet::new();
        rules.iter().for_each(|rule| each(&rule.when, &mut conditions));
        for draft in work.drafts.iter().filter(|draft| work.applies(draft, holds)) {
            conditions.extend(&draft.set);
        }
        let conditions: Vec<usize> = conditions.into_iter().collect();
        let mut sets: Vec<Vec<usize>> = vec![Vec::new()];
        let mut at = 0;
        while at < sets.len() {
            let set = sets[at].clone();
            at += 1;
            self.budget = self.budget.saturating_sub(rules.len() + 1);
            let Some(asked) = asked(&set, self.atoms) else { continue };
            let wanted = evaluate(&rules, &|atom| set.contains(&atom));
            let right = |work: &Work<'_>| {
                work.winner(holds, &set).is_some_and(|draft| draft.verdict.outcome == wanted.outcome)
            };
            if let (false, Some(cell)) = (right(work), cell) {
                let (set, count, verdict) = (set.clone(), asked.len(), wanted.clone());
                work.drafts.push(Draft { cell, set, count, conditions: asked, verdict });
            }
            if !right(work) {
                let decided = rules.get(wanted.order).map(|rule| vec![rule.line]);
                work.unsure.extend(decided.unwrap_or(wanted.lines));
            }
            let from = set.last().map_or(0, |last| conditions.partition_point(|atom| atom <= last));
            for next in &conditions[from..] {
                let larger: Vec<usize> = set.iter().copied().chain([*next]).collect();
                if self::asked(&larger, self.atoms).is_some() {
                    sets.push(larger);
                }
            }
            if sets.len() > MAX_SETS || self.budget == 0 {
                work.unsure.extend(rules.first().map(|rule| rule.line));
                sets.truncate(if self.budget == 0 { 0 } else { MAX_SETS });
            }
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

    /// The route that the router would choose.
    fn winner(&self, holds: &BTreeSet<usize>, set: &[usize]) -> Option<&Draft> {
        let applies =
            |draft: &&Draft| self.applies(draft, holds) && draft.set.iter().all(|atom| set.contains(atom));
        let place = |draft: &Draft| (self.cells[draft.cell].rank(), draft.count, self.key(draft));
        self.drafts.iter().filter(applies).max_by_key(|draft| place(draft))
    }

    /// What `priority=` has to say: the pattern that implies more, more conditions, the earlier rule.
    fn key(&self, draft: &Draft) -> (usize, usize, std::cmp::Reverse<usize>) {
        (self.holds[draft.cell].len(), draft.set.len(), std::cmp::Reverse(draft.verdict.order))
    }
}

/// The rules that may still hold, up to the first that surely decides.
fn left(rules: &[Rule], truth: &dyn Fn(usize) -> Option<bool>) -> Vec<Rule> {
    let mut left = Vec::new();
    for rule in rules {
        let when = rule.when.known(truth);
        if when == Expr::Is(false) {
            continue;
        }
        let decides = when == Expr::Is(true) && matches!(rule.act, Act::Final(_));
        left.push(Rule { when, ..rule.clone() });
        if decides {
            break;
        }
    }
    left
}

/// Conditions as one `match` asks them; `None` when they exclude each other, or no `match` can ask them.
fn asked(set: &[usize], atoms: &[Atom]) -> Option<Vec<Cond>> {
    let mut methods: Option<Vec<String>> = None;
    let mut networks: Option<Vec<IpNet>> = None;
    let mut conds = Vec::new();
    for atom in set {
        match &atoms[*atom] {
            Atom::Method(list) => {
                let both = |known: Vec<String>| known.into_iter().filter(|m| list.contains(m)).collect();
                methods = Some(methods.map_or_else(|| list.clone(), both));
            }
            Atom::Source(list) => {
                networks = Some(networks.map_or_else(|| list.clone(), |known| intersection(&known, list)));
            }
            Atom::WebSocket => conds.push(Cond::WebSocket),
            Atom::Field(place, name, value) => conds.push(Cond::Field(*place, name.clone(), value.clone())),
            Atom::Host(test) => {
                let case = if test.ignore_case { "(?i)" } else { "" };
                let value = Value::Regex(format!("{case}{}", test.regex()));
                conds.push(Cond::Field(Place::Header, "host".into(), Some(value)));
            }
            Atom::Path(_) | Atom::Tls | Atom::Port(_) | Atom::Sni(_) | Atom::Rate(..) => return None,
        }
    }
    let empty = methods.as_ref().is_some_and(Vec::is_empty) || networks.as_ref().is_some_and(Vec::is_empty);
    let exclude = |a: &Cond, b: &Cond| match (a, b) {
        (Cond::Field(x, n, Some(Value::Exact(v))), Cond::Field(y, m, Some(Value::Exact(w)))) => {
            x == y && n == m && v != w
        }
        _ => false,
    };
    if empty || conds.iter().any(|a| conds.iter().any(|b| exclude(a, b))) {
        return None;
    }
    conds.extend(methods.map(Cond::Method));
    conds.extend(networks.map(Cond::Source));
    conds.sort();
    Some(conds)
}

fn intersection(a: &[IpNet], b: &[IpNet]) -> Vec<IpNet> {
    let both = |x: &IpNet| -> Vec<IpNet> {
        b.iter().filter_map(|y| if y.contains(x) { Some(*x) } else { x.contains(y).then_some(*y) }).collect()
    };
    a.iter().flat_map(both).collect()
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
