//! Changes that an operator asks for: told before they are made, made as a whole, taken back by themselves.

mod seen;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::lbctl::said;
use crate::support::{After, Client, Daemon, Origin, Tail, eventually, websocket};

/// An offer of what the daemon's file says, with one thing in place of another.
fn candidate(daemon: &Daemon, from: &str, to: &str) -> Value {
    let text = file(daemon);
    assert!(text.contains(from), "{from} is not in {text}");
    json!({ "main": text.replace(from, to) })
}

fn file(daemon: &Daemon) -> String {
    std::fs::read_to_string(daemon.config()).unwrap()
}

fn word(daemon: &Daemon) -> String {
    Client::fetch(daemon.address(), "/word").text().to_owned()
}

fn saying(origin: &Origin, word: &str) -> String {
    crate::proxying::config(&[origin], "", "")
        + &format!("route (exact)\"/word\" {{ respond 200 body=\"{word}\"; }}\n")
}

fn post(daemon: &Daemon, verb: &str, body: &Value) -> Value {
    let (status, answer) = daemon.control_with("POST", &format!("/v1/config/{verb}"), body);
    assert_eq!(status, 200, "{verb}: {answer}");
    answer
}

fn status(daemon: &Daemon) -> Value {
    daemon.control("GET", "/v1/status").1["config"].clone()
}

#[test]
fn a_plan_tells_the_effect_on_sessions_and_on_recent_requests() {
    let origin = Origin::scripted(|message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok("plain"),
    });
    let daemon =
        Daemon::run(&(saying(&origin, "old") + "route \"/gone\" pool=app\nroute \"/kept\" pool=app\n"));
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    for _ in 0..5 {
        assert_eq!(Client::fetch(daemon.address(), "/gone/now?key=secret").text(), "plain");
    }
    assert_eq!(Client::fetch(daemon.address(), "/kept").text(), "plain");
    let text = file(&daemon);
    let next = text
        .replace("server s0", "server s9")
        .replace("route \"/\" pool=app", "route \"/ws\" pool=app")
        .replace("route \"/gone\" pool=app\n", "");
    let planned = post(&daemon, "plan", &json!({ "offer": { "main": next } }));
    assert_eq!((planned["changed"].as_bool(), planned["generation"].as_u64()), (Some(true), Some(1)));
    let changes = planned["changes"].to_string();
    for expected in ["/gone", "app/s9", "app/s0"] {
        assert!(changes.contains(expected), "{expected}: {changes}");
    }
    let traffic = &planned["traffic"];
    assert_eq!(
        (traffic["leaving"][0]["name"].as_str(), traffic["leaving"][0]["sessions"].as_u64()),
        (Some("app/s0"), Some(1))
    );
    let replay = &traffic["replay"];
    assert_eq!((replay["requests"].as_u64(), replay["lost"].as_u64()), (Some(7), Some(5)), "{replay}");
    assert_eq!(
        (replay["moves"][0]["to"].as_str(), replay["moves"][0]["requests"].as_u64()),
        (Some("404"), Some(5))
    );
    assert!(!planned.to_string().contains("secret"), "queries are not kept");
    let codes: Vec<&str> =
        traffic["findings"].as_array().unwrap().iter().filter_map(|f| f["code"].as_str()).collect();
    assert_eq!(codes, ["LB904", "LB907"]);
    websocket::round_trip(&mut socket, "nothing was changed");
    assert_eq!(Client::fetch(daemon.address(), "/gone").text(), "plain");
}

#[test]
fn requests_are_forgotten_where_the_file_says_so() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&(saying(&origin, "old") + "reload replay=#false\n"));
    assert_eq!(word(&daemon), "old");
    let planned =
        post(&daemon, "plan", &json!({ "offer": candidate(&daemon, "body=\"old\"", "body=\"new\"") }));
    assert_eq!((planned["changed"].as_bool(), planned["traffic"]["replay"].is_null()), (Some(true), true));
}

