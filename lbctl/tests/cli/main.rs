//! The command itself, against a daemon that answers from a script.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

mod config;
mod daemon;
mod events;
mod server;
mod usage;

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
