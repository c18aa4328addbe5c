//! Whole configurations, as people write them: what lint finds in each, and that the daemon does as each says.
//!
//! The files stand in `files/` as they are. To run, they get loopback addresses and certificates made here.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use lbd::config::{self, source::FsLoader};

use super::bound;
use super::listeners::{Certificates, TLS13};
use crate::support::{Client, Daemon, Message, Origin, Tail, eventually};

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/language/files").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// The codes of what lint finds.
fn findings(name: &str) -> BTreeSet<&'static str> {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, file(name)).unwrap();
    let loaded = config::load(&path, &FsLoader);
    loaded.report.findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn lint_finds_in_each_file_what_is_in_it_and_no_more() {
    for (name, expected) in [
        ("simple.kdl", &[][..]),
        ("canary.kdl", &["LB318"]),
        ("edge.kdl", &["LB204", "LB318"]),
        ("multisite.kdl", &["LB318", "LB611"]),
        ("thingworx.kdl", &["LB306", "LB702"]),
    ] {
        assert_eq!(findings(name).into_iter().collect::<Vec<_>>(), expected, "{name}");
    }
}

/// A file that can run here: its addresses and certificates are these, everything else is as written.
fn runnable(name: &str, changes: &[(&str, String)]) -> String {
    let mut text = file(name);
    for (from, to) in changes {
        assert!(text.contains(from), "{name} has no {from}");
        text = text.replace(from, to);
    }
    // An address each: two that ask for any port of one address are one listener.
    for (n, port) in [(2, 80), (3, 443), (4, 8883)] {
        text =
            text.replace(&format!("listen \":{port}\""), &format!("listen \"127.0.0.{n}:0\" name=p{port}"));
    }
    text
}

fn ask(address: SocketAddr, host: &str, target: &str, fields: &str) -> Message {
    let mut client = Client::connect(address);
    client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"));
    client.read(Tail::AsSaid)
}

/// Answers every request, checks too, with its name.
fn named(name: &'static str) -> Origin {
    Origin::scripted(move |_, wire| wire.ok(name))
}

fn at(origin: &Origin) -> String {
    origin.address().to_string()
}

/// Waits until a request is answered with this.
fn answers(daemon: &Daemon, target: &str, wanted: &str) {
    eventually(&format!("{target} is answered with {wanted}"), || {
        (ask(daemon.address(), "app.test", target, "").text() == wanted).then_some(())
    });
}

#[test]
fn simple() {
    let (a, b) = (named("a"), named("b"));
    let daemon =
        Daemon::run(&runnable("simple.kdl", &[("10.0.0.11:8080", at(&a)), ("10.0.0.12:8080", at(&b))]));
    answers(&daemon, "/", "a");
    answers(&daemon, "/", "b");
    assert!(a.requests().iter().any(|request| request.target() == "/healthz"));
}

#[test]
fn canary() {
    let (s1, s2, c1) = (named("stable"), named("stable"), named("canary"));
    let changes = [("10.0.0.11:8080", at(&s1)), ("10.0.0.12:8080", at(&s2)), ("10.0.0.21:8080", at(&c1))];
    let daemon = Daemon::run(&runnable("canary.kdl", &changes));
    let tester = |fields: &str| ask(daemon.address(), "app.test", "/", fields).text().to_owned();
    eventually("testers get the canary", || (tester("X-Canary: 1\r\n") == "canary").then_some(()));
    assert_eq!(tester("Cookie: beta=yes\r\n"), "canary");
    eventually("everyone else gets an answer", || (tester("") == "stable").then_some(()));
    for _ in 0..8 {
        let first = ask(daemon.address(), "app.test", "/", "");
        let field = first.field("set-cookie").expect("a side");
        assert!(field.starts_with("lbd-side=") && field.contains("Max-Age=604800"), "{field}");
        let cookie = format!("Cookie: {}\r\n", field.split(';').next().unwrap());
        assert!((0..4).all(|_| tester(&cookie) == first.text()));
    }
}

