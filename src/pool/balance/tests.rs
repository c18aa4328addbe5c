//! Shares by weight, fairness to who is left, and each algorithm's own promise.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::pool::testing::{Client, settings};
use crate::pool::{Lease, Pool, PoolSettings, SessionKind, Stamp, Wish};

fn pool_of(kind: BalanceKind, servers: &[&str]) -> Pool {
    Pool::new(PoolSettings { balance: kind, ..settings(servers) }, None, 1)
}

fn maint(pool: &Pool, name: &str) {
    pool.member(name).expect("a member").server.admin.set(Wish::Maint, Stamp::now(None, None));
}

fn weigh(pool: &Pool, name: &str, weight: Option<u32>) {
    pool.member(name).expect("a member").server.admin.set_weight(weight, Stamp::now(None, None));
}

fn order(pool: &Pool, n: usize) -> String {
    (0..n).map(|_| Client::default().goes(pool).expect("a server").0).collect()
}

/// How often each server got one of `n` requests that end at once; keys 0 to n.
fn shares(pool: &Pool, n: u64) -> BTreeMap<String, u64> {
    let mut shares = BTreeMap::new();
    for key in 0..n {
        let mut client = Client { key: hash(&key.to_be_bytes()), ..Client::default() };
        *shares.entry(client.goes(pool).expect("a server").0).or_default() += 1;
    }
    shares
}

fn all_kinds() -> [BalanceKind; 6] {
    [
        BalanceKind::RoundRobin,
        BalanceKind::LeastRequests,
        BalanceKind::LeastConnections,
        BalanceKind::P2c,
        BalanceKind::Random,
        BalanceKind::Hash(HashKey::SourceIp),
    ]
}

#[track_caller]
fn assert_shares(pool: &Pool, weights: &[(&str, u64)], tolerance: f64) {
    const N: u64 = 20_000;
    let seen = shares(pool, N);
    let total: u64 = weights.iter().map(|(_, weight)| weight).sum();
    for (name, weight) in weights {
        let expected = N as f64 * *weight as f64 / total as f64;
        let got = seen.get(*name).copied().unwrap_or(0) as f64;
        let off = (got - expected).abs();
        assert!(off <= tolerance * expected, "{}: {name} got {got} of {expected}", pool.balance.as_str());
    }
    let known: u64 = weights.iter().filter_map(|(name, _)| seen.get(*name)).sum();
    assert_eq!(known, N, "{}: somebody else got some", pool.balance.as_str());
}

#[test]
fn each_algorithm_gives_each_server_its_share() {
    for kind in all_kinds() {
        let pool = pool_of(kind, &["a*5", "b*3", "c*2", "d*0", "e*10!"]);
        // A draw of 20 000 has a standard deviation of about 1 % of these shares.
        assert_shares(&pool, &[("a", 5), ("b", 3), ("c", 2)], 0.08);
    }
}

#[test]
fn the_share_of_who_is_gone_goes_to_all_the_others() {
    for kind in all_kinds() {
        let pool = pool_of(kind, &["a", "b", "c", "d", "e*4", "f*2"]);
        maint(&pool, "c");
        maint(&pool, "e");
        assert_shares(&pool, &[("a", 1), ("b", 1), ("d", 1), ("f", 2)], 0.08);
    }
}

#[test]
fn weights_of_the_operator_hold_at_once() {
    for kind in all_kinds() {
        let pool = pool_of(kind, &["a", "b*0", "c*3"]);
        weigh(&pool, "a", Some(6));
        weigh(&pool, "b", Some(2));
        weigh(&pool, "c", Some(0));
        assert_shares(&pool, &[("a", 3), ("b", 1)], 0.08);
        for name in ["a", "b", "c"] {
            weigh(&pool, name, None);
        }
        assert_shares(&pool, &[("a", 1), ("c", 3)], 0.08);
    }
}

