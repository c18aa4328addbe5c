//! LB401 for the cookies of splits: one that another split or stickiness sets as well would be overwritten with
//! each answer, and clients would change sides.

use std::collections::BTreeMap;

use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{Action, Name, Pool, Split, SplitBy, Sticky};
use super::super::reader::Cx;
use super::Written;

/// Checks every split that goes by a cookie.
pub(super) fn check(cx: &Cx<'_>, written: &Written<'_>, pools: &BTreeMap<Name, Pool>) {
    for site in &written.sites {
        let mut seen: BTreeMap<&Name, (&Split, Span)> = BTreeMap::new();
        for action in site.routes.iter().filter_map(|route| route.action.as_ref()) {
            let Action::Split(split) = &action.value else { continue };
            let SplitBy::Cookie { name, .. } = &split.by else { continue };
            let taken = |what: String| {
                Diagnostic::error("LB401", action.span, format!("the cookie `{name}` is set twice"))
                    .label("overwritten")
                    .help(what)
            };
            if let Some(pool) = pools.values().find(|pool| sets(pool, name)) {
                cx.push(taken(format!(
                    "it keeps clients of pool `{}` on their server: name it apart",
                    pool.name
                )));
            }
            match seen.get(name) {
                Some((first, at)) if !same_sides(first, split) => {
                    let help = "splits that share a cookie lead to the same pools; name it apart".to_owned();
                    cx.push(taken(help).also(*at, "also set here"));
                }
                Some(_) => {}
                None => drop(seen.insert(name, (split, action.span))),
            }
        }
    }
}

fn sets(pool: &Pool, cookie: &Name) -> bool {
    pool.sticky.iter().any(|sticky| match sticky {
        Sticky::Cookie(own) => own.name == *cookie,
        Sticky::Marked(mark) => mark.name == *cookie,
        Sticky::Table(_) => false,
    })
}

fn same_sides(a: &Split, b: &Split) -> bool {
    let pools = |split: &Split| -> Vec<(Name, bool)> {
        split.branches.iter().map(|branch| (branch.pool.clone(), branch.weight == 0)).collect()
    };
    pools(a) == pools(b)
}
