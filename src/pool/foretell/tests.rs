//! What is told is what happens, and telling it changes nothing.

use super::*;
use crate::pool::balance::HashKey;
use crate::pool::testing::{Client, check, cookie_policy, settings, source};
use crate::pool::{DrainSticky, PoolSettings, Stamp, StickySettings, Wish};
use proptest::prelude::*;

fn told(pool: &Pool, client: &Client) -> Foretold {
    pool.foretell(&Ask { client_ip: client.ip, affinity: client, tried: &[], now: 1000, worker: 0 })
}

fn cookies() -> Vec<StickySettings> {
    vec![StickySettings::Cookie(cookie_policy("LBD"))]
}

fn pool_of(sticky: Vec<StickySettings>) -> Pool {
    Pool::new(PoolSettings { sticky, ..settings(&["a", "b"]) }, None, 1)
}

fn drain(pool: &Pool, name: &str, sticky: DrainSticky) {
    let wish = Wish::Drain { sticky, deadline: None };
    pool.member(name).unwrap().server.admin.set(wish, Stamp::now(None, None));
}

/// The words of the first `sticky`, and of the decision.
fn words(told: &Foretold) -> (&str, &str) {
    (told.sticky.first().map_or("", String::as_str), &told.decision)
}

#[test]
fn a_cookie_is_told_from_its_first_request_to_its_last() {
    let pool = pool_of(cookies());
    let mut client = Client::default();
    let before = told(&pool, &client);
    assert_eq!(words(&before).0, "cookie LBD: none is sent: one comes with the answer");
    let (server, _) = client.goes(&pool).unwrap();
    assert_eq!(before.server.as_deref(), Some(&*server), "the balance's next turn");
    let known = told(&pool, &client);
    assert_eq!(words(&known).0, format!("cookie LBD: {server}, which takes it"));
    assert_eq!(words(&known).1, format!("would go to {server}: its cookie says so"));
    drain(&pool, &server, DrainSticky::Keep);
    assert_eq!(told(&pool, &client).server.as_deref(), Some(&*server));
    drain(&pool, &server, DrainSticky::Move);
    let moved = told(&pool, &client);
    assert_eq!(words(&moved).0, format!("cookie LBD: {server}, which moves its clients away: it is healed"));
    assert!(words(&moved).1.starts_with("its own server takes it no more; would go to"), "{moved:?}");
    assert!(moved.servers.iter().any(|line| line.contains("its clients move")), "{moved:?}");
    client.cookies[0].1[0] ^= 1;
    assert!(words(&told(&pool, &client)).0.contains("ignored, and replaced"));
}

#[test]
fn nobody_is_told_to_go_where_nobody_is() {
    let pool = Pool::new(
        PoolSettings { check: Some(Arc::new(crate::pool::testing::check_spec())), ..settings(&["a", "b"]) },
        None,
        1,
    );
    check(&pool, "a", false);
    let told = told(&pool, &Client::default());
    assert_eq!((told.server, told.decision.as_str()), (None, "would get 503: no server takes new clients"));
    assert!(told.servers[0].starts_with("a: takes nobody: down"), "{:?}", told.servers);
}

#[test]
fn to_look_is_no_use_of_an_entry() {
    let pool = pool_of(vec![source(OnDown::Redispatch)]);
    let mut client = Client::default();
    let before = told(&pool, &client);
    assert_eq!(words(&before).0, "source-ip: no entry: its hash says where it belongs");
    assert_eq!(pool.sticky[0].table().unwrap().len(), 0, "no entry was made");
    let (server, _) = client.goes(&pool).unwrap();
    assert_eq!(before.server.as_deref(), Some(&*server));
    let table = pool.sticky[0].table().unwrap();
    let used = || table.list(1000, 10, |_| true)[0].used;
    let was = used();
    let later = Ask { client_ip: client.ip, affinity: &client, tried: &[], now: was + 500, worker: 0 };
    let told = pool.foretell(&later);
    assert_eq!(
        words(&told).0,
        format!("source-ip: {server} (entry 198.51.100.7, idle 500s), which takes it")
    );
    assert_eq!(used(), was);
}

proptest! {
    #[test]
    fn what_is_certain_happens(
        kind in prop_oneof![
            Just(BalanceKind::RoundRobin),
            Just(BalanceKind::LeastRequests),
            Just(BalanceKind::LeastConnections),
            Just(BalanceKind::Hash(HashKey::Path)),
        ],
        before in 0usize..20,
        held in 0usize..4,
        key: u64,
        sticky in 0..3,
    ) {
        let sticky = match sticky {
            0 => vec![],
            1 => cookies(),
            _ => vec![source(OnDown::Redispatch)],
        };
        let pool = Pool::new(PoolSettings { balance: kind, sticky, ..settings(&["a", "b*3", "c"]) }, None, 1);
        for _ in 0..before {
            Client { key: 7, ..Client::default() }.goes(&pool).unwrap();
        }
        let _held: Vec<_> = (0..held).map(|at| pool.members[at % 3].server.begin()).collect();
        let mut client = Client { key, ..Client::default() };
        for _ in 0..3 {
            let told = told(&pool, &client);
            prop_assert_eq!(&told, &self::told(&pool, &client), "twice the same");
            let (server, _) = client.goes(&pool).unwrap();
            prop_assert_eq!(told.server.as_deref(), Some(&*server));
        }
    }
}
