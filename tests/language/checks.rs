//! Health checks: what is asked, what is a good answer, how often, and how many make a change.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::count;
use crate::support::{After, CHECKED_OFTEN, CHECKED_ONCE, Client, Daemon, Origin, eventually};

/// A pool of this server, checked so.
fn checked(origin: &Origin, health: &str) -> Daemon {
    Daemon::run(&format!(
        "pool app {{ server s0 \"{}\"; {health}; }}\nroute \"/\" pool=app\n",
        origin.address()
    ))
}

/// The state of the server, once it was checked.
fn verdict(daemon: &Daemon) -> String {
    eventually("a check is done", || {
        let server = daemon.control("GET", "/v1/pools/app/servers/s0").1;
        let state = server["health"]["state"].as_str().or(server["health"].as_str()).unwrap_or_default();
        (!state.is_empty() && state != "unknown").then(|| state.to_owned())
    })
}

/// Answers checks so, and all else with 200.
fn answering(check: impl Fn(&crate::support::Message) -> &'static str + Send + Sync + 'static) -> Origin {
    Origin::scripted(move |message, wire| {
        let line = if message.target() == "/check" { check(message) } else { "200 OK" };
        let body = if message.method() == "HEAD" || line.starts_with("204") { "" } else { "all fine" };
        let length = if line.starts_with("204") {
            String::new()
        } else {
            format!("Content-Length: {}\r\n", body.len())
        };
        wire.send(format!("HTTP/1.1 {line}\r\n{length}Connection: close\r\n\r\n{body}"))?;
        Ok(After::Close)
    })
}

#[test]
fn a_check_is_asked_and_judged_as_the_file_says() {
    let by_method = |wanted: &'static str| {
        answering(move |message| if message.method() == wanted { "200 OK" } else { "405 No" })
    };
    for (health, origin, wanted) in [
        ("status=204", answering(|_| "204 None"), "up"),
        ("status=204", answering(|_| "200 OK"), "down"),
        ("body=\"fine\"", answering(|_| "200 OK"), "up"),
        ("body=\"excellent\"", answering(|_| "200 OK"), "down"),
        ("method=HEAD", by_method("HEAD"), "up"),
        ("method=GET", by_method("GET"), "up"),
    ] {
        let daemon = checked(&origin, &format!("health \"/check\" {CHECKED_ONCE} {health}"));
        eventually(&format!("{wanted} by {health}"), || (verdict(&daemon) == wanted).then_some(()));
    }
}

#[test]
fn a_check_goes_to_the_port_and_in_the_manner_that_it_is_given() {
    let (good, bad) = (answering(|_| "200 OK"), answering(|_| "500 No"));
    let port = good.address().port();
    let check = format!("health \"/check\" {CHECKED_ONCE}");
    let becomes = |wanted: &str, more: &str, nodes: &str| {
        let text =
            format!("pool app {{ server s0 \"{}\" {more}; {nodes} }}\nroute \"/\" pool=app\n", bad.address());
        let daemon = Daemon::run(&text);
        eventually(&format!("{wanted} by {more} {nodes}"), || (verdict(&daemon) == wanted).then_some(()));
    };
    becomes("down", "", &check);
    becomes("up", &format!("health-port={port}"), &check);
    becomes("up", "", &format!("{check} port={port}"));
    becomes("up", "", &format!("tls verify=none; {check} port={port} tls=#false"));
    becomes("down", "", &format!("tls verify=none; {check} port={port}"));
}

/// A server whose checks pass or fail by their number, and the number so far.
fn by_number(passes: impl Fn(usize) -> bool + Send + Sync + 'static) -> (Origin, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    let origin = answering(move |_| match passes(counted.fetch_add(1, Ordering::SeqCst)) {
        true => "200 OK",
        false => "500 No",
    });
    (origin, seen)
}

fn reaches(seen: &AtomicUsize, checks: usize) {
    eventually(&format!("{checks} checks"), || (seen.load(Ordering::SeqCst) >= checks).then_some(()));
}

