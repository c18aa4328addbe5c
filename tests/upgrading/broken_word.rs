//! A new process that says that it is ready, is given the clients, and ends: the one before it takes them back.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::{origin, pid};
use crate::proxying::config;
use crate::support::{Client, Daemon, eventually};

/// Sockets that come with one byte.
const AT_ONCE: usize = 64;

fn frame(stream: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut bytes = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// What such a process does with the end that is its standard input.
fn promise(stream: &mut UnixStream) -> std::io::Result<()> {
    let hello: Value = serde_json::from_slice(&frame(stream)?)?;
    let sockets = hello["sockets"].as_array().expect("sockets are handed over");
    stream.read_exact(&mut vec![0; sockets.len().div_ceil(AT_ONCE)])?;
    frame(stream)?;
    let listens: Vec<&Value> = sockets.iter().filter_map(|socket| socket.get("listener")).collect();
    let ready = serde_json::to_vec(&json!({ "lbd": "9.9.9", "listens": listens }))?;
    stream.write_all(&u32::try_from(ready.len()).unwrap().to_be_bytes())?;
    stream.write_all(&ready)?;
    // Now nobody accepts.
    frame(stream)?;
    eprintln!("a promise is broken");
    Ok(())
}

#[test]
#[ignore = "is run by the test below, as another process"]
fn the_process_that_breaks_its_word() {
    let stream = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    // Run by somebody else there is no such socket.
    let _ = promise(&mut UnixStream::from(stream));
}

#[test]
fn a_new_process_that_ends_when_it_was_to_begin_changes_nothing() {
    let origin = origin("one");
    let daemon = Daemon::run_with(2, &config(&[&origin], "", ""));
    let first = pid(&daemon);
    let path = daemon.config().with_file_name("promising");
    let test = std::env::current_exe().unwrap();
    let name = "upgrading::broken_word::the_process_that_breaks_its_word";
    std::fs::write(
        &path,
        format!("#!/bin/sh\nexec '{}' --exact {name} --ignored --nocapture\n", test.display()),
    )
    .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut idle = Client::connect(daemon.address());
    assert_eq!(idle.get("/").text(), "one 0");
    for round in 0..2 {
        let (status, problem) = eventually("the script is nobody's to write", || {
            let answer = daemon.control_with("POST", "/v1/upgrade", &json!({ "binary": path }));
            // A process that was begun by another test meanwhile has the file open until it is itself.
            (!answer.1.to_string().contains("Text file busy")).then_some(answer)
        });
        assert_eq!(status, 502, "{problem}");
        daemon.says("a promise is broken");
        assert_eq!(pid(&daemon), first);
        // On every worker.
        for _ in 0..20 {
            assert_eq!(Client::fetch(daemon.address(), "/").text(), "one 0", "round {round}");
        }
        assert_eq!(idle.get("/").text(), "one 0", "who was there stays, in round {round}");
    }
}
