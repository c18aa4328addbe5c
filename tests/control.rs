//! The control socket of a running daemon: what an operator does is seen in the traffic.

use serde_json::{Value, json};

use crate::proxying::config;
use crate::support::lbctl::said;
use crate::support::{CHECKED_ONCE, Client, Daemon, Message, Origin, eventually, websocket};

/// Two servers that say their name, both taking new clients.
fn two() -> ([Origin; 2], Daemon) {
    let origins = [
        Origin::scripted(|message, wire| serve("s0", message, wire)),
        Origin::scripted(|message, wire| serve("s1", message, wire)),
    ];
    let pool = format!("sticky cookie name=NODE\nhealth \"/ready\" {CHECKED_ONCE}");
    let daemon = Daemon::run(&config(&origins.each_ref(), &pool, ""));
    eventually("both take new clients", || {
        let answered = Client::fetch(daemon.address(), "/").status() == 200;
        (answered && origins.iter().all(|origin| !origin.requests().is_empty())).then_some(())
    });
    (origins, daemon)
}

fn serve(
    name: &str,
    message: &mut Message,
    wire: &mut crate::support::Wire,
) -> std::io::Result<crate::support::After> {
    match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok(name),
    }
}

/// A new client's server, and the cookie that it got.
fn newcomer(daemon: &Daemon) -> (String, String) {
    let answer = Client::fetch(daemon.address(), "/");
    assert_eq!(answer.status(), 200);
    let cookie = answer.field("set-cookie").and_then(|c| c.split(';').next()).expect("a cookie").to_owned();
    (answer.text().to_owned(), cookie)
}

fn newcomer_on(daemon: &Daemon, server: &str) -> String {
    eventually("a new client lands there", || {
        let (landed, cookie) = newcomer(daemon);
        (landed == server).then_some(cookie)
    })
}

fn visit(daemon: &Daemon, cookie: &str) -> String {
    let answer = Client::connect(daemon.address()).request("GET", "/", &format!("Cookie: {cookie}\r\n"), b"");
    assert_eq!(answer.status(), 200);
    answer.text().to_owned()
}

fn set_admin(daemon: &Daemon, server: &str, wish: &Value) -> (u16, Value) {
    daemon.control_with("PUT", &format!("/v1/pools/app/servers/{server}/admin"), wish)
}

#[test]
fn a_drained_server_keeps_its_clients_and_gets_no_new_ones() {
    let (_origins, daemon) = two();
    let settled = newcomer_on(&daemon, "s0");
    let (status, operation) = set_admin(&daemon, "s0", &json!({"state": "drain", "reason": "test"}));
    assert!(matches!(status, 200 | 202), "{status} {operation}");
    for _ in 0..10 {
        assert_eq!(newcomer(&daemon).0, "s1");
        assert_eq!(visit(&daemon, &settled), "s0");
    }
    let (status, answer) = set_admin(&daemon, "s0", &json!({"state": "ready"}));
    assert!(matches!(status, 200 | 202), "{status} {answer}");
    newcomer_on(&daemon, "s0");
}

#[test]
fn a_drain_that_moves_takes_the_clients_elsewhere() {
    let (_origins, daemon) = two();
    let settled = newcomer_on(&daemon, "s0");
    let (status, answer) = set_admin(&daemon, "s0", &json!({"state": "drain", "sticky": "move"}));
    assert!(matches!(status, 200 | 202), "{status} {answer}");
    assert_eq!(visit(&daemon, &settled), "s1");
}

#[test]
fn maintenance_takes_a_server_out_for_everyone() {
    let (_origins, daemon) = two();
    let settled = newcomer_on(&daemon, "s1");
    let (status, answer) = set_admin(&daemon, "s1", &json!({"state": "maint"}));
    assert!(matches!(status, 200 | 202), "{status} {answer}");
    assert_eq!(visit(&daemon, &settled), "s0");
    assert_eq!(newcomer(&daemon).0, "s0");
}

