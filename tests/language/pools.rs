//! Pools: who gets a request, who keeps a client, how connections are used, and how servers leave.

use std::io::Read as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{After, CHECKED_OFTEN, Client, DEADLINE, Daemon, Origin, Tail, eventually, websocket};

/// A pool of these servers, `s0` and so on, with nothing else that is not given.
fn pool(origins: &[&Origin], nodes: &str) -> Daemon {
    let server = |(n, origin): (usize, &&Origin)| format!("server s{n} \"{}\"\n", origin.address());
    let servers: String = origins.iter().enumerate().map(server).collect();
    Daemon::run(&format!("pool app {{\n{servers}{nodes}\n}}\nroute \"/\" pool=app\n"))
}

fn named(name: &'static str) -> Origin {
    Origin::scripted(move |message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok(name),
    })
}

/// Three servers that say their name.
fn three() -> [Origin; 3] {
    [named("a"), named("b"), named("c")]
}

/// Who answers so many requests, one after another.
fn order(daemon: &Daemon, times: usize) -> String {
    let mut client = Client::connect(daemon.address());
    (0..times).map(|_| client.get("/").text().to_owned()).collect()
}

/// Holds each request until it is let go.
struct Held {
    origin: Origin,
    go: Sender<()>,
}

fn held() -> Held {
    let (go, wait) = channel::<()>();
    let wait: Arc<Mutex<Receiver<()>>> = Arc::new(Mutex::new(wait));
    let origin = Origin::scripted(move |_, wire| {
        let _ = wait.lock().unwrap().recv_timeout(DEADLINE);
        wire.ok("held")
    });
    Held { origin, go }
}

/// Sends requests, each on a connection of its own, until the server that holds them has one.
fn busy(daemon: &Daemon, held: &Held, other: &Origin) -> Vec<Client> {
    let mut clients = Vec::new();
    while held.origin.requests().is_empty() {
        let mut client = Client::connect(daemon.address());
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        clients.push(client);
        let sent = clients.len();
        eventually("it arrived", || {
            (held.origin.requests().len() + other.requests().len() == sent).then_some(())
        });
    }
    // What the other one has answered is under way until lbd has seen it.
    eventually("only the held one is under way", || {
        let (_, pool) = daemon.control("GET", "/v1/pools/app");
        let servers = pool["servers"].as_array()?;
        (servers.iter().filter_map(|server| server["in_flight"].as_u64()).sum::<u64>() == 1).then_some(())
    });
    clients
}

#[test]
fn the_server_with_the_fewest_requests_is_chosen_where_the_file_says_so() {
    let (held, free) = (held(), named("free"));
    let daemon = pool(&[&held.origin, &free], "balance least-requests");
    let _clients = busy(&daemon, &held, &free);
    assert_eq!(order(&daemon, 6), "free".repeat(6));
    drop(held.go);
}

#[test]
fn in_turn_means_in_turn_also_past_a_busy_server() {
    let origins = three();
    let seen = order(&pool(&origins.each_ref(), "balance round-robin"), 30);
    assert_eq!(seen[..27], seen[3..]);
    let (held, free) = (held(), named("free"));
    let daemon = pool(&[&held.origin, &free], "balance round-robin");
    let mut clients = busy(&daemon, &held, &free);
    for _ in 0..6 {
        let mut client = Client::connect(daemon.address());
        client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
        clients.push(client);
    }
    eventually("the busy one gets its share", || (held.origin.requests().len() >= 4).then_some(()));
    drop(held.go);
}

#[test]
fn the_server_with_the_fewest_connections_is_chosen_where_the_file_says_so() {
    let [a, b, _] = three();
    let daemon = pool(&[&a, &b], "balance least-connections");
    let open = |wanted: usize| -> Vec<_> {
        (0..wanted).map(|_| websocket::open(daemon.address(), "/ws", "").0).collect()
    };
    let sockets = open(6);
    assert_eq!((a.requests().len(), b.requests().len()), (3, 3));
    // All but the first leave; whose server that is has one, the other none.
    let mut sockets = sockets.into_iter();
    let first = sockets.next();
    drop(sockets);
    let sessions =
        |name: &str| daemon.control("GET", &format!("/v1/pools/app/servers/{name}")).1["sessions"].as_u64();
    eventually("one is left", || (sessions("s0")? + sessions("s1")? == 1).then_some(()));
    let _more = open(1);
    assert_eq!((sessions("s0"), sessions("s1")), (Some(1), Some(1)));
    drop(first);
}

