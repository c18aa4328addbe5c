//! Who gets a request: stickiness, its failures and repairs, and the balancer behind it.

use proptest::prelude::*;

use super::*;
use crate::pool::testing::{Client, check, check_spec, cookie_policy, settings, source};
use crate::pool::{
    ClientKey, CookiePolicy, DrainSticky, KeyRing, LearnFrom, MarkedCookie, PoolSettings, SessionKind, Side,
    Stamp, StickySettings, TableSettings, Wish,
};

fn pool_of(servers: &[&str], sticky: Vec<StickySettings>) -> Pool {
    let check_all = Some(Arc::new(check_spec()));
    let pool = Pool::new(PoolSettings { sticky, check: check_all, ..settings(servers) }, None, 1);
    for member in &pool.members {
        check(&pool, &member.server.name, true);
    }
    pool
}

fn cookie(on_down: OnDown) -> StickySettings {
    StickySettings::Cookie(CookiePolicy { on_down, ..cookie_policy("LBD") })
}

fn wish(pool: &Pool, name: &str, wish: Wish) {
    pool.member(name).expect("a member").server.admin.set(wish, Stamp::now(None, None));
}

fn drain(sticky: DrainSticky) -> Wish {
    Wish::Drain { sticky, deadline: None }
}

fn went(name: &str, how: How) -> Result<(String, How), Unavailable> {
    Ok((name.to_owned(), how))
}

/// The key that a table of the pool knows this client by.
fn key_of(pool: &Pool, sticky: usize, text: &str) -> u128 {
    pool.sticky[sticky].table_policy().and_then(|policy| policy.by.of_text(text)).expect("a key")
}

fn other(name: &str) -> &'static str {
    if name == "a" { "b" } else { "a" }
}

#[test]
fn a_pool_without_servers_or_with_none_up_says_which() {
    assert_eq!(Client::default().goes(&pool_of(&[], vec![])), Err(Unavailable::NoServers));
    let pool = pool_of(&["a", "b"], vec![]);
    check(&pool, "a", false);
    wish(&pool, "b", Wish::Maint);
    assert_eq!(Client::default().goes(&pool), Err(Unavailable::AllDown));
}

#[test]
fn a_lease_counts_and_is_given_back() {
    let pool = pool_of(&["a"], vec![]);
    let acquired = Client::default().ask(&pool, &[], 1000).expect("a server");
    assert_eq!((acquired.lease.in_flight(), acquired.how), (1, How::Balanced));
    assert!(acquired.set_cookie.is_none());
    drop(acquired);
    assert_eq!(pool.members[0].server.in_flight(), 0);
}

#[test]
fn tried_servers_are_left_out_until_none_is_left() {
    let pool = pool_of(&["a", "b", "c!"], vec![]);
    let mut tried = Vec::new();
    for _ in 0..3 {
        let id = Client::default().ask(&pool, &tried, 1000).expect("a server").lease.id;
        assert!(!tried.contains(&id));
        tried.push(id);
    }
    assert_eq!(tried[2], ServerId::of("c"), "the backup comes last");
    assert_eq!(Client::default().ask(&pool, &tried, 1000).unwrap_err(), Unavailable::AllTried);
}

#[test]
fn backups_serve_only_while_no_other_is_ready() {
    let pool = pool_of(&["a", "b", "c!", "d!"], vec![]);
    let seen = || {
        let mut names: Vec<_> = (0..20).map(|_| Client::default().goes(&pool).expect("a server").0).collect();
        names.sort_unstable();
        names.dedup();
        names.concat()
    };
    assert_eq!(seen(), "ab");
    check(&pool, "a", false);
    assert_eq!(seen(), "b");
    wish(&pool, "b", drain(DrainSticky::Keep));
    assert_eq!(seen(), "cd", "who drains takes no new clients");
    check(&pool, "a", true);
    assert_eq!(seen(), "a");
}

