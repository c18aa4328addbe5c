//! Marks: what goes on comes off, and nothing else is touched.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::pool::testing::Client;

const NOW: u64 = 1_800_000_000;

fn marked(side: Side) -> MarkedCookie {
    MarkedCookie {
        name: "S".into(),
        side,
        param: Some("s".into()),
        on_down: OnDown::Redispatch,
        keys: KeyRing::ephemeral(NOW).expect("random bytes"),
    }
}

/// The value that a `Set-Cookie` field sets.
fn value(field: &[u8]) -> Vec<u8> {
    field[set_value(field, "S").expect("the cookie")].to_vec()
}

fn known(cookie: &MarkedCookie, text: &[u8]) -> Option<ServerId> {
    match cookie.read(text, &|id| id == ServerId::of("tw1")) {
        Known::Server { id, .. } => Some(id),
        Known::Nothing => None,
    }
}

#[test]
fn a_mark_names_the_server_and_comes_off() {
    for side in [Side::Prefix, Side::Suffix] {
        let cookie = marked(side);
        for field in ["S=abc", "S=abc; Path=/; HttpOnly", " S = abc ;Secure", "S=\"a b\"", "S=a.b~c"] {
            let with = cookie.mark(field.as_bytes(), "tw1", NOW).expect("marked");
            let (bare, plain) = (value(field.as_bytes()), value(&with));
            assert_eq!(cookie.bare(&plain), bare, "{field}");
            assert_eq!(known(&cookie, &plain), Some(ServerId::of("tw1")), "{field}");
            let text = String::from_utf8(with).unwrap();
            assert!(!text.contains("tw1"), "no name is readable: {text}");
            let other = marked(side);
            assert_eq!(known(&other, &plain), None, "other keys");
            assert_eq!(other.bare(&plain), bare, "a mark comes off, whoever made it");
        }
        for field in ["S=", "S=; Max-Age=0", "T=1", "S", "", "T=S=1", "s=1", "S=\"\""] {
            assert_eq!(cookie.mark(field.as_bytes(), "tw1", NOW), None, "{field}");
        }
    }
}

#[test]
fn the_application_may_name_its_server_itself_in_a_suffix() {
    let cookie = marked(Side::Suffix);
    assert_eq!(cookie.mark(b"S=0A1B.tw1; Path=/app", "tw1", NOW), None, "it is there already");
    assert!(cookie.mark(b"S=0A1B.tw2; Path=/app", "tw1", NOW).is_some(), "that is another server");
    assert_eq!(known(&cookie, b"0A1B.tw1"), Some(ServerId::of("tw1")));
    for nobody in [&b"0A1B.tw9"[..], b"0A1B", b"tw1", b"0A1B.", b"0A1B.\xff"] {
        assert_eq!(known(&cookie, nobody), None);
        assert_eq!(cookie.bare(nobody), nobody);
    }
    assert_eq!(known(&marked(Side::Prefix), b"0A1B.tw1"), None, "only behind");
    assert_eq!(known(&marked(Side::Prefix), b"tw1~0A1B"), None, "and only there");
}

#[test]
fn cookies_come_before_parameters_and_the_first_that_is_known_counts() {
    let cookie = marked(Side::Suffix);
    let find = |cookies: &[&str], target: &str| {
        let cookies = cookies.iter().map(|value| ("S".into(), value.as_bytes().to_vec())).collect();
        let client = Client { cookies, target: target.into(), ..Client::default() };
        let client_ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ask = Ask { client_ip, affinity: &client, tried: &[], now: NOW, worker: 0 };
        let found = cookie.find(&ask, &|id| [ServerId::of("a"), ServerId::of("b")].contains(&id));
        let server = match found.known {
            Known::Server { id, .. } => Some(id),
            Known::Nothing => None,
        };
        (server, found.key)
    };
    let at = |name: &str, key: &str| (Some(ServerId::of(name)), Some(digest(key.as_bytes())));
    assert_eq!(find(&["1.x", "2.a"], "/;s=3.b"), at("a", "2.a"));
    assert_eq!(find(&["1.x"], "/app;s=3.b"), at("b", "3.b"));
    assert_eq!(find(&[], "/app?s=3.b"), at("b", "3.b"));
    assert_eq!(find(&["1.x"], "/app"), (None, Some(digest(b"1.x"))));
    assert_eq!(find(&[], "/app"), (None, None));
}

proptest! {
    #[test]
    fn what_is_marked_is_given_back(
        value in "[!#-+\\--:<-\\[\\]-~]{1,60}",
        attributes in "(; ?[A-Za-z-]{1,8}(=[!-:<-~]{0,8})?){0,3}",
        suffix: bool,
    ) {
        let cookie = marked(if suffix { Side::Suffix } else { Side::Prefix });
        let field = format!("S={value}{attributes}");
        let with = cookie.mark(field.as_bytes(), "a", NOW).expect("a value is marked");
        let plain = self::value(&with);
        prop_assert_eq!(cookie.bare(&plain), value.as_bytes());
        prop_assert_eq!(&with[2 + plain.len()..], attributes.as_bytes());
        prop_assert_eq!(known(&cookie, &plain), Some(ServerId::of("a")));
    }

    #[test]
    fn nobody_can_make_a_mark(value in proptest::collection::vec(any::<u8>(), 0..200), suffix: bool) {
        let cookie = marked(if suffix { Side::Suffix } else { Side::Prefix });
        prop_assert_eq!(known(&cookie, &value), None);
        let bare = cookie.bare(&value);
        prop_assert!(value.windows(bare.len().max(1)).any(|part| part == bare) || bare.is_empty());
    }

    #[test]
    fn other_cookies_are_never_marked(name in "[A-RT-Za-z]{1,8}", value in "[ -~]{0,40}") {
        let cookie = marked(Side::Suffix);
        prop_assert_eq!(cookie.mark(format!("{name}={value}").as_bytes(), "a", NOW), None);
    }

    #[test]
    fn a_changed_mark_is_not_believed(at in 0_usize..LENGTH, letter in "[A-Za-z0-9_-]") {
        let cookie = marked(Side::Prefix);
        let mut plain = self::value(&cookie.mark(b"S=1", "a", NOW).expect("marked"));
        prop_assume!(plain[at] != letter.as_bytes()[0]);
        plain[at] = letter.as_bytes()[0];
        prop_assert_eq!(known(&cookie, &plain), None);
    }
}
