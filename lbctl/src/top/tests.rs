//! Frames and keys.

use super::app::{Focus, Key};
use super::*;
use lbctl::protocol::AdminState;
use serde_json::{Value, json};

fn server(pool: &str, name: &str, sessions: u64) -> Value {
    json!({
        "pool": pool, "name": name, "address": format!("{name}.example.com:8080"), "admin": { "state": "ready" },
        "health": { "state": "up", "since_ms": 1, "checked": true, "good": 1, "bad": 0 },
        "eligible": "ready", "weight": 1, "file_weight": 1, "backup": false, "in_flight": 3,
        "sessions": sessions, "idle_connections": 0, "requests": 1_234_567, "errors_5xx": 0, "failures": 0,
        "p99_us": 83_000,
    })
}

fn look(instance: &str, events: &[u64]) -> Look {
    let pool = |name: &str, up: usize, all: usize, rate: f64| {
        json!({
            "name": name, "balance": "random", "up": up, "servers": all, "in_flight": 6, "sessions": 812,
            "requests": 10, "errors_5xx": 0, "rate": rate, "error_share": 0.004, "p99_us": 83_000,
        })
    };
    let mut down = server("platform", "tw2", 0);
    down["health"] = json!({ "state": "down", "since_ms": 120_000, "checked": true, "good": 0, "bad": 9, "reason": "connect refused" });
    let mut servers = vec![server("platform", "tw1", 0), down];
    servers.extend((1..=60).map(|number| server("connection-server", &format!("cx{number:02}"), number * 3)));
    let events: Vec<Value> = events
        .iter()
        .map(|seq| {
            json!({ "seq": seq, "time": "2026-01-02T03:04:05Z", "kind": "server.down",
            "subject": format!("platform/tw{seq}"), "data": { "reason": "connect refused" }, "actor": "ann" })
        })
        .collect();
    serde_json::from_value(json!({
        "at": "2026-01-02T03:04:05Z", "instance": instance, "servers": servers, "events": events,
        "status": {
            "lbd": "0.1.0", "uptime_ms": 1_051_200_000, "operations": [],
            "config": { "generation": 42, "since_ms": 10_800_000, "cause": "watch", "warnings": [] },
            "listeners": [{ "name": ":443", "address": "0.0.0.0:443", "tls": true, "redirect": false,
                "connections": 1204, "accepted": 99_000 }],
            "pools": [pool("connection-server", 60, 60, 38.2), pool("platform", 1, 2, 412.0)],
        },
    }))
    .expect("a look")
}

fn app() -> App {
    let mut app = App::default();
    app.take(look("one", &[1, 2]));
    app
}

fn press(app: &mut App, keys: &str) -> Option<Act> {
    keys.chars().fold(None, |_, letter| {
        app.on(match letter {
            '\t' => Key::Across,
            '\n' => Key::Enter,
            '\u{1b}' => Key::Escape,
            letter => Key::Char(letter),
        })
    })
}

/// What one server's row would be asked for.
fn change(server: &str, state: AdminState) -> Act {
    Act::Propose(Change { pool: "connection-server".into(), server: server.into(), state, force: false })
}

