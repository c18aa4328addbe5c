//! Routes that can never win: by table, and by sending requests at whatever is said to be one.

use proptest::prelude::*;

use super::super::asked::pattern;
use super::super::oracle_tests::{build, request, route, without_ties};
use super::super::{NormalPath, PathOptions, ValueMatch};
use super::*;

fn entry(written: &str, matches: Vec<Conditions>, priority: i32) -> RouteEntry<()> {
    let (ignore_case, written) = match written.strip_prefix("any case ") {
        Some(rest) => (true, rest),
        None => (false, written),
    };
    let patterns = written.split(' ').map(pattern).collect();
    RouteEntry { patterns, matches, priority, ignore_case, value: () }
}

/// Which of the routes can never win.
fn lost(routes: Vec<RouteEntry<()>>) -> Vec<usize> {
    let router = PathRouter::build(routes, PathOptions::default()).unwrap();
    router.shadowed().iter().map(|one| one.entry).collect()
}

fn header(value: Option<ValueMatch>) -> Conditions {
    Conditions { headers: vec![("x".to_owned(), value)], ..Conditions::default() }
}

fn websocket(wanted: bool) -> Conditions {
    Conditions { websocket: Some(wanted), ..Conditions::default() }
}

fn methods(list: &[&str]) -> Conditions {
    Conditions { methods: list.iter().map(|m| (*m).to_owned()).collect(), ..Conditions::default() }
}

#[test]
fn a_closer_pattern_that_takes_as_much_hides_another() {
    for (hides, hidden) in [
        ("(starts-with)/api/", "(regex)^/api/\\d+$"),
        ("(starts-with)/api/", "/api/{id}"),
        ("(starts-with)/", "/{*rest}"),
        ("(starts-with)/", "/"),
        ("(regex).*", "/"),
        ("(regex)^/a/.*", "/a/{*rest}"),
        ("(regex)^/a/.*$", "(exact)/a/{x}/b"),
        ("/{*rest}", "/"),
        ("any case (starts-with)/api/", "/API/{id}"),
        ("/{a}/b", "/{*rest}"),
    ] {
        let expected: &[usize] = if hides == "/{a}/b" { &[] } else { &[1] };
        assert_eq!(
            lost(vec![entry(hides, vec![], 0), entry(hidden, vec![], 0)]),
            expected,
            "{hides} {hidden}"
        );
        assert_eq!(lost(vec![entry(hidden, vec![], 0), entry(hides, vec![], 9)]).len(), expected.len());
    }
}

#[test]
fn what_leaves_something_hides_nothing() {
    for (one, other) in [
        ("/a", "/"),
        ("(exact)/a", "/a"),
        ("/a/{*rest}", "/a"),
        ("/{x}", "/{*rest}"),
        ("/{x}", "/"),
        ("(starts-with)/ab", "(starts-with)/a"),
        ("(starts-with)/a", "/{x}"),
        ("(starts-with)/a", "(regex)^/.*"),
        ("(regex)^/a.*", "/"),
        ("(regex)^/a|/.*", "/"),
        ("(regex)^/a/b", "(regex)^/a/.*"),
        ("/A", "any case /a"),
        ("(starts-with)/A", "any case (starts-with)/a"),
    ] {
        let (one, other) = (entry(one, vec![], 1), entry(other, vec![], 0));
        assert_eq!(lost(vec![one.clone(), other.clone()]), [0; 0], "{one:?} {other:?}");
    }
}

#[test]
fn of_equals_the_greater_priority_hides_the_other_unless_conditions_tell_them_apart() {
    let two = |first: Vec<Conditions>, second: Vec<Conditions>| {
        lost(vec![entry("/a", first, 1), entry("/a/", second, 0)])
    };
    let exact = |text: &str| header(Some(ValueMatch::Exact(text.to_owned())));
    assert_eq!(two(vec![], vec![]), [1]);
    assert_eq!(two(vec![header(None)], vec![exact("1")]), [1]);
    assert_eq!(two(vec![exact("1")], vec![exact("1")]), [1]);
    assert_eq!(two(vec![exact("1")], vec![exact("2")]), [0; 0]);
    assert_eq!(two(vec![exact("1")], vec![header(None)]), [0; 0]);
    assert_eq!(two(vec![header(Some(ValueMatch::Prefix("a".into())))], vec![exact("ab")]), [1]);
    assert_eq!(two(vec![header(Some(ValueMatch::regex("^a").unwrap()))], vec![exact("ab")]), [1]);
    assert_eq!(two(vec![methods(&["GET", "PUT"])], vec![methods(&["PUT"])]), [1]);
    assert_eq!(two(vec![methods(&["PUT"])], vec![methods(&["GET", "PUT"])]), [0; 0]);
    assert_eq!(
        two(vec![methods(&["PUT"]), methods(&["GET"])], vec![methods(&["GET"]), methods(&["PUT"])]),
        [1]
    );
    // A route with conditions goes before one without, and does not take all of its requests ...
    assert_eq!(two(vec![websocket(true)], vec![]), [0; 0]);
    // ... but two that complete each other do.
    let all = vec![
        entry("/a", vec![websocket(true)], 0),
        entry("/a", vec![websocket(false)], 0),
        entry("/a", vec![], 9),
    ];
    assert_eq!(lost(all), [2]);
}

#[test]
fn a_route_is_hidden_when_all_its_patterns_are_and_the_winner_and_its_reason_are_named() {
    let routes = || vec![entry("/a /b", vec![], 0), entry("(starts-with)/a /b", vec![], 1)];
    let router = PathRouter::build(routes(), PathOptions::default()).unwrap();
    assert_eq!(router.shadowed(), [], "`/a` is closer than the begin of a segment");
    let mut more = routes();
    more.push(entry("/a", vec![], 2));
    let router = PathRouter::build(more, PathOptions::default()).unwrap();
    let winner = |entry, pattern| Winner { entries: vec![entry], pattern, why: Precedence::Priority };
    assert_eq!(router.shadowed(), [Shadowed { entry: 0, by: vec![winner(2, 0), winner(1, 1)] }]);
}

#[test]
fn thousands_of_routes_in_one_place_are_compared_in_bounded_time() {
    let one = |n: usize| entry("/a", vec![header(Some(ValueMatch::Exact(n.to_string())))], 0);
    assert_eq!(lost((0..3000).map(one).collect()), [0; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_route_that_is_named_never_wins(
        routes in prop::collection::vec(route(), 0..14).prop_map(without_ties),
        requests in prop::collection::vec(request(), 1..60),
        merge_slashes: bool,
    ) {
        let options = PathOptions { merge_slashes, ..PathOptions::default() };
        let order: Vec<_> = (0..routes.len()).collect();
        // Merged slashes may make ties of patterns that are none otherwise.
        let Ok(router) = build(&routes, &order, options) else { return Ok(()) };
        let lost: Vec<usize> = router.shadowed().iter().map(|one| one.entry).collect();
        for (segments, asked, disguise) in requests {
            let text = disguise.apply(&segments);
            let path = NormalPath::parse(text.as_bytes(), options).unwrap();
            if let Some(found) = router.find(&path, &asked) {
                prop_assert!(!lost.contains(found.value), "route {} takes {}", found.value, text);
            }
        }
    }
}
