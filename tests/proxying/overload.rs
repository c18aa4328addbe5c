//! Servers that fail, are full, are new, or stand elsewhere.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{config, front_with};
use crate::support::{After, CHECKED_ONCE, Client, Daemon, Origin, Wire, eventually, websocket};

fn sorry(wire: &mut Wire) -> std::io::Result<After> {
    wire.send("HTTP/1.1 503 Sorry\r\nContent-Length: 0\r\n\r\n")?;
    Ok(After::Keep)
}

/// Answers 503.
fn failing() -> Origin {
    Origin::scripted(|_, wire| sorry(wire))
}

fn fetch(daemon: &Daemon, times: usize) -> Vec<u16> {
    let mut client = Client::connect(daemon.address());
    (0..times).map(|_| client.get("/").status()).collect()
}

fn server(daemon: &Daemon, name: &str) -> Value {
    daemon.control("GET", &format!("/v1/pools/app/servers/{name}")).1
}

/// Requests that wait for a server of the pool.
fn waiting_in(daemon: &Daemon) -> u64 {
    daemon.control("GET", "/v1/pools/app").1["summary"]["queued"].as_u64().unwrap_or(0)
}

/// A pool of its own making: `balance` and all.
fn pool(nodes: &str) -> String {
    format!("log {{ access; }}\npool app {{\n{nodes}\n}}\nroute \"/\" pool=app\n")
}

#[test]
fn a_server_that_fails_requests_in_a_row_is_ejected_and_shown_so() {
    let (bad, good) = (failing(), Origin::echo("b"));
    let daemon = front_with(&[&bad, &good], "passive failures=3 eject=\"300s\"", "");
    let statuses = fetch(&daemon, 20);
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 3, "{statuses:?}");
    assert_eq!(bad.requests().len(), 3);
    let shown = server(&daemon, "s0");
    assert_eq!((&shown["eligible"], &shown["why"]), (&"no".into(), &"ejected".into()), "{shown}");
    assert_eq!(shown["ejected_reason"], "3 failures");
    let left = shown["ejected_ms"].as_u64().expect("a time");
    assert!(left > 200_000 && left <= 300_000, "{left}");
    eventually("it is told", || daemon.log().contains("server ejected").then_some(()));
}

#[test]
fn no_more_servers_are_ejected_than_the_share() {
    for (share, servers_left) in [("50%", 1), ("100%", 0), ("0%", 2)] {
        let origins = [failing(), failing()];
        let passive = format!("passive failures=1 eject=\"300s\" max-ejected=\"{share}\"");
        let daemon = front_with(&origins.each_ref(), &passive, "");
        fetch(&daemon, 10);
        let still_asked = origins.iter().filter(|origin| origin.requests().len() > 1).count();
        assert_eq!(still_asked, servers_left, "{share}");
    }
}

#[test]
fn an_ejected_server_comes_back_when_its_time_is_over() {
    let well = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&well);
    let sick = Origin::scripted(move |_, wire| match shared.load(Ordering::SeqCst) {
        true => wire.ok("a"),
        false => sorry(wire),
    });
    let good = Origin::echo("b");
    let daemon = front_with(&[&sick, &good], "passive failures=1 eject=\"300ms\"", "");
    fetch(&daemon, 4);
    // On a busy machine its time may be over by now, and it was asked and ejected again.
    let before = sick.requests().len();
    assert!(before >= 1);
    well.store(true, Ordering::SeqCst);
    eventually("it is asked again", || {
        assert_eq!(Client::fetch(daemon.address(), "/").status(), 200);
        (sick.requests().len() > before).then_some(())
    });
}

#[test]
fn failures_that_are_further_apart_than_the_window_are_no_row() {
    let slow = || {
        Origin::scripted(|_, wire| {
            // What a server takes that is about to fail: ten windows.
            std::thread::sleep(Duration::from_millis(20));
            sorry(wire)
        })
    };
    for (window, asked) in [("2ms", 6), ("60s", 2)] {
        let (bad, good) = (slow(), Origin::echo("b"));
        let passive = format!("passive failures=2 eject=\"300s\" window=\"{window}\"");
        let daemon = front_with(&[&bad, &good], &passive, "");
        fetch(&daemon, 12);
        assert_eq!(bad.requests().len(), asked, "{window}");
    }
}

