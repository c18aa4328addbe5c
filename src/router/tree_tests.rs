//! Tables of routes and the requests that they get, with the examples that the documentation gives.

use super::super::asked::{Asked, path, pattern};
use super::super::{ValueMatch, Verdict};
use super::*;

const SITE: PathOptions =
    PathOptions { ignore_case: false, merge_slashes: false, reject_encoded_slash: false };
const LENIENT: PathOptions =
    PathOptions { ignore_case: true, merge_slashes: true, reject_encoded_slash: false };

/// One route per line: its patterns separated by spaces, its value is the line.
fn entries(routes: &[&'static str], ignore_case: bool) -> Vec<RouteEntry<&'static str>> {
    let entry = |route: &&'static str| RouteEntry {
        patterns: route.split(' ').map(pattern).collect(),
        matches: Vec::new(),
        priority: 0,
        ignore_case,
        value: *route,
    };
    routes.iter().map(entry).collect()
}

fn router(routes: &[&'static str], options: PathOptions) -> PathRouter<&'static str> {
    PathRouter::build(entries(routes, options.ignore_case), options).unwrap()
}

fn found<'r, T>(router: &'r PathRouter<T>, text: &str, options: PathOptions, asked: &Asked) -> Option<&'r T> {
    router.find(&path(text, options), asked).map(|found| found.value)
}

fn header(name: &str, value: &str) -> Conditions {
    let value = Some(ValueMatch::Exact(value.to_owned()));
    Conditions { headers: vec![(name.to_owned(), value)], ..Conditions::default() }
}

fn ties(entries: Vec<RouteEntry<&'static str>>) -> Vec<(usize, usize, String)> {
    let ties = PathRouter::build(entries, SITE).err().unwrap_or_default();
    ties.into_iter().map(|tie| (tie.a, tie.b, tie.pattern)).collect()
}

#[test]
fn seven_ways_to_match_one_path_in_their_order() {
    let mut routes = [
        "/",
        "/old",
        "/old/{*rest}",
        "/old/{id}",
        r"(regex)^/old/(?<id>\d+)$",
        "(starts-with)/old/",
        "(starts-with)/old/7",
        "/old/7",
        "(exact)/old/7",
    ]
    .to_vec();
    while let Some(best) = routes.last().copied() {
        let router = router(&routes, SITE);
        assert_eq!(found(&router, "/old/7", SITE, &Asked::default()), Some(&best));
        let all: Vec<_> = router.candidates(&path("/old/7", SITE), &Asked::default());
        let order: Vec<_> = all.iter().rev().map(|candidate| *candidate.value).collect();
        assert_eq!(order, routes);
        routes.pop();
    }
}

const THINGWORX: [&str; 3] = [
    "/",
    "/Thingworx/WS /Thingworx/WSTunnelServer /Thingworx/WSTunnelClient /Thingworx/VWS",
    "/Thingworx/Composer/apps/flow /Thingworx/Flow /Thingworx/Triggers /Thingworx/Lookups /Thingworx/Oauths \
     /Thingworx/Subsystems/EventProcessingSubsystem/Subscriptions /enterprise/v1/fetchconfig",
];

#[test]
fn the_thingworx_table() {
    let router = router(&THINGWORX, LENIENT);
    let [platform, connection, flow] = THINGWORX;
    for (asked, route) in [
        ("/", platform),
        ("/Thingworx", platform),
        ("/Thingworx/Home", platform),
        ("/Thingworx/ready", platform),
        ("/Thingworx/Things/x/Services/y", platform),
        ("/Thingworx/Composer/index.html", platform),
        ("/Thingworx/WSX", platform),
        ("/Thingworx/WS", connection),
        ("/Thingworx/WS/abc", connection),
        ("//Thingworx/WS", connection),
        ("/ThingWorx/ws", connection),
        ("/Thingworx/%57S", connection),
        ("/Thingworx/./x/../WS", connection),
        ("/Thingworx;v=1/WS;jsessionid=7", connection),
        ("/Thingworx/WSTunnelServer", connection),
        ("//thingworx/wstunnelserver/42", connection),
        ("/Thingworx/WSTunnelClient/", connection),
        ("/Thingworx/VWS", connection),
        ("/Thingworx/Composer/apps/flow/x.js", flow),
        ("/Thingworx/Flow", flow),
        ("/Thingworx/Triggers/1", flow),
        ("/Thingworx/Lookups", flow),
        ("/Thingworx/Oauths", flow),
        ("/Thingworx/Subsystems/EventProcessingSubsystem/Subscriptions", flow),
        ("/Thingworx/Subsystems/EventProcessingSubsystem", platform),
        ("/enterprise/v1/fetchconfig", flow),
        ("/enterprise/v1", platform),
    ] {
        assert_eq!(found(&router, asked, LENIENT, &Asked::default()), Some(&route), "{asked}");
    }
}

#[test]
fn without_leniency_case_and_slashes_count() {
    let router = router(&THINGWORX, SITE);
    for asked in ["//Thingworx/WS", "/thingworx/WS", "/Thingworx/ws", "/Thingworx/WSTunnelserver"] {
        assert_eq!(found(&router, asked, SITE, &Asked::default()), Some(&"/"), "{asked}");
    }
}

#[test]
fn a_raw_prefix_takes_what_continues_its_last_segment() {
    let routes = ["/", "(starts-with)/Thingworx/WS", "/Thingworx/WSTunnelServer"];
    let router = router(&routes, SITE);
    for (asked, route) in [
        ("/Thingworx/WS", 1),
        ("/Thingworx/WS/abc", 1),
        ("/Thingworx/WSX/abc", 1),
        ("/Thingworx/W", 0),
        ("/Thingworx/xWS", 0),
        ("/Thingworx/WSTunnelServer", 2),
        ("/Thingworx/WSTunnelServer/1", 2),
        ("/Thingworx/WSTunnelServer2", 1),
    ] {
        assert_eq!(found(&router, asked, SITE, &Asked::default()), Some(&routes[route]), "{asked}");
    }
}

#[test]
fn the_longest_raw_prefix_wins_and_a_slash_at_its_end_asks_for_one_more_segment() {
    let routes = ["(starts-with)/a/", "(starts-with)/a/b", "(starts-with)/a/bcd", "(starts-with)/a/x"];
    let router = router(&routes, SITE);
    for (asked, route) in [
        ("/a", None),
        ("/a/", Some(0)),
        ("/a/q/r", Some(0)),
        ("/a/bc", Some(1)),
        ("/a/bcde/f", Some(2)),
        ("/a/xy", Some(3)),
        ("/ab", None),
    ] {
        let wanted = route.map(|at: usize| &routes[at]);
        assert_eq!(found(&router, asked, SITE, &Asked::default()), wanted, "{asked}");
    }
}

#[test]
fn the_slash_at_the_end_counts_for_exact_routes_only() {
    let routes = ["(exact)/a", "(exact)/a/", "/b/", "(exact)/"];
    let router = router(&routes, SITE);
    for (asked, route) in [
        ("/a", Some(0)),
        ("/a/", Some(1)),
        ("/a/x", None),
        ("/b", Some(2)),
        ("/b/", Some(2)),
        ("/b/x", Some(2)),
        ("/", Some(3)),
    ] {
        let wanted = route.map(|at: usize| &routes[at]);
        assert_eq!(found(&router, asked, SITE, &Asked::default()), wanted, "{asked}");
    }
}

#[test]
fn parameters_have_values() {
    let routes = ["/users/{id}/files/{*rest}", r"(regex)^/old/(?<id>\d+)(?<more>/x)?$", "/{one}"];
    let router = router(&routes, SITE);
    let param = |asked: &str, name: &str| {
        let path = path(asked, SITE);
        let found = router.find(&path, &Asked::default())?;
        found.param(name, &path).map(Cow::into_owned)
    };
    for (asked, name, value) in [
        ("/users/7/files/a/b", "id", Some("7")),
        ("/users/7/files/a/b", "rest", Some("a/b")),
        ("/users/7/files/", "rest", Some("")),
        ("/users/7/files", "id", None),
        ("/users/a%2fb/files/x;v=1/%20y", "id", Some("a%2Fb")),
        ("/users/a%2fb/files/x;v=1/%20y", "rest", Some("x/%20y")),
        ("/old/42", "id", Some("42")),
        ("/old/42/x", "more", Some("/x")),
        ("/old/42", "more", None),
        ("/a%3fb%0d%0a", "one", Some("a%3Fb%0D%0A")),
        ("/a", "two", None),
        ("/", "one", None),
    ] {
        assert_eq!(param(asked, name).as_deref(), value, "{asked} {name}");
    }
}

#[test]
fn a_dead_end_leads_back_to_the_next_best() {
    let routes = ["/a/b/c", "/a/{x}/d", "/{*rest}", r"(regex)^/a/\d+/e$"];
    let router = router(&routes, SITE);
    for (asked, route) in
        [("/a/b/c", 0), ("/a/b/d", 1), ("/a/b/x", 2), ("/a/1/e", 3), ("/a/1/d", 1), ("/", 2)]
    {
        assert_eq!(found(&router, asked, SITE, &Asked::default()), Some(&routes[route]), "{asked}");
    }
}

#[test]
fn a_canary_sits_on_the_same_path_as_the_plain_route() {
    let mut table = entries(&["/", "/", "/"], false);
    (table[0].value, table[0].matches) = ("canary", vec![header("x-canary", "1")]);
    (table[1].value, table[1].matches) = ("beta", vec![header("x-canary", "2"), header("x-beta", "1")]);
    table[2].value = "plain";
    assert_eq!(ties(table.clone()), [(0, 1, "/".to_owned())]);
    table[1].priority = -1;
    let router = PathRouter::build(table, SITE).unwrap();
    let both = Asked { headers: vec![("x-canary", "1"), ("x-beta", "1")], ..Asked::default() };
    let beta = Asked { headers: vec![("x-beta", "1")], ..Asked::default() };
    assert_eq!(found(&router, "/x", SITE, &both), Some(&"canary"));
    assert_eq!(found(&router, "/x", SITE, &beta), Some(&"beta"));
    assert_eq!(found(&router, "/x", SITE, &Asked::default()), Some(&"plain"));

    let words = |asked: &Asked| {
        let candidates = router.candidates(&path("/x", SITE), asked);
        candidates.iter().map(|one| format!("{}: {}", one.value, one.verdict)).collect::<Vec<_>>()
    };
    assert_eq!(words(&both), ["canary: chosen", "beta: lower priority", "plain: fewer conditions"]);
    assert_eq!(
        words(&Asked::default()),
        [
            "canary: condition failed: header x-canary = 1",
            "beta: condition failed: header x-canary = 2; header x-beta = 1",
            "plain: chosen",
        ],
    );
}

#[test]
fn a_closer_path_beats_more_conditions() {
    let mut table = entries(&["/", "/a", "(exact)/a"], false);
    table[0].matches = vec![header("x", "1")];
    table[1].matches = vec![header("x", "1")];
    let router = PathRouter::build(table, SITE).unwrap();
    let asked = Asked { headers: vec![("x", "1")], ..Asked::default() };
    assert_eq!(found(&router, "/a", SITE, &asked), Some(&"(exact)/a"));
    assert_eq!(found(&router, "/a/b", SITE, &asked), Some(&"/a"));
    assert_eq!(found(&router, "/a/b", SITE, &Asked::default()), None);
    let verdicts: Vec<_> =
        router.candidates(&path("/a", SITE), &asked).into_iter().map(|one| one.verdict).collect();
    assert_eq!(verdicts, [Verdict::Chosen, Verdict::LessSpecific, Verdict::LessSpecific]);
}

#[test]
fn equal_routes_are_ties() {
    for (routes, wanted) in [
        (vec!["/a", "/a"], vec![(0, 1, "/a")]),
        (vec!["/a", "/b /a/"], vec![(0, 1, "/a/")]),
        (vec!["/a", "(exact)/a"], vec![]),
        (vec!["/{id}/x", "/{name}/x"], vec![(0, 1, "/{name}/x")]),
        (vec!["/{id}/x", "/{name}/y"], vec![]),
        (vec!["/a/{*r}", "/a/{*s}", "(exact)/a/{*t}"], vec![(0, 1, "/a/{*s}")]),
        (vec!["(starts-with)/a", "(starts-with)/a", "(starts-with)/ab"], vec![(0, 1, "(starts-with)/a")]),
        (vec![r"(regex)/a/\d+", "(regex)/a/[a-z]+", "(regex)/b/.*"], vec![(0, 1, r"(regex)/a/\d+")]),
        (vec!["/%57", "/W", "/w"], vec![(0, 1, "/W")]),
        (vec!["/a /a", "/b"], vec![]),
        (vec!["/a", "/a", "/a"], vec![(0, 1, "/a"), (0, 2, "/a")]),
    ] {
        let found = ties(entries(&routes, false));
        let pairs: Vec<_> = found.iter().map(|(a, b, _)| (*a, *b)).collect();
        let wanted_pairs: Vec<_> = wanted.iter().map(|(a, b, _)| (*a, *b)).collect();
        assert_eq!(pairs, wanted_pairs, "{routes:?}");
        // A regex is ordered by its text, so either may be named.
        for ((_, _, pattern), (_, _, wanted)) in found.iter().zip(wanted) {
            assert!(wanted.ends_with(pattern.as_str()) || pattern.contains("[a-z]"), "{pattern}");
        }
    }
}

#[test]
fn disjoint_conditions_and_priorities_resolve_ties() {
    let mut table = entries(&["/a", "/a"], false);
    table[0].matches = vec![header("x", "1")];
    table[1].matches = vec![header("x", "1")];
    assert_eq!(ties(table.clone()).len(), 1);
    table[1].matches = vec![header("x", "2")];
    assert_eq!(ties(table.clone()), []);
    table[1].matches.push(header("y", "1"));
    assert_eq!(ties(table.clone()).len(), 1, "one alternative overlaps");
    table[1].priority = 1;
    assert_eq!(ties(table), []);
}

#[test]
fn routes_that_differ_in_how_they_take_case() {
    let mut table = entries(&["/Foo/b", "/foo/{x}", "/foo/b/c"], false);
    table[0].ignore_case = true;
    let router = PathRouter::build(table.clone(), SITE).unwrap();
    for (asked, route) in [
        ("/foo/b", Some("/Foo/b")),
        ("/FOO/B", Some("/Foo/b")),
        ("/foo/x", Some("/foo/{x}")),
        ("/FOO/x", None),
        ("/foo/b/c", Some("/foo/b/c")),
        ("/Foo/b/c", Some("/Foo/b")),
    ] {
        assert_eq!(found(&router, asked, SITE, &Asked::default()).copied(), route, "{asked}");
    }
    let mut both = entries(&["/Foo", "/foo", "/FOO"], false);
    assert_eq!(ties(both.clone()), []);
    both[1].ignore_case = true;
    assert_eq!(ties(both).len(), 1);
}

#[test]
fn case_is_ignored_in_every_kind() {
    let routes = ["/Äb", "(starts-with)/Sta", "(regex)^/Old/[a-c]+$", "(exact)/Exact/{p}"];
    let router = router(&routes, LENIENT);
    for (asked, route) in [
        ("/ÄB", Some(0)),
        ("/äb", None),
        ("/STArt", Some(1)),
        ("/oLD/ABC", Some(2)),
        ("/eXACT/Value", Some(3)),
    ] {
        let wanted = route.map(|at: usize| &routes[at]);
        assert_eq!(found(&router, asked, LENIENT, &Asked::default()), wanted, "{asked}");
    }
}

#[test]
fn merged_slashes_merge_in_patterns_too() {
    let options = PathOptions { merge_slashes: true, ..SITE };
    let router = router(&["//a//b", "(exact)/c//", "(starts-with)//d"], options);
    for asked in ["/a/b", "//a/b/c", "/c/", "/dx"] {
        assert!(found(&router, asked, options, &Asked::default()).is_some(), "{asked}");
    }
    assert!(PathRouter::build(entries(&["/a//b", "/a/b"], false), options).is_err());
}

#[test]
fn no_routes_serve_nothing() {
    assert_eq!(found(&router(&[], SITE), "/", SITE, &Asked::default()), None);
    assert_eq!(router(&[], SITE).candidates(&path("/", SITE), &Asked::default()).len(), 0);
}
