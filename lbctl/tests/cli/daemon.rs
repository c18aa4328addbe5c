//! What is shown of a daemon, and asked of it as a whole.

use super::{Script, assert_output, golden, lbctl, problem};

#[test]
fn status_as_text_and_as_json() {
    let script = Script::new(vec![("GET /v1/status", 200, golden("status.json"))]);
    assert_output(&script.run(&["status"]), 0, &golden("status.txt"), "");
    let json = script.run(&["status", "--json"]);
    let value: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&golden("status.json")).unwrap();
    assert_eq!(value, expected);
    let coloured = script.run(&["status", "--color", "always"]);
    assert!(String::from_utf8_lossy(&coloured.stdout).contains("\u{1b}[32m✔ clean\u{1b}[0m"));
}

#[test]
fn metrics_are_those_that_are_named() {
    let family =
        |name: &str, value: u32| format!("# HELP {name} What.\n# TYPE {name} gauge\n{name} {value}\n");
    let page = family("lbd_pool_up", 1) + &family("lbd_config_generation", 42);
    let script = Script::new(vec![("GET /v1/metrics", 200, page.clone())]);
    assert_output(&script.run(&["metrics"]), 0, &page, "");
    assert_output(&script.run(&["metrics", "pool", "stale"]), 0, &family("lbd_pool_up", 1), "");
    assert_output(&script.run(&["metrics", "*_generation"]), 0, &family("lbd_config_generation", 42), "");
    let json = r#"[{"name":"lbd_pool_up","kind":"gauge","help":"What.","samples":[{"name":"lbd_pool_up","value":1}]}]"#;
    assert_output(&script.run(&["metrics", "--json", "up"]), 0, &format!("{json}\n"), "");
    let none = "error: no metric is named pol or *_up_?\n  help: lbctl metrics shows all of them\n";
    assert_output(&script.run(&["metrics", "pol", "*_up_?"]), 5, "", none);
    assert_eq!(script.run(&["metrics", "a["]).status.code(), Some(2));
}

#[test]
fn explain_answers_no_with_one() {
    let explanation = golden("explanation.json");
    let script = Script::new(vec![("POST /v1/routes/explain", 200, explanation)]);
    let args = ["route", "explain", "post", "http://x/y", "-H", "Cookie: a=b", "--from", "10.0.0.1"];
    assert_output(&script.run(&args), 0, &golden("explanation.txt"), "");
    let body = r#"{"method":"POST","url":"http://x/y","headers":[{"name":"Cookie","value":"a=b"}],"client_ip":"10.0.0.1"}"#;
    assert_eq!(script.asked(), [format!("POST /v1/routes/explain {body}")]);
    let none = r#"{"method":"GET","path":"/","candidates":[]}"#;
    let script = Script::new(vec![("POST /v1/routes/explain", 200, none.into())]);
    assert_eq!(script.run(&["route", "explain", "http://x/"]).status.code(), Some(1));
}

#[test]
fn raw_access_passes_everything_on() {
    let script = Script::new(vec![
        ("POST /v1/x?a=b", 200, r#"{"y":1}"#.into()),
        ("GET /v1/none", 404, problem("not-found", 404)),
    ]);
    assert_output(&script.run(&["api", "post", "/v1/x?a=b", "-d", r#"{"z":2}"#]), 0, "{\"y\":1}\n", "");
    assert_eq!(script.asked(), [r#"POST /v1/x?a=b {"z":2}"#]);
    assert_eq!(script.run(&["api", "GET", "/v1/none"]).status.code(), Some(5));
}

#[test]
fn the_log_level_is_shown_changed_and_given_back() {
    let now = r#"{"filter":"debug","until":"2026-01-02T03:04:05Z"}"#;
    let script = Script::new(vec![
        ("GET /v1/log", 200, r#"{"filter":"info"}"#.into()),
        ("PUT /v1/log", 200, now.into()),
    ]);
    assert_output(&script.run(&["log", "level"]), 0, "info\n", "");
    let changed = script.run(&["log", "level", "debug", "--for", "5m"]);
    assert_output(&changed, 0, "debug  until 2026-01-02T03:04:05Z\n", "undo: lbctl log level --reset\n");
    script.run(&["log", "level", "--reset"]);
    let asked = script.asked();
    assert_eq!(asked[1..], [r#"PUT /v1/log {"filter":"debug","for":"5m"}"#, "PUT /v1/log {}"]);
}

#[test]
fn instants_are_shown_in_the_zone_of_whoever_looks() {
    let script =
        Script::new(vec![("GET /v1/log", 200, r#"{"filter":"x","until":"2026-07-02T03:04:05Z"}"#.into())]);
    let args = ["--socket", script.socket.to_str().unwrap(), "log", "level"];
    let output = lbctl().env("TZ", "<+05>-5").args(args).output().unwrap();
    assert_output(&output, 0, "x  until 2026-07-02T08:04:05+05:00\n", "");
}

#[test]
fn top_prints_a_frame_and_needs_a_terminal_for_more() {
    let script = Script::new(vec![(
        "GET /v1/stream?every=1s",
        200,
        format!(
            r#"{{"at":"2026-01-02T03:04:05Z","instance":"a","servers":[],"status":{}}}"#,
            serde_json::from_str::<serde_json::Value>(&golden("status.json")).unwrap()
        ),
    )]);
    let output = script.run(&["top", "--once", "--size", "100x30"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.starts_with("lbd ") && text.lines().count() == 30, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert_output(&script.run(&["top"]), 2, "", "error: top needs a terminal; --once prints one frame\n");
    assert_eq!(script.run(&["top", "--size", "80"]).status.code(), Some(2));
}