#[test]
fn a_share_of_failures_ejects_once_enough_was_seen() {
    for (rate, most_asked) in
        [("failure-share=\"40%\" min-requests=10", Some(10)), ("failure-share=\"80%\" min-requests=10", None)]
    {
        let half = Origin::scripted(|_, wire| match wire.request % 2 {
            0 => wire.ok("a"),
            _ => sorry(wire),
        });
        let good = Origin::echo("b");
        let passive = format!("passive failures=1000 {rate} window=\"300s\" eject=\"300s\"");
        let daemon = front_with(&[&half, &good], &passive, "");
        fetch(&daemon, 60);
        assert_eq!(half.requests().len(), most_asked.unwrap_or(30), "{rate}");
    }
}

#[test]
fn the_share_of_a_server_that_joins_grows_slowly() {
    for (node, few) in [("slow-start \"600s\"", true), ("", false)] {
        let (old, new) = (Origin::echo("a"), Origin::echo("b"));
        let daemon = Daemon::run(&config(&[&old], node, ""));
        assert_eq!(fetch(&daemon, 1), [200]);
        daemon.save(&config(&[&old, &new], node, ""));
        let shown = eventually("it joined", || Some(server(&daemon, "s1")).filter(|s| s["name"] == "s1"));
        let percent = shown["starting_percent"].as_u64();
        assert_eq!(percent.is_some_and(|percent| percent < 30), few, "{shown}");
        fetch(&daemon, 100);
        let asked = new.requests().len();
        assert_eq!(asked < 30, few, "{node}: {asked}");
    }
}

/// Answers each request when it is told to, and knows how many it had at once.
struct Held {
    origin: Origin,
    go: Sender<()>,
    most: Arc<AtomicUsize>,
}

fn held() -> Held {
    let (go, gone): (Sender<()>, Receiver<()>) = channel();
    let gone = Mutex::new(gone);
    let (now, most) = (AtomicUsize::new(0), Arc::<AtomicUsize>::default());
    let shared = Arc::clone(&most);
    let origin = Origin::scripted(move |_, wire| {
        shared.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _ = gone.lock().unwrap().recv_timeout(crate::support::DEADLINE);
        now.fetch_sub(1, Ordering::SeqCst);
        wire.ok("held")
    });
    Held { origin, go, most }
}

/// A client whose request is on its way.
fn asks(daemon: &Daemon) -> Client {
    let mut client = Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    client
}

fn status(client: &mut Client) -> u16 {
    client.read(crate::support::Tail::AsSaid).status()
}

#[test]
fn a_request_waits_in_the_queue_and_the_next_is_told_that_it_is_full() {
    let held = held();
    let queue = "queue size=1 timeout=\"60s\"";
    let daemon =
        Daemon::run(&pool(&format!("server a \"{}\" max-requests=1; {queue}", held.origin.address())));
    let mut first = asks(&daemon);
    eventually("the server has the first", || (held.origin.requests().len() == 1).then_some(()));
    let mut waiting = asks(&daemon);
    eventually("it waits", || (waiting_in(&daemon) == 1).then_some(()));
    let mut refused = asks(&daemon);
    assert_eq!(status(&mut refused), 503);
    refused.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert_eq!(status(&mut refused), 503, "and its connection lives");
    eventually("the access log says why", || daemon.log().contains("queue-full").then_some(()));
    assert_eq!(held.origin.requests().len(), 1);
    held.go.send(()).unwrap();
    assert_eq!(status(&mut first), 200);
    held.go.send(()).unwrap();
    assert_eq!(status(&mut waiting), 200);
    assert_eq!(held.most.load(Ordering::SeqCst), 1);
}

#[test]
fn a_request_that_waits_too_long_is_told_so() {
    let held = held();
    let queue = "queue size=10 timeout=\"200ms\"";
    let daemon =
        Daemon::run(&pool(&format!("server a \"{}\" max-requests=1; {queue}", held.origin.address())));
    let mut first = asks(&daemon);
    eventually("the server has the first", || (held.origin.requests().len() == 1).then_some(()));
    assert_eq!(status(&mut asks(&daemon)), 503);
    eventually("the access log says why", || daemon.log().contains("queue-timeout").then_some(()));
    held.go.send(()).unwrap();
    assert_eq!(status(&mut first), 200);
}

#[test]
fn workers_share_one_bound_and_one_queue() {
    let held = held();
    let queue = "queue size=100 timeout=\"60s\"";
    let text = pool(&format!("server a \"{}\" max-requests=2; {queue}", held.origin.address()));
    let daemon = Daemon::run_with(4, &text);
    let mut clients: Vec<_> = (0..40).map(|_| asks(&daemon)).collect();
    (0..40).for_each(|_| held.go.send(()).unwrap());
    for client in &mut clients {
        assert_eq!(status(client), 200);
    }
    assert!(held.most.load(Ordering::SeqCst) <= 2);
    assert_eq!(held.origin.requests().len(), 40);
}