#[test]
fn a_cookie_keeps_its_client() {
    let pool = pool_of(&["a", "b", "c"], vec![cookie(OnDown::Redispatch)]);
    let mut clients = vec![Client::default(); 12];
    for client in &mut clients {
        let (first, how) = client.goes(&pool).expect("a server");
        assert_eq!(how, How::Balanced);
        for _ in 0..5 {
            assert_eq!(client.goes(&pool), went(&first, How::StickyCookie));
            assert!(client.ask(&pool, &[], 1000).unwrap().set_cookie.is_none(), "it has its cookie");
        }
    }
    let totals = pool.counters.total();
    assert_eq!((totals.sticky_misses, totals.sticky_hits), (12, 12 * 10));
}

#[test]
fn a_forged_cookie_is_healed_and_the_first_good_one_counts() {
    let pool = pool_of(&["a", "b"], vec![cookie(OnDown::Fail)]);
    let mut client = Client { cookies: vec![("LBD".into(), b"a".to_vec())], ..Client::default() };
    let (first, how) = client.goes(&pool).expect("a server");
    assert_eq!(how, How::Balanced);
    client.cookies.insert(0, ("LBD".into(), b"AAAAAAAA".to_vec()));
    assert_eq!(client.goes(&pool), went(&first, How::StickyCookie));
}

#[test]
fn a_client_of_a_down_server_moves_for_good() {
    for sticky in [cookie(OnDown::Redispatch), source(OnDown::Redispatch)] {
        let pool = pool_of(&["a", "b"], vec![sticky]);
        let mut client = Client::default();
        let (first, _) = client.goes(&pool).expect("a server");
        check(&pool, &first, false);
        assert_eq!(client.goes(&pool), went(other(&first), How::Redispatched));
        check(&pool, &first, true);
        let (now, how) = client.goes(&pool).expect("a server");
        assert_eq!(now, other(&first), "it does not jump back");
        assert_ne!(how, How::Redispatched);
        assert_eq!(pool.counters.total().redispatches, 1);
    }
}

#[test]
fn a_server_that_failed_this_request_is_left_for_another() {
    let pool = pool_of(&["a", "b"], vec![cookie(OnDown::Redispatch)]);
    let mut client = Client::default();
    let first = client.ask(&pool, &[], 1000).unwrap().lease.id;
    let second = client.ask(&pool, &[first], 1000).unwrap();
    assert_ne!(second.lease.id, first);
    assert_eq!(second.how, How::Redispatched);
    assert_eq!(client.ask(&pool, &[], 1000).unwrap().lease.id, second.lease.id, "its cookie moved too");
}

#[test]
fn on_down_fail_waits_for_the_server() {
    for sticky in [cookie(OnDown::Fail), source(OnDown::Fail)] {
        let pool = pool_of(&["a", "b"], vec![sticky]);
        let mut client = Client::default();
        let (first, _) = client.goes(&pool).expect("a server");
        check(&pool, &first, false);
        assert_eq!(client.goes(&pool), Err(Unavailable::StickyDown));
        wish(&pool, &first, drain(DrainSticky::Move));
        assert_eq!(client.goes(&pool), Err(Unavailable::StickyDown), "down is down");
        check(&pool, &first, true);
        assert_eq!(client.goes(&pool), went(other(&first), How::Redispatched), "move says move");
        wish(&pool, &first, Wish::Ready);
        assert_eq!(client.goes(&pool).expect("a server").0, other(&first));
    }
}

#[test]
fn a_draining_server_keeps_its_sticky_clients_or_moves_them() {
    for (sticky, how) in
        [(cookie(OnDown::Redispatch), How::StickyCookie), (source(OnDown::Redispatch), How::StickySource)]
    {
        let pool = pool_of(&["a", "b"], vec![sticky]);
        let mut client = Client::default();
        let (first, _) = client.goes(&pool).expect("a server");
        wish(&pool, &first, drain(DrainSticky::Keep));
        assert_eq!(client.goes(&pool), went(&first, how));
        wish(&pool, &first, drain(DrainSticky::Move));
        assert_eq!(client.goes(&pool), went(other(&first), How::Redispatched));
    }
    let pool = pool_of(&["a", "b"], vec![cookie(OnDown::Redispatch)]);
    wish(&pool, "a", drain(DrainSticky::Keep));
    for _ in 0..10 {
        assert_eq!(Client::default().goes(&pool), went("b", How::Balanced), "new clients go elsewhere");
    }
}