#[test]
fn frames_are_what_they_were() {
    let mut narrow = app();
    press(&mut narrow, "j\tj");
    let mut wide = app();
    press(&mut wide, "\tjjd");
    wide.front = Front::Confirm(
        Change { pool: "a".into(), server: "b".into(), state: AdminState::Drain, force: false },
        "would drain connection-server/cx03: 9 sessions, 3 requests; new clients go to cx01\n".into(),
    );
    for (name, app, size) in [("top-80x24", &narrow, (80, 24)), ("top-200x50", &wide, (200, 50))] {
        let path = format!("{}/tests/golden/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let text = frame(app, size);
        if std::env::var_os("LBCTL_BLESS").is_some() {
            std::fs::write(&path, &text).expect("the golden file can be written");
        }
        assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
    }
}

#[test]
fn what_an_operator_must_not_forget_stands_in_the_first_line() {
    let mut now = look("x", &[]);
    let by = json!({ "previous": 41, "left_ms": 90_000, "until": "2026-01-02T03:05:35Z", "actor": "ann" });
    now.status.config.unconfirmed = Some(serde_json::from_value(by).expect("a confirmation that is due"));
    let pin = json!({ "generation": 7, "since_ms": 1, "since": "2026-01-02T03:04:05Z", "until_change": false, "actor": "ann" });
    now.status.config.pinned = Some(serde_json::from_value(pin).expect("a pin"));
    let mut app = App::default();
    app.take(now);
    let text = frame(&app, (120, 24));
    let first = text.lines().next().unwrap_or_default();
    assert!(first.contains("! 41 comes back in 1m 30s unless confirmed  ! pinned to 7"), "{first}");
}

#[test]
fn any_size_can_be_drawn() {
    for width in [1, 2, 20, 79, 119, 120, 300] {
        for height in [1, 2, 5, 12, 100] {
            for front in
                [Front::Nothing, Front::Help, Front::Url("x".repeat(500)), Front::Text(String::new())]
            {
                let mut app = app();
                app.front = front;
                frame(&app, (width, height));
            }
            frame(&App::default(), (width, height));
        }
    }
}

#[test]
fn keys_choose_and_propose() {
    let mut app = app();
    assert_eq!(press(&mut app, "d"), None, "sixty servers: which one?");
    assert!(app.message.as_ref().is_some_and(|text| text.contains("choose a server")));
    assert_eq!(press(&mut app, "\td"), Some(change("cx01", AdminState::Drain)));
    assert_eq!(press(&mut app, "jjm"), Some(change("cx03", AdminState::Maint)));
    assert_eq!(press(&mut app, "kr"), Some(change("cx02", AdminState::Ready)));
    app.on(Key::End);
    assert_eq!(press(&mut app, "d"), Some(change("cx60", AdminState::Drain)));
    app.on(Key::Down);
    assert_eq!(press(&mut app, "d"), Some(change("cx60", AdminState::Drain)), "there is no further");
    app.on(Key::PageUp);
    assert_eq!(press(&mut app, "d"), Some(change("cx50", AdminState::Drain)));
    assert_eq!(press(&mut app, "q"), Some(Act::Quit));
}

#[test]
fn the_choice_stays_with_its_server() {
    let mut app = app();
    press(&mut app, "\tjj");
    let mut next = look("one", &[]);
    next.servers.retain(|one| one.name != "cx01");
    app.take(next);
    assert_eq!(press(&mut app, "d"), Some(change("cx03", AdminState::Drain)));
}

#[test]
fn a_change_is_asked_for_twice() {
    let mut app = app();
    let one = Change { pool: "p".into(), server: "s".into(), state: AdminState::Maint, force: false };
    app.front = Front::Confirm(one.clone(), String::new());
    assert_eq!(press(&mut app, "\njx"), None);
    assert!(matches!(app.front, Front::Confirm(..)), "neither yes nor no");
    assert_eq!(press(&mut app, "y"), Some(Act::Change(one.clone())));
    app.front = Front::Confirm(one, String::new());
    assert_eq!(press(&mut app, "n"), None);
    assert_eq!((app.front.clone(), app.message.as_deref()), (Front::Nothing, Some("nothing was changed")));
    app.front = Front::Help;
    assert_eq!(app.on(Key::Quit), Some(Act::Quit), "Ctrl-C leaves from everywhere");
}

#[test]
fn a_filter_finds_pools_and_servers() {
    let mut app = app();
    press(&mut app, "/cx1");
    assert_eq!(app.servers().len(), 10);
    press(&mut app, "\n");
    assert_eq!(app.front, Front::Nothing);
    assert_eq!(press(&mut app, "\td"), Some(change("cx10", AdminState::Drain)));
    press(&mut app, "\u{1b}");
    assert_eq!(app.servers().len(), 60);
    press(&mut app, "/plat");
    assert_eq!(app.pools().len(), 1);
    assert_eq!(app.servers().len(), 2, "a pool that is meant is shown whole");
    press(&mut app, "x");
    assert!(app.pools().is_empty() && app.servers().is_empty());
    assert_eq!(press(&mut app, "\nd"), None);
}

#[test]
fn a_url_is_typed_and_asked() {
    let mut app = app();
    assert_eq!(press(&mut app, "ePOST http://x/q\n"), Some(Act::Explain("POST http://x/q".into())));
    assert_eq!(press(&mut app, "ex\u{1b}"), None);
    assert_eq!(app.front, Front::Nothing);
    assert_eq!(app.focus, Focus::Pools);
}

#[test]
fn events_come_once_and_another_daemon_begins_anew() {
    let mut app = app();
    app.take(look("one", &[1, 2, 3]));
    let seen = |app: &App| app.events.iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(seen(&app), [1, 2, 3]);
    app.take(look("two", &[1]));
    assert_eq!((seen(&app), app.rates.len()), (vec![1], 1));
    for _ in 0..1000 {
        app.take(look("two", &[]));
    }
    assert!(app.rates.len() <= 120);
}