#[test]
fn multisite() {
    let (shop, orders, tenants) = (named("shop"), named("orders"), named("tenants"));
    let mut made = Certificates::new();
    for (name, own) in
        [("shop", "shop.example.com"), ("wild", "a.tenant.example.com"), ("admin", "admin.example.com")]
    {
        made.make_as(name, own);
    }
    let changes = [
        ("/etc/lbd/tls/", format!("{}/", made.folder())),
        (
            "/shop.pem\"",
            "/shop.pem\" key=\"shop.key\"".replace("shop.key", &format!("{}/shop.key", made.folder())),
        ),
        (
            "/admin.pem\"",
            "/admin.pem\" key=\"admin.key\"".replace("admin.key", &format!("{}/admin.key", made.folder())),
        ),
        ("127.0.0.1:8443", "127.0.0.5:0".to_owned()),
        ("10.0.1.11:8080", at(&shop)),
        ("10.0.1.12:8080", "127.0.0.1:1".to_owned()),
        ("10.0.2.11:8080", at(&orders)),
        ("tenants.internal:8080", format!("localhost:{}", tenants.address().port())),
    ];
    let daemon = Daemon::run(&runnable("multisite.kdl", &changes));
    let get = |host: &str, target: &str| ask(daemon.address(), host, target, "");
    for (host, target, wanted) in [
        ("shop.example.com", "/", "shop"),
        ("WWW.shop.example.com:443", "/anything", "shop"),
        ("shop.example.com", "/api/v1/orders/7", "orders"),
        ("a.tenant.example.com", "/", "tenants"),
    ] {
        eventually(&format!("{host}{target}"), || (get(host, target).text() == wanted).then_some(()));
    }
    let shop = get("shop.example.com", "/robots.txt");
    assert_eq!(shop.text(), "User-agent: *\nDisallow:\n");
    assert_eq!(shop.field("strict-transport-security"), Some("max-age=63072000"));
    let moved = get("shop.example.com", "/old/12");
    assert_eq!((moved.status(), moved.field("location")), (301, Some("/orders/12")));
    assert_eq!(get("nobody.example.com", "/").text(), "no such site\n");
    assert_ne!(get("admin.example.com", "/").text(), "shop", "it stands on `internal` alone");
    let plain = ask(bound(&daemon, "p80"), "shop.example.com", "/a", "");
    assert_eq!((plain.status(), plain.field("location")), (308, Some("https://shop.example.com/a")));
    let shown = |listener: &str, name: &str| made.shake(bound(&daemon, listener), name, TLS13);
    assert_eq!(shown("p443", "shop.example.com"), Some(made.der("shop")));
    assert_eq!(shown("p443", "a.tenant.example.com"), Some(made.der("wild")));
    assert_eq!(shown("p443", "unknown.example.org"), None);
    assert_eq!(shown("internal", "admin.example.com"), Some(made.der("admin")));
}

#[test]
fn edge() {
    let (a1, a2) = (named("api"), named("api"));
    let (eu, rest) = (named("mqtt-eu"), named("mqtt"));
    let mut made = Certificates::new();
    made.make_as("edge", "edge.example.com");
    made.make_as("devices-ca", "devices.example.com");
    let changes = [
        ("/etc/lbd/tls/edge.pem\"", format!("{0}/edge.pem\" key=\"{0}/edge.key\"", made.folder())),
        ("/etc/lbd/tls/", format!("{}/", made.folder())),
        ("10.9.0.0/24", "127.0.0.0/8".to_owned()),
        ("10.0.0.11:${api-port}", at(&a1)),
        ("${env:API2_HOST:-10.0.0.12}:${api-port}", at(&a2)),
        ("10.0.9.9:${api-port}", "127.0.0.1:${api-port}".to_owned()),
        ("10.0.3.1:8883", at(&rest)),
        ("10.0.3.2:8883", at(&rest)),
        ("10.0.4.1:8883", at(&eu)),
        ("10.0.8.1:8080", "127.0.0.1:1".to_owned()),
        // Else tokens come back as fast as a busy machine asks.
        ("\"100/s\"", "\"1/h\"".to_owned()),
    ];
    let daemon = Daemon::run(&runnable("edge.kdl", &changes));
    let get = |target: &str, fields: &str| ask(daemon.address(), "app.test", target, fields);
    eventually("the api is up", || (get("/api", "").text() == "api").then_some(()));
    assert_eq!(get("/internal", "").status(), 404);
    get("/api/x", "X-Debug: 1\r\nX-Internal: 2\r\n");
    let all = [a1.requests(), a2.requests()].concat();
    let seen = all.iter().find(|request| request.target() == "/api/x").expect("it arrived");
    assert_eq!(
        (seen.field("x-env"), seen.field("x-debug"), seen.field("x-internal")),
        (Some("prod"), None, None)
    );
    let mut client = Client::connect(daemon.address());
    let statuses: Vec<_> =
        (0..400).map(|_| client.request("GET", "/api", "X-Api-Key: k\r\n", b"").status()).collect();
    assert_eq!(statuses[0], 200);
    assert!(statuses.contains(&429), "200 at once, then no more");
    // With a PROXY header it is TLS, without one nothing.
    let tls = bound(&daemon, "p443");
    assert_eq!(
        made.shake_after(tls, b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n", "edge.example.com"),
        Some(made.der("edge"))
    );
    assert_eq!(made.shake(tls, "edge.example.com", TLS13), None);
}

#[test]
fn thingworx() {
    let mut made = Certificates::new();
    made.make_as("twx", "twx.example.com");
    made.make_as("internal-ca", "internal.example.com");
    let changes = [
        ("/etc/lbd/tls/", format!("{}/", made.folder())),
        ("status \":8081\"", "status \"127.0.0.1:0\"".to_owned()),
    ];
    let daemon = Daemon::run(&runnable("thingworx.kdl", &changes));
    let plain = ask(bound(&daemon, "p80"), "twx.example.com", "/Thingworx", "");
    assert_eq!((plain.status(), plain.field("location")), (308, Some("https://twx.example.com/Thingworx")));
    assert_eq!(made.shake(bound(&daemon, "p443"), "twx.example.com", TLS13), Some(made.der("twx")));
}
