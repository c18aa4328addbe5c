//! Where wish and health meet, endpoints, and what is shown of health.

use std::time::SystemTime;

use super::*;
use crate::pool::testing;
use crate::pool::{DrainSticky, Pool, PoolSettings, Stamp, Wish};

fn pool(check: Option<CheckSpec>) -> Pool {
    let settings = PoolSettings { check: check.map(Arc::new), ..testing::settings(&["a"]) };
    Pool::new(settings, None, 1)
}

fn stamp() -> Stamp {
    Stamp::now(Some("uid 0".into()), None)
}

fn drain(sticky: DrainSticky) -> Wish {
    Wish::Drain { sticky, deadline: None }
}

#[test]
fn ids_never_change() {
    // Written down: they stand in cookies, so a change would move every client at an upgrade.
    assert_eq!(ServerId::of("tw1"), ServerId(0x31F4_4EEF_CA9E_2D4F));
    assert_ne!(ServerId::of("tw1"), ServerId::of("tw2"));
}

#[test]
fn eligibility_is_where_wish_and_health_meet() {
    let checked = pool(Some(testing::check_spec()));
    let server = &checked.members[0].server;
    let took = Duration::ZERO;
    let passed = Outcome::CheckPassed { took };
    let failed = Outcome::CheckFailed { reason: "status 503".into(), took };
    let asks = Outcome::CheckWantsDrain { reason: "status 404".into(), took };
    let check = |outcomes: &[&Outcome], expected: [Eligibility; 4]| {
        for outcome in outcomes {
            server.observe(outcome, Instant::now());
        }
        let wishes = [Wish::Ready, drain(DrainSticky::Keep), drain(DrainSticky::Move), Wish::Maint];
        for (wish, expected) in wishes.into_iter().zip(expected) {
            server.admin.set(wish.clone(), stamp());
            assert_eq!(server.eligibility(), expected, "{wish:?} after {outcomes:?}");
        }
        server.admin.set(Wish::Ready, stamp());
    };
    use Eligibility::{No, Ready, StickyOnly};
    let all = |why| [No(why), No(why), No(why), No(Why::Maint)];
    check(&[], all(Why::Unchecked));
    check(&[&passed], [Ready, StickyOnly, No(Why::Drain), No(Why::Maint)]);
    check(&[&asks], [StickyOnly, StickyOnly, No(Why::Drain), No(Why::Maint)]);
    check(&[&failed, &failed, &failed], all(Why::Down));
    check(&[&passed, &passed], [Ready, StickyOnly, No(Why::Drain), No(Why::Maint)]);
}

#[test]
fn without_a_check_a_server_takes_traffic_and_says_unknown() {
    let pool = pool(None);
    let server = &pool.members[0].server;
    assert_eq!(server.eligibility(), Eligibility::Ready);
    let health = server.health();
    assert_eq!((health.checked, health.state), (false, State::Unknown));
}

#[test]
fn initial_up_takes_traffic_until_checks_fail() {
    let pool = pool(Some(CheckSpec { initial_up: true, fall: 2, ..testing::check_spec() }));
    let server = &pool.members[0].server;
    assert_eq!(server.eligibility(), Eligibility::Ready);
    let failed = Outcome::CheckFailed { reason: "connect refused".into(), took: Duration::from_millis(7) };
    assert_eq!(server.observe(&failed, Instant::now()), None);
    let transition = server.observe(&failed, Instant::now()).expect("fall is 2");
    assert_eq!(transition.reason, "connect refused");
    let health = server.health();
    assert_eq!((health.state, health.reason.as_deref()), (State::Down, Some("connect refused")));
    assert_eq!((health.good, health.bad), (0, 2));
    let last = health.last.expect("it was checked");
    assert_eq!((last.took, last.failure.as_deref()), (Duration::from_millis(7), Some("connect refused")));
    assert!(health.since <= SystemTime::now());
}

#[test]
fn an_address_literal_is_an_endpoint_at_once() {
    let check = |host: &str, expected: &str| {
        let mut settings = testing::settings(&["a"]);
        settings.servers[0].host = host.into();
        let pool = Pool::new(settings, None, 1);
        let server = &pool.members[0].server;
        assert_eq!(server.endpoint(), Some(expected.parse().unwrap()), "{host}");
        assert!(!server.needs_resolving());
    };
    check("127.0.0.1", "127.0.0.1:8080");
    check("::1", "[::1]:8080");
}

#[test]
fn resolved_addresses_take_turns() {
    let mut settings = testing::settings(&["a"]);
    settings.servers[0].host = "app.test".into();
    let pool = Pool::new(settings, None, 1);
    let server = &pool.members[0].server;
    assert_eq!(server.eligibility(), Eligibility::No(Why::Unresolved));
    let found = || vec!["127.0.0.1:9".parse().unwrap(), "127.0.0.2:9".parse().unwrap()];
    assert!(server.set_resolved(found()));
    assert!(!server.set_resolved(found()));
    let mut seen: Vec<_> = (0..4).filter_map(|_| server.endpoint()).map(|e| e.to_string()).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["127.0.0.1:8080", "127.0.0.1:8080", "127.0.0.2:8080", "127.0.0.2:8080"]);
    assert_eq!(server.endpoint_at(81).map(|endpoint| endpoint.port()), Some(81));
    assert_eq!(server.eligibility(), Eligibility::Ready);
}

#[test]
fn what_a_request_asks_for_lies_together() {
    let hot = std::mem::offset_of!(Server, literal) + size_of::<Option<IpAddr>>();
    assert!(hot <= 128, "{hot} bytes: more than two lines of the cache");
}
