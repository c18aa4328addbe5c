//! Connections that are passed on without a look at their bytes.

use serde_json::json;

use super::{Raw, line, logged, pool};
use crate::support::{CHECKED_ONCE, Client, Daemon, Nobody, eventually};

fn front(listen: &str, servers: &[&Raw], inside: &str) -> Daemon {
    let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
    Daemon::listening(listen, &(pool("raw", &addresses, inside) + "log { access to=stdout; }\n"))
}

/// Connects and reads the name of the server, which speaks first.
fn home(daemon: &Daemon) -> (Client, String) {
    let mut client = Client::connect(daemon.address());
    let name = client.read_until("\n");
    (client, name.trim().to_owned())
}

#[test]
fn bytes_go_both_ways_untouched_and_the_end_is_told() {
    let server = Raw::echo("a");
    let daemon = front("tcp pool=raw", &[&server], "");
    let (mut client, name) = home(&daemon);
    assert_eq!(name, "a");
    client.send("GET / HTTP/9.9\r\n\0\n");
    assert_eq!(client.read_until("\0\n"), "GET / HTTP/9.9\r\n\0\n");
    client.send("the last words\n").end_sending();
    assert_eq!(client.read_until("\n"), "the last words\n");
    assert!(client.is_closed());
    let told = logged(&daemon, &["\"method\":\"TCP\"", "\"bytes_in\":33"]);
    for part in ["\"pool\":\"raw\"", "\"server\":\"s0\"", "\"bytes_out\":35", "\"reason\":\"client-closed\""]
    {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn connections_are_balanced_and_one_that_cannot_be_made_goes_to_another_server() {
    let (a, b) = (Raw::echo("a"), Raw::echo("b"));
    let daemon = front("tcp pool=raw", &[&a, &b], "");
    let homes: std::collections::BTreeSet<_> = (0..4).map(|_| home(&daemon).1).collect();
    assert_eq!(homes.len(), 2, "{homes:?}");
    let (c, d) = (Nobody::new(), Nobody::new());
    let some = pool("raw", &[c.address(), a.address, d.address()], "");
    let daemon = Daemon::listening("tcp pool=raw", &some);
    for _ in 0..4 {
        assert_eq!(home(&daemon).1, "a");
    }
    let none = pool("raw", &[c.address()], "") + "log { access to=stdout; }\n";
    let daemon = Daemon::listening("tcp pool=raw", &none);
    assert!(Client::connect(daemon.address()).is_closed());
    logged(&daemon, &["\"reason\":\"connect-failed\""]);
}

#[test]
fn a_server_that_fails_its_check_gets_no_connections() {
    let (a, b) = (Raw::echo("a"), Nobody::new());
    let health = format!("health tcp {CHECKED_ONCE}");
    let daemon = Daemon::listening("tcp pool=raw", &pool("raw", &[b.address(), a.address], &health));
    let health = |server: &str| {
        let state =
            daemon.control("GET", &format!("/v1/pools/raw/servers/{server}")).1["health"]["state"].clone();
        state.as_str().unwrap_or_default().to_owned()
    };
    eventually("checks are done", || (health("s0") == "down" && health("s1") == "up").then_some(()));
    for _ in 0..4 {
        assert_eq!(home(&daemon).1, "a");
    }
}

#[test]
fn a_client_keeps_its_server_by_the_address_that_a_header_names() {
    let servers = [Raw::echo("s0"), Raw::echo("s1"), Raw::echo("s2")];
    let listen = "tcp pool=raw\nproxy-protocol \"127.0.0.1\"";
    let daemon = front(listen, &servers.each_ref(), "sticky source-ip");
    let home = |client: &str| {
        let mut conn = Client::connect(daemon.address());
        conn.send(line(client));
        conn.read_until("\n")
    };
    let mut homes = std::collections::BTreeSet::new();
    for n in 1..=6 {
        let client = format!("203.0.113.{n}");
        let first = home(&client);
        assert!((0..3).all(|_| home(&client) == first));
        homes.insert(first);
    }
    assert_eq!(homes.len(), 3);
    logged(&daemon, &["\"client\":\"203.0.113.6\""]);
}

#[test]
fn a_stranger_cannot_pass_a_header_on_to_a_server() {
    let server = Raw::echo("a");
    let daemon = front("tcp pool=raw\nproxy-protocol \"10.0.0.0/8\"", &[&server], "");
    let mut honest = Client::connect(daemon.address());
    honest.send("hello\n");
    assert_eq!(honest.read_until("hello\n"), "a\nhello\n");
    let mut forger = Client::connect(daemon.address());
    forger.send(line("203.0.113.9"));
    assert!(forger.is_closed());
}

#[test]
fn a_session_is_seen_survives_a_reload_and_ends_with_a_drain() {
    let (a, b) = (Raw::echo("a"), Raw::echo("b"));
    let daemon = Daemon::listening("tcp pool=raw", &pool("raw", &[a.address], ""));
    let (mut client, _) = home(&daemon);
    daemon.save(&pool("raw", &[b.address], "timeout tunnel-idle=\"1h\""));
    eventually("new connections go elsewhere", || (home(&daemon).1 == "b").then_some(()));
    client.send("still here\n");
    assert_eq!(client.read_until("\n"), "still here\n");

    let (mut client, name) = home(&daemon);
    assert_eq!(name, "b");
    let server = daemon.control("GET", "/v1/pools/raw/servers/s0").1;
    assert!(server["sessions"].as_u64().is_some_and(|n| n >= 1), "{server}");
    let drain = daemon.control_with(
        "PUT",
        "/v1/pools/raw/servers/s0/admin",
        &json!({ "state": "drain", "deadline": "300ms", "force": true }),
    );
    assert!(drain.0 < 300, "{drain:?}");
    assert!(client.is_closed(), "the deadline of the drain cuts what is left");
}

#[test]
fn a_silent_session_ends_with_its_clock() {
    let server = Raw::echo("a");
    let daemon = front("tcp pool=raw", &[&server], "timeout tunnel-idle=\"1s\"");
    let opened = std::time::Instant::now();
    let (mut client, _) = home(&daemon);
    assert!(client.is_closed());
    assert!(opened.elapsed() >= std::time::Duration::from_millis(900), "{:?}", opened.elapsed());
    logged(&daemon, &["\"reason\":\"tunnel-idle\""]);
}