#[test]
fn without_a_share_a_server_keeps_its_clients_and_gets_no_new_ones() {
    let pool = pool_of(&["a", "b"], vec![cookie(OnDown::Redispatch)]);
    let mut client = Client::default();
    let (first, _) = client.goes(&pool).expect("a server");
    pool.member(&first).unwrap().server.admin.set_weight(Some(0), Stamp::now(None, None));
    assert_eq!(pool.member(&first).unwrap().eligibility(), Eligibility::StickyOnly);
    for _ in 0..10 {
        assert_eq!(client.goes(&pool), went(&first, How::StickyCookie));
        assert_eq!(Client::default().goes(&pool), went(other(&first), How::Balanced));
    }
}

#[test]
fn several_sticky_are_tried_in_order_and_brought_in_step() {
    let pool = pool_of(&["a", "b", "c"], vec![cookie(OnDown::Redispatch), source(OnDown::Redispatch)]);
    let table = pool.sticky[1].table().expect("a table");
    let ip = key_of(&pool, 1, "198.51.100.7");
    // No cookie yet: the table knows, and a cookie is set.
    table.put(ip, ServerId::of("b"), 1000);
    let mut client = Client::default();
    assert_eq!(client.goes(&pool), went("b", How::StickySource));
    assert_eq!(client.goes(&pool), went("b", How::StickyCookie));
    // They disagree: the cookie goes first, the table follows.
    table.put(ip, ServerId::of("c"), 1000);
    assert_eq!(client.goes(&pool), went("b", How::StickyCookie));
    assert_eq!(table.find(ip, 1000), Some(ServerId::of("b")));
    // The cookie's server is down and the table's is not: the table wins, the cookie follows.
    check(&pool, "b", false);
    table.put(ip, ServerId::of("a"), 1000);
    assert_eq!(client.goes(&pool), went("a", How::StickySource));
    assert_eq!(client.goes(&pool), went("a", How::StickyCookie));
    // Both point at a server that is down.
    check(&pool, "a", false);
    assert_eq!(client.goes(&pool), went("c", How::Redispatched));
    assert_eq!(table.find(ip, 1000), Some(ServerId::of("c")));
    assert_eq!(client.goes(&pool), went("c", How::StickyCookie));
}

#[test]
fn a_removed_server_falls_to_on_down() {
    let client_of_b = |on_down| {
        let sticky = cookie(on_down);
        let old = pool_of(&["a", "b"], vec![sticky.clone()]);
        check(&old, "a", false);
        let mut client = Client::default();
        assert_eq!(client.goes(&old), went("b", How::Balanced));
        (client, pool_of(&["a"], vec![sticky]))
    };
    let (mut client, pool) = client_of_b(OnDown::Redispatch);
    assert_eq!(client.goes(&pool), went("a", How::Redispatched));
    let (mut client, pool) = client_of_b(OnDown::Fail);
    assert_eq!(client.goes(&pool), Err(Unavailable::StickyDown));
}

/// By header, a thousand clients: where each goes.
fn homes(servers: &[&str], on_return: OnReturn) -> (Pool, Vec<Client>) {
    let StickySettings::Table(table) = source(OnDown::Redispatch) else { unreachable!("a table") };
    let by = ClientKey::Header("x-device".into());
    let sticky = StickySettings::Table(TableSettings { by, on_return, ..table });
    let device = |n: usize| Client { headers: vec![("x-device".into(), n.to_string())], ..Client::default() };
    (pool_of(servers, vec![sticky]), (0..1000).map(device).collect())
}

fn placed(pool: &Pool, clients: &mut [Client]) -> Vec<String> {
    clients.iter_mut().map(|client| client.goes(pool).expect("a server").0).collect()
}