#[test]
fn maintenance_now_closes_what_is_open() {
    let (_origins, daemon) = two();
    let cookie = newcomer_on(&daemon, "s0");
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", &format!("Cookie: {cookie}\r\n"));
    websocket::round_trip(&mut socket, "hello");
    let dry = said(&daemon, &["server", "maint", "app/s0", "--now", "--dry-run"], "");
    assert!(dry.contains("1 session would be closed"), "{dry}");
    websocket::round_trip(&mut socket, "nothing has happened yet");
    let done = said(&daemon, &["server", "maint", "app/s0", "--now", "--reason", "smoke"], "");
    assert!(done.contains("1 session closed"), "{done}");
    assert_eq!(websocket::read_to_close(&mut socket).1, Some((1012, "smoke".to_owned())));
    assert_eq!(visit(&daemon, &cookie), "s1");
    let (status, problem) = set_admin(&daemon, "s1", &json!({"state": "ready", "now": true}));
    assert!(status == 400 && problem["detail"].as_str().is_some_and(|d| d.contains("`maint`")), "{problem}");
}

#[test]
fn a_server_that_is_given_back_slowly_gets_few_new_clients_at_first() {
    let (_origins, daemon) = two();
    let share = || daemon.control("GET", "/v1/pools/app/servers/s1").1["starting_percent"].as_u64();
    let landed = || (0..60).filter(|_| newcomer(&daemon).0 == "s1").count();
    said(&daemon, &["server", "maint", "app/s1"], "");
    said(&daemon, &["ready", "app/s1", "--slow-start", "2h"], "");
    assert!(share().is_some_and(|percent| percent < 30), "{:?}", share());
    let few = landed();
    said(&daemon, &["ready", "app/s1", "--slow-start", "0s"], "");
    assert_eq!(share(), None);
    let many = landed();
    assert!(few < 10 && many > 10, "{few}, {many}");
    let (status, problem) = set_admin(&daemon, "s1", &json!({"state": "drain", "slow_start": "1m"}));
    assert!(status == 400 && problem["detail"].as_str().is_some_and(|d| d.contains("`ready`")), "{problem}");
}

#[test]
fn the_last_server_is_not_drained_unless_it_is_meant() {
    let (_origins, daemon) = two();
    assert!(set_admin(&daemon, "s0", &json!({"state": "drain"})).0 < 300);
    let (status, problem) = set_admin(&daemon, "s1", &json!({"state": "drain"}));
    assert_eq!(status, 409, "{problem}");
    assert!(problem["type"].as_str().is_some_and(|kind| kind.ends_with("last-server")), "{problem}");
    assert_eq!(newcomer(&daemon).0, "s1");
    let (status, answer) = set_admin(&daemon, "s1", &json!({"state": "drain", "force": true}));
    assert!(status < 300, "{answer}");
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 503);
}

#[test]
fn a_drain_ends_when_the_last_websocket_has_closed() {
    let (origins, daemon) = two();
    let cookie = newcomer_on(&daemon, "s0");
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", &format!("Cookie: {cookie}\r\n"));
    websocket::round_trip(&mut socket, "hello");
    assert!(origins[0].requests().iter().any(|request| request.target() == "/ws"));
    let (_, changed) = set_admin(&daemon, "s0", &json!({"state": "drain"}));
    let path =
        format!("/v1/operations/{}", changed["operation"]["id"].as_str().expect("a drain is an operation"));
    let running = daemon.control("GET", &path).1;
    assert_ne!(running["phase"], "drained", "{running}");
    assert_eq!(running["left"]["sessions"], 1, "{running}");
    websocket::round_trip(&mut socket, "the drain cuts nothing");
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    drop(socket);
    eventually("the drain is done", || (daemon.control("GET", &path).1["phase"] == "drained").then_some(()));
}

