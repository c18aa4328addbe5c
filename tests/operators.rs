//! What operators want outlives the daemon, and who may want it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::proxying::config;
use crate::support::{Client, Daemon, Origin, eventually};

fn set_admin(daemon: &Daemon, server: &str, wish: &Value) {
    let (status, answer) = daemon.control_with("PUT", &format!("/v1/pools/app/servers/{server}/admin"), wish);
    assert!(status < 300, "{answer}");
}

fn admin(daemon: &Daemon, server: &str) -> Value {
    daemon.control("GET", &format!("/v1/pools/app/servers/{server}")).1["admin"].clone()
}

fn file(daemon: &Daemon) -> PathBuf {
    daemon.config().with_file_name("state").join("admin.json")
}

/// Waits until the file says so.
fn saved(daemon: &Daemon, what: &str) {
    eventually("the wish is on disk", || {
        std::fs::read_to_string(file(daemon)).is_ok_and(|text| text.contains(what)).then_some(())
    });
}

/// Where ten new clients land.
fn landed(daemon: &Daemon) -> Vec<String> {
    (0..10).map(|_| Client::fetch(daemon.address(), "/").text().to_owned()).collect()
}

fn three() -> ([Origin; 3], String) {
    let origins = ["s0", "s1", "s2"].map(|name| Origin::scripted(move |_, wire| wire.ok(name)));
    let kdl = config(&origins.each_ref(), "", "");
    (origins, kdl)
}

#[test]
fn a_crash_forgets_no_wish() {
    let (_origins, kdl) = three();
    let mut daemon = Daemon::run(&kdl);
    set_admin(&daemon, "s0", &json!({"state": "maint", "reason": "new disk"}));
    set_admin(
        &daemon,
        "s1",
        &json!({"state": "drain", "sticky": "move", "deadline": "2h", "reason": "kernel", "force": true}),
    );
    let before = (admin(&daemon, "s0"), admin(&daemon, "s1"));
    saved(&daemon, "kernel");
    daemon.signal(Signal::KILL);
    daemon.wait();
    daemon.start_again();
    assert_eq!((admin(&daemon, "s0"), admin(&daemon, "s1")), before);
    assert!(before.0["actor"].is_string() && before.0["reason"] == "new disk", "{}", before.0);
    assert!(landed(&daemon).iter().all(|server| server == "s2"));
    daemon.says("an operator's wish holds again");
    set_admin(&daemon, "s0", &json!({"state": "ready"}));
    daemon.signal(Signal::TERM);
    daemon.wait();
    daemon.start_again();
    assert_eq!(admin(&daemon, "s0")["state"], "ready", "an orderly end saves what came last");
    assert_eq!(admin(&daemon, "s1")["state"], "drain");
}

#[test]
fn a_drain_comes_back_on_its_own_terms_and_ends_at_its_time() {
    let (_origins, kdl) = three();
    let mut daemon = Daemon::run(&kdl);
    let shown = |daemon: &Daemon| {
        let operation = daemon.control("GET", "/v1/operations").1[0].clone();
        ["close_rate", "until", "deadline", "reason"].map(|name| operation[name].clone())
    };
    // A drain of a server that nobody uses is over soon: what it promised holds all the same.
    let terms =
        json!({"state": "drain", "deadline": "2h", "close_rate": "7/m", "until": "3h", "reason": "kernel"});
    set_admin(&daemon, "s1", &terms);
    let before = shown(&daemon);
    assert_eq!((&before[0], before[1].is_string()), (&json!("7/m"), true), "{before:?}");
    saved(&daemon, "kernel");
    daemon.signal(Signal::KILL);
    daemon.wait();
    daemon.start_again();
    assert_eq!(shown(&daemon), before);
    assert_eq!(admin(&daemon, "s1")["until"], before[1]);
    daemon.signal(Signal::KILL);
    daemon.wait();
    // As if the three hours had passed.
    let mut book: Value = serde_json::from_str(&std::fs::read_to_string(file(&daemon)).unwrap()).unwrap();
    let until = &mut book["wishes"][0]["wish"]["terms"]["until"]["secs_since_epoch"];
    assert!(until.is_u64(), "{book}");
    *until = json!(1);
    std::fs::write(file(&daemon), book.to_string()).unwrap();
    daemon.start_again();
    eventually("it serves again at its time", || (admin(&daemon, "s1")["state"] == "ready").then_some(()));
    daemon.says("its time has come");
    eventually("new clients come to it", || {
        landed(&daemon).iter().any(|server| server == "s1").then_some(())
    });
}

