//! What a new generation of a pool adopts from the one before, and what it does not.

use std::net::SocketAddr;

use super::*;
use crate::pool::testing::{Client, check, check_spec, cookie_policy, settings, source};
use crate::pool::{SessionKind, Stamp, State, Wish};

fn checked(servers: &[&str], spec: CheckSpec) -> PoolSettings {
    PoolSettings { check: Some(Arc::new(spec)), ..settings(servers) }
}

fn server<'a>(pool: &'a Pool, name: &str) -> &'a Arc<Server> {
    &pool.member(name).expect("a member").server
}

fn next(settings: PoolSettings, previous: &Pool) -> Pool {
    let pool = Pool::new(settings, Some(previous), 1);
    pool.commit();
    pool
}

fn client() -> SocketAddr {
    "127.0.0.1:4711".parse().unwrap()
}

#[test]
fn an_unchanged_server_stays_whole() {
    let old = Pool::new(checked(&["a", "b"], check_spec()), None, 1);
    check(&old, "a", false);
    let lease = server(&old, "a").begin();
    let new = Pool::new(checked(&["b", "c", "a*9"], check_spec()), Some(&old), 1);
    // The maker of settings gives addresses by position: `a` and `b` changed theirs.
    assert!(!Arc::ptr_eq(server(&old, "a"), server(&new, "a")));
    let same = next(checked(&["a*9!", "b"], check_spec()), &old);
    assert!(Arc::ptr_eq(server(&old, "a"), server(&same, "a")), "weight and backup are no identity");
    assert_eq!((server(&same, "a").in_flight(), same.members[0].weight), (1, 9));
    assert_eq!(server(&same, "a").health().bad, 10, "counts go on");
    drop(lease);
    assert_eq!(server(&same, "a").in_flight(), 0);
}

#[test]
fn a_server_that_moved_keeps_its_wish_and_counts_and_loses_its_health() {
    let old = Pool::new(checked(&["a"], check_spec()), None, 1);
    check(&old, "a", true);
    server(&old, "a").admin.set(Wish::Maint, Stamp::now(None, Some("disk".into())));
    server(&old, "a").counters.shard(0).request();
    let mut moved = checked(&["a"], check_spec());
    moved.servers[0].port = 9999;
    let new = next(moved, &old);
    let (was, is) = (server(&old, "a"), server(&new, "a"));
    assert!(!Arc::ptr_eq(was, is));
    assert!(Arc::ptr_eq(&was.admin, &is.admin));
    assert_eq!(is.counters.total().requests, 1);
    assert_eq!((was.health().state, is.health().state), (State::Up, State::Unknown));
}

#[test]
fn making_a_pool_changes_nothing_until_it_is_committed() {
    let old = Pool::new(checked(&["a"], check_spec()), None, 1);
    check(&old, "a", true);
    let other = CheckSpec { rise: 7, ..check_spec() };
    let new = Pool::new(checked(&["a"], other), Some(&old), 1);
    assert_eq!(server(&new, "a").health().good, 10);
    new.commit();
    let health = server(&new, "a").health();
    assert_eq!((health.state, health.good), (State::Up, 0), "another check keeps the state and counts anew");
    new.commit();
    assert_eq!(server(&new, "a").health().state, State::Up);
}

#[test]
fn a_check_that_is_added_or_removed_stops_no_traffic() {
    let bare = Pool::new(settings(&["a"]), None, 1);
    let with = next(checked(&["a"], check_spec()), &bare);
    assert_eq!(with.ready(), 1, "it took traffic before");
    check(&with, "a", false);
    assert_eq!(with.ready(), 0);
    let without = next(settings(&["a"]), &with);
    assert_eq!(without.ready(), 1);
    assert_eq!(server(&without, "a").health().state, State::Unknown);
}

#[test]
fn a_new_server_waits_for_its_first_check() {
    let old = Pool::new(checked(&["a"], check_spec()), None, 1);
    check(&old, "a", true);
    let new = next(checked(&["a", "b"], check_spec()), &old);
    assert_eq!((new.ready(), server(&new, "b").health().state), (1, State::Unknown));
}

#[test]
fn a_wish_stays_with_the_name() {
    let old = Pool::new(settings(&["a", "b"]), None, 1);
    server(&old, "b").admin.set(Wish::Maint, Stamp::now(None, None));
    server(&old, "a").admin.set_weight(Some(5), Stamp::now(None, None));
    let again = next(settings(&["a", "b", "c"]), &old);
    assert_eq!(server(&again, "b").admin.get().wish, Wish::Maint);
    assert_eq!(again.members[0].effective_weight(), 5);
}

