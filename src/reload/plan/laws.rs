//! What holds of every difference, whatever the two models are.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Plan, What};
use crate::config::testing::good;

/// What a small configuration says: pools with servers and their weights, and the targets of routes.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    pools: BTreeMap<u8, (bool, BTreeMap<u8, u8>)>,
    routes: BTreeMap<u8, Option<u8>>,
}

/// Pool 0 is always there, with a server, and so is the route of everything: a configuration serves something.
fn said() -> impl Strategy<Value = Said> {
    let servers = || prop::collection::btree_map(0..3_u8, 1..4_u8, 1..4);
    let pools = prop::collection::btree_map(1..4_u8, (any::<bool>(), servers()), 0..3);
    let routes = prop::collection::btree_map(0..4_u8, prop::option::of(0..4_u8), 0..4);
    (pools, (any::<bool>(), servers()), routes).prop_map(|(mut pools, first, mut routes)| {
        pools.insert(0, first);
        for pool in routes.values_mut() {
            *pool = pool.filter(|pool| pools.contains_key(pool));
        }
        Said { pools, routes }
    })
}

/// The text of it; `turned` has everything the other way round, with comments between.
fn text(said: &Said, turned: bool) -> String {
    let pool = |(name, (random, servers)): (&u8, &(bool, BTreeMap<u8, u8>))| {
        let server = |(server, weight): (&u8, &u8)| {
            format!("  server s{server} \"10.0.{name}.{server}:80\" weight={weight}\n")
        };
        let mut servers: Vec<String> = servers.iter().map(server).collect();
        servers.push(format!("  balance {}\n", if *random { "random" } else { "round-robin" }));
        if turned {
            servers.reverse();
        }
        format!("pool p{name} {{\n{}}}\n", servers.concat())
    };
    let mut nodes = vec!["listen \":80\"\n".to_owned(), "route \"/\" pool=p0\n".to_owned()];
    nodes.extend(said.pools.iter().map(pool));
    nodes.extend(said.routes.iter().map(|(path, pool)| match pool {
        Some(pool) => format!("route \"/r{path}\" pool=p{pool}\n"),
        None => format!("route \"/r{path}\" {{ respond 404; }}\n"),
    }));
    if turned {
        nodes.reverse();
        return nodes.join("\n// a comment\n");
    }
    nodes.concat()
}

/// Each change as a word and a name; changes with their settings, turned round when `back`.
fn told(plan: &Plan, back: bool) -> BTreeSet<String> {
    let line = |change: &super::Change| {
        let what = match (&change.what, back) {
            (What::Added, false) | (What::Removed, true) => "+".to_owned(),
            (What::Removed, false) | (What::Added, true) => "-".to_owned(),
            (What::Changed(settings), _) => {
                let mut all: Vec<String> = settings
                    .iter()
                    .map(|one| match back {
                        false => format!("{} {:?} {:?}", one.name, one.old, one.new),
                        true => format!("{} {:?} {:?}", one.name, one.new, one.old),
                    })
                    .collect();
                all.sort();
                format!("~ {all:?}")
            }
        };
        format!("{} {} {what}", change.kind, change.name)
    };
    plan.changes.iter().map(line).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_and_comments_mean_nothing(one in said()) {
        let plan = Plan::between(Some(&good(&text(&one, false))), &good(&text(&one, true)));
        prop_assert!(plan.is_empty(), "{}", plan);
    }

    #[test]
    fn nothing_is_told_exactly_where_nothing_differs(one in said(), other in said()) {
        let plan = Plan::between(Some(&good(&text(&one, false))), &good(&text(&other, false)));
        prop_assert_eq!(plan.is_empty(), one == other, "{}", plan);
    }

    #[test]
    fn the_way_back_takes_back_what_the_way_there_did(one in said(), other in said()) {
        let (one, other) = (good(&text(&one, false)), good(&text(&other, true)));
        let there = Plan::between(Some(&one), &other);
        let back = Plan::between(Some(&other), &one);
        prop_assert_eq!(told(&there, false), told(&back, true));
    }

    #[test]
    fn every_server_that_came_or_went_is_told_by_its_name(one in said(), other in said()) {
        let plan = Plan::between(Some(&good(&text(&one, false))), &good(&text(&other, false)));
        let servers = |said: &Said| -> BTreeSet<String> {
            let of = |(pool, (_, servers)): (&u8, &(bool, BTreeMap<u8, u8>))| {
                servers.keys().map(|server| format!("p{pool}/s{server}")).collect::<Vec<_>>()
            };
            said.pools.iter().flat_map(of).collect()
        };
        let (before, after) = (servers(&one), servers(&other));
        let is = |what: &What| -> BTreeSet<String> {
            let all = plan.changes.iter().filter(|change| change.kind == "server" && change.what == *what);
            all.map(|change| change.name.clone()).collect()
        };
        prop_assert_eq!(is(&What::Added), after.difference(&before).cloned().collect());
        prop_assert_eq!(is(&What::Removed), before.difference(&after).cloned().collect());
    }
}
