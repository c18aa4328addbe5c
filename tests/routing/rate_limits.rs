//! A client that comes too often is told when to come again, and others do not feel it.

use super::{ask, ask_host, pools};
use crate::support::{Client, Daemon, Message, Origin, eventually};

fn limited(nodes: &str) -> (Origin, Daemon) {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&text(&origin, nodes));
    (origin, daemon)
}

fn text(origin: &Origin, nodes: &str) -> String {
    let trust = "trust-forwarded \"127.0.0.0/8\"\n";
    format!("{trust}{}route \"/\" pool=app {{ {nodes}; }}\n", pools(&[("app", origin)]))
}

/// The statuses of so many requests.
fn statuses(times: usize, mut ask: impl FnMut() -> Message) -> Vec<u16> {
    (0..times).map(|_| ask().status()).collect()
}

#[test]
fn what_is_over_the_burst_gets_429_and_a_time_to_come_again() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&(text(&origin, "rate-limit \"2/h\" burst=3") + "log { access; }\n"));
    let mut client = Client::connect(daemon.address());
    assert_eq!(statuses(3, || client.get("/")), [200; 3]);
    let refused = client.get("/");
    assert_eq!(refused.status(), 429);
    let wait: u64 = refused.field("retry-after").expect("a time").parse().unwrap();
    assert!((1790..=1800).contains(&wait), "a token comes in half an hour: {wait}");
    assert_eq!(client.get("/").status(), 429, "and the connection goes on");
    assert_eq!(origin.requests().len(), 3);
    eventually("the log says why", || daemon.log().contains("\"rate-limited\"").then_some(()));
}

#[test]
fn without_a_burst_it_is_the_rate_and_tokens_come_back() {
    let (_origin, daemon) = limited("rate-limit \"2/s\"");
    let mut client = Client::connect(daemon.address());
    let mut refused = false;
    eventually("the bucket empties", || {
        refused = client.get("/").status() == 429;
        refused.then_some(())
    });
    eventually("a token comes", || (client.get("/").status() == 200).then_some(()));
}

#[test]
fn every_key_has_buckets_of_its_own() {
    let field = |field: &'static str| move |daemon: &Daemon| ask(daemon, "/", field);
    let target = |target: &'static str| move |daemon: &Daemon| ask(daemon, target, "");
    let host = |host: &'static str| move |daemon: &Daemon| ask_host(daemon, host, "/");
    type Asks = Box<dyn Fn(&Daemon) -> Message>;
    let cases: [(&str, Asks, Asks); 6] = [
        (
            "source-ip",
            Box::new(field("X-Forwarded-For: 10.0.0.1\r\n")),
            Box::new(field("X-Forwarded-For: 10.0.0.2\r\n")),
        ),
        ("header:x-key", Box::new(field("X-Key: 1\r\n")), Box::new(field("X-Key: 2\r\n"))),
        ("cookie:user", Box::new(field("Cookie: a=b; user=1\r\n")), Box::new(field("Cookie: user=2\r\n"))),
        ("query:user", Box::new(target("/?user=1")), Box::new(target("/?user=2"))),
        ("path", Box::new(target("/a?x")), Box::new(target("/b?x"))),
        ("host", Box::new(host("a.test")), Box::new(host("b.test"))),
    ];
    for (key, one, other) in cases {
        let (_origin, daemon) = limited(&format!("rate-limit \"1/h\" key=\"{key}\""));
        assert_eq!(statuses(2, || one(&daemon)), [200, 429], "{key}");
        assert_eq!(statuses(2, || other(&daemon)), [200, 429], "{key}: the other one");
    }
}

#[test]
fn who_leaves_the_key_out_is_limited_by_address() {
    let (_origin, daemon) = limited("rate-limit \"1/h\" key=\"header:x-key\"");
    assert_eq!(statuses(2, || ask(&daemon, "/", "")), [200, 429]);
    let named = "Connection: keep-alive, X-Key\r\nX-Key: 1\r\n";
    assert_eq!(ask(&daemon, "/", named).status(), 200);
}

#[test]
fn all_limits_must_agree_and_a_refused_request_takes_no_token() {
    let (_origin, daemon) =
        limited("rate-limit \"2/h\" key=\"header:x-key\"\n rate-limit \"3/h\" key=\"header:x-team\"");
    let ask =
        |key: &str, team: &str| ask(&daemon, "/", &format!("X-Key: {key}\r\nX-Team: {team}\r\n")).status();
    assert_eq!([ask("1", "t"), ask("1", "t"), ask("1", "t"), ask("1", "t")], [200, 200, 429, 429]);
    assert_eq!([ask("2", "t"), ask("2", "t")], [200, 429], "the team had one token left");
    assert_eq!(ask("2", "u"), 200, "and the key lost none to the refusal");
}

#[test]
fn a_name_is_one_set_of_buckets_wherever_it_stands() {
    let origin = Origin::echo("a");
    let route =
        |path: &str, name: &str| format!("route \"{path}\" pool=app {{ rate-limit \"2/h\" {name}; }}\n");
    let own = pools(&[("app", &origin)])
        + &route("/a", "")
        + &route("/b", "")
        + &route("/c", "name=shared")
        + &route("/d", "name=shared");
    let daemon = Daemon::run(&own);
    let mut client = Client::connect(daemon.address());
    let mut seen = |targets: [&str; 3]| targets.map(|target| client.get(target).status());
    assert_eq!(seen(["/a", "/b", "/a"]), [200, 200, 200]);
    assert_eq!(seen(["/c", "/d", "/c"]), [200, 200, 429]);
}

#[test]
fn a_site_limits_all_of_its_routes_together() {
    let daemon = Daemon::run(
        "site \"app.test\" { rate-limit \"2/h\"; route \"/a\" { respond 200; }; route \"/b\" { respond 204; }; }\n",
    );
    assert_eq!(ask(&daemon, "/a", "").status(), 200);
    assert_eq!(ask(&daemon, "/b", "").status(), 204);
    assert_eq!(ask(&daemon, "/a", "").status(), 429);
}

#[test]
fn buckets_live_through_a_reload_until_their_numbers_change() {
    let origin = Origin::echo("a");
    let with = |limit: &str, word: &str| {
        text(&origin, limit) + &format!("route (exact)\"/word\" {{ respond 200 body=\"{word}\"; }}\n")
    };
    let daemon = Daemon::run(&with("rate-limit \"2/h\"", "one"));
    let save = |limit: &str, word: &str| {
        daemon.save(&with(limit, word));
        eventually("the edit is live", || (ask(&daemon, "/word", "").text() == word).then_some(()));
    };
    assert_eq!(statuses(3, || ask(&daemon, "/", "")), [200, 200, 429]);
    save("rate-limit \"2/h\"", "two");
    assert_eq!(ask(&daemon, "/", "").status(), 429);
    save("rate-limit \"2/h\" burst=3", "three");
    assert_eq!(statuses(4, || ask(&daemon, "/", "")), [200, 200, 200, 429]);
}
