//! What an operator says of a drain and of single connections, and what it does to them.

use std::net::TcpStream;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, WebSocket};

use super::drain;
use crate::proxying::config;
use crate::support::lbctl::{lbctl, said};
use crate::support::{Daemon, Origin, eventually, websocket};

type Socket = WebSocket<TcpStream>;

fn echo() -> Origin {
    Origin::scripted(|message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok("plain"),
    })
}

fn front(origins: &[&Origin], pool: &str) -> Daemon {
    Daemon::run(&config(origins, pool, ""))
}

fn open(daemon: &Daemon) -> Socket {
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    websocket::round_trip(&mut socket, "hello");
    socket
}

fn listed(daemon: &Daemon, query: &str) -> Value {
    let (status, found) = daemon.control("GET", &format!("/v1/connections?{query}"));
    assert_eq!(status, 200, "{found}");
    found
}

/// Whether it still carries messages. Only for a stream that nobody else reads.
fn is_open(socket: &mut Socket) -> bool {
    let sent = socket.send(tungstenite::Message::text("still there?"));
    sent.is_ok() && matches!(socket.read(), Ok(message) if message.is_text())
}

#[test]
fn a_drain_closes_with_the_code_of_the_pool_or_of_the_call() {
    let origin = echo();
    let daemon = front(&[&origin], "drain close-rate=\"100/s\" close-code=4007");
    let mut first = open(&daemon);
    drain(&daemon, &json!({"force": true}));
    assert_eq!(websocket::read_to_close(&mut first).1.map(|close| close.0), Some(4007));
    daemon.control_with("PUT", "/v1/pools/app/servers/s0/admin", &json!({"state": "ready"}));
    let mut second = open(&daemon);
    drain(&daemon, &json!({"force": true, "close_code": 1001}));
    assert_eq!(websocket::read_to_close(&mut second).1.map(|close| close.0), Some(1001));
}

#[test]
fn nobody_is_closed_when_that_is_asked_and_the_deadline_still_holds() {
    let origin = echo();
    let daemon = front(&[&origin], "drain close-rate=\"100/s\"");
    let mut socket = open(&daemon);
    let operation = drain(&daemon, &json!({"force": true, "close": "nobody"}));
    eventually("it only waits", || {
        (daemon.control("GET", &operation).1["phase"] == "in-flight").then_some(())
    });
    assert!(is_open(&mut socket));
    drain(&daemon, &json!({"force": true, "close": "nobody", "deadline": "0s"}));
    assert_eq!(websocket::read_to_close(&mut socket).1.map(|close| close.0), Some(1012));
    let ended = daemon.control("GET", &format!("{operation}?wait=10s")).1;
    assert_eq!((&ended["phase"], &ended["forced"]), (&json!("forced"), &json!(1)), "{ended}");
}

#[test]
fn a_paused_drain_closes_nobody_until_it_is_resumed() {
    let origin = echo();
    let daemon = front(&[&origin], "drain close-rate=\"1/m\"");
    let mut sockets = [open(&daemon), open(&daemon), open(&daemon)];
    let operation = drain(&daemon, &json!({"force": true}));
    let (status, paused) = daemon.control("POST", &format!("{operation}/pause"));
    assert_eq!((status, &paused["paused"]), (200, &json!(true)), "{paused}");
    // The rate of a minute has closed at most one so far.
    assert!(paused["left"]["sessions"].as_u64() >= Some(2), "{paused}");
    drain(&daemon, &json!({"force": true, "close_rate": "1000/s"}));
    let now = eventually("it only waits", || {
        let now = daemon.control("GET", &operation).1;
        (now["phase"] == "in-flight").then_some(now)
    });
    assert_eq!(now["paused"], true, "{now}");
    let (status, resumed) = daemon.control("POST", &format!("{operation}/resume"));
    assert_eq!((status, &resumed["paused"]), (200, &Value::Null), "{resumed}");
    for socket in &mut sockets {
        assert_eq!(websocket::read_to_close(socket).1.map(|close| close.0), Some(1012));
    }
}

#[test]
fn a_server_comes_back_by_itself_when_its_time_has_come() {
    let origin = echo();
    let daemon = front(&[&origin], "");
    let operation = drain(&daemon, &json!({"force": true, "until": "1s"}));
    assert!(daemon.control("GET", &operation).1["until"].is_string());
    eventually("it serves again", || {
        let server = daemon.control("GET", "/v1/pools/app/servers/s0").1;
        (server["admin"]["state"] == "ready").then_some(())
    });
    let (status, problem) = daemon.control_with(
        "PUT",
        "/v1/pools/app/servers/s0/admin",
        &json!({"state": "drain", "force": true, "until": "2001-01-01T00:00:00Z"}),
    );
    assert_eq!(status, 400, "{problem}");
}

