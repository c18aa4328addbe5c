//! The command itself, against a daemon that answers from a script.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Answers calls from a table; remembers what it was asked.
struct Script {
    socket: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
    _dir: TempDir,
}

type Answer = (&'static str, u16, String);

impl Script {
    fn new(answers: Vec<Answer>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("c.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &answers, &log);
            }
        });
        Self { socket, asked, _dir: dir }
    }

    fn run(&self, args: &[&str]) -> Output {
        lbctl().arg("--socket").arg(&self.socket).args(args).output().unwrap()
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn lbctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lbctl"));
    command.env_remove("LBD_SOCKET").env_remove("NO_COLOR").env("TZ", "UTC");
    command
}

fn answer(mut stream: UnixStream, answers: &[Answer], log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut first = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            return;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if first.is_empty() {
            first = line.trim_end_matches(" HTTP/1.1").to_owned();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    log.lock().unwrap().push(format!("{first} {}", String::from_utf8(body).unwrap()).trim_end().to_owned());
    let found = answers.iter().find(|(call, ..)| *call == first);
    let (status, body) =
        found.map_or((404, problem("not-found", 404)), |(_, status, body)| (*status, body.clone()));
    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
}

fn problem(kind: &str, status: u16) -> String {
    let base = lbctl::protocol::PROBLEM_BASE;
    format!(
        r#"{{"type":"{base}{kind}","title":"no","status":{status},"detail":"because {kind}","help":["do this","--force"]}}"#
    )
}

fn golden(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn server(pool: &str, name: &str, state: &str) -> String {
    format!(
        r#"{{"pool":"{pool}","name":"{name}","address":"10.0.0.1:80","admin":{{"state":"{state}"}},"health":{{"state":"up","since_ms":1,"checked":true,"good":1,"bad":0}},"eligible":"ready","weight":1,"file_weight":1,"backup":false,"in_flight":0,"sessions":0,"idle_connections":0,"requests":0,"errors_5xx":0,"failures":0}}"#
    )
}

fn servers() -> Answer {
    let all = [server("app", "a", "ready"), server("app", "b", "ready"), server("web", "a", "ready")];
    ("GET /v1/servers", 200, format!("[{}]", all.join(",")))
}

fn changed(state: &str, operation: &str) -> String {
    let server = server("app", "a", state);
    format!(r#"{{"server":{server},{operation}"effect":{{"others":["b"],"requests":12,"sessions":400}}}}"#)
}

fn operation(phase: &str, left: u32) -> String {
    format!(
        r#"{{"id":"op_1","seq":2,"verb":"drain","subject":"app/a","phase":"{phase}","left":{{"requests":0,"sessions":{left}}},"closed":400,"forced":0,"started":"2026-01-02T03:04:05Z","ended":"2026-01-02T03:04:26Z"}}"#
    )
}

#[track_caller]
fn assert_output(output: &Output, code: i32, stdout: &str, stderr: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout);
    assert_eq!(output.status.code(), Some(code));
}

#[test]
fn problems_become_exit_codes() {
    for (kind, status, code) in [
        ("bad-request", 400, 2),
        ("not-permitted", 403, 4),
        ("not-found", 404, 5),
        ("last-server", 409, 6),
        ("stale-generation", 412, 6),
        ("config-rejected", 422, 1),
        ("too-many-clients", 503, 1),
    ] {
        let script = Script::new(vec![("GET /v1/status", status, problem(kind, status))]);
        let stderr = format!("error: because {kind}\n  help: do this, or --force\n");
        assert_output(&script.run(&["status"]), code, "", &stderr);
    }
}

#[test]
fn without_a_daemon_the_socket_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("none.sock");
    let output = lbctl().env("LBD_SOCKET", &socket).arg("status").output().unwrap();
    let stderr = format!(
        "error: cannot reach lbd on {}: there is no such socket\n  help: is lbd running? for another socket say --socket PATH or set LBD_SOCKET\n",
        socket.display()
    );
    assert_output(&output, 3, "", &stderr);
    drop(UnixListener::bind(&socket).unwrap());
    let output = lbctl().arg("--socket").arg(&socket).arg("status").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("nobody listens on it"));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn wrong_usage_is_two() {
    for args in [
        &["drain"][..],
        &["frobnicate"],
        &["server", "weight", "app/a"],
        &["drain", "app/"],
        &["drain", "app/a", "--deadline", "soon"],
        &["sticky", "clear", "app"],
        &["sticky", "clear", "app", "--all", "--server", "a"],
        &["api", "GET", "v1"],
        &["api", "POST", "/v1/x", "-d", "{"],
    ] {
        assert_eq!(lbctl().args(args).output().unwrap().status.code(), Some(2), "{args:?}");
    }
}

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
fn help_tells_of_topics_and_of_commands() {
    let help = |words: &[&str]| lbctl().arg("help").args(words).output().unwrap();
    let text = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let all = text(&help(&[]));
    for topic in lbctl::topic::TOPICS {
        let page = help(&[topic.name]);
        assert_eq!(page.status.code(), Some(0));
        assert!(text(&page).starts_with(&format!("{} - {}\n\n", topic.name, topic.about)), "{}", topic.name);
        assert!(all.contains(topic.name), "{all}");
    }
    assert!(text(&help(&["server", "drain"])).contains("--close-rate"));
    let output = help(&["units", "of", "time"]);
    let said = "error: there is no help on `units of time`\n  help: topics: config, drain, exit-codes, routing, units, \
                or lbctl help lists the commands\n";
    assert_output(&output, 2, "", said);
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
fn a_refused_reload_shows_the_report() {
    let mut problem: lbctl::protocol::Problem =
        serde_json::from_str(&problem("config-rejected", 422)).unwrap();
    problem.rendered = Some("the report\n".into());
    let script = Script::new(vec![("POST /v1/config/reload", 422, serde_json::to_string(&problem).unwrap())]);
    let stderr = "the report\nerror: because config-rejected\n  help: do this, or --force\n";
    assert_output(&script.run(&["config", "reload"]), 1, "", stderr);
}

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
fn completion_scripts_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let output = lbctl().args(["completions", shell]).output().unwrap();
        assert!(
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains("drain"),
            "{shell}"
        );
    }
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
fn manual_pages_are_written() {
    let dir = tempfile::tempdir().unwrap();
    assert!(lbctl().arg("man").arg(dir.path()).output().unwrap().status.success());
    for name in ["lbctl.1", "lbctl-drain.1", "lbctl-server-wait.1"] {
        assert!(std::fs::read_to_string(dir.path().join(name)).unwrap().contains(".TH"), "{name}");
    }
    assert_eq!(lbctl().args(["man", "/nonexistent/x"]).output().unwrap().status.code(), Some(1));
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

fn planned(more: &str) -> String {
    format!(r#"{{"generation":42,"changed":true,"plan":"p42-1","summary":"~1 pool"{more}}}"#)
}

#[test]
fn a_plan_says_by_its_exit_code_that_there_are_changes() {
    let script = Script::new(vec![("POST /v1/config/plan", 200, planned(""))]);
    let stdout = "generation 42 -> new: ~1 pool\n";
    let stderr = "apply: lbctl config apply --plan p42-1 --confirm-within 5m\n";
    assert_output(&script.run(&["config", "plan"]), 0, stdout, stderr);
    assert_output(&script.run(&["config", "plan", "--exit-code"]), 10, stdout, stderr);
    assert_eq!(script.asked()[0], "POST /v1/config/plan {}");
    assert_eq!(script.run(&["config", "apply", "--max-errors", "5%"]).status.code(), Some(2));
}

#[test]
fn what_a_candidate_includes_is_sent_when_the_daemon_asks_for_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    for (name, text) in [("new.kdl", "main"), ("conf.d/a.kdl", "one"), ("conf.d/.hidden.kdl", "no")] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    let wanted = r#","wanted":["conf.d/*.kdl","conf.d/a.kdl","none.kdl"]"#;
    let script = Script::new(vec![("POST /v1/config/plan", 200, planned(wanted))]);
    let output = script.run(&["config", "plan", dir.path().join("new.kdl").to_str().unwrap()]);
    assert_output(&output, 1, "", "error: the daemon asks for more and more files\n");
    let sent = r#""main":"main","files":{"conf.d/a.kdl":"one","none.kdl":null},"globs":{"conf.d/*.kdl":["conf.d/a.kdl"]}"#;
    assert!(script.asked()[1].contains(sent), "{:?}", script.asked());
}
