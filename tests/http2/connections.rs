//! Connections: many streams at once, their limit, what is malformed, and how one ends.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{front, speaking};
use crate::support::http2::{Frames, GOAWAY, SETTINGS, connect, empty, get, read, request, run};
use crate::support::{DEADLINE, Daemon, Origin, eventually};

#[test]
fn a_hundred_requests_are_under_way_at_once() {
    const MANY: usize = 100;
    let waiting = Arc::new(AtomicUsize::new(0));
    let arrived = Arc::clone(&waiting);
    let origin = Origin::scripted(move |message, wire| {
        arrived.fetch_add(1, Ordering::SeqCst);
        eventually("all have arrived", || (arrived.load(Ordering::SeqCst) == MANY).then_some(()));
        let target = message.target().to_owned();
        wire.ok(&target)
    });
    let daemon = front(&[&origin], "", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        let mut answers = Vec::new();
        for n in 0..MANY {
            client.ready().await.unwrap();
            answers.push(tokio::spawn(client.send_request(request("GET", &format!("/{n}"), empty()))));
        }
        for (n, answer) in answers.into_iter().enumerate() {
            let answer = read(answer.await.unwrap().unwrap()).await.unwrap();
            assert_eq!(answer.text(), format!("/{n}"), "each stream has its own answer");
        }
    });
}

#[test]
fn requests_share_a_server_connection() {
    let origin = Origin::scripted(|message, wire| {
        let size = message.target()[1..].parse().unwrap_or_default();
        wire.ok(&"x".repeat(size))
    });
    let daemon = front(&[&origin], "", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        for size in [0, 1, 5_000, 200_000, 1] {
            assert_eq!(get(&mut client, &format!("/{size}")).await.body.len(), size);
        }
    });
    assert_eq!(origin.connections(), 1);
}

/// The limit of streams that the daemon announces.
fn announced(frames: &mut Frames) -> Option<u32> {
    let settings = frames.expect(SETTINGS).payload;
    let entry = settings.chunks(6).find(|entry| entry[..2] == [0, 3])?;
    Some(u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]))
}

#[test]
fn the_limit_of_streams_is_announced() {
    let origin = Origin::echo("a");
    for (limits, expected) in [("", 128), ("limits streams=2", 2)] {
        let daemon = speaking(&format!("protocols h2c\n{limits}"), &[&origin], "", "");
        assert_eq!(announced(&mut Frames::connect(daemon.address())), Some(expected));
    }
}

#[test]
fn too_many_or_too_large_fields_are_refused() {
    let origin = Origin::echo("a");
    let daemon = speaking("protocols h2c; limits headers=10 header-bytes=\"4KiB\"", &[&origin], "", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        let many = |count: usize, size: usize| {
            let mut request = request("GET", "/", empty());
            for n in 0..count {
                let name: hyper::header::HeaderName = format!("x-{n}").parse().unwrap();
                request.headers_mut().insert(name, "y".repeat(size).parse().unwrap());
            }
            request
        };
        for (request, status) in [(many(11, 1), 431), (many(5, 1000), 431), (many(9, 100), 200)] {
            client.ready().await.unwrap();
            assert_eq!(client.send_request(request).await.unwrap().status(), status);
        }
    });
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn an_idle_connection_is_told_to_go() {
    let origin = Origin::echo("a");
    let daemon = speaking("protocols h2c; timeout keep-alive=\"500ms\"", &[&origin], "", "");
    let mut frames = Frames::connect(daemon.address());
    assert_eq!(frames.expect(GOAWAY).payload[4..8], [0; 4], "NO_ERROR");
    while frames.next().is_some() {}
}

#[test]
fn at_the_end_clients_are_told_to_go_and_what_is_under_way_is_answered() {
    let waiting = Arc::new(AtomicUsize::new(0));
    let go = Arc::clone(&waiting);
    let origin = Origin::scripted(move |message, wire| {
        if message.target() == "/slow" {
            go.fetch_add(1, Ordering::SeqCst);
            eventually("the drain has begun", || (go.load(Ordering::SeqCst) == 2).then_some(()));
        }
        wire.ok("answered")
    });
    let mut daemon = front(&[&origin], "", "");
    run(async {
        let mut client = connect(daemon.address()).await;
        assert_eq!(get(&mut client, "/").await.status, 200);
        let slow = tokio::spawn(client.send_request(request("GET", "/slow", empty())));
        while waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let mut idle = Frames::connect(daemon.address());
        idle.expect(SETTINGS);
        daemon.signal(rustix::process::Signal::TERM);
        let told = tokio::task::spawn_blocking(move || idle.expect(GOAWAY).payload[4..8].to_vec());
        assert_eq!(told.await.unwrap(), [0; 4], "NO_ERROR");
        waiting.fetch_add(1, Ordering::SeqCst);
        let answer = read(slow.await.unwrap().unwrap()).await.unwrap();
        assert_eq!(answer.text(), "answered");
    });
    eventually("lbd ends", || (!daemon.is_alive()).then_some(()));
}

/// Runs a tool of the system; `None`, and a notice, where it is not installed.
fn tool(name: &str, args: &[&str]) -> Option<String> {
    let limit = DEADLINE.as_secs().to_string();
    let found = Command::new("timeout").arg(limit).arg(name).args(args).stdin(Stdio::null()).output().ok()?;
    if found.status.code() == Some(127) {
        eprintln!("skipped: {name} is not installed");
        return None;
    }
    let said = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(found.status.success(), "{name} {args:?}: {said}{}", String::from_utf8_lossy(&found.stderr));
    Some(said)
}

#[test]
fn clients_of_other_makers_are_served() {
    let origin = Origin::echo("a");
    let daemon = front(&[&origin], "", "");
    let url = format!("http://{}/", daemon.address());
    if let Some(said) =
        tool("curl", &["-s", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}", &url])
    {
        assert!(said.ends_with("2 200"), "{said}");
    }
    if let Some(said) = tool("nghttp", &["-nv", &url]) {
        assert!(said.contains(":status: 200"), "{said}");
    }
    if let Some(said) = tool("h2load", &["-n", "500", "-c", "5", "-m", "20", &url]) {
        assert!(said.contains("500 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
    }
}

#[test]
fn a_hundred_connections_of_a_hundred_streams_are_served() {
    let daemon =
        Daemon::run("defaults { listen { protocols h2c; }; }\nroute \"/\" { respond 200 body=\"one\"; }\n");
    let url = format!("http://{}/", daemon.address());
    if let Some(said) = tool("h2load", &["-n", "10000", "-c", "100", "-m", "100", &url]) {
        assert!(said.contains("10000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
        assert!(said.contains("10000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{said}");
    }
}
