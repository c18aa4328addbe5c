//! Heads: what is added, what is removed, what is left exactly as it was.

use super::{config, front, front_with};
use crate::support::{After, Client, Daemon, Message, Origin};

/// What the origin saw of one request with these fields.
fn seen(daemon: &Daemon, origin: &Origin, target: &str, fields: &str) -> Message {
    let answer = Client::connect(daemon.address()).request("GET", target, fields, b"");
    assert_eq!(answer.status(), 200, "{answer:?}");
    origin.requests().pop().expect("the origin was asked")
}

#[test]
fn the_server_is_told_who_asked_and_how() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let request = seen(&daemon, &origin, "/", "");
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    assert_eq!(request.field("x-forwarded-host"), Some("app.test"));
    assert_eq!(request.field("x-forwarded-port"), Some(daemon.address().port().to_string().as_str()));
    assert!(request.field("via").is_some_and(|via| via.starts_with("1.1 ")), "{request:?}");
    assert_eq!(request.field("host"), Some("app.test"));
}

#[test]
fn a_strangers_forwarded_fields_are_not_believed() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let claim = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\n\
                 X-Forwarded-Port: 1\r\nForwarded: for=203.0.113.9\r\n";
    let request = seen(&daemon, &origin, "/", claim);
    assert_eq!(request.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("http"));
    assert_eq!(request.field("x-forwarded-host"), Some("app.test"));
    assert_ne!(request.field("x-forwarded-port"), Some("1"));
    assert_eq!(request.field("forwarded"), None);
}

#[test]
fn a_trusted_balancers_forwarded_fields_are_kept_and_continued_on_one_line() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&("trust-forwarded \"127.0.0.0/8\"\n".to_owned() + &config(&[&origin], "", "")));
    let claim = "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\
                 X-Forwarded-Host: shop.test\r\nX-Forwarded-Port: 443\r\n";
    let request = seen(&daemon, &origin, "/", claim);
    assert_eq!(request.field("x-forwarded-for"), Some("203.0.113.9, 198.51.100.7, 127.0.0.1"));
    assert_eq!(request.field("x-forwarded-proto"), Some("https"));
    assert_eq!(request.field("x-forwarded-host"), Some("shop.test"));
    assert_eq!(request.field("x-forwarded-port"), Some("443"));
}

#[test]
fn fields_of_one_connection_stay_on_it() {
    let origin = Origin::scripted(|_, wire| {
        wire.send(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\
             Keep-Alive: timeout=5\r\nX-End: 2\r\n\r\n",
        )?;
        Ok(After::Keep)
    });
    let daemon = front(&[&origin]);
    let fields = "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n\
                  TE: gzip\r\nX-End: 2\r\n";
    let answer = Client::connect(daemon.address()).request("GET", "/", fields, b"");
    let request = origin.requests().remove(0);
    for message in [&request, &answer] {
        for name in ["x-hop", "keep-alive", "proxy-connection", "te", "upgrade"] {
            assert_eq!(message.field(name), None, "{name} in {message:?}");
        }
        assert_eq!(message.field("x-end"), Some("2"));
    }
}

#[test]
fn repeated_fields_and_odd_values_are_delivered_as_they_were() {
    let origin = Origin::scripted(|_, wire| {
        wire.send(
            "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n",
        )?;
        Ok(After::Keep)
    });
    let daemon = front(&[&origin]);
    let fields = "X-Many: 1\r\nX-Many: 2\r\nX-Empty:\r\nX-Latin: caf\u{e9}\r\nCookie: a=1; b=\"2\"\r\n";
    let answer = Client::connect(daemon.address()).request("GET", "/", fields, b"");
    let request = origin.requests().remove(0);
    assert_eq!(request.values("x-many"), ["1", "2"]);
    assert_eq!(request.field("x-empty"), Some(""));
    assert_eq!(request.field("x-latin"), Some("caf\u{e9}"));
    assert_eq!(request.field("cookie"), Some("a=1; b=\"2\""));
    assert_eq!(answer.values("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.field("x-empty"), Some(""));
}

#[test]
fn an_answer_without_a_reason_is_taken() {
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")?;
        Ok(After::Keep)
    });
    let daemon = front(&[&origin]);
    let answer = Client::fetch(daemon.address(), "/");
    assert_eq!((answer.status(), answer.text()), (200, "ok"));
}

