//! Which version a server is spoken to in.

use std::sync::Arc;

use super::front_with;
use crate::proxying;
use crate::support::http2_server::{Manners, text};
use crate::support::secure::Authority;
use crate::support::{CHECKED_ONCE, Client, Daemon, Http2Server, Origin, eventually};

/// A server of HTTP/2 over TLS that offers these protocols.
fn secure(authority: &Authority, protocols: &[&[u8]]) -> Http2Server {
    let config = authority.server(&authority.issue("server.pem", "server"), protocols);
    Http2Server::with(Manners { tls: Some(Arc::new(config)), ..Manners::default() }, |request| async move {
        text(request.uri().to_string())
    })
}

fn pool_tls(authority: &Authority) -> String {
    format!("tls ca=\"{}\" server-name=server", authority.path("ca.pem").display())
}

#[test]
fn a_server_over_tls_is_spoken_to_as_it_chooses() {
    let authority = Authority::new();
    let server = secure(&authority, &[b"http/1.1", b"h2"]);
    for connections in ["http=2", "http=auto"] {
        let server =
            if connections == "http=2" { &server } else { &secure(&authority, &[b"h2", b"http/1.1"]) };
        let daemon = front_with(&[server], connections, &pool_tls(&authority), "");
        let answer = Client::fetch(daemon.address(), "/page");
        assert_eq!((answer.status(), answer.text()), (200, "https://app.test/page"), "{connections}");
    }
}

#[test]
fn a_server_that_only_knows_http1_gets_that_with_auto_and_nothing_with_2() {
    let authority = Authority::new();
    let own = authority.issue("server.pem", "server");
    let address = crate::support::secure::curious_server(&own, &authority);
    let certificate = authority.issue("lbd.pem", "lbd");
    let run = |http: &str| {
        Daemon::run(&format!(
            "pool app {{\n server s0 \"{address}\"\n connections http={http}\n\
             tls ca=\"{}\" server-name=server certificate=\"{}\"\n}}\nroute \"/\" pool=app\n",
            authority.path("ca.pem").display(),
            certificate.display(),
        ))
    };
    let auto = run("auto");
    for _ in 0..2 {
        assert_eq!(Client::fetch(auto.address(), "/").status(), 200);
    }
    let only = run("2");
    assert_eq!(Client::fetch(only.address(), "/").status(), 502);
    eventually("the log says why", || only.log().contains("http/2").then_some(()));
}

#[test]
fn a_server_that_does_not_speak_http2_is_a_clear_failure() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&proxying::config(&[&origin], "connections http=2", ""));
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 502);
    eventually("the log says why", || daemon.log().contains("server does not speak http/2").then_some(()));
    assert!(origin.requests().iter().all(|seen| !seen.line.contains("/ HTTP/1.1")), "no request was sent");
}

#[test]
fn without_tls_auto_is_http1() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&proxying::config(&[&origin], "connections http=auto", ""));
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 200);
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn an_upgrade_goes_over_http1_where_the_server_may_choose() {
    let authority = Authority::new();
    let server = secure(&authority, &[b"h2", b"http/1.1"]);
    let daemon = front_with(&[&server], "http=auto", &pool_tls(&authority), "");
    let mut client = Client::connect(daemon.address());
    for _ in 0..2 {
        assert_eq!(client.get("/").status(), 200);
        assert_eq!(client.request("GET", "/", UPGRADE, b"").status(), 200, "the server takes no upgrade");
    }
    let versions: Vec<_> = server.requests().iter().map(|seen| format!("{:?}", seen.version)).collect();
    assert_eq!(versions, ["HTTP/2.0", "HTTP/1.1", "HTTP/2.0", "HTTP/1.1"]);
    assert_eq!(server.connections(), 2, "each kind has its own, and keeps it");
}

#[test]
fn an_upgrade_is_refused_where_only_http2_is_spoken() {
    let server = Http2Server::named("a");
    let daemon = front_with(&[&server], "http=2", "", "");
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.request("GET", "/", UPGRADE, b"").status(), 502);
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 200, "other requests pass");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn checks_speak_http2_too() {
    let server = Http2Server::run(|request| async move {
        let mut answer = text("well");
        if request.uri().path() == "/ready"
            && request.uri().authority().is_none_or(|host| host != "check.test")
        {
            *answer.status_mut() = hyper::StatusCode::BAD_REQUEST;
        }
        answer
    });
    let daemon = front_with(
        &[&server],
        "http=2",
        &format!("health \"/ready\" {CHECKED_ONCE} host=check.test body=well"),
        "",
    );
    eventually("the check passes", || (Client::fetch(daemon.address(), "/").status() == 200).then_some(()));
}

#[test]
fn checks_offer_what_traffic_offers() {
    let authority = Authority::new();
    let check = format!("health \"/ready\" {CHECKED_ONCE}");
    for (protocols, version) in [(&[&b"h2"[..]][..], "HTTP/2.0"), (&[&b"http/1.1"[..]], "HTTP/1.1")] {
        let server = secure(&authority, protocols);
        let nodes = format!("{}\n{check}", pool_tls(&authority));
        let daemon = front_with(&[&server], "http=auto", &nodes, "");
        eventually("the check passes", || {
            (Client::fetch(daemon.address(), "/").status() == 200).then_some(())
        });
        let seen: Vec<_> = server.requests().iter().map(|seen| format!("{:?}", seen.version)).collect();
        assert!(seen.iter().all(|seen| seen == version), "{seen:?}");
    }
}