#[test]
fn one_of_many_is_found() {
    let names: Vec<String> = (0..300).map(|i| format!("s{i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for kind in all_kinds() {
        let pool = pool_of(kind, &names);
        for name in names.iter().filter(|name| **name != "s217") {
            maint(&pool, name);
        }
        for _ in 0..3 {
            assert_eq!(order(&pool, 1), "s217", "{}", pool.balance.as_str());
        }
        maint(&pool, "s217");
        assert!(Client::default().goes(&pool).is_err());
    }
}

#[test]
fn round_robin_stays_smooth_without_somebody() {
    let pool = pool_of(BalanceKind::RoundRobin, &["a", "b", "c"]);
    assert_eq!(order(&pool, 6), "abcabc");
    maint(&pool, "b");
    assert_eq!(order(&pool, 6), "acacac");
    maint(&pool, "a");
    assert_eq!(order(&pool, 2), "cc");
    assert_eq!(order(&pool_of(BalanceKind::RoundRobin, &["a*3", "b"]), 8), "aabaaaba");
}

#[test]
fn round_robin_finds_the_light_behind_the_heavy() {
    let mut names: Vec<String> = (0..40).map(|i| format!("s{i}*5000")).collect();
    names.push("light*1".into());
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let pool = pool_of(BalanceKind::RoundRobin, &names);
    for i in 0..40 {
        maint(&pool, &format!("s{i}"));
    }
    assert_eq!(order(&pool, 2), "lightlight");
}

#[test]
fn workers_share_one_round() {
    let pool = pool_of(BalanceKind::RoundRobin, &["a*2", "b", "c"]);
    let count = |name: &str, seen: &str| seen.matches(name).count();
    let seen = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(|| order(&pool, 4000))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).collect::<String>()
    });
    for (name, expected) in [("a", 8000_usize), ("b", 4000), ("c", 4000)] {
        assert!(count(name, &seen).abs_diff(expected) <= 16, "{name}: {}", count(name, &seen));
    }
}

#[test]
fn the_least_busy_by_weight_comes_next() {
    let pool = pool_of(BalanceKind::LeastRequests, &["a*3", "b"]);
    let mut held: Vec<Lease> = Vec::new();
    for _ in 0..40 {
        held.push(Client::default().ask(&pool, &[], 1000).expect("a server").lease);
    }
    let on = |name: &str| pool.member(name).expect("a member").server.in_flight();
    assert_eq!((on("a"), on("b")), (30, 10));
    held.retain(|lease| &*lease.name != "b");
    assert_eq!(order(&pool, 1), "b");
}

