//! A pool with failing, full, new and far servers.

use super::*;
use crate::pool::testing::{Client, check, check_spec, committed, limited, settings, source};
use crate::pool::{HashKey, How, OnDown, PoolSettings, SessionKind, Stamp, Unavailable, Wish};

fn passive(max_ejected: f64) -> Overload {
    let spec = PassiveSpec {
        failures: 2,
        rate: None,
        min_requests: 10,
        window: Duration::from_secs(10),
        eject: Duration::from_secs(30),
        max_ejected,
    };
    Overload { passive: Some(spec), ..Overload::default() }
}

fn fail(pool: &Pool, name: &str, times: u32) -> usize {
    let server = &pool.member(name).expect("a member").server;
    let seen = Seen { failure: Some("status 503"), took: Duration::ZERO };
    (0..times).filter(|_| pool.observe_request(server, &seen, Instant::now()).is_some()).count()
}

fn names(pool: &Pool, n: usize) -> String {
    (0..n).map(|_| Client::default().goes(pool).expect("a server").0).collect()
}

fn with(servers: &[&str], overload: Overload) -> Pool {
    committed(PoolSettings { overload, ..settings(servers) })
}

#[test]
fn a_server_that_fails_requests_is_out_and_no_more_than_the_share() {
    let pool = with(&["a", "b", "c"], passive(0.5));
    assert_eq!(fail(&pool, "a", 1), 0);
    assert_eq!(fail(&pool, "a", 3), 1, "told once");
    let server = &pool.members[0].server;
    assert_eq!(server.eligibility(), Eligibility::No(Why::Ejected));
    let (left, reason) = server.ejected().expect("it is out");
    assert!(left > Duration::from_secs(10) && left <= Duration::from_secs(30));
    assert_eq!(reason, "2 failures");
    assert_eq!(fail(&pool, "b", 9), 0, "half of three is one");
    assert!(!names(&pool, 20).contains('a'));
    let without = Pool::new(settings(&["a", "b", "c"]), Some(&pool), 1);
    assert_eq!(server.eligibility(), Eligibility::No(Why::Ejected), "not before it is published");
    without.commit();
    assert_eq!(server.eligibility(), Eligibility::Ready);
}

#[test]
fn an_ejected_server_comes_back_by_time() {
    let mut overload = passive(0.5);
    overload.passive.as_mut().expect("passive").eject = Duration::from_millis(50);
    let pool = with(&["a", "b"], overload);
    assert_eq!(fail(&pool, "a", 2), 1);
    let give_up = Instant::now() + Duration::from_secs(60);
    while pool.members[0].server.ejected().is_some() {
        assert!(Instant::now() < give_up, "it never comes back");
        std::thread::yield_now();
    }
    assert!(names(&pool, 4).contains('a'));
}

#[test]
fn with_few_healthy_servers_a_panic_uses_all() {
    let pool = |panic| {
        let overload = Overload { panic, ..Overload::default() };
        let pool = committed(PoolSettings {
            overload,
            check: Some(Arc::new(check_spec())),
            sticky: vec![source(OnDown::Redispatch)],
            ..settings(&["a", "b", "c", "d"])
        });
        ["a", "b", "c", "d"].iter().for_each(|name| check(&pool, name, true));
        pool
    };
    let both = [pool(None), pool(Some(0.5))];
    let mut of_a = (1..=250).map(|n| Client { ip: [198, 51, 100, n].into(), ..Client::default() });
    let of_a = of_a.find(|client| client.clone().goes(&pool(None)).expect("a server").0 == "a");
    let client = || of_a.clone().expect("one of many");
    let sticky_on = both.each_ref().map(|pool| client().goes(pool).expect("a server").0);
    assert_eq!(sticky_on, ["a", "a"]);
    for pool in &both {
        ["a", "b"].iter().for_each(|name| check(pool, name, false));
        assert!(!pool.is_panicking(), "half is not less than half");
        check(pool, "c", false);
    }
    assert!(!both[0].is_panicking() && both[1].is_panicking());
    assert_eq!(client().goes(&both[0]).expect("the last one").0, "d");
    assert_eq!(client().goes(&both[1]), Ok(("a".into(), How::StickySource)), "its own server, down or not");
    both[1].members[0].server.admin.set(Wish::Maint, Stamp::now(None, None));
    let other = |n: u8| {
        let client_ip = [198, 51, 100, 100 + n].into();
        let client = Client::default();
        let ask = Ask { client_ip, affinity: &client, tried: &[], now: 1000, worker: 0 };
        both[1].acquire(&ask).expect("a server").lease.name.to_string()
    };
    let mut others: Vec<_> = (0..30).map(other).collect();
    others.sort();
    others.dedup();
    assert_eq!(others, ["b", "c", "d"], "what the operator took away stays away");
}

#[test]
fn a_full_server_is_passed_over_and_a_full_pool_says_so() {
    let pool = committed(limited(&["a", "b", "e!"], 1, 0));
    let held: Vec<_> = (0..2).map(|_| Client::default().ask(&pool, &[], 1000).expect("room").lease).collect();
    assert_ne!(held[0].name, held[1].name);
    let refused = Client::default().goes(&pool);
    assert_eq!(refused, Err(Unavailable::Busy(None)), "backups stand in for the dead, not for the busy");
    pool.members[0].server.admin.set(Wish::Maint, Stamp::now(None, None));
    pool.members[1].server.admin.set(Wish::Maint, Stamp::now(None, None));
    assert_eq!(Client::default().goes(&pool).expect("the backup").0, "e");
}