#[test]
fn a_hashed_client_goes_where_its_key_and_the_names_say_on_any_lbd() {
    let (one, mut clients) = homes(&["a", "b", "c", "d"], OnReturn::Stay);
    let (other, _) = homes(&["d", "b", "a", "c"], OnReturn::Home);
    let first = placed(&one, &mut clients);
    assert_eq!(first, placed(&other, &mut clients), "the order of servers and earlier choices mean nothing");
    for name in ["a", "b", "c", "d"] {
        let share = first.iter().filter(|n| *n == name).count();
        assert!((200..300).contains(&share), "{name} has {share} of 1000");
    }
    let (fewer, _) = homes(&["a", "b", "d"], OnReturn::Stay);
    for (before, after) in first.iter().zip(placed(&fewer, &mut clients)) {
        assert!(*before == after || before == "c", "only clients of c move: {before} to {after}");
    }
    let (more, _) = homes(&["a", "b", "c", "d", "e"], OnReturn::Stay);
    for (before, after) in first.iter().zip(placed(&more, &mut clients)) {
        assert!(*before == after || after == "e", "only to e: {before} to {after}");
    }
}

#[test]
fn after_a_failure_clients_stay_or_go_home() {
    for on_return in [OnReturn::Stay, OnReturn::Home] {
        let (pool, mut clients) = homes(&["a", "b", "c"], on_return);
        let first = placed(&pool, &mut clients);
        check(&pool, "b", false);
        let second = placed(&pool, &mut clients);
        for (before, after) in first.iter().zip(&second) {
            assert!(if before == "b" { after != "b" } else { before == after }, "{before} to {after}");
        }
        check(&pool, "b", true);
        let third = placed(&pool, &mut clients);
        assert_eq!(&third, if on_return == OnReturn::Home { &first } else { &second });
        // Who is at home stays there in a drain.
        wish(&pool, "b", drain(DrainSticky::Keep));
        assert_eq!(placed(&pool, &mut clients), third);
    }
}

#[test]
fn sessions_are_learned_from_answers_and_from_nowhere_else() {
    let StickySettings::Table(table) = source(OnDown::Redispatch) else { unreachable!("a table") };
    let by = ClientKey::Learned { from: LearnFrom::Cookie, name: "S".into(), param: Some("s".into()) };
    let pool = pool_of(&["a", "b", "c"], vec![StickySettings::Table(TableSettings { by, ..table })]);
    let entries = pool.sticky[0].table().expect("a table");
    let with = |id: &str| Client { cookies: vec![("S".into(), id.into())], ..Client::default() };
    let guess = with("7").goes(&pool).expect("a server").0;
    assert!(entries.is_empty(), "nobody gave that session");
    assert_eq!(with("7").goes(&pool), went(&guess, How::Balanced), "but it stays where it goes");
    let home = other(&guess);
    let answer =
        |name: &str, test: &mut dyn FnMut(&[u8]) -> bool| name == "set-cookie" && test(b"S=7; Path=/");
    pool.learn(&answer, ServerId::of(home), 1000);
    assert_eq!(with("7").goes(&pool), went(home, How::StickyLearned));
    let by_path = Client { target: "/x;s=7".into(), ..Client::default() };
    assert_eq!(by_path.clone().goes(&pool), went(home, How::StickyLearned));
    check(&pool, home, false);
    let (moved, how) = with("7").goes(&pool).expect("a server");
    assert_eq!(how, How::Redispatched);
    assert_eq!(with("7").goes(&pool), went(&moved, How::StickyLearned), "for good");
}

#[test]
fn who_an_operator_moved_does_not_go_home_by_itself() {
    let (pool, clients) = homes(&["a", "b", "c"], OnReturn::Home);
    let mut client = clients[0].clone();
    let home = client.goes(&pool).expect("a server").0;
    let policy = pool.sticky[0].table_policy().expect("a table");
    let key = policy.by.of_text("0").expect("a value");
    let to = ["a", "b", "c"].into_iter().find(|name| **name != *home).expect("another");
    assert!(policy.table.change(key, ServerId::of(to), |_| true));
    for _ in 0..3 {
        assert_eq!(client.goes(&pool), went(to, How::StickyHeader));
    }
    check(&pool, to, false);
    client.goes(&pool).expect("a server");
    check(&pool, to, true);
    assert_eq!(client.goes(&pool).expect("a server").0, home, "a failure ends what the operator did");
}

