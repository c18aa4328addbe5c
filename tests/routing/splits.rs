//! A split sends each client, or each request, to one of several pools, in proportion to their weights.

use std::collections::BTreeMap;
use std::io::BufRead;

use super::{ask, pools, who};
use crate::support::{After, Client, Daemon, Origin, eventually};

fn two(split: &str, more: &str) -> (Origin, Origin, Daemon) {
    let (stable, canary) = (Origin::echo("stable"), Origin::echo("canary"));
    let text = pools(&[("stable", &stable), ("canary", &canary)]) + more;
    let daemon = Daemon::run(&format!("{text}\nroute \"/\" {{ split {split}; }}\n"));
    (stable, canary, daemon)
}

/// How often each pool answered.
fn shares(daemon: &Daemon, requests: u32) -> BTreeMap<String, u32> {
    let mut client = Client::connect(daemon.address());
    let mut shares = BTreeMap::new();
    for _ in 0..requests {
        *shares.entry(who(&client.get("/")).to_owned()).or_default() += 1;
    }
    shares
}

#[test]
fn requests_are_shared_by_weight() {
    let (_stable, _canary, daemon) = two("{ to stable weight=9; to canary weight=3; }", "");
    let shares = shares(&daemon, 1200);
    // 300 are expected; five standard deviations are 75.
    assert!((225..=375).contains(&shares["canary"]), "{shares:?}");
}

#[test]
fn a_branch_without_weight_gets_nobody() {
    let (_stable, canary, daemon) = two("{ to stable; to canary weight=0; }", "");
    assert_eq!(shares(&daemon, 100)["stable"], 100);
    assert_eq!(canary.connections(), 0);
}

#[test]
fn by_address_a_client_stays_on_its_side() {
    let (_stable, _canary, daemon) =
        two("by=source-ip { to stable; to canary; }", "trust-forwarded \"127.0.0.0/8\"\n");
    let side = |client: u32| {
        let fields = format!("X-Forwarded-For: 203.0.113.{client}\r\n");
        who(&ask(&daemon, "/", &fields)).to_owned()
    };
    let sides: Vec<String> = (0..64).map(side).collect();
    assert!(sides.contains(&"stable".to_owned()) && sides.contains(&"canary".to_owned()), "{sides:?}");
    assert_eq!((0..64).map(side).collect::<Vec<_>>(), sides);
}

#[test]
fn by_cookie_a_client_stays_on_its_side_and_no_server_sees_the_cookie() {
    let (stable, canary, daemon) = two("by=cookie cookie=side max-age=\"1d\" { to stable; to canary; }", "");
    let mut seen = BTreeMap::new();
    for _ in 0..40 {
        let first = ask(&daemon, "/", "");
        let field = first.field("set-cookie").expect("the first answer brings the cookie").to_owned();
        assert!(field.starts_with("side=") && field.contains("; Max-Age=86400"), "{field}");
        assert!(field.contains("; HttpOnly; SameSite=Lax") && field.contains("; Path=/;"), "{field}");
        assert!(
            !field.contains("stable") && !field.contains("canary") && !field.contains("Secure"),
            "{field}"
        );
        let pass = field.split(';').next().unwrap().to_owned();
        for _ in 0..3 {
            let next = ask(&daemon, "/", &format!("Cookie: {pass}; a=1\r\n"));
            assert_eq!((who(&next), next.field("set-cookie")), (who(&first), None));
        }
        seen.insert(who(&first).to_owned(), pass);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    let requests = [stable.requests(), canary.requests()].concat();
    let cookies: Vec<_> = requests.iter().filter_map(|request| request.field("cookie")).collect();
    assert!(!cookies.is_empty() && cookies.iter().all(|cookie| *cookie == "a=1"), "{cookies:?}");
    let forged = ask(&daemon, "/", "Cookie: side=canary\r\n");
    assert!(forged.field("set-cookie").is_some(), "what lbd did not set is no choice");
}

#[test]
fn the_cookie_of_a_client_that_came_by_https_stays_on_https() {
    let split = "by=cookie cookie=side { to stable; to canary; }";
    let (_stable, _canary, daemon) = two(split, "trust-forwarded \"127.0.0.0/8\"\n");
    let answer = ask(&daemon, "/", "X-Forwarded-Proto: https\r\n");
    let field = answer.field("set-cookie").expect("a cookie");
    assert!(field.ends_with("; Secure") && field.contains("; Max-Age=604800;"), "{field}");
}

#[test]
fn the_clocks_of_a_branch_are_those_of_its_pool() {
    let (stable, slow) = (
        Origin::echo("stable"),
        Origin::scripted(|_, wire| {
            // Never answers: it waits for the other side to give up.
            wire.reader().fill_buf()?;
            Ok(After::Close)
        }),
    );
    let daemon = Daemon::run(&format!(
        "pool stable {{ server \"{}\"; }}\npool slow {{ server \"{}\"; timeout response=\"100ms\"; }}\n\
         route \"/\" {{ split {{ to stable weight=0; to slow; }}; }}\n",
        stable.address(),
        slow.address()
    ));
    assert_eq!(ask(&daemon, "/", "").status(), 504);
}

#[test]
fn the_log_names_the_pool_and_explain_the_ways() {
    let (_stable, _canary, daemon) = two("{ to stable weight=0; to canary weight=7; }", "log { access; }\n");
    assert_eq!(who(&ask(&daemon, "/", "")), "canary");
    eventually("the request is logged with its pool", || {
        daemon.log().contains("\"pool\":\"canary\"").then_some(())
    });
    let (status, routes) = daemon.control("GET", "/v1/routes");
    assert!(status == 200 && routes.to_string().contains("split canary 7, stable 0"), "{routes}");
}
