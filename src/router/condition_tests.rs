//! Tables of conditions: when they hold, what they say, and which exclude each other.

use super::super::asked::Asked;
use super::*;

fn exact(value: &str) -> Option<ValueMatch> {
    Some(ValueMatch::Exact(value.to_owned()))
}

fn prefix(value: &str) -> Option<ValueMatch> {
    Some(ValueMatch::Prefix(value.to_owned()))
}

fn regex(value: &str) -> Option<ValueMatch> {
    Some(ValueMatch::regex(value).unwrap())
}

fn header(value: Option<ValueMatch>) -> Conditions {
    Conditions { headers: vec![("x-canary".to_owned(), value)], ..Conditions::default() }
}

fn query(name: &str, value: Option<ValueMatch>) -> Conditions {
    Conditions { queries: vec![(name.to_owned(), value)], ..Conditions::default() }
}

fn methods(methods: &[&str]) -> Conditions {
    Conditions {
        methods: methods.iter().map(|method| (*method).to_owned()).collect(),
        ..Conditions::default()
    }
}

fn clients(networks: &[&str]) -> Conditions {
    Conditions {
        client_ips: networks.iter().map(|net| net.parse().unwrap()).collect(),
        ..Conditions::default()
    }
}

fn websocket(wanted: bool) -> Conditions {
    Conditions { websocket: Some(wanted), ..Conditions::default() }
}

#[test]
fn nothing_asked_always_holds() {
    assert!(Conditions::default().hold(&Asked::default()));
    assert_eq!(Conditions::default().count(), 0);
}

#[test]
fn a_header_is_present_equal_or_matching() {
    let sent = |value| Asked { headers: vec![("x-canary", "0"), ("x-canary", value)], ..Asked::default() };
    for (condition, value, holds) in [
        (None, "", true),
        (exact("1"), "1", true),
        (exact("1"), "11", false),
        (prefix("b-"), "b-7", true),
        (prefix("b-"), "a-b-7", false),
        (regex(r"\d{3}"), "a123", true),
        (regex(r"^\d{3}$"), "a123", false),
    ] {
        assert_eq!(header(condition.clone()).hold(&sent(value)), holds, "{condition:?} {value}");
    }
    assert!(!header(None).hold(&Asked::default()));
}

#[test]
fn a_query_parameter_is_compared_decoded() {
    let sent = |query| Asked { query: Some(query), ..Asked::default() };
    for (name, value, asked, holds) in [
        ("v", None, "a=1&v", true),
        ("v", None, "a=v", false),
        ("v", exact("2"), "v=1&v=2", true),
        ("v", exact("a b"), "v=a+b", true),
        ("v", exact("a b"), "v=a%20b", true),
        ("a/b", exact("ü"), "a%2fb=%C3%BC", true),
        ("v", exact("%zz"), "v=%zz", true),
        ("v", exact(""), "v=", true),
        ("v", exact("1=2"), "v=1=2", true),
    ] {
        assert_eq!(query(name, value).hold(&sent(asked)), holds, "{name} in {asked}");
    }
    assert!(!query("v", None).hold(&Asked::default()));
}

#[test]
fn methods_clients_cookies_and_websockets() {
    assert!(methods(&["PUT", "GET"]).hold(&Asked::default()));
    assert!(!methods(&["PUT"]).hold(&Asked::default()));
    assert!(clients(&["10.0.0.0/8", "127.0.0.0/8"]).hold(&Asked::default()));
    assert!(!clients(&["10.0.0.0/8", "::/0"]).hold(&Asked::default()));
    let mapped = Asked { client: "::ffff:10.1.2.3".parse().unwrap(), ..Asked::default() };
    assert!(clients(&["10.0.0.0/8"]).hold(&mapped));
    assert!(websocket(false).hold(&Asked::default()) && !websocket(true).hold(&Asked::default()));
    let cookie = Conditions { cookies: vec![("beta".to_owned(), None)], ..Conditions::default() };
    assert!(cookie.hold(&Asked { cookies: vec![("beta", "")], ..Asked::default() }));
    assert!(!cookie.hold(&Asked { cookies: vec![("Beta", "")], ..Asked::default() }));
}