#[test]
fn whoever_is_sent_away_goes_there_whatever_remembers_where_it_was() {
    let StickySettings::Table(table) = source(OnDown::Redispatch) else { unreachable!("a table") };
    let learned = ClientKey::Learned { from: LearnFrom::Header, name: "s".into(), param: None };
    let marked = |side| MarkedCookie {
        name: "S".into(),
        side,
        param: None,
        on_down: OnDown::Redispatch,
        keys: KeyRing::ephemeral(0).expect("random bytes"),
    };
    let mark = |cookie: &MarkedCookie, server: &str| {
        let field = cookie.mark(b"S=7; Path=/", server, 1000).expect("a mark");
        vec![("S".to_owned(), field[2..field.len() - 8].to_vec())]
    };
    for kind in 0..5 {
        let (suffix, prefix) = (marked(Side::Suffix), marked(Side::Prefix));
        let mut client = Client { headers: vec![("s".into(), "7".into())], ..Client::default() };
        let sticky = match kind {
            0 => cookie(OnDown::Redispatch),
            1 => StickySettings::Table(TableSettings { on_return: OnReturn::Home, ..table.clone() }),
            2 => StickySettings::Table(TableSettings { by: learned.clone(), ..table.clone() }),
            3 => {
                client.cookies = mark(&suffix, "a");
                StickySettings::Marked(suffix)
            }
            _ => {
                client.cookies = mark(&prefix, "a");
                StickySettings::Marked(prefix)
            }
        };
        let pool = pool_of(&["a", "b", "c"], vec![sticky]);
        pool.learn(&|name, test| name == "s" && test(b"7"), ServerId::of("a"), 1000);
        let lease = client.ask(&pool, &[], 1000).expect("a server").lease;
        let (from, to) = (lease.id, ServerId::of(other(&lease.name)));
        let ask = Ask { client_ip: client.ip, affinity: &client, tried: &[], now: 1000, worker: 0 };
        let ties = pool.ties(&ask, None);
        let session = lease.into_session(SessionKind::WebSocket, "127.0.0.1:1".parse().unwrap()).tied(ties);
        session.session().send_to(from, to, 1000);
        let mut same = client.clone();
        for _ in 0..3 {
            let now = client.ask(&pool, &[], 1000).expect("a server");
            assert_eq!(now.lease.id, to, "kind {kind}");
        }
        if kind == 0 {
            let another = Client { ip: "203.0.113.9".parse().unwrap(), ..same.clone() }.ask(&pool, &[], 1000);
            assert_eq!(another.expect("a server").lease.id, from, "somebody else with an equal cookie");
            assert_eq!(same.ask(&pool, &[], 1000).expect("a server").lease.id, from, "one was sent away");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn where_a_new_client_goes_is_a_function_of_its_key_and_the_servers_names(
        names in prop::collection::btree_set("[a-z][a-z0-9]{0,6}", 1..9),
        turn in any::<prop::sample::Index>(),
        client: u32,
        header in "[a-z0-9]{1,20}",
        workload in 0..20_u32,
    ) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // Another order is also other addresses.
        let mut turned = names.clone();
        turned.rotate_left(turn.index(names.len()));
        turned.reverse();
        let StickySettings::Table(table) = source(OnDown::Redispatch) else { unreachable!("a table") };
        for by in [table.by.clone(), ClientKey::Header("x-device".into())] {
            let sticky = || vec![StickySettings::Table(TableSettings { by: by.clone(), ..table.clone() })];
            let (one, two) = (pool_of(&names, sticky()), pool_of(&turned, sticky()));
            // What else happens in a pool does not matter.
            for other in 0..workload {
                let ip = std::net::Ipv4Addr::from(client ^ (other + 1)).into();
                let mut other = Client { ip, headers: vec![("x-device".into(), format!("{other}!"))], ..Client::default() };
                other.goes(&two).expect("a server");
            }
            let ip = std::net::Ipv4Addr::from(client).into();
            let mut client = Client { ip, headers: vec![("x-device".into(), header.clone())], ..Client::default() };
            prop_assert_eq!(client.goes(&one).expect("a server").0, client.clone().goes(&two).expect("a server").0);
        }
    }
}