#[test]
fn a_weight_and_its_owner_come_back() {
    let (_origins, kdl) = three();
    let mut daemon = Daemon::run(&kdl);
    let path = "/v1/pools/app/servers/s1/weight";
    assert_eq!(daemon.control_with("PUT", path, &json!({"weight": 0, "reason": "slow"})).0, 200);
    saved(&daemon, "slow");
    let text: Value = serde_json::from_str(&std::fs::read_to_string(file(&daemon)).unwrap()).unwrap();
    let owner = &text["wishes"][0]["wish"]["weight_stamp"];
    assert_eq!(owner["uid"], rustix::process::geteuid().as_raw(), "{text}");
    daemon.signal(Signal::KILL);
    daemon.wait();
    daemon.start_again();
    assert!(landed(&daemon).iter().all(|server| server != "s1"));
}

#[test]
fn a_name_that_left_the_files_takes_its_wish_along_and_brings_it_back() {
    let (origins, all) = three();
    let two = config(&[&origins[0], &origins[1]], "", "");
    let mut daemon = Daemon::run(&all);
    set_admin(&daemon, "s2", &json!({"state": "maint"}));
    saved(&daemon, "s2");
    daemon.save(&two);
    saved(&daemon, "gone");
    daemon.signal(Signal::KILL);
    daemon.wait();
    daemon.start_again();
    assert_eq!(daemon.control("GET", "/v1/pools/app/servers/s2").0, 404);
    daemon.save(&all);
    let state = eventually("the server is named again", || {
        let (status, server) = daemon.control("GET", "/v1/pools/app/servers/s2");
        (status == 200).then(|| server["admin"]["state"].clone())
    });
    assert_eq!(state, "maint");
}

#[test]
fn a_torn_file_stops_nothing_and_is_kept() {
    let (_origins, kdl) = three();
    let mut daemon = Daemon::run(&kdl);
    daemon.signal(Signal::TERM);
    daemon.wait();
    std::fs::write(file(&daemon), "{\"version\":1,\"wishes\":[{\"pool").unwrap();
    daemon.start_again();
    assert_eq!(admin(&daemon, "s0")["state"], "ready");
    daemon.says("what operators wanted cannot be read");
    let aside = file(&daemon).with_file_name("admin.json.unreadable");
    assert_eq!(std::fs::read_to_string(aside).unwrap(), "{\"version\":1,\"wishes\":[{\"pool");
    set_admin(&daemon, "s0", &json!({"state": "maint"}));
    saved(&daemon, "s0");
}