#[test]
fn each_field_counts_and_lists_count_once() {
    let mut all = Conditions { websocket: Some(true), ..methods(&["GET", "HEAD"]) };
    all.headers = vec![("a".to_owned(), None), ("b".to_owned(), None)];
    all.cookies = vec![("c".to_owned(), None)];
    all.queries = vec![("d".to_owned(), None)];
    all.client_ips = clients(&["10.0.0.0/8", "11.0.0.0/8"]).client_ips;
    assert_eq!(all.count(), 7);
}

#[test]
fn a_failed_condition_says_itself() {
    for (conditions, words) in [
        (methods(&["PUT", "POST"]), "method PUT POST"),
        (websocket(true), "websocket"),
        (clients(&["10.0.0.0/8", "fd00::/8"]), "client-ip 10.0.0.0/8 fd00::/8"),
        (header(exact("1")), "header x-canary = 1"),
        (header(None), "header x-canary"),
        (query("v", prefix("a")), "query v begins with a"),
        (query("v", regex("^a$")), "query v matches ^a$"),
    ] {
        assert_eq!(conditions.failed(&Asked::default()).as_deref(), Some(words));
    }
    assert_eq!(websocket(false).failed(&Asked::default()), None);
}

#[test]
fn disjoint_only_what_is_provably_so() {
    for (a, b, disjoint) in [
        (methods(&["GET", "HEAD"]), methods(&["POST"]), true),
        (methods(&["GET", "HEAD"]), methods(&["POST", "HEAD"]), false),
        (methods(&["GET"]), Conditions::default(), false),
        (websocket(true), websocket(false), true),
        (websocket(true), websocket(true), false),
        (clients(&["10.0.0.0/8"]), clients(&["11.0.0.0/8", "fd00::/8"]), true),
        (clients(&["10.0.0.0/8"]), clients(&["11.0.0.0/8", "10.1.0.0/16"]), false),
        (header(exact("1")), header(exact("2")), true),
        (header(exact("1")), header(exact("1")), false),
        (header(exact("1")), header(None), false),
        (header(exact("1")), query("x-canary", exact("2")), false),
        (header(exact("abc")), header(prefix("ab")), false),
        (header(exact("abc")), header(prefix("b")), true),
        (header(prefix("a")), header(prefix("ab")), false),
        (header(prefix("a")), header(prefix("b")), true),
        (header(exact("12")), header(regex(r"^\d+$")), false),
        (header(exact("x")), header(regex(r"^\d+$")), true),
        (header(regex("^a$")), header(regex("^b$")), false),
        (query("v", exact("1")), query("v", exact("2")), true),
        (query("v", exact("1")), query("w", exact("2")), false),
    ] {
        assert_eq!((a.disjoint(&b), b.disjoint(&a)), (disjoint, disjoint), "{a:?} {b:?}");
    }
}

#[test]
fn conditions_read_the_same_in_any_order() {
    let mut one = header(exact("1"));
    one.headers.push(("a".to_owned(), None));
    let mut other = one.clone();
    other.headers.reverse();
    assert_eq!(one.canonical(), other.canonical());
}

#[test]
fn a_bad_regex_is_refused_in_one_line() {
    let error = ValueMatch::regex("a(").unwrap_err();
    assert_eq!(error, "unclosed group");
    assert!(ValueMatch::regex(r"(\w{100}){100}").unwrap_err().lines().count() == 1);
    assert_eq!(ValueMatch::regex("a"), ValueMatch::regex("a"));
    assert_ne!(ValueMatch::regex("a"), ValueMatch::regex("b"));
}