#[test]
fn a_dry_run_foretells_and_does_nothing() {
    let origin = echo();
    let daemon = front(&[&origin], "drain close-rate=\"2/s\"");
    let mut sockets = [open(&daemon), open(&daemon), open(&daemon), open(&daemon)];
    let wish = json!({"state": "drain", "dry_run": true});
    let (status, said) = daemon.control_with("PUT", "/v1/pools/app/servers/s0/admin", &wish);
    assert_eq!(status, 200, "{said}");
    let forecast = &said["effect"]["forecast"];
    assert_eq!((&forecast["websockets"], &forecast["closing_ms"]), (&json!(4), &json!(2000)), "{said}");
    assert!(
        said["effect"]["guards"][0].as_str().is_some_and(|guard| guard.contains("last server")),
        "{said}"
    );
    assert!(sockets.iter_mut().all(is_open));
    assert_eq!(daemon.control("GET", "/v1/operations").1, json!([]));
}

#[test]
fn a_drain_closes_only_those_that_are_chosen() {
    let origin = Origin::scripted(|message, wire| websocket::echo(message, wire));
    let text = config(&[&origin], "drain close-rate=\"1000/s\"", "");
    let daemon = Daemon::run(&format!("{text}route \"/chat\" pool=app name=chat\n"));
    let at = |path: &str| {
        let (mut socket, _) = websocket::open(daemon.address(), path, "");
        websocket::round_trip(&mut socket, "hello");
        socket
    };
    let (mut chat, mut other) = (at("/chat"), at("/ws"));
    let shown: Value =
        serde_json::from_str(&said(&daemon, &["conn", "list", "--route", "chat", "--json"], "")).unwrap();
    assert_eq!((&shown["total"], &shown["connections"][0]["route"]), (&json!(1), &json!("chat")), "{shown}");
    assert_eq!(listed(&daemon, "from=127.0.0.0/8")["total"], 2);
    assert_eq!(listed(&daemon, "from=10.0.0.1")["total"], 0);
    let chosen = ["--force", "--route", "chat", "--from", "127.0.0.1"];
    let foretold = lbctl(&daemon, &[&["drain", "app/s0", "--dry-run"], &chosen[1..]].concat(), "");
    let foretold = String::from_utf8_lossy(&foretold.stderr).into_owned();
    assert!(foretold.contains("1 websocket would be closed"), "{foretold}");
    assert!(foretold.contains("1 websocket not chosen would stay until the deadline"), "{foretold}");
    said(&daemon, &[&["drain", "app/s0"], &chosen[..]].concat(), "");
    assert_eq!(websocket::read_to_close(&mut chat).1.map(|close| close.0), Some(1012));
    let server = said(&daemon, &["server", "show", "app/s0"], "");
    assert!(server.contains("closes only from 127.0.0.1/32, route chat"), "{server}");
    assert!(is_open(&mut other), "it was not chosen");
    let wrong = |option: &str, value: &str| {
        let output = lbctl(&daemon, &["drain", "app/s0", "--force", option, value], "");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(wrong("--route", "cha").0, Some(2));
    assert!(wrong("--from", "10.0.0.0/33").1.contains("is not a network"));
    // The deadline is for everybody.
    let forced =
        lbctl(&daemon, &["drain", "app/s0", "--force", "--wait", "--idle", "1h", "--deadline", "0s"], "");
    assert_eq!(forced.status.code(), Some(7), "{}", String::from_utf8_lossy(&forced.stderr));
    assert_eq!(websocket::read_to_close(&mut other).1.map(|close| close.0), Some(1012));
}

#[test]
fn a_sticky_websocket_of_a_draining_server_comes_back_elsewhere_and_its_pages_stay() {
    let named = |name: &'static str| {
        Origin::scripted(move |message, wire| match message.target() {
            "/ws" => websocket::echo(message, wire),
            _ => wire.ok(name),
        })
    };
    let origins = [named("s0"), named("s1")];
    let daemon = front(&origins.each_ref(), "sticky cookie name=NODE\ndrain close-rate=\"1000/s\"");
    let (server, cookie) = eventually("a client of s0", || {
        let answer = crate::support::Client::fetch(daemon.address(), "/");
        let cookie = answer.field("set-cookie")?.split(';').next()?.to_owned();
        (answer.text() == "s0").then(|| (answer.text().to_owned(), format!("Cookie: {cookie}\r\n")))
    });
    assert_eq!(server, "s0");
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", &cookie);
    websocket::round_trip(&mut socket, "hello");
    assert_eq!(listed(&daemon, "server=s0")["total"], 1);
    drain(&daemon, &json!({}));
    assert_eq!(websocket::read_to_close(&mut socket).1.map(|close| close.0), Some(1012));
    let (_again, _) = websocket::open(daemon.address(), "/ws", &cookie);
    eventually("it is on the other server", || {
        let totals = ["server=s0", "server=s1"].map(|query| listed(&daemon, query)["total"].clone());
        (totals == [json!(0), json!(1)]).then_some(())
    });
    let page = crate::support::Client::connect(daemon.address()).request("GET", "/", &cookie, b"");
    assert_eq!((page.text(), page.field("set-cookie")), ("s0", None), "its pages stay where they were");
}