#[test]
fn every_change_is_in_the_log_with_who_and_why() {
    let (_origins, kdl) = three();
    let daemon = Daemon::run(&kdl);
    set_admin(&daemon, "s0", &json!({"state": "maint", "reason": "new disk"}));
    let line = eventually("the change is logged", || {
        daemon.log().lines().find(|line| line.contains("changed by an operator")).map(str::to_owned)
    });
    let uid = format!("uid={}", rustix::process::geteuid().as_raw());
    let pid = format!("pid={}", std::process::id());
    for part in ["app/s0", "server.maint", "new disk", &uid, &pid] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

/// The answer of the socket that only reads.
pub(crate) fn read_socket(daemon: &Daemon, method: &str, path: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(daemon.config().with_file_name("read.sock")).unwrap();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: lbd\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_reading_socket_shows_and_changes_nothing() {
    let (_origins, kdl) = three();
    let daemon = Daemon::run(&kdl);
    assert!(read_socket(&daemon, "GET", "/v1/status", "").starts_with("HTTP/1.1 200 "));
    assert!(read_socket(&daemon, "GET", "/v1", "").contains("\"role\":\"read\""));
    let refused = read_socket(&daemon, "PUT", "/v1/pools/app/servers/s0/admin", "{\"state\":\"maint\"}");
    assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
    assert_eq!(admin(&daemon, "s0")["state"], "ready");
}

/// The field of the last request that an origin saw.
fn named(origin: &Origin) -> String {
    let requests = origin.requests();
    requests.last().and_then(|request| request.field("x-request-id")).expect("a request id").to_owned()
}

#[test]
fn a_request_is_found_by_its_name() {
    let origin = Origin::scripted(|_, wire| wire.ok("s0"));
    let daemon = Daemon::run_with(2, &config(&[&origin], "", ""));
    let answer = Client::connect(daemon.address()).request("GET", "/x", "X-Request-Id: forged\r\n", b"");
    assert_eq!(answer.status(), 200);
    let id = named(&origin);
    assert_ne!(id, "forged", "a stranger does not name requests");
    let (status, told) = daemon.control("GET", &format!("/v1/requests/{id}"));
    assert_eq!(status, 200, "{told}");
    assert_eq!((&told["server"], &told["pool"], &told["status"]), (&"s0".into(), &"app".into(), &200.into()));
    assert_eq!((&told["how"], &told["retries"]), (&"balanced".into(), &0.into()));
    assert_eq!(daemon.control("GET", "/v1/requests/forged").0, 404);
}

#[test]
fn a_request_is_explained_as_it_then_goes_and_nothing_is_used_up() {
    let (origins, _) = three();
    let text = config(&origins.each_ref(), "sticky cookie name=NODE\nsticky source-ip", "");
    let daemon = Daemon::run(&text);
    let explain = |cookie: &str| {
        let mut headers = vec![json!({"name": "Host", "value": "app.test"})];
        if !cookie.is_empty() {
            headers.push(json!({"name": "Cookie", "value": cookie}));
        }
        let ask = json!({"url": "/x", "headers": headers, "client_ip": "127.0.0.1"});
        let (status, told) = daemon.control_with("POST", "/v1/routes/explain", &ask);
        assert_eq!(status, 200, "{told}");
        told
    };
    let before = explain("");
    assert_eq!(before, explain(""), "twice the same");
    assert_eq!(daemon.control("GET", "/v1/sticky/app").1["entries"], json!([]), "no entry was made");
    let answer = Client::connect(daemon.address()).request("GET", "/x", "", b"");
    assert_eq!(before["goes_to"], answer.text(), "{before}");
    let server = answer.text().to_owned();
    let cookie = answer.field("set-cookie").and_then(|c| c.split(';').next()).expect("a cookie").to_owned();
    let known = explain(&cookie);
    assert_eq!(known["goes_to"], *server);
    assert_eq!(known["sticky"][0], format!("cookie NODE: {server}, which takes it"), "{known}");
    set_admin(&daemon, &server, &json!({"state": "drain", "sticky": "move"}));
    let moved = explain(&cookie);
    let healed = moved["sticky"][0].as_str().is_some_and(|text| text.contains("it is healed"));
    assert!(healed && moved["goes_to"] != *server, "{moved}");
    let answer =
        Client::connect(daemon.address()).request("GET", "/x", &format!("Cookie: {cookie}\r\n"), b"");
    assert_eq!(moved["goes_to"], answer.text(), "{moved}");
    let forged = explain("NODE=forged");
    assert!(forged["sticky"][0].as_str().is_some_and(|text| text.contains("ignored")), "{forged}");
}

#[test]
fn an_error_page_bears_the_name_of_its_request() {
    let daemon = Daemon::run("route \"/\" pool=app\npool app { server \"127.0.0.1:1\"; }\n");
    let answer = Client::fetch(daemon.address(), "/");
    assert_eq!(answer.status(), 502);
    let id = answer.field("x-request-id").expect("a name").to_owned();
    let told = daemon.control("GET", &format!("/v1/requests/{id}")).1;
    assert_eq!(told["status"], 502, "{told}");
    assert!(told["reason"].is_string(), "{told}");
}

#[test]
fn a_trusted_sender_names_its_requests() {
    let origin = Origin::scripted(|_, wire| wire.ok("s0"));
    let daemon = Daemon::listening("trust-forwarded \"127.0.0.1\"", &config(&[&origin], "", ""));
    let ask = |name: &str| {
        let field = format!("X-Request-Id: {name}\r\n");
        Client::connect(daemon.address()).request("GET", "/", &field, b"");
        named(&origin)
    };
    assert_eq!(ask("4bf92f35-77b3"), "4bf92f35-77b3");
    assert_eq!(daemon.control("GET", "/v1/requests/4bf92f35-77b3").1["status"], 200);
    assert_eq!(ask(&"x".repeat(65)).len(), 32, "too long to be taken over");
}