#[test]
fn by_chance_means_not_in_turn() {
    for policy in ["random", "p2c"] {
        let origins = three();
        let daemon = pool(&origins.each_ref(), &format!("balance {policy}"));
        let seen = order(&daemon, 60);
        assert_ne!(seen[..57], seen[3..], "{policy}: {seen}");
        assert!(["a", "b", "c"].iter().all(|name| seen.contains(name)), "{policy}: {seen}");
    }
}

#[test]
fn a_servers_weight_is_its_share_and_a_backup_waits() {
    let [a, b, c] = three();
    let text = format!(
        "pool app {{ balance round-robin; server a \"{}\" weight=3; server b \"{}\"; server c \"{}\" backup=#true; }}\n\
         route \"/\" pool=app\n",
        a.address(),
        b.address(),
        c.address()
    );
    let daemon = Daemon::run(&text);
    let seen = order(&daemon, 40);
    assert_eq!((seen.matches('a').count(), seen.matches('b').count()), (30, 10));
    a.stop();
    b.stop();
    assert_eq!(c.requests().len(), 0);
}

#[test]
fn a_template_gives_its_nodes_to_a_pool() {
    let origins = three();
    let server = origins[0].address();
    let daemon = Daemon::run(&format!(
        "template kept {{ sticky cookie name=KEPT; }}\npool app {{ use kept; server \"{server}\"; }}\nroute \"/\" pool=app\n"
    ));
    assert!(Client::fetch(daemon.address(), "/").field("set-cookie").is_some_and(|c| c.starts_with("KEPT=")));
}

#[test]
fn a_cookie_has_each_attribute_that_the_file_gives_it() {
    let rows = [
        ("domain=\"app.test\"", "; Domain=app.test", true),
        ("http-only=#false", "HttpOnly", false),
        ("same-site=lax", "; SameSite=Lax", true),
        ("same-site=none secure=always", "; SameSite=None; Secure", true),
        ("secure=always", "; Secure", true),
        ("secure=auto", "; Secure", false),
        ("partitioned=#true secure=always same-site=none", "; Partitioned", true),
        ("path=\"/inner\"", "; Path=/inner", true),
    ];
    for (setting, text, there) in rows {
        let origins = three();
        let daemon = pool(&origins.each_ref(), &format!("sticky cookie {setting}"));
        let answer = Client::fetch(daemon.address(), "/");
        let cookie = answer.field("set-cookie").expect("a cookie");
        assert_eq!(cookie.contains(text), there, "{setting}: {cookie}");
    }
}

#[test]
fn only_a_client_by_https_gets_a_cookie_for_https_unless_the_file_says_otherwise() {
    for (setting, secure) in [("auto", true), ("never", false)] {
        let origins = three();
        let text = format!(
            "sticky cookie secure={setting}\n}}\ntrust-forwarded \"127.0.0.0/8\"\npool other {{ server \"127.0.0.1:1\""
        );
        let daemon = pool(&origins.each_ref(), &text);
        let answer =
            Client::connect(daemon.address()).request("GET", "/", "X-Forwarded-Proto: https\r\n", b"");
        assert_eq!(answer.field("set-cookie").expect("a cookie").contains("; Secure"), secure, "{setting}");
    }
}

#[test]
fn a_cookie_may_be_for_https_alone() {
    let origins = three();
    for (setting, secure) in [("", false), ("secure=always", true)] {
        let daemon = pool(&origins.each_ref(), &format!("sticky cookie {setting}"));
        let answer = Client::fetch(daemon.address(), "/");
        assert_eq!(answer.field("set-cookie").expect("a cookie").contains("; Secure"), secure, "{setting}");
    }
}

