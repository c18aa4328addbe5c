//! The command without its daemon: usage, help, exit codes, what it writes about itself.

use std::os::unix::net::UnixListener;
use std::process::Output;

use super::{Script, assert_output, lbctl, problem};

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
fn completion_scripts_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        let output = lbctl().args(["completions", shell]).output().unwrap();
        assert!(
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains("drain"),
            "{shell}"
        );
    }
}

#[test]
fn manual_pages_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let fresh = dir.path().join("share/man1");
    let write = |into: &std::path::Path| lbctl().arg("man").arg(into).output().unwrap().status;
    assert!(write(&fresh).success());
    for name in ["lbctl.1", "lbctl-drain.1", "lbctl-server-wait.1"] {
        assert!(std::fs::read_to_string(fresh.join(name)).unwrap().contains(".TH"), "{name}");
    }
    let under_a_file = fresh.join("lbctl.1/x");
    assert_eq!(write(&under_a_file).code(), Some(1));
}
