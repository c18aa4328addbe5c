//! Slow attacks: many clients that send little by little, or do not read. What they cost is bounded, and others are
//! served meanwhile.

use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

use crate::proxying::config;
use crate::support::{After, Client, DEADLINE, Daemon, Origin, eventually};

const MIB: u64 = 1024 * 1024;
/// An answer that no pair of socket buffers holds.
const LARGE: usize = 16 * 1024 * 1024;
const BLOCK: &[u8] = &[b'x'; 64 * 1024];

/// The daemon inherits the limit.
fn many_files() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

fn origin() -> Origin {
    Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        if message.target() != "/large" {
            let target = message.target().to_owned();
            return wire.ok(&target);
        }
        wire.reader().get_ref().set_write_timeout(Some(DEADLINE))?;
        wire.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n"))?;
        for _ in 0..LARGE / BLOCK.len() {
            wire.send(BLOCK)?;
        }
        Ok(After::Keep)
    })
}

fn others_are_served(daemon: &Daemon, during: &str) {
    for client in 0..10 {
        let mut connection = Client::connect(daemon.address());
        for n in 0..20 {
            let target = format!("/{client}/{n}");
            assert_eq!(connection.get(&target).text(), target, "during: {during}");
        }
    }
}

/// A client whose kernel takes next to nothing for it.
fn stalled(address: SocketAddr) -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect_timeout(&address.into(), DEADLINE).unwrap();
    socket.send(b"GET /large HTTP/1.1\r\nHost: app.test\r\n\r\n").unwrap();
    socket
}

#[test]
fn five_hundred_clients_that_are_slow_with_their_heads_cost_little_and_delay_nobody() {
    many_files();
    let origin = origin();
    // Its clock has a test of its own: here they may be as slow as the machine makes them.
    let daemon = Daemon::listening("timeout request-header=\"10m\"", &config(&[&origin], "", ""));
    others_are_served(&daemon, "calm");
    let calm = daemon.resident();
    let mut slow: Vec<_> = (0..500).map(|_| Client::connect(daemon.address())).collect();
    for piece in ["GET / HT", "TP/1.1\r\nHo", "st: app.test\r\n", "X-Slow: y"] {
        for client in &mut slow {
            client.send(piece);
        }
        others_are_served(&daemon, "slow heads");
    }
    let grown = daemon.resident().saturating_sub(calm);
    assert!(grown < 32 * MIB, "{grown} bytes for 500 slow heads");
    // They are slow, not wrong: who ends its head is served.
    for client in &mut slow {
        client.send("es\r\n\r\n");
    }
    for client in &mut slow {
        assert_eq!(client.read(crate::support::Tail::AsSaid).status(), 200);
    }
}

#[test]
fn two_hundred_clients_that_do_not_read_cost_little_and_delay_nobody() {
    many_files();
    let origin = origin();
    let daemon = Daemon::run(&config(&[&origin], "", ""));
    others_are_served(&daemon, "calm");
    let calm = daemon.resident();
    let stalled: Vec<_> = (0..200).map(|_| stalled(daemon.address())).collect();
    eventually("all are answered", || {
        let large = origin.requests().iter().filter(|read| read.target() == "/large").count();
        (large == stalled.len()).then_some(())
    });
    others_are_served(&daemon, "stalled readers");
    // 3,200 MiB are due; each may hold the buffer that it is served from.
    let grown = daemon.resident().saturating_sub(calm);
    assert!(grown < 128 * MIB, "{grown} bytes for 200 stalled readers");
}

#[test]
fn clients_that_are_slow_with_their_bodies_are_cut_by_the_write_clock() {
    let origin = origin();
    // The least rate would cut them, too.
    let clocks = "timeout write=\"300ms\"; limits min-rate=off";
    let daemon = Daemon::listening(clocks, &config(&[&origin], "", ""));
    let mut slow: Vec<_> = (0..50).map(|_| Client::connect(daemon.address())).collect();
    for client in &mut slow {
        client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 1000\r\n\r\nabc");
    }
    others_are_served(&daemon, "slow bodies");
    for client in &mut slow {
        assert_eq!(client.read(crate::support::Tail::AsSaid).status(), 408);
        assert!(client.is_closed());
    }
    assert!(origin.requests().iter().all(|read| read.method() == "GET" || read.body.is_empty()));
}

#[test]
fn who_says_nothing_is_closed_by_the_clock_of_its_connection() {
    let origin = origin();
    let clocks = "timeout request-header=\"300ms\" keep-alive=\"1h\"";
    let daemon = Daemon::listening(clocks, &config(&[&origin], "", ""));
    assert!(Client::connect(daemon.address()).is_closed(), "before the first request");
    let clocks = "timeout request-header=\"1h\" keep-alive=\"300ms\"";
    let daemon = Daemon::listening(clocks, &config(&[&origin], "", ""));
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.get("/once").text(), "/once");
    assert!(client.is_closed(), "between two requests");
}
