//! A mass reconnect: upgrades are let in at a rate, the others are told when to come again.

use std::time::{Duration, Instant};

use crate::proxying::config;
use crate::support::{Client, Daemon, Message, Origin, eventually, websocket};

const ASK: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn origin() -> Origin {
    Origin::scripted(|message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok("plain"),
    })
}

/// Asks for a WebSocket; the head of the answer.
fn knock(client: &mut Client) -> Message {
    client.send(format!("GET /ws HTTP/1.1\r\nHost: app.test\r\n{ASK}\r\n"));
    client.read_head()
}

fn kinds(daemon: &Daemon) -> Vec<String> {
    let log = daemon.log();
    let told = ["more upgrades than are admitted", "all upgrades are admitted again"];
    told.iter().filter(|text| log.contains(**text)).map(|text| (*text).to_owned()).collect()
}

#[test]
fn upgrades_beyond_the_burst_are_told_to_come_later_and_plain_requests_are_not() {
    let origin = origin();
    let text = config(&[&origin], "admission \"1/h\" burst=3", "");
    let daemon = Daemon::run(&text);
    let _inside: Vec<_> = (0..3).map(|_| websocket::open(daemon.address(), "/ws", "")).collect();
    let mut later = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let mut client = Client::connect(daemon.address());
        let answer = client.request("GET", "/ws", ASK, b"");
        assert_eq!(answer.status(), 503, "{answer:?}");
        let seconds: u32 = answer.field("retry-after").and_then(|text| text.parse().ok()).expect("a time");
        assert!((1..=60).contains(&seconds), "{seconds}");
        later.insert(seconds);
        // The connection is as good as before.
        assert_eq!(client.get("/").text(), "plain");
    }
    assert!(later.len() > 1, "all were told to come at once again: {later:?}");
    eventually("the rush is told", || (!kinds(&daemon).is_empty()).then_some(()));
    assert_eq!(origin.requests().iter().filter(|request| request.target() == "/ws").count(), 3);
    // A reload that leaves it as it is fills no bucket; one that takes it away lets everybody in.
    daemon.save(&(text.clone() + "route (exact)\"/word\" { respond 200 body=\"new\"; }\n"));
    eventually("the edit is live", || {
        (Client::fetch(daemon.address(), "/word").text() == "new").then_some(())
    });
    assert_eq!(knock(&mut Client::connect(daemon.address())).status(), 503);
    daemon.save(&config(&[&origin], "", ""));
    eventually("everybody is let in", || {
        (knock(&mut Client::connect(daemon.address())).status() == 101).then_some(())
    });
}

#[test]
fn a_rush_is_let_in_no_faster_than_the_rate() {
    const CLIENTS: u32 = 40;
    let origin = origin();
    let daemon = Daemon::run_with(2, &config(&[&origin], "admission \"20/s\" burst=5", ""));
    let began = Instant::now();
    let mut inside = Vec::new();
    for _ in 0..CLIENTS {
        inside.push(eventually("it is let in", || {
            let mut client = Client::connect(daemon.address());
            (knock(&mut client).status() == 101).then_some(client)
        }));
    }
    // The bucket is full at the beginning.
    let least = Duration::from_secs(1) * (CLIENTS - 5) / 20;
    assert!(began.elapsed() >= least.mul_f64(0.98), "{:?}", began.elapsed());
    eventually("all are sessions", || {
        let found = daemon.control("GET", "/v1/connections?kind=websocket").1;
        (found["total"] == CLIENTS).then_some(())
    });
}