#[test]
fn among_many_the_idle_come_first_and_each_gets_its_share() {
    let names: Vec<String> = (0..60).map(|i| format!("s{i}*{}", 1 + i % 3)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let pool = pool_of(BalanceKind::LeastRequests, &names);
    let busy = |index: usize| index.is_multiple_of(2);
    let held: Vec<Lease> =
        (0..60).filter(|index| busy(*index)).map(|index| pool.members[index].server.begin()).collect();
    let idle: Vec<(&str, u64)> = pool
        .members
        .iter()
        .enumerate()
        .filter(|(index, _)| !busy(*index))
        .map(|(_, member)| (&*member.server.name, u64::from(member.weight)))
        .collect();
    assert_shares(&pool, &idle, 0.25);
    drop(held);
    // Nobody is idle: all are compared, whoever is found at once.
    let _all: Vec<Lease> = pool.members.iter().map(|member| member.server.begin()).collect();
    let _more: Vec<Lease> = pool.members.iter().skip(1).map(|member| member.server.begin()).collect();
    let _most: Vec<Lease> = pool
        .members
        .iter()
        .skip(1)
        .flat_map(|member| [member.server.begin(), member.server.begin()])
        .collect();
    assert_eq!(order(&pool, 3), "s0s0s0");
}

#[test]
fn sessions_are_connections_and_no_requests() {
    let session = |pool: &Pool| {
        let server = &pool.member("a").expect("a member").server;
        server.begin().into_session(SessionKind::WebSocket, "127.0.0.1:1".parse().expect("an address"))
    };
    let connections = pool_of(BalanceKind::LeastConnections, &["a", "b"]);
    let _held = session(&connections);
    assert_eq!(order(&connections, 6), "bbbbbb");
    let requests = pool_of(BalanceKind::LeastRequests, &["a", "b"]);
    let _held = session(&requests);
    assert!(order(&requests, 6).contains('a'));
}

#[test]
fn p2c_avoids_the_busier() {
    let pool = pool_of(BalanceKind::P2c, &["a", "b"]);
    let _busy: Vec<_> = (0..5).map(|_| pool.members[0].server.begin()).collect();
    assert_eq!(order(&pool, 50), "b".repeat(50));
    let even = pool_of(BalanceKind::P2c, &["a*2", "b*2", "c", "d"]);
    let held: Vec<_> =
        (0..600).map(|_| Client::default().ask(&even, &[], 1000).expect("a server").lease).collect();
    for member in &even.members {
        let (got, expected) = (f64::from(member.server.in_flight()), 100.0 * f64::from(member.weight));
        assert!((got - expected).abs() < 0.15 * expected, "{}: {got} of {expected}", member.server.name);
    }
    drop(held);
}

#[test]
fn a_key_stays_where_it_is_and_moves_only_when_it_must() {
    let kind = || BalanceKind::Hash(HashKey::Header("x".into()));
    let all = pool_of(kind(), &["a*2", "b", "c", "d*3"]);
    let permuted = pool_of(kind(), &["d*3", "b", "a*2", "c"]);
    let goes = |pool: &Pool, key: u64| {
        Client { key: hash(&key.to_be_bytes()), ..Client::default() }.goes(pool).expect("a server").0
    };
    let before: Vec<_> = (0..2000).map(|key| goes(&all, key)).collect();
    for (key, was) in (0..).zip(&before) {
        assert_eq!(goes(&permuted, key), *was, "the order of servers means nothing");
    }
    maint(&all, "c");
    for (key, was) in (0..).zip(&before) {
        let is = goes(&all, key);
        if was == "c" { assert_ne!(is, "c") } else { assert_eq!(is, *was) }
    }
}

#[test]
fn a_pool_in_which_nobody_has_a_weight_gives_nobody_by_any_algorithm() {
    for kind in all_kinds() {
        let pool = pool_of(kind.clone(), &["a*0", "b*0"]);
        assert!(Client::default().ask(&pool, &[], 1000).is_err(), "{kind:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_algorithm_picks_who_may_not_or_nobody_while_one_may(
        weights in prop::collection::vec(0_u32..5, 1..12),
        gone in prop::collection::vec(any::<bool>(), 12),
        tried in prop::collection::vec(any::<bool>(), 12),
        kind in 0_usize..6,
    ) {
        let names: Vec<String> = weights.iter().enumerate().map(|(i, weight)| format!("s{i}*{weight}")).collect();
        let pool = pool_of(all_kinds()[kind].clone(), &names.iter().map(String::as_str).collect::<Vec<_>>());
        for (member, gone) in pool.members.iter().zip(&gone) {
            if *gone {
                maint(&pool, &member.server.name);
            }
        }
        let tried: Vec<_> = pool.members.iter().zip(&tried).filter(|(_, t)| **t).map(|(m, _)| m.server.id).collect();
        let may: Vec<_> = (0..weights.len())
            .filter(|&i| weights[i] > 0 && !gone[i] && !tried.contains(&pool.members[i].server.id))
            .map(|i| Arc::clone(&pool.members[i].server.name))
            .collect();
        for key in 0..10 {
            let picked = Client { key, ..Client::default() }.ask(&pool, &tried, 1000);
            match picked {
                Ok(acquired) => prop_assert!(may.contains(&acquired.lease.name)),
                Err(_) => prop_assert!(may.is_empty()),
            }
        }
    }

    #[test]
    fn round_robin_is_fair_to_who_is_left(
        weights in prop::collection::vec(1_u32..6, 2..8),
        gone in prop::collection::vec(any::<bool>(), 8),
    ) {
        let names: Vec<String> = weights.iter().enumerate().map(|(i, weight)| format!("s{i}*{weight}")).collect();
        let pool = pool_of(BalanceKind::RoundRobin, &names.iter().map(String::as_str).collect::<Vec<_>>());
        let left: Vec<usize> = (0..weights.len()).filter(|&i| i == 0 || !gone[i]).collect();
        for i in (0..weights.len()).filter(|i| !left.contains(i)) {
            maint(&pool, &format!("s{i}"));
        }
        let total: u32 = left.iter().map(|&i| weights[i]).sum();
        let rounds = 50;
        let seen = shares(&pool, u64::from(total * rounds));
        for &i in &left {
            let got = seen.get(&format!("s{i}")).copied().unwrap_or(0);
            prop_assert!(got.abs_diff(u64::from(weights[i] * rounds)) <= u64::from(weights[i]), "{names:?} {seen:?}");
        }
    }
}

#[test]
fn the_spread_is_even() {
    let mut seen = [0_u32; 7];
    for position in 0..700 {
        seen[spread(position, 7) as usize] += 1;
    }
    assert!(seen.iter().all(|&n| n.abs_diff(100) <= 3), "{seen:?}");
    assert_eq!(spread(u64::MAX, 1), 0);
}