#[test]
fn requests_with_the_same_key_go_to_the_same_server() {
    let origins = three();
    let daemon = pool(&origins.each_ref(), "balance hash key=header:x-key");
    let home = |key: usize| {
        let fields = format!("X-Key: {key}\r\n");
        Client::connect(daemon.address()).request("GET", "/", &fields, b"").text().to_owned()
    };
    let homes: std::collections::BTreeSet<_> = (0..40).map(home).collect();
    assert_eq!(homes.len(), 3, "{homes:?}");
    assert!((0..40).all(|_| home(7) == home(7)));
}

/// Who answers a client that shows this cookie.
fn visit(daemon: &Daemon, cookie: &str) -> String {
    Client::connect(daemon.address())
        .request("GET", "/", &format!("Cookie: {cookie}\r\n"), b"")
        .text()
        .to_owned()
}

#[test]
fn a_cookie_that_is_too_old_or_was_away_too_long_counts_no_more() {
    for limit in ["max-idle", "max-life"] {
        let origins = three();
        let daemon = pool(&origins.each_ref(), &format!("sticky cookie {limit}=\"1s\""));
        let first = Client::fetch(daemon.address(), "/");
        let cookie =
            first.field("set-cookie").and_then(|c| c.split(';').next()).expect("a cookie").to_owned();
        eventually(&format!("{limit} is over"), || (visit(&daemon, &cookie) != first.text()).then_some(()));
    }
}

#[test]
fn a_client_whose_server_is_down_gets_another_where_the_file_says_so() {
    let origins = [Origin::echo("a"), Origin::echo("b")];
    let check = format!("health \"/ready\" {CHECKED_OFTEN}");
    let daemon = pool(&origins.each_ref(), &format!("sticky cookie on-down=redispatch\n{check}"));
    eventually("both are up", || {
        (Client::fetch(daemon.address(), "/").status() == 200
            && origins.iter().all(|o| !o.requests().is_empty()))
        .then_some(())
    });
    let first = Client::fetch(daemon.address(), "/");
    let cookie = first.field("set-cookie").and_then(|c| c.split(';').next()).expect("a cookie").to_owned();
    let own = first.text().lines().next().unwrap().to_owned();
    origins[usize::from(own == "b")].set_ready(false);
    eventually("the client is moved", || {
        let answer = visit(&daemon, &cookie);
        answer.lines().next().is_some_and(|name| name != own && name.len() == 1).then_some(())
    });
}

/// Who answers a client at this address.
fn from(daemon: &Daemon, address: &str) -> String {
    let fields = format!("X-Forwarded-For: {address}\r\n");
    Client::connect(daemon.address()).request("GET", "/", &fields, b"").text().to_owned()
}

/// Three servers that keep clients by their address.
fn by_address(settings: &str) -> ([Origin; 3], Daemon) {
    let origins = three();
    let nodes = format!(
        "balance round-robin\nsticky source-ip {settings}\n}}\ntrust-forwarded \"127.0.0.0/8\"\npool other {{ server \"127.0.0.1:1\""
    );
    let daemon = pool(&origins.each_ref(), &nodes);
    (origins, daemon)
}

#[test]
fn as_many_bits_of_an_address_count_as_the_file_says() {
    let (_v4, daemon) = by_address("mask-v4=24");
    let home = from(&daemon, "203.0.113.1");
    assert!((2..12).all(|n| from(&daemon, &format!("203.0.113.{n}")) == home));
    let (_v6, daemon) = by_address("mask-v6=48");
    let home = from(&daemon, "2001:db8:1:1::1");
    assert!((2..12).all(|n| from(&daemon, &format!("2001:db8:1:{n}::1")) == home));
}

#[test]
fn an_entry_is_forgotten_when_its_time_is_over() {
    let (_origins, daemon) = by_address("ttl=\"1s\"");
    let entries = || daemon.control("GET", "/v1/sticky/app").1.to_string().contains("203.0.113.1");
    eventually("there is an entry", || {
        from(&daemon, "203.0.113.1");
        entries().then_some(())
    });
    eventually("the entry is gone", || (!entries()).then_some(()));
}