#[test]
fn a_sticky_client_of_a_full_server_waits_for_it() {
    let pool =
        committed(PoolSettings { sticky: vec![source(OnDown::Redispatch)], ..limited(&["a", "b"], 1, 5) });
    let held = Client::default().ask(&pool, &[], 1000).expect("room").lease;
    assert_eq!(Client::default().goes(&pool), Err(Unavailable::Busy(Some(held.id))));
    drop(held);
    assert_eq!(Client::default().goes(&pool).expect("its own").1, How::StickySource);
}

#[test]
fn streams_count_as_connections_and_leave_the_requests() {
    let mut settings = limited(&["a"], 1, 5);
    settings.servers[0].limits.max_connections = Some(2);
    let pool = committed(settings);
    let server = &pool.members[0].server;
    let client = "127.0.0.1:1".parse().expect("an address");
    let stream = || server.try_begin().expect("room").into_session(SessionKind::WebSocket, client);
    let streams = [stream(), stream()];
    assert!(server.is_full(), "two connections");
    let place = pool.queue().enter(None, &[]).expect("a place");
    drop(streams);
    let turn = place.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(
        matches!(turn, std::task::Poll::Ready(crate::pool::Turn::Slot(_))),
        "a stream that ends makes room"
    );
}

#[test]
fn the_share_of_a_server_that_comes_back_grows() {
    let overload = Overload { slow_start: Some(Duration::from_secs(600)), ..Overload::default() };
    let pool = with(&["a", "b"], overload);
    assert_eq!(names(&pool, 4), "abab", "at first all are equal");
    assert_eq!(pool.starting(&pool.members[0]), None);
    let admin = &pool.members[0].server.admin;
    admin.set(Wish::Maint, Stamp::now(None, None));
    assert_eq!(pool.starting(&pool.members[0]), None);
    admin.set(Wish::Ready, Stamp::now(None, None));
    assert_eq!(pool.starting(&pool.members[0]), Some(1));
    let few = names(&pool, 404).matches('a').count();
    assert!((2..=8).contains(&few), "{few} of 404");
    let next = Pool::new(
        PoolSettings { overload: pool.overload.clone(), ..settings(&["a", "b", "new"]) },
        Some(&pool),
        1,
    );
    assert_eq!(next.starting(next.member("new").expect("it joined")), Some(1));
}

#[test]
fn near_servers_come_first_and_far_ones_take_what_is_too_much() {
    let pool = |zone: Option<&str>| {
        let mut settings = limited(&["a", "b", "c", "e!"], 1, 0);
        for (server, zone) in settings.servers.iter_mut().zip(["x", "y", "y", "x"]) {
            server.limits.zone = Some(zone.into());
        }
        settings.overload.zone = zone.map(Arc::from);
        committed(settings)
    };
    let near = pool(Some("y"));
    assert!(!names(&near, 20).contains('a'));
    let _held = [1, 2].map(|i| near.members[i].server.try_begin().expect("room"));
    assert_eq!(names(&near, 2), "aa", "the near ones are full");
    for zone in [None, Some("elsewhere")] {
        assert!(names(&pool(zone), 6).contains('a'), "{zone:?}");
    }
}

#[test]
fn ewma_prefers_who_answers_quickly() {
    let pool = committed(PoolSettings { balance: BalanceKind::Ewma, ..settings(&["a", "b"]) });
    assert!(pool.is_curious());
    for (name, took) in [("a", 400), ("b", 5)] {
        let seen = Seen { failure: None, took: Duration::from_millis(took) };
        let server = &pool.member(name).expect("a member").server;
        assert_eq!(pool.observe_request(server, &seen, Instant::now()), None);
    }
    assert_eq!(names(&pool, 50), "b".repeat(50));
    let _busy: Vec<_> = (0..200).map(|_| pool.members[1].server.begin()).collect();
    assert_eq!(names(&pool, 10), "a".repeat(10), "until it has too much to do");
}

#[test]
fn a_bounded_hash_passes_on_what_is_too_much() {
    let pool = |headroom| {
        let key = HashKey::SourceIp;
        let balance = BalanceKind::BoundedHash { key, headroom };
        committed(PoolSettings { balance, ..settings(&["a", "b", "c", "d"]) })
    };
    for (headroom, most) in [(0, 25), (250, 32), (1000, 50)] {
        let pool = pool(headroom);
        // One key is all there is.
        let held: Vec<_> =
            (0..100).map(|_| Client::default().ask(&pool, &[], 1000).expect("a server").lease).collect();
        let loads = pool.members.iter().map(|member| member.server.in_flight());
        let max = loads.max().expect("members");
        assert!(max >= 25 && max <= most, "headroom {headroom}: {max}");
        drop(held);
        let first = names(&pool, 1);
        assert_eq!(names(&pool, 3), first.repeat(3), "without load a key stays where it is");
    }
}