#[test]
fn a_change_takes_as_many_checks_in_a_row_as_the_file_says() {
    let sick = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&sick);
    let (origin, _) = by_number(move |_| !told.load(Ordering::SeqCst));
    let daemon = checked(&origin, "health \"/check\" interval=\"200ms\" timeout=\"200ms\" fall=20 rise=1");
    eventually("it is up", || (verdict(&daemon) == "up").then_some(()));
    let began = Instant::now();
    sick.store(true, Ordering::SeqCst);
    eventually("it is down", || (verdict(&daemon) == "down").then_some(()));
    // Four seconds, of which a machine that stood still just before may have taken some; three checks are over sooner.
    assert!(began.elapsed() >= Duration::from_millis(1800), "{:?}", began.elapsed());
    drop(daemon);
    // Three passes of four, after a first failure: never four in a row.
    let (origin, seen) = by_number(|n| n % 4 != 0);
    let daemon = checked(&origin, "health \"/check\" interval=\"50ms\" timeout=\"50ms\" rise=4 fall=1");
    reaches(&seen, 16);
    assert!(!daemon.log().contains("server up"), "{}", daemon.log());
}

#[test]
fn checks_come_as_often_as_the_file_says() {
    let (origin, seen) = by_number(|_| true);
    let _often = checked(&origin, "health \"/check\" interval=\"200ms\" timeout=\"200ms\"");
    reaches(&seen, 12);
    let (origin, seen) = by_number(|_| false);
    let _down =
        checked(&origin, "health \"/check\" interval=\"1h\" down-interval=\"200ms\" timeout=\"200ms\"");
    reaches(&seen, 4);
}

#[test]
fn checks_are_spread_by_the_share_that_the_file_says() {
    let times = Arc::new(Mutex::new(Vec::<Instant>::new()));
    let noted = Arc::clone(&times);
    let origin = answering(move |_| {
        noted.lock().unwrap().push(Instant::now());
        "200 OK"
    });
    let _daemon = checked(&origin, "health \"/check\" interval=\"400ms\" timeout=\"400ms\" jitter=\"90%\"");
    // With the default of 10 % none is shorter than 360 ms.
    eventually("a gap far below the interval", || {
        let times = times.lock().unwrap();
        times.windows(2).any(|pair| pair[1] - pair[0] < Duration::from_millis(240)).then_some(())
    });
}

#[test]
fn a_server_that_does_not_answer_a_check_in_time_is_down() {
    let silent =
        Origin::scripted(|_, wire| std::io::Read::read(wire.reader(), &mut [0]).map(|_| After::Close));
    let daemon = checked(&silent, "health \"/check\" interval=\"1h\" timeout=\"200ms\"");
    assert_eq!(verdict(&daemon), "down");
}

#[test]
fn before_the_first_check_a_server_is_what_the_file_says() {
    let silent = || {
        Origin::scripted(|message, wire| match message.target() {
            // Until the daemon gives up.
            "/check" => std::io::Read::read(wire.reader(), &mut [0]).map(|_| After::Close),
            _ => wire.ok("served"),
        })
    };
    for (initial, wanted) in [("up", 4), ("down", 0)] {
        let origin = silent();
        let daemon =
            checked(&origin, &format!("health \"/check\" interval=\"1h\" timeout=\"30s\" initial={initial}"));
        assert_eq!(count(&daemon, 4, "GET"), wanted, "{initial}");
    }
}

#[test]
fn a_server_that_answers_checks_with_the_drain_status_keeps_its_clients() {
    let leaving = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(&leaving);
    let a = Origin::scripted(move |message, wire| match (message.target(), shared.load(Ordering::SeqCst)) {
        ("/check", 1) => {
            wire.send("HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n")?;
            Ok(After::Keep)
        }
        _ => wire.ok("a"),
    });
    let b = Origin::scripted(|_, wire| wire.ok("b"));
    let nodes = format!("sticky cookie\nhealth \"/check\" {CHECKED_OFTEN} drain-status=404");
    let daemon = Daemon::run(&crate::proxying::config(&[&a, &b], &nodes, ""));
    let cookie = eventually("a client of the first server", || {
        let answer = Client::fetch(daemon.address(), "/");
        let cookie = answer.field("set-cookie")?.split(';').next()?.to_owned();
        (answer.text() == "a").then_some(cookie)
    });
    leaving.store(1, Ordering::SeqCst);
    super::says(&daemon, "404");
    eventually("new clients go elsewhere", || {
        (0..4).all(|_| Client::fetch(daemon.address(), "/").text() == "b").then_some(())
    });
    let fields = format!("Cookie: {cookie}\r\n");
    let answer = Client::connect(daemon.address()).request("GET", "/", &fields, b"");
    assert_eq!(answer.text(), "a");
}
