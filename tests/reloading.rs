//! Editing live: what is saved goes live, what does not load changes nothing, and nobody notices either.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::proxying::config;
use crate::support::lbctl::{lbctl, said};
use crate::support::{Client, DEADLINE, Daemon, Origin, Tail, eventually, websocket};

/// The body of lbd's own answer at `/word`.
fn word(daemon: &Daemon) -> String {
    Client::fetch(daemon.address(), "/word").text().to_owned()
}

fn saying(origin: &Origin, word: &str) -> String {
    config(&[origin], "", "") + &format!("route (exact)\"/word\" {{ respond 200 body=\"{word}\"; }}\n")
}

/// Saves, and gives the time until the edit was seen from outside.
fn save_and_wait(daemon: &Daemon, kdl: &str, expected: &str) -> Duration {
    let saved = Instant::now();
    daemon.save(kdl);
    eventually("the edit is live", || (word(daemon) == expected).then_some(()));
    saved.elapsed()
}

#[test]
fn an_edit_is_live_in_less_than_a_second() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&saying(&origin, "0"));
    // An edit that a busy machine held up says nothing of lbd; one that it did not does.
    let mut edits = 1..;
    eventually("an edit is live in less than a second", || {
        let next = edits.next()?.to_string();
        (save_and_wait(&daemon, &saying(&origin, &next), &next) < Duration::from_secs(1)).then_some(())
    });
}

#[test]
fn a_broken_file_changes_nothing_and_is_shown_until_it_is_mended() {
    let origin = Origin::echo("a");
    let mut daemon = Daemon::run(&saying(&origin, "good"));
    let before = daemon.control("GET", "/v1").1["generation"].clone();
    let broken = ["route \"/\" pool=nobody\n", "pool app {\n", "", "listen 5s\n"];
    for text in broken {
        let seen = daemon.log().len();
        std::fs::write(daemon.config(), text).unwrap();
        eventually("the daemon says that it refused the file", || {
            (daemon.log()[seen..].contains("not usable")).then_some(())
        });
        assert_eq!(word(&daemon), "good", "after {text:?}");
        assert!(daemon.is_alive());
    }
    assert_eq!(daemon.control("GET", "/v1").1["generation"], before);
    let (status, report) = daemon.control("GET", "/v1/config/report");
    assert_eq!(status, 200);
    assert!(report.to_string().contains("lbd.kdl"), "{report}");
    save_and_wait(&daemon, &saying(&origin, "mended"), "mended");
    assert_ne!(daemon.control("GET", "/v1").1["generation"], before);
}

#[test]
fn reloads_cut_no_websocket_and_fail_no_request() {
    let origin = Origin::scripted(|message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok("plain"),
    });
    let daemon = Daemon::run_with(2, &saying(&origin, "0"));
    let mut sockets: Vec<_> = (0..20).map(|_| websocket::open(daemon.address(), "/ws", "").0).collect();
    let (done, requests) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(daemon.address());
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/").text(), "plain");
                    requests.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for edit in 1..=5 {
            let word = edit.to_string();
            save_and_wait(&daemon, &saying(&origin, &word), &word);
            for socket in &mut sockets {
                websocket::round_trip(socket, &word);
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(requests.load(Ordering::SeqCst) > 20);
}

#[test]
fn clients_keep_their_server_over_a_reload() {
    let origins = [Origin::echo("s0"), Origin::echo("s1"), Origin::echo("s2")];
    let kdl = |word: &str| {
        config(&origins.each_ref(), "sticky cookie name=NODE", "")
            + &format!("route (exact)\"/word\" {{ respond 200 body=\"{word}\"; }}\n")
    };
    let daemon = Daemon::run(&kdl("before"));
    let first = Client::fetch(daemon.address(), "/");
    let cookie = first.field("set-cookie").and_then(|c| c.split(';').next()).expect("a cookie").to_owned();
    save_and_wait(&daemon, &kdl("after"), "after");
    for _ in 0..6 {
        let fields = format!("Cookie: {cookie}\r\n");
        let next = Client::connect(daemon.address()).request("GET", "/", &fields, b"");
        assert_eq!(next.text().lines().next(), first.text().lines().next());
    }
}

#[test]
fn a_file_that_is_written_and_says_what_it_said_is_no_new_generation_and_is_logged() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&saying(&origin, "one"));
    // From here on the files are surely watched.
    save_and_wait(&daemon, &saying(&origin, "same"), "same");
    let generation = daemon.control("GET", "/v1").1["generation"].clone();
    daemon.save(&saying(&origin, "same"));
    daemon.says("says what it said (LB804)");
    assert_eq!(daemon.control("GET", "/v1").1["generation"], generation);
    save_and_wait(&daemon, &saying(&origin, "other"), "other");
}

