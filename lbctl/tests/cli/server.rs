//! Servers and drains: who is meant, what is asked, what is waited for.

use super::{Script, assert_output, changed, lbctl, operation, problem, server, servers};

#[test]
fn a_drain_says_what_it_means_and_how_to_undo_it() {
    let answer = changed("drain", &format!(r#""operation":{},"#, operation("settling", 400)));
    let script = Script::new(vec![servers(), ("PUT /v1/pools/app/servers/a/admin", 202, answer)]);
    let output = script.run(&["drain", "app/a", "--reason", "kernel", "--deadline", "30m"]);
    let stdout = "draining app/a: 400 sessions, 12 requests; new clients go to b\n";
    assert_output(&output, 0, stdout, "undo: lbctl ready app/a\n");
    let asked = script.asked();
    let body = r#"{"state":"drain","deadline":"30m","reason":"kernel"}"#;
    assert_eq!(asked, ["GET /v1/servers".to_owned(), format!("PUT /v1/pools/app/servers/a/admin {body}")]);
    assert_output(&script.run(&["-q", "drain", "app/a"]), 0, stdout, "");
}

#[test]
fn waiting_for_a_drain_ends_as_the_drain_does() {
    for (phase, left, code, line) in [
        ("drained", 0, 0, "drained app/a in 21s (400 closed, 0 forced)\n"),
        ("forced", 0, 7, "forced app/a in 21s (400 closed, 0 forced)\n"),
        ("forced", 2, 7, "forced app/a in 21s (400 closed, 0 forced, 0 requests and 2 sessions left)\n"),
        ("cancelled", 1, 1, "cancelled app/a in 21s (400 closed, 0 forced, 0 requests and 1 session left)\n"),
    ] {
        let answer = changed("drain", &format!(r#""operation":{},"#, operation("settling", 400)));
        let lines = format!("{}\n{}\n", operation("in-flight", 3), operation(phase, left));
        let script = Script::new(vec![
            servers(),
            ("PUT /v1/pools/app/servers/a/admin", 202, answer),
            ("GET /v1/operations/op_1/events", 200, lines),
        ]);
        assert_output(&script.run(&["-q", "drain", "app/a", "--wait"]), code, line, "");
        let json = script.run(&["-q", "--json", "drain", "app/a", "--wait"]);
        let lines: Vec<serde_json::Value> = json
            .stdout
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        let phases: Vec<_> = lines.iter().map(|line| line["phase"].as_str().unwrap()).collect();
        assert_eq!(phases, ["in-flight", phase]);
    }
}

#[test]
fn a_drain_whose_daemon_ends_is_not_done() {
    let answer = changed("drain", &format!(r#""operation":{},"#, operation("settling", 400)));
    let script = Script::new(vec![
        servers(),
        ("PUT /v1/pools/app/servers/a/admin", 202, answer),
        ("GET /v1/operations/op_1/events", 200, operation("in-flight", 3)),
    ]);
    assert_eq!(script.run(&["drain", "app/a", "--wait"]).status.code(), Some(3));
}

#[test]
fn unclear_targets_are_refused_before_anything_is_asked() {
    let script = Script::new(vec![servers()]);
    let stderr = "error: `a` is the name of 2 servers; name one, or */a for all\n  help: app/a, web/a\n";
    assert_output(&script.run(&["drain", "a"]), 2, "", stderr);
    let stderr = "error: `app` is a pool; name one of its servers, or app/* for all\n  help: app/a, app/b\n";
    assert_output(&script.run(&["server", "maint", "app"]), 2, "", stderr);
    assert_output(
        &script.run(&["ready", "app/x"]),
        5,
        "",
        "error: no server is `app/x`\n  help: app/a, app/b\n",
    );
    assert!(script.asked().iter().all(|call| call == "GET /v1/servers"));
}

#[test]
fn several_servers_are_changed_one_after_the_other() {
    let script = Script::new(vec![
        servers(),
        ("PUT /v1/pools/app/servers/a/admin", 200, changed("maint", "")),
        ("PUT /v1/pools/app/servers/b/admin", 409, problem("last-server", 409)),
    ]);
    let output = script.run(&["server", "maint", "app/*"]);
    assert_eq!(output.status.code(), Some(6), "the guard holds for the last one");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout, "app/a takes no more requests; 12 requests and 400 sessions go on to their end\n");
}

#[test]
fn waiting_for_a_state_has_a_limit() {
    let script = Script::new(vec![servers()]);
    let done = script.run(&["server", "wait", "app/a", "--for", "up"]);
    assert_output(&done, 0, "app/a is up\n", "");
    let late = script.run(&["server", "wait", "app/a", "--for", "down", "--timeout", "300ms"]);
    assert_output(&late, 7, "", "error: app/a is not down yet\n");
}

#[test]
fn a_drain_says_whom_it_closes() {
    let answer = changed("drain", "");
    let script = Script::new(vec![servers(), ("PUT /v1/pools/app/servers/a/admin", 202, answer)]);
    let args =
        ["-q", "drain", "app/a", "--from", "10.0.0.0/8", "--route", "chat", "--older", "1h", "--idle", "5m"];
    assert_eq!(script.run(&args).status.code(), Some(0));
    let body = r#"{"state":"drain","only":{"from":"10.0.0.0/8","route":"chat","older":"1h","idle":"5m"}}"#;
    assert_eq!(script.asked()[1], format!("PUT /v1/pools/app/servers/a/admin {body}"));
    assert_eq!(script.run(&["drain", "app/a", "--pause", "--idle", "5m"]).status.code(), Some(2));
}

fn pool(name: &str, up: u32, servers: &[String]) -> String {
    format!(
        r#"{{"summary":{{"name":"{name}","balance":"random","up":{up},"servers":{},"in_flight":0,"sessions":7,"requests":9,"errors_5xx":0}},"servers":[{}]}}"#,
        servers.len(),
        servers.join(",")
    )
}

#[test]
fn a_check_is_a_monitoring_plugin() {
    let down = server("app", "b", "ready").replace("\"eligible\":\"ready\"", "\"eligible\":\"no\"");
    let app = pool("app", 1, &[server("app", "a", "ready"), down]);
    let summary: serde_json::Value = serde_json::from_str(&app).unwrap();
    let script = Script::new(vec![
        ("GET /v1/pools", 200, format!("[{}]", summary["summary"])),
        ("GET /v1/pools/app", 200, app),
        ("GET /v1/pools/web", 200, pool("web", 0, &[])),
        ("GET /v1/pools/none", 404, problem("not-found", 404)),
    ]);
    let figures = "'app_up'=1;;;0;2 'app_in_flight'=0;;;0 'app_sessions'=7;;;0 'app_requests'=9c;;;0";
    let line = |word: &str| format!("{word}: app 1/2 up, out: b | {figures}\n");
    assert_output(&script.run(&["check"]), 1, &line("WARNING"), "");
    assert_output(&script.run(&["check", "app", "--max-down", "1"]), 0, &line("OK"), "");
    assert_output(&script.run(&["check", "none"]), 3, "UNKNOWN: because not-found\n", "");
    let json: serde_json::Value = serde_json::from_slice(&script.run(&["check", "--json"]).stdout).unwrap();
    assert_eq!((&json["verdict"], &json["pools"][0]["summary"]["up"]), (&"WARNING".into(), &1.into()));
    let nobody = lbctl().args(["--socket", "/nonexistent/c.sock", "check"]).output().unwrap();
    assert_output(
        &nobody,
        3,
        "UNKNOWN: cannot reach lbd on /nonexistent/c.sock: there is no such socket\n",
        "",
    );
    let all_down = server("app", "a", "ready").replace("\"eligible\":\"ready\"", "\"eligible\":\"no\"");
    let script = Script::new(vec![("GET /v1/pools/app", 200, pool("app", 0, &[all_down]))]);
    let output = script.run(&["check", "app", "--max-down", "9"]);
    assert_eq!(output.status.code(), Some(2), "no server is critical, whatever may be down");
}