#[test]
fn connections_are_listed_shown_and_closed_by_their_name() {
    let origin = echo();
    let daemon = front(&[&origin], "");
    let mut sockets = [open(&daemon), open(&daemon), open(&daemon)];
    let all = eventually("all are there, with what they carried", || {
        let all = listed(&daemon, "kind=websocket&pool=app");
        let carried = |one: &Value| one["messages_up"] == 1 && one["messages_down"] == 1;
        let one = all["connections"].as_array()?.clone();
        (one.len() == 3 && one.iter().all(carried)).then_some(one)
    });
    assert_eq!(
        (&all[0]["pool"], &all[0]["server"], &all[0]["state"]),
        (&json!("app"), &json!("s0"), &json!("open"))
    );
    assert_eq!((&all[0]["bytes_up"], &all[0]["bytes_down"]), (&json!(11), &json!(7)), "{}", all[0]);
    assert_eq!(listed(&daemon, "older=1h")["total"], 0);
    assert_eq!(listed(&daemon, "idle=1h&kind=tcp")["total"], 0);
    let mut pages = Vec::new();
    let mut query = "limit=1".to_owned();
    loop {
        let page = listed(&daemon, &query);
        assert_eq!(page["total"], 3);
        pages.extend(page["connections"].as_array().unwrap().iter().map(|one| one["id"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("limit=1&cursor={next}");
    }
    assert_eq!(pages, all.iter().map(|one| one["id"].clone()).collect::<Vec<_>>(), "page by page the same");
    let id = all[1]["id"].as_str().unwrap();
    let path = format!("/v1/connections/{id}");
    assert_eq!(daemon.control("GET", &path).1["id"], *id);
    assert_eq!(daemon.control("DELETE", &format!("{path}?code=1005")).0, 400, "no code that travels");
    let (status, closing) = daemon.control("DELETE", &format!("{path}?code=4001&reason=enough"));
    assert_eq!((status, &closing["state"]), (200, &json!("closing")), "{closing}");
    assert_eq!(websocket::read_to_close(&mut sockets[1]).1, Some((4001, "enough".to_owned())));
    assert!(is_open(&mut sockets[0]) && is_open(&mut sockets[2]), "the others go on");
    eventually("it is gone", || (daemon.control("GET", &path).0 == 404).then_some(()));
}

#[test]
fn a_rebalance_closes_what_is_too_much_for_who_came_back() {
    let origins = [echo(), echo()];
    let text = config(&origins.each_ref(), "drain close-rate=\"1000/s\"", "");
    let daemon = Daemon::run(&text.replace("round-robin", "least-connections"));
    daemon.control_with("PUT", "/v1/pools/app/servers/s1/admin", &json!({"state": "maint"}));
    let mut sockets: Vec<Socket> = (0..6).map(|_| open(&daemon)).collect();
    daemon.control_with("PUT", "/v1/pools/app/servers/s1/admin", &json!({"state": "ready"}));
    let ask = |wish: Value| daemon.control_with("POST", "/v1/pools/app/rebalance", &wish);
    let (status, said) = ask(json!({"dry_run": true}));
    assert_eq!((status, &said["servers"][0]["closed"]), (200, &json!(3)), "{said}");
    assert!(sockets.iter_mut().all(is_open), "a dry run does nothing");
    assert_eq!(ask(json!({"rate": "1000/s", "reason": "s1 is back"})).0, 200);
    eventually("three have left", || (listed(&daemon, "server=s0")["total"] == 3).then_some(()));
    let closed = sockets.iter_mut().filter_map(|socket| match is_open(socket) {
        true => None,
        false => Some(open(&daemon)),
    });
    let moved: Vec<Socket> = closed.collect();
    assert_eq!((moved.len(), &listed(&daemon, "server=s1")["total"]), (3, &json!(3)));
    assert_eq!(ask(json!({})).1["servers"][0]["closed"], 0, "now it is balanced");
}

#[test]
fn a_server_removed_from_the_file_leaves_at_the_pace_of_its_pool() {
    let origins = [echo(), echo()];
    let daemon = front(&origins.each_ref(), "drain close-rate=\"100/s\" close-code=1012");
    let mut sockets: Vec<Socket> = (0..4).map(|_| open(&daemon)).collect();
    daemon.save(&config(&[&origins[0]], "drain close-rate=\"100/s\" close-code=1012", ""));
    let closed: Vec<u16> = eventually("the server is gone", || {
        (daemon.control("GET", "/v1/operations").1[0]["phase"] == "drained")
            .then(|| sockets.iter_mut().filter_map(|socket| (!is_open(socket)).then_some(1)).collect())
    });
    assert_eq!(closed.len(), 2, "those of the other server stay");
}

#[test]
fn most_of_a_pool_is_not_drained_unless_it_is_meant() {
    let origins = [echo(), echo(), echo()];
    let daemon = front(&origins.each_ref(), "");
    drain(&daemon, &json!({}));
    let wish = |force: bool| {
        let wish = json!({"state": "drain", "force": force});
        daemon.control_with("PUT", "/v1/pools/app/servers/s1/admin", &wish)
    };
    let (status, problem) = wish(false);
    assert_eq!(status, 409, "{problem}");
    assert!(problem["type"].as_str().is_some_and(|kind| kind.ends_with("half-of-pool")), "{problem}");
    assert_eq!(wish(true).0, 202);
}
