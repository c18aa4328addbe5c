//! A rewrite changes what the server is asked, and nothing that the client sees.

use super::{ask, pools};
use crate::support::{Daemon, Message, Origin, websocket};

/// What the origin was asked for `target`, when the route `pattern` has this rewrite.
fn asked(pattern: &str, rewrite: &str, targets: &[&str]) -> Vec<Message> {
    let origin = Origin::echo("a");
    let text = pools(&[("app", &origin)]);
    let daemon = Daemon::run(&format!("{text}route {pattern} pool=app {{ rewrite {rewrite}; }}\n"));
    for target in targets {
        let answer = ask(&daemon, target, "");
        assert_eq!(answer.status(), 200, "{target}: {answer:?}");
    }
    origin.requests()
}

#[track_caller]
fn check(pattern: &str, rewrite: &str, expected: &[(&str, &str)]) {
    let targets: Vec<_> = expected.iter().map(|(target, _)| *target).collect();
    let requests = asked(pattern, rewrite, &targets);
    for ((target, forwarded), request) in expected.iter().zip(&requests) {
        assert_eq!(request.target(), *forwarded, "{target}");
    }
}

#[test]
fn a_prefix_is_stripped_by_whole_segments() {
    check(
        "\"/api\" \"/apis\"",
        "strip-prefix=\"/api\"",
        &[
            ("/api/x/y?q=1", "/x/y?q=1"),
            ("/api", "/"),
            ("/api/", "/"),
            ("/api?q", "/?q"),
            ("/apis/x", "/apis/x"),
            ("/%61pi/a%20b", "/a%20b"),
            ("/api/api/x", "/api/x"),
        ],
    );
}

#[test]
fn a_path_is_made_of_parameters_and_the_query_stays() {
    check(
        "\"/users/{id}/files/{*rest}\"",
        "path=\"/v2/{rest}/of/{id}\"",
        &[("/users/7/files/a/b?x=1", "/v2/a/b/of/7?x=1"), ("/users/a%20b/files/c%2Fd", "/v2/c%2Fd/of/a%20b")],
    );
    check("\"/\"", "path=\"/base{path}\"", &[("/x;v=1/y", "/base/x;v=1/y"), ("/", "/base/")]);
    check("(regex)#\"^/old/(?<id>\\d+)$\"#", "path=\"/new/{id}\"", &[("/old/42", "/new/42")]);
}

#[test]
fn the_host_is_replaced_and_the_clients_own_is_told() {
    let requests = asked("\"/t/{tenant}\"", "host=\"{tenant}.internal:8080\"", &["/t/blue"]);
    assert_eq!(requests[0].field("host"), Some("blue.internal:8080"));
    assert_eq!(requests[0].field("x-forwarded-host"), Some("app.test"));
    assert_eq!(requests[0].target(), "/t/blue");
}

#[test]
fn what_a_client_sends_makes_no_host_and_no_path_of_its_own() {
    let origin = Origin::echo("a");
    let text = pools(&[("app", &origin)]);
    let daemon = Daemon::run(&format!(
        "{text}route \"/t/{{tenant}}\" pool=app {{ rewrite host=\"{{tenant}}.internal\"; }}\n\
         route \"/d/{{a}}\" pool=app {{ rewrite path=\"/x/.{{a}}/secret\"; }}\n"
    ));
    assert_eq!(ask(&daemon, "/t/a%20b", "").status(), 400);
    assert_eq!(ask(&daemon, "/t/a@b", "").status(), 400);
    // `.` and `.b` make `..b`, which is a name; `.` alone cannot be asked for.
    assert_eq!(ask(&daemon, "/d/.b", "").status(), 200);
    assert_eq!(origin.requests().pop().unwrap().target(), "/x/..b/secret");
}

#[test]
fn a_websocket_is_rewritten_too() {
    let origin = Origin::scripted(|message, wire| websocket::echo(message, wire));
    let text = pools(&[("app", &origin)]);
    let daemon = Daemon::run(&format!(
        "{text}route \"/live\" pool=app {{ rewrite strip-prefix=\"/live\" host=\"ws.internal\"; }}\n"
    ));
    websocket::open(daemon.address(), "/live/room", "");
    let request = origin.requests().remove(0);
    assert_eq!((request.target(), request.field("host")), ("/room", Some("ws.internal")));
}
