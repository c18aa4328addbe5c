//! The tree against an oracle that reads the rules of precedence out loud: it scans all routes, and
//! compares what matches by a list of ranks. It shares no code with the tree.

use std::cmp::Reverse;

use proptest::prelude::*;
use proptest::sample::select;

use super::asked::{Asked, pattern};
use super::*;

/// A pattern as the oracle knows it.
#[derive(Debug, Clone)]
struct Spec {
    exact: bool,
    segments: Vec<Want>,
}

#[derive(Debug, Clone)]
enum Want {
    Is(&'static str),
    Begins(&'static str),
    Regex(usize),
    Any,
    Rest,
}

/// Greater goes first: segments, exactness, conditions, priority.
type Rank = (Vec<(u8, usize)>, bool, usize, i32);

/// Regexes by hand: text, literal segments, and the same said with segments.
type Matches = fn(&[&str]) -> bool;
const REGEXES: [(&str, &[&str], Matches); 4] = [
    ("^/a/.*", &["a"], |path| path.len() > 1 && path[0] == "a"),
    ("^/ab?/b$", &[], |path| matches!(path, ["a" | "ab", "b"])),
    ("/a/b/(a|b)", &["a", "b"], |path| matches!(path, ["a", "b", "a" | "b"])),
    ("/b", &[], |path| path == ["b"]),
];

#[derive(Debug, Clone)]
pub(super) struct Route {
    specs: Vec<Spec>,
    matches: Vec<Conditions>,
    priority: i32,
    ignore_case: bool,
}

impl Spec {
    fn written(&self) -> String {
        if let Some(Want::Regex(at)) = self.segments.last() {
            return format!("(regex){}", REGEXES[*at].0);
        }
        let mark = match self.segments.last() {
            Some(Want::Begins(_)) => "(starts-with)",
            _ if self.exact => "(exact)",
            _ => "",
        };
        let segment = |(at, want): (usize, &Want)| match want {
            Want::Is(text) | Want::Begins(text) => format!("/{text}"),
            Want::Any => format!("/{{p{at}}}"),
            Want::Rest | Want::Regex(_) => "/{*rest}".to_owned(),
        };
        let path: String = self.segments.iter().enumerate().map(segment).collect();
        format!("{mark}{}", if path.is_empty() { "/" } else { &path })
    }

    fn matches(&self, path: &[&str], ignore_case: bool) -> bool {
        let same = |a: &str, b: &str| if ignore_case { a.eq_ignore_ascii_case(b) } else { a == b };
        for (at, want) in self.segments.iter().enumerate() {
            let Some(segment) = path.get(at) else { return false };
            match want {
                Want::Is(text) if same(text, segment) => {}
                Want::Any if !segment.is_empty() => {}
                Want::Begins(text) => {
                    return segment.get(..text.len()).is_some_and(|begin| same(text, begin));
                }
                Want::Rest => return true,
                Want::Regex(regex) => {
                    let lower: Vec<_> = path.iter().map(|segment| segment.to_ascii_lowercase()).collect();
                    let lower: Vec<_> = lower.iter().map(String::as_str).collect();
                    return REGEXES[*regex].2(if ignore_case { &lower } else { path });
                }
                Want::Is(_) | Want::Any => return false,
            }
        }
        !self.exact || path.len() == self.segments.len()
    }

    /// Greater is closer: the segments from the left, then the kind.
    fn rank(&self) -> (Vec<(u8, usize)>, bool) {
        let segment = |want: &Want| match want {
            Want::Is(_) => (6, 0),
            Want::Begins(text) => (5, text.len()),
            Want::Regex(_) => (4, 0),
            Want::Any => (3, 0),
            Want::Rest => (2, 0),
        };
        (self.segments.iter().map(segment).collect(), self.exact)
    }
}

impl Route {
    fn rank(&self, spec: &Spec) -> Rank {
        let (segments, exact) = spec.rank();
        let conditions = self.matches.iter().map(Conditions::count).min().unwrap_or(0);
        (segments, exact, conditions, self.priority)
    }

    fn holds(&self, asked: &Asked) -> bool {
        self.matches.is_empty() || self.matches.iter().any(|conditions| conditions.hold(asked))
    }
}

/// Every route that matches, with its best rank, best first.
fn oracle(routes: &[Route], path: &[&str], asked: &Asked) -> Vec<(usize, Rank)> {
    let best = |(at, route): (usize, &Route)| {
        let ranks = route.specs.iter().filter(|spec| spec.matches(path, route.ignore_case));
        let rank = ranks.map(|spec| route.rank(spec)).max()?;
        route.holds(asked).then_some((at, rank))
    };
    let mut all: Vec<_> = routes.iter().enumerate().filter_map(best).collect();
    all.sort_by_key(|(_, rank)| Reverse(rank.clone()));
    all
}

pub(super) fn build(
    routes: &[Route],
    order: &[usize],
    options: PathOptions,
) -> Result<PathRouter<usize>, Vec<Tie>> {
    let entry = |at: &usize| RouteEntry {
        patterns: routes[*at].specs.iter().map(|spec| pattern(&spec.written())).collect(),
        matches: routes[*at].matches.clone(),
        priority: routes[*at].priority,
        ignore_case: routes[*at].ignore_case,
        value: *at,
    };
    PathRouter::build(order.iter().map(entry).collect(), options)
}

/// Drops routes until none tie; each tie that is reported must be one for the oracle as well.
pub(super) fn without_ties(mut routes: Vec<Route>) -> Vec<Route> {
    loop {
        let order: Vec<_> = (0..routes.len()).collect();
        let Err(ties) = build(&routes, &order, PathOptions::default()) else { return routes };
        for tie in &ties {
            let (a, b) = (&routes[tie.a], &routes[tie.b]);
            let equal = |x: &Spec| b.specs.iter().any(|y| a.rank(x) == b.rank(y));
            assert!(tie.a < tie.b && a.specs.iter().any(equal), "{tie:?}");
        }
        routes.remove(ties[0].b);
    }
}

const WORDS: [&str; 6] = ["a", "A", "b", "ab", "B", "abc"];

fn spec() -> impl Strategy<Value = Spec> {
    let want = prop_oneof![4 => select(&WORDS[..]).prop_map(Want::Is), 1 => Just(Want::Any)];
    let end = prop_oneof![
        6 => Just(None),
        1 => Just(Some(Want::Rest)),
        2 => select(vec!["", "a", "A", "ab", "b"]).prop_map(|text| Some(Want::Begins(text))),
        2 => (0..REGEXES.len()).prop_map(|at| Some(Want::Regex(at))),
    ];
    (prop::collection::vec(want, 0..4), end, any::<bool>()).prop_map(|(mut segments, end, exact)| {
        match &end {
            Some(Want::Regex(at)) => segments = REGEXES[*at].1.iter().copied().map(Want::Is).collect(),
            Some(Want::Begins(_)) => segments.retain(|want| matches!(want, Want::Is(_))),
            _ => {}
        }
        let whole = matches!(end, None | Some(Want::Rest)) && !(end.is_none() && segments.is_empty());
        segments.extend(end);
        Spec { exact: exact && whole, segments }
    })
}

fn conditions() -> impl Strategy<Value = Conditions> {
    let value = select(vec![None, Some("1"), Some("2")]);
    let field = || prop::option::weighted(0.4, (select(vec!["x", "y"]), value.clone()));
    let methods = select(vec![vec![], vec![], vec!["GET"], vec!["POST"], vec!["GET", "POST"]]);
    let websocket = select(vec![None, None, Some(true), Some(false)]);
    (methods, websocket, field(), field()).prop_map(|(methods, websocket, header, query)| {
        let fields = |field: Option<(&str, Option<&str>)>| {
            let value = |value: &str| ValueMatch::Exact(value.to_owned());
            field.map(|(name, wanted)| (name.to_owned(), wanted.map(value))).into_iter().collect()
        };
        Conditions {
            methods: methods.into_iter().map(str::to_owned).collect(),
            headers: fields(header),
            queries: fields(query),
            websocket,
            ..Conditions::default()
        }
    })
}

pub(super) fn route() -> impl Strategy<Value = Route> {
    let specs = prop::collection::vec(spec(), 1..3);
    let matches = prop_oneof![Just(vec![]), prop::collection::vec(conditions(), 1..3)];
    (specs, matches, 0..3, any::<bool>()).prop_map(|(specs, matches, priority, ignore_case)| Route {
        specs,
        matches,
        priority,
        ignore_case,
    })
}

/// Ways to write a path that all mean the same.
#[derive(Debug, Clone, Copy)]
pub(super) enum Disguise {
    None,
    Encoded,
    Parameters,
    Dots,
}

impl Disguise {
    pub(super) fn apply(self, segments: &[&str]) -> String {
        let segment = |text: &&str| match self {
            Disguise::Encoded => text.bytes().map(|byte| format!("%{byte:02x}")).collect(),
            Disguise::Parameters => format!("{text};v=%41"),
            Disguise::Dots => format!("./x/%2E./{text}"),
            Disguise::None => (*text).to_owned(),
        };
        format!("/{}", segments.iter().map(segment).collect::<Vec<_>>().join("/"))
    }
}

pub(super) fn request() -> impl Strategy<Value = (Vec<&'static str>, Asked, Disguise)> {
    let segments = prop::collection::vec(select(vec!["a", "A", "b", "B", "ab", "abc", "aB", "x", ""]), 1..5);
    let headers = select(vec![vec![], vec![("x", "1")], vec![("x", "2")], vec![("x", "1"), ("y", "2")]]);
    let query = select(vec![None, Some("x=1"), Some("x=2&y=1"), Some("y")]);
    let method = select(vec!["GET", "POST"]);
    let disguise = select(vec![Disguise::None, Disguise::Encoded, Disguise::Parameters, Disguise::Dots]);
    (segments, disguise, headers, query, method, any::<bool>()).prop_map(
        |(path, disguise, headers, query, method, websocket)| {
            (path, Asked { method, headers, query, websocket, ..Asked::default() }, disguise)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_tree_finds_what_the_oracle_finds(
        (routes, order) in prop::collection::vec(route(), 0..12).prop_map(without_ties).prop_flat_map(|routes| {
            let order = Just((0..routes.len()).collect::<Vec<_>>()).prop_shuffle();
            (Just(routes), order)
        }),
        requests in prop::collection::vec(request(), 1..12),
        merge_slashes: bool,
    ) {
        let options = PathOptions { merge_slashes, ..PathOptions::default() };
        let written: Vec<_> = (0..routes.len()).collect();
        let router = build(&routes, &written, options).unwrap();
        let shuffled = build(&routes, &order, options).unwrap();
        for (mut segments, asked, disguise) in requests {
            let text = disguise.apply(&segments);
            let path = NormalPath::parse(text.as_bytes(), options).unwrap();
            if merge_slashes {
                let last = segments.pop();
                segments.retain(|segment| !segment.is_empty());
                segments.extend(last);
            }
            let all = oracle(&routes, &segments, &asked);
            if let [first, second, ..] = &all[..] {
                prop_assert!(first.1 > second.1, "an undetected tie of {} and {} for {}", first.0, second.0, text);
            }
            let best = all.first().map(|(at, _)| *at);
            prop_assert_eq!(router.find(&path, &asked).map(|found| *found.value), best, "{}", text);
            prop_assert_eq!(shuffled.find(&path, &asked).map(|found| *found.value), best, "{}", text);

            let candidates = router.candidates(&path, &asked);
            let chosen = candidates.iter().find(|one| one.verdict == Verdict::Chosen);
            prop_assert_eq!(chosen.map(|one| *one.value), best);
            let holds: std::collections::BTreeSet<_> = candidates.iter().map(|one| *one.value)
                .filter(|at| routes[*at].holds(&asked)).collect();
            prop_assert_eq!(holds, all.iter().map(|(at, _)| *at).collect());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        routes in prop::collection::vec(route(), 0..8).prop_map(without_ties),
        path in prop::collection::vec(any::<u8>(), 0..32),
        pattern in ".{0,24}",
    ) {
        for kind in [PatternKind::Prefix, PatternKind::Exact, PatternKind::StartsWith, PatternKind::Regex] {
            if let Err(error) = Pattern::parse(kind, &format!("/{pattern}")) {
                prop_assert!(error.offset().is_none_or(|offset| offset <= pattern.len() + 1));
            }
        }
        let order: Vec<_> = (0..routes.len()).collect();
        let router = build(&routes, &order, PathOptions::default()).unwrap();
        let path = [b"/", &path[..]].concat();
        if let Ok(path) = NormalPath::parse(&path, PathOptions::default()) {
            let found = router.find(&path, &Asked::default());
            let _ = found.map(|found| found.param("rest", &path).map(|value| value.len()));
        }
    }
}