#[test]
fn what_is_applied_runs_and_stands_in_the_file_and_comes_back_unless_it_is_confirmed() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&saying(&origin, "old"));
    let old = file(&daemon);
    let offer = || candidate(&daemon, "body=\"old\"", "body=\"new\"");
    let ask = json!({ "offer": offer(), "confirm_within": "1h", "reason": "a new word" });
    let done = post(&daemon, "apply", &ask);
    assert_eq!((done["generation"].as_u64(), word(&daemon).as_str()), (Some(2), "new"));
    assert!(file(&daemon).contains("body=\"new\""));
    assert_eq!(status(&daemon)["unconfirmed"]["reason"], "a new word");
    let metric = |name: &str| said(&daemon, &["metrics", &format!("lbd_config_{name}")], "");
    assert!(metric("unconfirmed").ends_with("\nlbd_config_unconfirmed 1\n"));
    post(&daemon, "confirm", &json!({}));
    assert_eq!((word(&daemon).as_str(), status(&daemon)["unconfirmed"].is_null()), ("new", true));
    post(&daemon, "rollback", &json!({ "reason": "the old one was better" }));
    assert_eq!((word(&daemon), file(&daemon)), ("old".to_owned(), old.clone()));
    let done = post(&daemon, "apply", &json!({ "offer": offer(), "confirm_within": "1s" }));
    assert_eq!(done["generation"].as_u64(), Some(4));
    eventually("what ran before comes back", || (word(&daemon) == "old").then_some(()));
    eventually("the file says it", || (file(&daemon) == old).then_some(()));
    eventually("nothing waits", || status(&daemon)["unconfirmed"].is_null().then_some(()));
    assert!(metric("unconfirmed").ends_with("\nlbd_config_unconfirmed 0\n"));
    let (_, history) = daemon.control("GET", "/v1/config/generations");
    let causes: Vec<&str> =
        history.as_array().unwrap().iter().filter_map(|one| one["cause"].as_str()).collect();
    assert_eq!(causes, ["boot", "apply", "rollback", "apply", "return"]);
}

#[test]
fn answers_of_500_take_an_unconfirmed_change_back_at_once() {
    let (good, bad) = (
        Origin::echo("good"),
        Origin::scripted(|_, wire| {
            wire.send("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")?;
            Ok(After::Keep)
        }),
    );
    let daemon = Daemon::run(&saying(&good, "old"));
    let (from, to) = (good.address().to_string(), bad.address().to_string());
    post(&daemon, "apply", &json!({ "offer": candidate(&daemon, &from, &to), "confirm_within": "1h" }));
    // Few answers are no share: a busy machine gives enough of them at once when they are asked for at once.
    eventually("what ran before comes back", || {
        let mut client = Client::connect(daemon.address());
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n".repeat(40));
        let statuses: Vec<u16> = (0..40).map(|_| client.read(Tail::AsSaid).status()).collect();
        (statuses == [200; 40]).then_some(())
    });
    eventually("the file says it", || file(&daemon).contains(&from).then_some(()));
    let (_, history) = daemon.control("GET", "/v1/config/generations");
    let last = history.as_array().unwrap().last().unwrap().clone();
    assert_eq!(last["cause"], "return");
    assert!(last["reason"].as_str().unwrap().contains("of pool app are 5xx"), "{last}");
}

#[test]
fn an_unconfirmed_change_is_taken_back_by_the_next_process_too() {
    let origin = Origin::echo("a");
    let mut daemon = Daemon::run(&saying(&origin, "old"));
    let offer = candidate(&daemon, "body=\"old\"", "body=\"new\"");
    post(&daemon, "apply", &json!({ "offer": offer, "confirm_within": "2s" }));
    daemon.signal(Signal::KILL);
    daemon.wait();
    daemon.start_again();
    eventually("what ran before comes back", || (word(&daemon) == "old").then_some(()));
    eventually("the file says it", || file(&daemon).contains("body=\"old\"").then_some(()));
}

