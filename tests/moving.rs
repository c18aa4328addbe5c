//! What operators move with `lbctl`: sticky entries, tables, and WebSockets together with the stickiness of their
//! clients.

use std::collections::BTreeSet;
use std::net::TcpStream;

use rustix::process::Signal;
use serde_json::json;
use tokio_tungstenite::tungstenite::WebSocket;

use crate::proxying::config;
use crate::support::lbctl::{lbctl, said};
use crate::support::{Client, Daemon, Origin, eventually, websocket};

/// A server that says its name, and echoes in WebSockets.
fn server(name: &'static str) -> Origin {
    Origin::scripted(move |message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok(name),
    })
}

/// The server that answers a device.
fn visit(daemon: &Daemon, device: usize) -> String {
    let field = format!("X-Device: {device}\r\n");
    Client::connect(daemon.address()).request("GET", "/", &field, b"").text().to_owned()
}

#[test]
fn entries_are_moved_for_good_and_a_table_is_carried_out_and_in() {
    let origins = [server("s0"), server("s1")];
    let pool = "sticky header name=X-Device on-return=home";
    let mut daemon = Daemon::run(&config(&origins.each_ref(), pool, ""));
    let on = |daemon: &Daemon, name: &str| -> BTreeSet<usize> {
        (0..40).filter(|device| visit(daemon, *device) == name).collect()
    };
    let (first, second) = (on(&daemon, "s0"), on(&daemon, "s1"));
    assert!(first.len() > 5 && second.len() > 5, "{first:?} {second:?}");
    let dry = said(&daemon, &["sticky", "move", "app", "--from", "s0", "--to", "s1", "--dry-run"], "");
    assert_eq!(dry, format!("would move {} entries of app from s0 to s1\n", first.len()));
    assert_eq!(on(&daemon, "s0"), first);
    let some = ["sticky", "move", "app", "--from", "s0", "--to", "s1", "--count", "3", "--reason", "test"];
    assert_eq!(said(&daemon, &some, ""), "moved 3 entries of app from s0 to s1\n");
    for _ in 0..2 {
        assert_eq!(on(&daemon, "s0").len(), first.len() - 3, "they do not go home");
    }
    let all = said(&daemon, &["sticky", "move", "app", "--from", "s0", "--to", "s1"], "");
    assert_eq!(all, format!("moved {} entries of app from s0 to s1\n", first.len() - 3));
    assert_eq!(on(&daemon, "s1").len(), 40);
    let exports =
        ["ndjson", "csv"].map(|format| said(&daemon, &["sticky", "export", "app", "--format", format], ""));
    for exported in exports {
        said(&daemon, &["sticky", "clear", "app", "--all"], "");
        assert_eq!(on(&daemon, "s0"), first, "who is not remembered goes where the names say");
        let imported = said(&daemon, &["sticky", "import", "app"], &exported);
        assert_eq!(imported, "imported 40 entries into app\n");
        assert_eq!(on(&daemon, "s1").len(), 40, "what was moved stays so: {exported}");
    }
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(), Some(0));
    daemon.start_again();
    assert_eq!(on(&daemon, "s1").len(), 40, "over a restart too");
    let refused = lbctl(&daemon, &["sticky", "import", "app"], "app,,x\n");
    assert_ne!(refused.status.code(), Some(0));
    let unknown = lbctl(&daemon, &["sticky", "move", "app", "--from", "s0", "--to", "s9"], "");
    assert_eq!(unknown.status.code(), Some(5), "{}", String::from_utf8_lossy(&unknown.stderr));
}

/// A client with a WebSocket, and what it shows.
struct Visitor {
    fields: String,
    socket: WebSocket<TcpStream>,
}

impl Visitor {
    fn open(daemon: &Daemon, mut fields: String) -> Self {
        let (mut socket, head) = websocket::open(daemon.address(), "/ws", &fields);
        if let Some(cookie) = head.field("set-cookie") {
            let pair = cookie.split(';').next().expect("a cookie");
            fields += &format!("Cookie: {pair}\r\n");
        }
        websocket::round_trip(&mut socket, "hello");
        Self { fields, socket }
    }

