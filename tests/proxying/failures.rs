//! Failures of servers: what is tried elsewhere, what never is, and what the client is told.

use super::{config, front, front_with};
use crate::support::{After, CHECKED_ONCE, Client, Daemon, Nobody, Origin};

fn half_dead(alive: &Origin, nobody: &Nobody) -> Daemon {
    let pool = format!("server dead \"{}\"", nobody.address());
    front_with(&[alive], &pool, "")
}

#[test]
fn a_server_that_cannot_be_reached_is_passed_over_unnoticed() {
    let (origin, nobody) = (Origin::echo("a"), Nobody::new());
    let daemon = half_dead(&origin, &nobody);
    let mut client = Client::connect(daemon.address());
    for n in 0..10 {
        assert_eq!(client.get("/").status(), 200, "GET {n}");
        // Nothing was sent to the dead server, so that this is safe for every method.
        assert_eq!(client.request("POST", "/", "", b"body").status(), 200, "POST {n}");
    }
    assert_eq!(origin.requests().len(), 20);
    assert!(origin.requests().iter().filter(|r| r.method() == "POST").all(|r| r.body == b"body"));
}

#[test]
fn without_any_server_the_client_is_told_and_its_connection_lives() {
    let nobody = Nobody::new();
    let pool = format!("pool app {{ server dead \"{}\"; }}\n", nobody.address());
    let daemon = Daemon::run(&format!("{pool}route \"/\" pool=app\n"));
    let mut client = Client::connect(daemon.address());
    for _ in 0..3 {
        let answer = client.get("/");
        assert!(matches!(answer.status(), 502 | 503), "{answer:?}");
        assert!(!answer.body.is_empty() && answer.body.len() < 1000, "a short body says what is wrong");
    }
}

#[test]
fn a_reused_client_connection_gets_an_answer_and_never_a_silent_close() {
    let origin = Origin::scripted(|message, wire| match message.target() {
        "/first" => wire.ok("first"),
        _ => Ok(After::Reset),
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.get("/first").text(), "first");
    for method in ["POST", "GET"] {
        assert_eq!(client.request(method, "/cut", "", b"").status(), 502, "{method}");
    }
    assert_eq!(client.get("/first").text(), "first");
}

/// Answers the first request of each connection and resets it at the second.
fn resets_when_reused() -> Origin {
    Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        match wire.request {
            0 => wire.ok("ok"),
            _ => Ok(After::Reset),
        }
    })
}

#[test]
fn an_idempotent_request_is_sent_again_when_a_reused_connection_was_reset() {
    let origin = resets_when_reused();
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    for method in ["GET", "GET", "HEAD", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(client.request(method, "/", "", b"").status(), 200, "{method}");
    }
}

#[test]
fn a_request_with_effects_is_never_sent_twice() {
    let origin = resets_when_reused();
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.get("/").status(), 200);
    assert_eq!(client.request("POST", "/", "", b"pay").status(), 502);
    let paid = origin.requests().iter().filter(|r| r.method() == "POST").count();
    assert_eq!(paid, 1);
}

#[test]
fn a_reset_is_tried_elsewhere_only_for_an_idempotent_request() {
    for (retry, method, worst) in
        [("", "GET", 200), ("retry reset", "GET", 200), ("retry reset", "POST", 502)]
    {
        let (resets, works) = (Origin::scripted(|_, _| Ok(After::Reset)), Origin::echo("b"));
        let daemon = front_with(&[&resets, &works], "", retry);
        let statuses =
            || (0..4).map(|_| Client::connect(daemon.address()).request(method, "/", "", b"").status());
        assert_eq!(statuses().max(), Some(worst), "{retry:?} {method}");
        assert!(!resets.requests().is_empty(), "the resetting server was asked");
    }
}

#[test]
fn a_503_is_tried_elsewhere_when_the_route_says_so() {
    let busy = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.send("HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy")?;
        Ok(After::Keep)
    });
    let works = Origin::echo("b");
    let daemon = front_with(&[&busy, &works], "", "retry 503");
    let mut client = Client::connect(daemon.address());
    for _ in 0..6 {
        assert_eq!(client.get("/").status(), 200);
    }
    let posts: Vec<u16> = (0..4).map(|_| client.request("POST", "/", "", b"x").status()).collect();
    assert!(posts.contains(&503) && posts.contains(&200), "a POST is not repeated: {posts:?}");
}

#[test]
fn a_server_that_does_not_answer_in_time_is_a_504() {
    let origin = Origin::scripted(|_, wire| {
        // The next byte from lbd is the end of the connection.
        let _ = crate::support::message::read_line(wire.reader());
        Ok(After::Close)
    });
    let daemon = front_with(&[&origin], "", "timeout response=\"300ms\"");
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.get("/").status(), 504);
    assert_eq!(client.get("/").status(), 504, "the client's connection lives");
}

#[test]
fn a_server_without_a_good_check_gets_no_request() {
    let (unready, ready) = (Origin::echo("a"), Origin::echo("b"));
    unready.set_ready(false);
    let check = format!("health \"/ready\" {CHECKED_ONCE}");
    let daemon = Daemon::run(&config(&[&unready, &ready], &check, ""));
    let ok = |_| (Client::fetch(daemon.address(), "/").status() == 200).then_some(());
    crate::support::eventually("a checked server takes requests", || ok(()));
    for _ in 0..10 {
        assert_eq!(Client::fetch(daemon.address(), "/").status(), 200);
    }
    assert_eq!(unready.requests().len(), 0);

    unready.set_ready(true);
    crate::support::eventually("the other comes up too", || {
        ok(()).expect("requests go on");
        (!unready.requests().is_empty()).then_some(())
    });
}

#[test]
fn a_path_without_a_route_is_a_404() {
    let origin = Origin::echo("a");
    let pool = format!("pool app {{ server a \"{}\"; }}\nroute \"/only\" pool=app\n", origin.address());
    let daemon = Daemon::run(&pool);
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.get("/other").status(), 404);
    assert_eq!(client.get("/only/here").status(), 200);
    assert_eq!(client.get("/onlyhere").status(), 404);
}