#[test]
fn a_bad_save_under_load_even_in_the_middle_of_a_change_loses_nothing_and_is_seen() {
    let origin = Origin::echo("a");
    let talking = Origin::scripted(|message, wire| websocket::echo(message, wire));
    let text = saying(&origin, "0");
    let server = talking.address();
    let daemon = Daemon::run_with(
        2,
        &format!("{text}pool talk {{ server t \"{server}\"; }}\nroute \"/ws\" pool=talk\n"),
    );
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    websocket::round_trip(&mut socket, "before");
    let (done, requests) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::connect(daemon.address());
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/").status(), 200);
                    requests.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let good = file(&daemon);
        for (round, bad) in ["route \"/\" pool=nobody\n", &good[..good.len() / 2], ""].into_iter().enumerate()
        {
            post(
                &daemon,
                "apply",
                &json!({
                    "offer": { "main": good.replace("body=\"0\"", &format!("body=\"r{round}\"")) },
                    "confirm_within": "1h",
                }),
            );
            std::fs::write(daemon.config(), bad).unwrap();
            eventually("the finding is in the status", || {
                (!status(&daemon)["rejected"].is_null()).then_some(())
            });
            assert_eq!(word(&daemon), format!("r{round}"), "the generation before goes on");
            websocket::round_trip(&mut socket, &format!("round {round}"));
            let (code, problem) = daemon.control_with("POST", "/v1/config/rollback", &json!({ "to": 1 }));
            assert_eq!(code, 409, "one change after the other: {problem}");
            post(&daemon, "confirm", &json!({}));
            // Over the bad text only by force: it is somebody's.
            let (code, problem) = daemon.control_with("POST", "/v1/config/rollback", &json!({ "to": 1 }));
            assert!(code == 409 && problem["type"].as_str().unwrap().ends_with("config-guard"), "{problem}");
            post(&daemon, "rollback", &json!({ "to": 1, "force": true }));
            assert_eq!(file(&daemon), good);
        }
        done.store(true, Ordering::SeqCst);
    });
    websocket::round_trip(&mut socket, "after");
    assert!(requests.load(Ordering::SeqCst) > 20);
}

#[test]
fn a_refused_candidate_leaves_the_file_and_the_generation() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&saying(&origin, "old"));
    let before = file(&daemon);
    let offer = candidate(&daemon, "pool=app", "pool=nobody");
    let (code, problem) = daemon.control_with("POST", "/v1/config/apply", &json!({ "offer": offer }));
    assert_eq!(code, 422, "{problem}");
    assert!(problem["rendered"].as_str().unwrap().contains("no pool is named `nobody`"), "{problem}");
    assert_eq!(file(&daemon), before);
    assert_eq!(
        (status(&daemon)["generation"].as_u64(), status(&daemon)["rejected"].is_null()),
        (Some(1), true)
    );
}

#[test]
fn a_pinned_generation_serves_whatever_the_file_says() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&saying(&origin, "one"));
    daemon.save(&saying(&origin, "two"));
    eventually("the edit is live", || (word(&daemon) == "two").then_some(()));
    post(&daemon, "pin", &json!({ "generation": 1, "until_change": true, "reason": "it was better" }));
    assert_eq!(word(&daemon), "one");
    assert_eq!(status(&daemon)["pinned"]["generation"].as_u64(), Some(1));
    assert!(said(&daemon, &["metrics", "pinned"], "").ends_with("\nlbd_config_pinned 1\n"));
    daemon.save(&saying(&origin, "three"));
    eventually("the next edit counts", || (word(&daemon) == "three").then_some(()));
    assert!(status(&daemon)["pinned"].is_null());
    let (code, diff) = daemon.control("GET", "/v1/config/diff?from=1&to=2");
    assert_eq!((code, diff["changes"].as_array().map(Vec::len)), (200, Some(1)), "{diff}");
    assert!(daemon.control("GET", "/v1/config/generations/1/files").1.to_string().contains("one"));
}
