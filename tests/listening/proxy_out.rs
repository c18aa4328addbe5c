//! PROXY headers to servers.

use std::io::Write;
use std::net::TcpStream;

use super::{Raw, line, pool, read_until};
use crate::support::{CHECKED_ONCE, Client, Daemon, Tail, eventually};

/// An HTTP server that expects a line of version 1, and tells of each connection's.
fn server_v1() -> Raw {
    Raw::run(|stream, tell| {
        tell(&read_until(stream, b"\r\n")?);
        let ended = answer(stream);
        tell(b"end");
        ended
    })
}

fn server_v2() -> Raw {
    Raw::run(|stream, tell| {
        let mut header = [0; 16];
        std::io::Read::read_exact(stream, &mut header)?;
        let mut body = vec![0; usize::from(u16::from_be_bytes([header[14], header[15]]))];
        std::io::Read::read_exact(stream, &mut body)?;
        tell(&[&header[..], &body].concat());
        answer(stream)
    })
}

fn answer(stream: &mut TcpStream) -> std::io::Result<()> {
    loop {
        read_until(stream, b"\r\n\r\n")?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
    }
}

fn front(server: &Raw, listen: &str, inside: &str) -> Daemon {
    Daemon::listening(listen, &(pool("app", &[server.address], inside) + "route \"/\" pool=app\n"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_connection_names_its_client_and_serves_no_other() {
    let server = server_v1();
    let daemon = front(&server, "", "connections send-proxy=v1");
    let mut one = Client::connect(daemon.address());
    let mut two = Client::connect(daemon.address());
    for _ in 0..3 {
        assert_eq!(one.get("/").status(), 200);
        assert_eq!(two.get("/").status(), 200);
    }
    let expected = |client: &Client| {
        let port = daemon.address().port();
        format!("PROXY TCP4 127.0.0.1 127.0.0.1 {} {port}\r\n", client.local().port())
    };
    let seen = || -> Vec<String> { server.seen().iter().map(|bytes| text(bytes)).collect() };
    assert_eq!(seen(), [expected(&one), expected(&two)], "one connection for each, and each kept");
    drop(one);
    eventually("a connection ends with its client", || (seen().len() == 3).then_some(()));
    assert_eq!(seen()[2], "end");
    let mut three = Client::connect(daemon.address());
    assert_eq!(three.get("/").status(), 200);
    assert_eq!(seen()[3], expected(&three));
}

#[test]
fn each_client_of_a_trusted_hop_has_connections_of_its_own_while_the_hop_stays() {
    let server = server_v1();
    let daemon = front(&server, "trust-forwarded \"127.0.0.1\"", "connections send-proxy=v1");
    let mut hop = Client::connect(daemon.address());
    for client in ["203.0.113.8", "203.0.113.9", "203.0.113.8"] {
        let fields = format!("X-Forwarded-For: {client}\r\n");
        assert_eq!(hop.request("GET", "/", &fields, b"").status(), 200);
    }
    let seen: Vec<_> = server.seen().iter().map(|bytes| text(bytes)).collect();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[0].starts_with("PROXY TCP4 203.0.113.8 127.0.0.1 "), "{seen:?}");
    assert!(seen[1].starts_with("PROXY TCP4 203.0.113.9 127.0.0.1 "), "{seen:?}");
    drop(hop);
    eventually("both end with the hop", || (server.seen().len() == 4).then_some(()));
}

#[test]
fn version_2_names_the_client_that_a_balancer_in_front_named() {
    let server = server_v2();
    let daemon = front(&server, "proxy-protocol \"127.0.0.1\"", "connections send-proxy=v2");
    let mut client = Client::connect(daemon.address());
    client.send(line("203.0.113.9") + "GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert_eq!(client.read(Tail::AsSaid).status(), 200);
    let expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\xc0\x00\x02\x01\x12\x67\x01\xbb";
    assert_eq!(server.seen(), [expected.to_vec()]);
}

#[test]
fn a_check_begins_as_traffic_does_and_names_nobody() {
    let server = server_v1();
    let daemon = front(&server, "", &format!("health \"/ready\" {CHECKED_ONCE}\nconnections send-proxy=v1"));
    let answer = eventually("the server is up", || {
        Some(Client::fetch(daemon.address(), "/")).filter(|answer| answer.status() == 200)
    });
    assert_eq!(answer.text(), "ok");
    assert_eq!(text(&server.seen()[0]), "PROXY UNKNOWN\r\n");
}