#[test]
fn the_table_holds_as_many_entries_as_the_file_says() {
    let (_origins, daemon) = by_address("max-entries=64");
    for n in 0..400 {
        from(&daemon, &format!("203.0.{}.{}", n / 200, n % 200));
    }
    let listed = daemon.control("GET", "/v1/sticky/app").1.to_string().matches("203.0.").count();
    assert!((1..=64).contains(&listed), "{listed}");
}

#[test]
fn connections_to_servers_are_used_as_the_file_says() {
    let one = |setting: &str| {
        let origin = named("a");
        let daemon = pool(&[&origin], &format!("connections {setting}"));
        assert_eq!(order(&daemon, 6), "a".repeat(6), "{setting}");
        origin.connections()
    };
    assert_eq!(one("send-proxy=off"), 1);
    assert_eq!(one("max-uses=2"), 3);
    assert_eq!(one("max-idle=0"), 6);
}

#[test]
fn a_connection_that_nobody_uses_is_closed_when_its_time_is_over() {
    let (tell, told) = channel();
    let origin = Origin::scripted(move |_, wire| {
        wire.ok("a")?;
        let ended = wire.reader().read(&mut [0]);
        let _ = tell.send(ended.is_ok_and(|bytes| bytes == 0));
        Ok(After::Close)
    });
    let daemon = pool(&[&origin], "connections http=1 idle-timeout=\"300ms\"");
    assert_eq!(order(&daemon, 1), "a");
    assert!(told.recv_timeout(DEADLINE).expect("closed before the deadline"));
}

#[test]
fn a_request_waits_in_the_queue_no_longer_than_the_file_says() {
    let held = held();
    let text = format!(
        "pool app {{ server \"{}\" max-requests=1; queue size=10 timeout=\"200ms\"; }}\nroute \"/\" pool=app\n",
        held.origin.address()
    );
    let daemon = Daemon::run(&text);
    let mut first = Client::connect(daemon.address());
    first.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    eventually("it is busy", || (!held.origin.requests().is_empty()).then_some(()));
    let started = Instant::now();
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 503);
    assert!(started.elapsed() >= Duration::from_millis(150), "{:?}", started.elapsed());
    held.go.send(()).unwrap();
    assert_eq!(first.read(Tail::AsSaid).text(), "held");
}

#[test]
fn a_drain_goes_as_the_pool_says() {
    for (sticky, stays) in [("keep", true), ("move", false)] {
        let origins = [named("a"), named("b")];
        let daemon =
            pool(&origins.each_ref(), &format!("balance round-robin\nsticky cookie\ndrain sticky={sticky}"));
        let first = Client::fetch(daemon.address(), "/");
        let cookie =
            first.field("set-cookie").and_then(|c| c.split(';').next()).expect("a cookie").to_owned();
        let own = if first.text() == "a" { "s0" } else { "s1" };
        let path = format!("/v1/pools/app/servers/{own}/admin");
        let (status, answer) = daemon.control_with("PUT", &path, &json!({"state": "drain"}));
        assert!(status < 300, "{status} {answer}");
        assert_eq!(visit(&daemon, &cookie) == first.text(), stays, "{sticky}");
    }
    let origins = [named("a"), named("b")];
    let daemon =
        pool(&origins.each_ref(), "balance round-robin\ndrain deadline=\"300ms\" close-rate=\"1/h\"");
    // Two to a server: at this rate the second of them is open for an hour.
    let mut sockets: Vec<_> = (0..4).map(|_| websocket::open(daemon.address(), "/ws", "").0).collect();
    sockets.iter_mut().for_each(|socket| websocket::round_trip(socket, "here"));
    let cut = std::time::Instant::now();
    for server in ["s0", "s1"] {
        let path = format!("/v1/pools/app/servers/{server}/admin");
        let (status, answer) = daemon.control_with("PUT", &path, &json!({"state": "drain", "force": true}));
        assert!(status < 300, "{status} {answer}");
    }
    for socket in &mut sockets {
        while let Ok(message) = socket.read() {
            assert!(message.is_close(), "{message:?}");
        }
    }
    assert!(cut.elapsed() < DEADLINE / 2, "they were cut, not given up");
}