#[test]
fn a_client_that_went_away_waits_no_more() {
    let held = held();
    let queue = "queue size=1 timeout=\"60s\"";
    let daemon =
        Daemon::run(&pool(&format!("server a \"{}\" max-requests=1; {queue}", held.origin.address())));
    let mut first = asks(&daemon);
    eventually("the server has the first", || (held.origin.requests().len() == 1).then_some(()));
    let gone = asks(&daemon);
    eventually("it waits", || (waiting_in(&daemon) == 1).then_some(()));
    drop(gone);
    eventually("its place was given up", || (waiting_in(&daemon) == 0).then_some(()));
    let mut next = asks(&daemon);
    (0..2).for_each(|_| held.go.send(()).unwrap());
    assert_eq!((status(&mut first), status(&mut next)), (200, 200));
    assert_eq!(held.origin.requests().len(), 2, "the server never saw who went away");
}

#[test]
fn long_lived_streams_use_up_the_connections_of_a_server() {
    let origin = Origin::scripted(|message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok("plain"),
    });
    let daemon = Daemon::run(&pool(&format!("server a \"{}\" max-connections=2", origin.address())));
    let (one, _two) =
        (websocket::open(daemon.address(), "/ws", ""), websocket::open(daemon.address(), "/ws", ""));
    assert_eq!(fetch(&daemon, 1), [503]);
    drop(one);
    eventually("room again", || (fetch(&daemon, 1) == [200]).then_some(()));
}

#[test]
fn with_nobody_healthy_a_panic_uses_all() {
    for (panic, expected) in [("panic \"60%\"", 200), ("", 503)] {
        let origins = [Origin::echo("a"), Origin::echo("b")];
        origins.iter().for_each(|origin| origin.set_ready(false));
        let check = format!("health \"/ready\" {CHECKED_ONCE}\n{panic}");
        let daemon = Daemon::run(&config(&origins.each_ref(), &check, ""));
        assert_eq!(fetch(&daemon, 4), [expected; 4], "{panic}");
    }
}

#[test]
fn servers_of_the_own_zone_come_first() {
    for (zone, far_asked) in [("east", 0), ("nowhere", 5)] {
        let (near, far) = (Origin::echo("a"), Origin::echo("b"));
        let servers = format!(
            "server a \"{}\" zone=east; server b \"{}\" zone=west; balance round-robin",
            near.address(),
            far.address()
        );
        let daemon = Daemon::run_args(&["--zone", zone], &pool(&servers));
        fetch(&daemon, 10);
        assert_eq!(far.requests().len(), far_asked, "{zone}");
    }
}

#[test]
fn ewma_leaves_the_slow_server_alone() {
    // As slow as a server must be to be slow on this machine: ten times what the other one ever took.
    let longest = Arc::new(AtomicU64::new(20));
    let other = Arc::clone(&longest);
    let slow = Origin::scripted(move |_, wire| {
        std::thread::sleep(Duration::from_millis(10 * other.load(Ordering::SeqCst)));
        wire.ok("slow")
    });
    let quick = Origin::echo("b");
    let servers = format!("server a \"{}\"; server b \"{}\"; balance ewma", slow.address(), quick.address());
    let daemon = Daemon::run(&pool(&servers));
    let mut client = Client::connect(daemon.address());
    for _ in 0..60 {
        let began = Instant::now();
        if client.get("/").text() != "slow" {
            let took = began.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
            longest.fetch_max(took.min(500), Ordering::SeqCst);
        }
    }
    let (slow, quick) = (slow.requests().len(), quick.requests().len());
    assert!(slow < 10 && quick > 50, "{slow} and {quick}");
}

#[test]
fn a_key_that_is_too_popular_is_passed_on() {
    for (headroom, each) in [("headroom=\"0%\"", 2), ("", 4)] {
        let origins = [held(), held()];
        let [a, b] = origins.each_ref().map(|held| held.origin.address());
        let servers = format!("server a \"{a}\"; server b \"{b}\"; balance hash key=source-ip {headroom}");
        let daemon = Daemon::run(&pool(&servers));
        let mut clients = Vec::new();
        let asked = || origins.each_ref().map(|held| held.origin.requests().len());
        for n in 1..=4 {
            clients.push(asks(&daemon));
            eventually("it is on its way", || (asked().iter().sum::<usize>() == n).then_some(()));
        }
        assert_eq!(asked().into_iter().max(), Some(each), "{headroom}");
        origins.iter().for_each(|held| (0..4).for_each(|_| held.go.send(()).unwrap()));
        clients.iter_mut().for_each(|client| assert_eq!(status(client), 200));
    }
}
