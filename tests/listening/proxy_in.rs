//! PROXY headers from a balancer in front.

use super::{line, logged, pool};
use crate::support::{Client, Daemon, Origin, Tail, eventually};

const ACCESS: &str = "log { access to=stdout; }\n";

fn front(listen: &str, origins: &[&Origin], inside: &str, route: &str) -> Daemon {
    let addresses: Vec<_> = origins.iter().map(|origin| origin.address()).collect();
    let route = format!("route \"/\" pool=app {{ {route}\n }}\n");
    Daemon::listening(listen, &(pool("app", &addresses, inside) + &route + ACCESS))
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n";

/// The status and body of a request behind a header.
fn ask(daemon: &Daemon, header: impl AsRef<[u8]>) -> (u16, String) {
    let mut client = Client::connect(daemon.address());
    let answer = client.send([header.as_ref(), REQUEST.as_bytes()].concat()).read(Tail::AsSaid);
    (answer.status(), answer.text().to_owned())
}

fn v2(client: [u8; 4], tlvs: &[u8]) -> Vec<u8> {
    let body = [&client[..], &[192, 0, 2, 1, 0x12, 0x67, 0x01, 0xbb], tlvs].concat();
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n\x21\x11", &length[..], &body].concat()
}

#[test]
fn the_client_is_whom_the_header_names() {
    let origin = Origin::echo("a");
    let daemon = front("proxy-protocol \"127.0.0.0/8\"", &[&origin], "", "");
    let (status, body) = ask(&daemon, line("203.0.113.9"));
    assert_eq!(status, 200);
    assert!(body.contains("x-forwarded-for: 203.0.113.9\n"), "{body}");
    assert!(body.contains("x-forwarded-port: 443\n"), "{body}");
    let (status, body) = ask(&daemon, v2([203, 0, 113, 10], b"\x01\x00\x02h2"));
    assert_eq!(status, 200);
    assert!(body.contains("x-forwarded-for: 203.0.113.10\n"), "{body}");
    logged(&daemon, &["\"client\":\"203.0.113.9\""]);
    logged(&daemon, &["\"client\":\"203.0.113.10\""]);
}

#[test]
fn a_sender_that_speaks_for_itself_is_the_client() {
    let origin = Origin::echo("a");
    let daemon = front("proxy-protocol \"127.0.0.1\"", &[&origin], "", "");
    for header in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"] {
        let (status, body) = ask(&daemon, header);
        assert_eq!(status, 200);
        assert!(body.contains("x-forwarded-for: 127.0.0.1\n"), "{body}");
    }
}

#[test]
fn a_header_that_comes_in_pieces_is_read_and_the_connection_is_kept() {
    let origin = Origin::echo("a");
    let daemon = front("proxy-protocol \"127.0.0.1\"", &[&origin], "", "");
    let mut client = Client::connect(daemon.address());
    for byte in line("203.0.113.9").bytes() {
        client.send([byte]);
    }
    for _ in 0..3 {
        let answer = client.get("/");
        assert!(answer.text().contains("x-forwarded-for: 203.0.113.9\n"), "{answer:?}");
    }
}

#[test]
fn a_listed_sender_without_a_header_is_refused() {
    let origin = Origin::echo("a");
    let daemon = front("proxy-protocol \"127.0.0.1\"", &[&origin], "", "");
    for bytes in [REQUEST, "PROXY TCP4 1.2.3.4\r\n\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n"] {
        let mut client = Client::connect(daemon.address());
        client.send(bytes);
        assert!(client.is_closed(), "{bytes:?}");
    }
    assert_eq!(origin.requests().len(), 0);
}

#[test]
fn a_listed_sender_that_is_silent_has_the_time_that_the_file_says() {
    let origin = Origin::echo("a");
    let daemon = front("proxy-protocol \"127.0.0.1\" timeout=\"400ms\"", &[&origin], "", "");
    let began = std::time::Instant::now();
    let mut client = Client::connect(daemon.address());
    assert!(client.is_closed());
    assert!(began.elapsed() >= std::time::Duration::from_millis(390), "{:?}", began.elapsed());
}

#[test]
fn a_stranger_needs_no_header_and_may_not_send_one() {
    let origin = Origin::echo("a");
    let daemon = front("proxy-protocol \"10.0.0.0/8\"", &[&origin], "", "");
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 200);
    let seen = origin.requests().len();
    assert_eq!(ask(&daemon, line("203.0.113.9")).0, 400);
    assert_eq!(ask(&daemon, v2([203, 0, 113, 9], b"")).0, 400);
    assert_eq!(origin.requests().len(), seen);
}

#[test]
fn rules_stickiness_and_limits_see_the_named_client() {
    let origins = [Origin::echo("s0"), Origin::echo("s1"), Origin::echo("s2")];
    let listen = "proxy-protocol \"127.0.0.1\"\nlimits max-connections-per-ip=1";
    let daemon = front(listen, &origins.each_ref(), "sticky source-ip", "allow-from \"203.0.113.0/24\"");
    assert_eq!(ask(&daemon, line("198.51.100.1")).0, 403);
    let mut homes = std::collections::BTreeSet::new();
    for n in 1..=6 {
        let client = format!("203.0.113.{n}");
        let home = || {
            // The connection before this one may still be counted for a moment.
            eventually("the client is served", || {
                let mut conn = Client::connect(daemon.address());
                conn.try_send(line(&client) + REQUEST).ok()?;
                let answer = conn.try_read(Tail::AsSaid).ok()??;
                answer.text().lines().next().map(str::to_owned)
            })
        };
        let first = home();
        assert!((0..3).all(|_| home() == first), "{client} keeps its server");
        homes.insert(first);
    }
    assert_eq!(homes.len(), 3, "other clients have other servers");

    let mut first = Client::connect(daemon.address());
    assert_eq!(first.send(line("203.0.113.77") + REQUEST).read(Tail::AsSaid).status(), 200);
    let mut second = Client::connect(daemon.address());
    let _ = second.try_send(line("203.0.113.77") + REQUEST);
    assert!(second.is_closed(), "one connection for each client");
    assert_eq!(ask(&daemon, line("203.0.113.78")).0, 200, "not for all that come by one balancer");
}
