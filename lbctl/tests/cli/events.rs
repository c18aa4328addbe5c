//! `lbctl events`: lines, and what becomes of a stream that breaks off.

use std::os::unix::net::UnixListener;
use std::sync::Mutex;

use super::{Answer, Script, answer, assert_output, golden, lbctl};

fn api(instance: &str) -> Answer {
    let api = format!(
        r#"{{"api":"1.0","lbd":"0.1.0","instance":"{instance}","pid":1,"started":"2026-01-02T03:04:05Z","workers":1,"generation":1,"features":[],"role":"admin"}}"#
    );
    ("GET /v1", 200, api)
}

#[test]
fn events_are_lines_and_lag_is_a_failure() {
    let event =
        serde_json::to_string(&serde_json::from_str::<serde_json::Value>(&golden("event.json")).unwrap());
    let lines = format!("{}\n{{\"kind\":\"lagged\",\"missed\":9}}\n", event.unwrap());
    let call = "GET /v1/events?follow=true&age_ms=600000&kind=server%2Cconfig";
    let script = Script::new(vec![api("a"), (call, 200, lines)]);
    let output = script.run(&["events", "--since", "10m", "--kind", "server,config", "--follow"]);
    let stdout = golden("event.txt") + "too slow to follow: 9 events were missed\n";
    assert_output(&output, 1, &stdout, "");
}

#[test]
fn following_goes_on_where_it_broke_off() {
    let line = |seq: u64| format!("{{\"seq\":{seq},\"kind\":\"test.tick\"}}\n");
    let script = Script::new(vec![
        api("a"),
        ("GET /v1/events?follow=true&since=7&kind=test", 200, line(8) + &line(9)),
        ("GET /v1/events?follow=true&since=9&kind=test", 200, line(10)),
        ("GET /v1/events?follow=true&since=10&kind=test", 200, "{\"kind\":\"lagged\",\"missed\":1}\n".into()),
    ]);
    let output = script.run(&["-q", "--json", "events", "--after", "7", "--kind", "test", "--follow"]);
    let lines: Vec<serde_json::Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = lines.iter().filter_map(|line| line["seq"].as_u64()).collect();
    assert_eq!(seen, [8, 9, 10, 0]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_daemon_that_does_not_come_back_ends_the_following() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("c.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let answers = [api("a"), ("GET /v1/events?follow=true", 200, String::new())];
    let log = Mutex::default();
    let child = lbctl()
        .args(["--timeout", "5s", "events", "--follow", "--socket"])
        .arg(&socket)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..2 {
        answer(listener.accept().unwrap().0, &answers, &log);
    }
    drop(listener);
    let output = child.wait_with_output().unwrap();
    let stderr = "lbd ended the stream; waiting for it\nerror: lbd ended the stream and did not come back\n";
    assert_output(&output, 3, "", stderr);
}