#[test]
fn the_server_reads_the_path_that_was_routed_and_the_query_that_was_sent() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let targets = [
        ("/plain", "/plain"),
        ("/a/b?x=1&y=%2F..%2F", "/a/b?x=1&y=%2F..%2F"),
        ("/%57eb", "/Web"),
        ("/a/../b", "/b"),
        ("/a/./b", "/a/b"),
        ("/a%2Fb", "/a%2Fb"),
        ("//a//b", "//a//b"),
        ("/a;jsessionid=1/b", "/a;jsessionid=1/b"),
        ("/caf%C3%A9", "/caf%C3%A9"),
    ];
    for (sent, read) in targets {
        assert_eq!(seen(&daemon, &origin, sent, "").target(), read, "sent {sent}");
    }
}

#[test]
fn paths_that_two_servers_could_read_differently_are_refused() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    for target in ["/..", "/a/../../b", "/%2e%2e/a", "/a/..;/b", "/a%00b", "/a%5Cb", "/a\\b", "/a%zz"] {
        assert_eq!(Client::fetch(daemon.address(), target).status(), 400, "{target}");
    }
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn an_absolute_target_is_sent_on_as_a_path_with_its_host() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let request = seen(&daemon, &origin, "http://app.test/where?x=1", "");
    assert_eq!((request.target(), request.field("host")), ("/where?x=1", Some("app.test")));
}

#[test]
fn a_host_with_a_port_reaches_the_server_with_it() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nHost: app.test:8443\r\n\r\n");
    assert_eq!(client.read(crate::support::Tail::AsSaid).status(), 200);
    assert_eq!(origin.requests()[0].field("host"), Some("app.test:8443"));
}

#[test]
fn a_route_edits_heads_both_ways() {
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 200 OK\r\nServer: secret\r\nContent-Length: 0\r\n\r\n")?;
        Ok(After::Keep)
    });
    let edits = "request-headers { set x-env prod; add x-many two; remove x-debug; }\n\
                 response-headers { set x-frame-options DENY; remove server; }";
    let daemon = front_with(&[&origin], "", edits);
    let fields = "X-Env: mine\r\nX-Many: one\r\nX-Debug: 1\r\n";
    let answer = Client::connect(daemon.address()).request("GET", "/", fields, b"");
    let request = origin.requests().remove(0);
    assert_eq!(request.field("x-env"), Some("prod"));
    assert_eq!(request.values("x-many"), ["one", "two"]);
    assert_eq!(request.field("x-debug"), None);
    assert_eq!(answer.field("x-frame-options"), Some("DENY"));
    assert_eq!(answer.field("server"), None);
}

#[test]
fn lbd_answers_by_itself_where_a_route_says_so() {
    let origin = Origin::echo("a");
    let routes = "route \"/old/{id}\" { redirect \"/new/{id}{query}\" status=301; }\n\
                  route (exact)\"/robots.txt\" { respond 200 body=\"none\\n\"; }\n\
                  route \"/closed\" pool=app { deny-from \"127.0.0.0/8\"; }\n";
    let daemon = Daemon::run(&(config(&[&origin], "", "") + routes));
    let mut client = Client::connect(daemon.address());
    let moved = client.get("/old/7?x=1");
    assert_eq!((moved.status(), moved.field("location")), (301, Some("/new/7?x=1")));
    let robots = client.get("/robots.txt");
    assert_eq!((robots.status(), robots.text()), (200, "none\n"));
    assert_eq!(robots.field("content-type"), Some("text/plain"));
    assert_eq!(client.get("/closed").status(), 403);
    assert_eq!(origin.requests().len(), 0);
    assert_eq!(client.get("/robots.txt/below").status(), 200);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_site_owns_its_host() {
    let origin = Origin::echo("a");
    let sites = "site \"shop.test\" { route \"/shop\" pool=app; }\n";
    let daemon = Daemon::run(&(config(&[&origin], "", "") + sites));
    let status = |host: &str, target: &str| {
        let mut client = Client::connect(daemon.address());
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        client.read(crate::support::Tail::AsSaid).status()
    };
    assert_eq!(status("SHOP.test:80", "/shop/1"), 200);
    assert_eq!(status("shop.test", "/elsewhere"), 404, "no fall through to the default site");
    assert_eq!(status("other.test", "/elsewhere"), 200);
}
