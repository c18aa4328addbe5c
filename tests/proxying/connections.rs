//! Connections on both sides: kept, pipelined, closed in order, and closed behind our back.

use super::front;
use crate::support::{After, Client, Origin, Tail};

#[test]
fn requests_on_one_connection_are_answered_and_share_a_server_connection() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    for n in 0..10 {
        let answer = client.get(&format!("/{n}"));
        assert_eq!(answer.status(), 200);
        assert!(answer.text().contains(&format!("GET /{n} HTTP/1.1")), "{}", answer.text());
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_large_answer_leaves_its_server_connection_for_the_next() {
    let origin = Origin::scripted(|_, wire| wire.ok(&"x".repeat(200_000)));
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    for _ in 0..5 {
        assert_eq!(client.get("/").body.len(), 200_000);
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    let all: String = (0..20).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: app.test\r\n\r\n")).collect();
    client.send(all);
    for n in 0..20 {
        assert!(client.read(Tail::AsSaid).text().contains(&format!("GET /{n} ")));
    }
}

#[test]
fn a_request_is_read_however_it_is_cut_into_packets() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    let request = "POST /cut HTTP/1.1\r\nHost: app.test\r\nContent-Length: 5\r\nX-Last: yes\r\n\r\nhello";
    for byte in request.bytes() {
        client.send([byte]);
    }
    assert!(client.read(Tail::AsSaid).text().contains("x-last: yes"));
    assert_eq!(origin.requests()[0].body, b"hello");
}

#[test]
fn a_client_that_asks_for_close_is_answered_and_closed() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    let answer = client.request("GET", "/", "Connection: close\r\n", b"");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.field("connection").map(str::to_lowercase).as_deref(), Some("close"));
    assert!(client.is_closed());
}

#[test]
fn a_last_answer_is_whole_for_who_reads_late_and_for_who_says_more_than_that_it_is_the_last() {
    let origin = Origin::scripted(|_, wire| wire.ok(&"x".repeat(3_000_000)));
    let daemon = front(&[&origin]);
    let close = "GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n";
    for rest in [String::new(), "more than was asked for".repeat(40)] {
        let mut client = Client::connect(daemon.address());
        client.send(format!("{close}{rest}"));
        assert_eq!(client.read_head().status(), 200);
        // Most of it waits in buffers of the kernel, where a reset would throw it away.
        let other = Client::fetch(daemon.address(), "/");
        assert_eq!(other.body.len(), 3_000_000);
        assert_eq!(client.read_bytes(3_000_000).len(), 3_000_000, "{rest:?}");
        assert!(client.is_closed());
    }
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks_and_is_closed() {
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")?;
        Ok(After::Keep)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    client.send("GET / HTTP/1.0\r\nHost: app.test\r\n\r\n");
    let answer = client.read(Tail::AsSaid);
    assert_eq!((answer.status(), answer.text()), (200, "hello"));
    assert_eq!(answer.field("transfer-encoding"), None);
    assert!(client.is_closed());
}

#[test]
fn a_server_that_closes_after_each_answer_does_not_disturb_the_client() {
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    for _ in 0..5 {
        let answer = client.get("/");
        assert_eq!((answer.status(), answer.text()), (200, "ok"));
        assert_eq!(answer.field("connection"), None, "the server's close is not the client's");
    }
    assert_eq!(origin.connections(), 5);
}

#[test]
fn a_server_that_closes_unused_connections_silently_costs_no_request() {
    let origin = Origin::scripted(|_, wire| {
        wire.ok("ok")?;
        Ok(After::Close)
    });
    let daemon = front(&[&origin]);
    let mut client = Client::connect(daemon.address());
    for n in 0..20 {
        let answer = client.request(if n % 2 == 0 { "GET" } else { "DELETE" }, "/", "", b"");
        assert_eq!(answer.status(), 200, "request {n}");
    }
}

#[test]
fn many_clients_at_once_each_get_their_own_answer() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin]);
    let address = daemon.address();
    let one = |n: usize| {
        let mut client = Client::connect(address);
        for m in 0..10 {
            assert!(client.get(&format!("/{n}/{m}")).text().contains(&format!("GET /{n}/{m} ")));
        }
    };
    std::thread::scope(|scope| {
        for n in 0..32 {
            scope.spawn(move || one(n));
        }
    });
    assert_eq!(origin.requests().len(), 320);
}