    /// Whether its WebSocket still carries messages.
    fn is_open(&mut self) -> bool {
        let sent = self.socket.send("still there?".into());
        sent.is_ok() && matches!(self.socket.read(), Ok(message) if message.is_text())
    }
}

fn websockets_on(daemon: &Daemon, server: &str) -> u64 {
    daemon.control("GET", &format!("/v1/connections?server={server}")).1["total"].as_u64().unwrap_or_default()
}

#[test]
fn a_rebalance_moves_sticky_clients_for_good() {
    for pool in [
        "sticky cookie name=NODE",
        "sticky header name=X-Device on-return=stay",
        "sticky header name=X-Device on-return=home",
    ] {
        let origins = [server("s0"), server("s1")];
        let daemon = Daemon::run(&config(&origins.each_ref(), pool, ""));
        daemon.control_with("PUT", "/v1/pools/app/servers/s1/admin", &json!({"state": "maint"}));
        let mut visitors: Vec<Visitor> =
            (0..6).map(|n| Visitor::open(&daemon, format!("X-Device: {n}\r\n"))).collect();
        daemon.control_with("PUT", "/v1/pools/app/servers/s1/admin", &json!({"state": "ready"}));
        assert_eq!((websockets_on(&daemon, "s0"), websockets_on(&daemon, "s1")), (6, 0), "{pool}");
        said(&daemon, &["conn", "rebalance", "app", "--rate", "1000/s", "--reason", "s1 is back"], "");
        eventually("three have left", || (websockets_on(&daemon, "s0") == 3).then_some(()));
        let left: Vec<&Visitor> =
            visitors.iter_mut().filter_map(|visitor| (!visitor.is_open()).then_some(&*visitor)).collect();
        assert_eq!(left.len(), 3, "{pool}");
        let _back: Vec<Visitor> =
            left.iter().map(|visitor| Visitor::open(&daemon, visitor.fields.clone())).collect();
        assert_eq!((websockets_on(&daemon, "s0"), websockets_on(&daemon, "s1")), (3, 3), "{pool}");
    }
}

#[test]
fn a_client_that_was_moved_keeps_its_new_server() {
    let origins = [server("s0"), server("s1")];
    let daemon = Daemon::run(&config(&origins.each_ref(), "sticky cookie name=NODE", ""));
    daemon.control_with("PUT", "/v1/pools/app/servers/s1/admin", &json!({"state": "maint"}));
    let mut visitors: Vec<Visitor> = (0..2).map(|_| Visitor::open(&daemon, String::new())).collect();
    daemon.control_with("PUT", "/v1/pools/app/servers/s1/admin", &json!({"state": "ready"}));
    said(&daemon, &["conn", "rebalance", "app", "--rate", "1000/s"], "");
    eventually("one has left", || (websockets_on(&daemon, "s0") == 1).then_some(()));
    let open: Vec<bool> = visitors.iter_mut().map(Visitor::is_open).collect();
    let of = |wanted: bool| {
        let at = open.iter().position(|open| *open == wanted).expect("one left and one stayed");
        visitors[at].fields.clone()
    };
    let (stayed, left) = (of(true), of(false));
    // An ordinary request brings the cookie that later ones show.
    let answer = Client::connect(daemon.address()).request("GET", "/", &left, b"");
    assert_eq!(answer.text(), "s1");
    let cookie = answer.field("set-cookie").and_then(|field| field.split(';').next()).expect("a new cookie");
    for _ in 0..5 {
        let again =
            Client::connect(daemon.address()).request("GET", "/", &format!("Cookie: {cookie}\r\n"), b"");
        assert_eq!((again.text(), again.field("set-cookie")), ("s1", None));
        let other = Client::connect(daemon.address()).request("GET", "/", &stayed, b"");
        assert_eq!(other.text(), "s0", "only one was sent away");
    }
}