#[test]
fn the_status_tells_what_an_operator_needs() {
    let (_origins, daemon) = two();
    let (status, view) = daemon.control("GET", "/v1/status");
    assert_eq!(status, 200, "{view}");
    let text = view.to_string();
    for wanted in ["\"app\"", "front", "NODE"] {
        assert!(text.contains(wanted), "{wanted} is not in {text}");
    }
    let (status, servers) = daemon.control("GET", "/v1/pools/app");
    assert_eq!(status, 200);
    assert!(servers.to_string().contains("\"s0\"") && servers.to_string().contains("\"s1\""), "{servers}");
}

#[test]
fn who_does_not_follow_has_an_answer_also_when_nothing_of_the_kind_happened() {
    let (_origins, daemon) = two();
    let (status, none) = daemon.control("GET", "/v1/events?since=0&follow=false&kind=trace");
    assert_eq!((status, none), (200, Value::Null));
}

#[test]
fn an_explanation_names_the_route_and_asks_no_server() {
    let (origins, daemon) = two();
    let before = origins.iter().map(|origin| origin.requests().len()).sum::<usize>();
    let (status, explained) =
        daemon.control_with("POST", "/v1/routes/explain", &json!({"url": "http://app.test/some/where"}));
    assert_eq!(status, 200, "{explained}");
    assert_eq!(explained["route"]["pool"], "app", "{explained}");
    assert_eq!(explained["pattern"], "/", "{explained}");
    // Whose turn it is depends on which check came back first.
    let (next, other) = match explained["server"][0].as_str() {
        Some("would go to s0 now: round-robin") => ("s0", "s1"),
        Some("would go to s1 now: round-robin") => ("s1", "s0"),
        _ => panic!("{explained}"),
    };
    assert_eq!(origins.iter().map(|origin| origin.requests().len()).sum::<usize>(), before);
    assert_eq!(newcomer(&daemon).0, next, "asking took nobody's turn");
    set_admin(&daemon, next, &json!({"state": "maint"}));
    let explained =
        daemon.control_with("POST", "/v1/routes/explain", &json!({"url": "http://app.test/some/where"})).1;
    let reasons = explained["server"].to_string();
    assert!(
        reasons.contains(&format!("would go to {other} now: no other"))
            && reasons.contains(&format!("{next}: takes nobody: maint")),
        "{reasons}"
    );
}

#[test]
fn what_does_not_exist_is_a_problem_that_says_so() {
    let (_origins, daemon) = two();
    for path in ["/v1/pools/nobody", "/v1/pools/app/servers/nobody", "/v1/nothing"] {
        let (status, problem) = daemon.control("GET", path);
        assert_eq!((status, &problem["status"]), (404, &json!(404)), "{path}: {problem}");
        assert!(problem["title"].is_string() && problem["type"].is_string(), "{problem}");
    }
    let (status, problem) = set_admin(&daemon, "s0", &json!({"state": "asleep"}));
    assert_eq!(status / 100, 4, "{problem}");
}

#[test]
fn metrics_over_the_socket_are_those_of_the_status_endpoint() {
    let (_origins, daemon) = two();
    let page = said(&daemon, &["metrics", "lbd_pool_requests_total"], "");
    let count = page.lines().find_map(|line| line.strip_prefix("lbd_pool_requests_total{pool=\"app\"} "));
    assert!(count.is_some_and(|count| count.parse::<u64>().is_ok_and(|count| count >= 2)), "{page}");
    assert!(!page.contains("lbd_server"), "{page}");
    assert!(said(&daemon, &["metrics"], "").contains("lbd_server_up{pool=\"app\",server=\"s1\"} 1\n"));
}

#[test]
fn a_server_that_nobody_checks_is_ready_in_so_many_words() {
    let origin = Origin::scripted(|message, wire| serve("s0", message, wire));
    let daemon = Daemon::run(&config(&[&origin], "", ""));
    assert_eq!(said(&daemon, &["ready", "app/s0"], ""), "app/s0 is ready, not checked\n");
    said(&daemon, &["server", "wait", "app/s0", "--for", "up", "--timeout", "5s"], "");
}