#[test]
fn a_removed_server_finishes_what_it_has_and_gets_nothing_new() {
    let (let_go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let (leaving, staying) = (
        Origin::scripted(move |message, wire| match message.target() {
            "/ws" => websocket::echo(message, wire),
            _ => {
                wait.lock().unwrap().recv_timeout(DEADLINE).expect("the client has looked");
                wire.ok("leaving")
            }
        }),
        Origin::echo("staying"),
    );
    let daemon = Daemon::run(&saying(&leaving, "one"));
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    let mut client = Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    eventually("it has a request", || (leaving.requests().len() == 2).then_some(()));
    save_and_wait(&daemon, &saying(&staying, "two"), "two");
    for _ in 0..5 {
        assert!(Client::fetch(daemon.address(), "/").text().starts_with("staying"));
    }
    let_go.send(()).unwrap();
    assert_eq!(client.read(Tail::AsSaid).text(), "leaving");
    let (_, close) = websocket::read_to_close(&mut socket);
    assert_eq!(close, Some((1012, "the server was removed from the configuration".to_owned())));
}

#[test]
fn a_kept_connection_sees_the_edit_with_its_next_request() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&saying(&origin, "first"));
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.get("/word").text(), "first");
    save_and_wait(&daemon, &saying(&origin, "second"), "second");
    assert_eq!(client.get("/word").text(), "second");
}

#[test]
fn neither_a_save_nor_a_reload_closes_a_listener_under_open_websockets_and_force_does() {
    let origin = Origin::scripted(|message, wire| websocket::echo(message, wire));
    let text = config(&[&origin], "", "");
    let (_port, second) = crate::support::daemon::reserve_port();
    let both = format!("{text}listen \"{second}\" name=second\n");
    let daemon = Daemon::run(&both);
    eventually("both listen", || std::net::TcpStream::connect(second).ok().map(drop));
    let (mut socket, _) = websocket::open(second, "/ws", "");
    websocket::round_trip(&mut socket, "hello");
    daemon.save(&text);
    let refused = eventually("the save is refused", || {
        let status = daemon.control("GET", "/v1/status").1;
        (!status["config"]["rejected"].is_null()).then_some(status)
    });
    let first = &refused["config"]["rejected"]["first"];
    assert_eq!(first["code"], "LB908", "{refused}");
    assert!(first["message"].as_str().is_some_and(|said| said.contains("listener second, by which 1 open")));
    websocket::round_trip(&mut socket, "it goes on");
    // What is on the disk is not what is meant: to read it again changes nothing, nor does a plain apply.
    let again = lbctl(&daemon, &["config", "reload"], "");
    assert_eq!(again.status.code(), Some(1), "{again:?}");
    let plain = lbctl(&daemon, &["config", "apply"], "");
    let told = String::from_utf8_lossy(&plain.stderr);
    assert_eq!(plain.status.code(), Some(6), "{told}");
    assert!(told.contains("closes the listener second") && told.contains("--force"), "{told}");
    websocket::round_trip(&mut socket, "still");
    // Nobody is on the first listener: it could go.
    said(&daemon, &["config", "apply", "--force"], "");
    eventually("it takes nobody any more", || std::net::TcpStream::connect(second).is_err().then_some(()));
    assert!(daemon.control("GET", "/v1/status").1["config"]["rejected"].is_null());
    daemon.save(&both);
    eventually("it is back", || std::net::TcpStream::connect(second).ok().map(drop));
    daemon.save(&text);
    eventually("without streams nothing is in the way", || {
        std::net::TcpStream::connect(second).is_err().then_some(())
    });
}
