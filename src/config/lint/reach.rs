//! What no request reaches: LB201 (a route that can never win), LB209 (two routes that are probably one).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::ast::site::Site as WrittenSite;
use super::super::diagnostic::{Diagnostic, Spanned};
use super::super::model::{Route, Site};
use super::{Subject, edits};
use crate::router::{PathRouter, Pattern, PatternKind, Precedence, RouteEntry, Shadowed};

pub(super) fn run(s: &Subject<'_>) {
    for (written, site) in s.sites() {
        if written.routes.len() == site.routes.len() {
            shadowed(s, written, site);
            nearly_equal(s, written);
        }
    }
}

/// LB201. A route is looked at together with those that it meets on a listener; it is reported when it wins on none.
fn shadowed(s: &Subject<'_>, written: &WrittenSite<'_>, site: &Site) {
    let mut sets: BTreeSet<Vec<usize>> = BTreeSet::new();
    for listener in &s.model.listeners {
        let is_on = |route: &Route| route.on.as_ref().is_none_or(|on| on.contains(&listener.name));
        sets.insert((0..site.routes.len()).filter(|at| is_on(&site.routes[*at])).collect());
    }
    // Of each route: on how many sets it stands, and what hides it there.
    let mut stands: BTreeMap<usize, usize> = BTreeMap::new();
    let mut hidden: BTreeMap<usize, Vec<Shadowed>> = BTreeMap::new();
    for set in sets {
        let entries = set.iter().map(|at| entry(&site.routes[*at])).collect();
        let Ok(router) = PathRouter::build(entries, site.paths) else { return };
        set.iter().for_each(|at| *stands.entry(*at).or_default() += 1);
        for mut one in router.shadowed() {
            let at = set[one.entry];
            one.by.iter_mut().flat_map(|by| &mut by.entries).for_each(|entry| *entry = set[*entry]);
            hidden.entry(at).or_default().push(one);
        }
    }
    for (at, hidden) in hidden.iter().filter(|(at, hidden)| stands.get(at) == Some(&hidden.len())) {
        if let Some(first) = hidden.first() {
            unreachable(s, written, *at, first);
        }
    }
}

fn unreachable(s: &Subject<'_>, site: &WrittenSite<'_>, at: usize, hidden: &Shadowed) {
    let route = &site.routes[at];
    let Some(own) = route.patterns.first() else { return };
    let message = format!("no request ever reaches the route `{}`", own.value);
    let mut finding = Diagnostic::warning("LB201", own.span, message).label("can never win");
    let mut shown = BTreeSet::new();
    for by in &hidden.by {
        let why = match by.why {
            Precedence::Closer => "this is closer, and takes all of its paths",
            Precedence::MoreConditions => "this has more conditions, and all of its requests fulfil them",
            Precedence::Priority => "this goes first by its `priority`, and takes all of its requests",
        };
        for (index, entry) in by.entries.iter().enumerate() {
            let pattern = if index == 0 { by.pattern } else { 0 };
            let Some(winner) = site.routes.get(*entry).and_then(|route| route.patterns.get(pattern)) else {
                continue;
            };
            if shown.insert(winner.span) {
                finding = finding.also(winner.span, why);
            }
        }
    }
    let finding = finding.help("remove it, or ask for less in the other: a narrower pattern, or a `match`");
    s.push(edits::if_meant(finding, edits::turn_off(route.reader)));
}

fn entry(route: &Route) -> RouteEntry<()> {
    RouteEntry {
        patterns: route.patterns.clone(),
        matches: route.matches.clone(),
        priority: route.priority,
        ignore_case: route.ignore_case,
        value: (),
    }
}

/// A pattern, and the route that it is of.
type Written<'a> = (usize, &'a Spanned<Pattern>);

/// LB209: patterns of two routes that differ in case or in the names of parameters alone.
fn nearly_equal(s: &Subject<'_>, site: &WrittenSite<'_>) {
    let mut seen: HashMap<(u8, String), Vec<Written<'_>>> = HashMap::new();
    for (at, route) in site.routes.iter().enumerate() {
        for pattern in route.patterns.iter().filter(|pattern| pattern.value.kind() != PatternKind::Regex) {
            let known = seen.entry((pattern.value.kind() as u8, shape(pattern.value.as_str()))).or_default();
            let blind = |at: usize| site.routes[at].ignore_case.unwrap_or(site.paths.ignore_case);
            let other = known.iter().find(|(other, known)| {
                *other != at && known.value.as_str() != pattern.value.as_str() && !blind(at) && !blind(*other)
            });
            if let Some((_, first)) = other {
                let (one, two) = (first.value.as_str(), pattern.value.as_str());
                let message = format!("`{one}` and `{two}` are probably one route");
                let (label, help) = match unnamed(one) == unnamed(two) {
                    true => ("the same but for the name of a parameter", "give the parameter one name"),
                    false => (
                        "the same but for the case of its letters",
                        "keep one spelling; if servers take both, write one route with `ignore-case=#true`",
                    ),
                };
                let finding = Diagnostic::warning("LB209", pattern.span, message).label(label);
                s.push(finding.also(first.span, "the other").help(help));
            }
            known.push((at, pattern));
        }
    }
}

/// A pattern without the names of its parameters.
fn unnamed(pattern: &str) -> String {
    let segment = |segment: &str| match segment {
        _ if segment.starts_with("{*") => "{*}".to_owned(),
        _ if segment.starts_with('{') => "{}".to_owned(),
        _ => segment.to_owned(),
    };
    pattern.split('/').map(segment).collect::<Vec<_>>().join("/")
}

/// ... and without the case of its letters.
fn shape(pattern: &str) -> String {
    unnamed(pattern).to_ascii_lowercase()
}