#[test]
fn a_removed_server_in_use_is_seen_leaving_and_may_return_whole() {
    let old = Pool::new(settings(&["a", "b"]), None, 1);
    let session = server(&old, "b").begin().into_session(SessionKind::WebSocket, client());
    let new = next(settings(&["a"]), &old);
    assert_eq!(new.leaving.len(), 1);
    assert_eq!(new.leaving[0].sessions.count(), 1);
    let back = next(settings(&["a", "b"]), &new);
    assert!(back.leaving.is_empty());
    assert_eq!(server(&back, "b").sessions.count(), 1);
    drop(session);
    let gone = next(settings(&["a"]), &back);
    assert!(gone.leaving.is_empty(), "nobody uses it");
}

#[test]
fn who_returns_waits_for_a_check_like_a_new_one() {
    let old = Pool::new(checked(&["a", "b"], check_spec()), None, 1);
    check(&old, "b", true);
    let _session = server(&old, "b").begin().into_session(SessionKind::WebSocket, client());
    let without = next(checked(&["a"], check_spec()), &old);
    let back = next(checked(&["a", "b"], check_spec()), &without);
    assert!(Arc::ptr_eq(server(&old, "b"), server(&back, "b")));
    assert_eq!(server(&back, "b").health().state, State::Unknown);
}

#[test]
fn tables_and_counters_and_the_position_live_on() {
    let sticky = |kind: StickySettings| PoolSettings { sticky: vec![kind], ..settings(&["a", "b"]) };
    let old = Pool::new(sticky(source(OnDown::Redispatch)), None, 1);
    let mut one = Client::default();
    let (first, _) = one.goes(&old).expect("a server");
    let other = |mask_v4| {
        StickySettings::Table(TableSettings {
            by: ClientKey::SourceIp { mask_v4, mask_v6: 64 },
            ttl: Duration::from_secs(5),
            max_entries: 10,
            on_down: OnDown::Fail,
            on_return: OnReturn::Home,
        })
    };
    let new = next(sticky(other(32)), &old);
    let (table, before) = (new.sticky[0].table().unwrap(), old.sticky[0].table().unwrap());
    assert!(Arc::ptr_eq(table, before));
    assert_eq!(table.limits(), (Duration::from_secs(5), 10));
    assert_eq!(one.goes(&new).expect("a server").0, first);
    assert_eq!(new.counters.total().sticky_misses, 1);
    assert_eq!(new.counters.total().sticky_hits, 1);
    let masked = next(sticky(other(24)), &new);
    assert!(!Arc::ptr_eq(masked.sticky[0].table().unwrap(), table), "another mask, another table");
}

#[test]
fn the_position_of_round_robin_is_kept() {
    let mut pool = Pool::new(settings(&["a", "b", "c"]), None, 1);
    let mut seen = String::new();
    for _ in 0..9 {
        seen += &Client::default().goes(&pool).expect("a server").0;
        pool = next(settings(&["a", "b", "c"]), &pool);
    }
    assert_eq!(seen, "abcabcabc");
}

#[test]
fn a_pool_of_another_name_gives_nothing() {
    let old = Pool::new(settings(&["a"]), None, 1);
    let renamed = PoolSettings { name: "other".into(), ..settings(&["a"]) };
    let new = next(renamed, &old);
    assert!(!Arc::ptr_eq(server(&old, "a"), server(&new, "a")));
    assert_eq!(&*server(&new, "a").pool, "other");
}

#[test]
fn names_of_cookies() {
    let sticky = vec![StickySettings::Cookie(cookie_policy("LBD")), source(OnDown::Redispatch)];
    let pool = Pool::new(PoolSettings { sticky, ..settings(&["a"]) }, None, 1);
    assert_eq!(pool.sticky_cookie_names().collect::<Vec<_>>(), ["LBD"]);
    assert_eq!(pool.by_id(ServerId::of("a")).map(|member| &*member.server.name), Some("a"));
    assert!(pool.by_id(ServerId::of("b")).is_none());
}

#[test]
fn a_weight_that_was_wished_brings_nobody_to_a_server_that_dns_names_no_longer() {
    let origin = |unnamed| Origin { source: "app.test".into(), host: "10.0.0.1".into(), unnamed };
    let mut found = settings(&["a", "b"]);
    found.servers[0].origin = Some(Arc::new(origin(false)));
    found.servers[1].origin = Some(Arc::new(origin(true)));
    found.servers[1].weight = 0;
    let pool = Pool::new(found, None, 1);
    for member in &pool.members {
        member.server.admin.set_weight(Some(5), Stamp::now(None, None));
    }
    let weights: Vec<u32> = pool.members.iter().map(Member::effective_weight).collect();
    assert_eq!(weights, [5, 0]);
    assert_eq!(pool.members[1].eligibility(), Eligibility::StickyOnly);
}
