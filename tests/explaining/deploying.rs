//! The script that pipelines are shown for a deployment, against the real daemon.

use std::path::Path;
use std::process::{Command, Output};

use crate::proxying::config;
use crate::support::{Client, Daemon, Origin, lbctl};

const SCRIPT: &str = "examples/ci/deploy.sh";

/// Runs it as a pipeline would, on the machine of the daemon.
fn deploy(daemon: &Daemon, next: &Path) -> Output {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let own = lbctl::bin().parent().unwrap().to_owned();
    let paths = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&paths))).unwrap();
    Command::new("sh")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(SCRIPT))
        .arg(next)
        .arg("release 7")
        .env("PATH", paths)
        .env("LBD_SOCKET", daemon.config().with_file_name("control.sock"))
        .env("DEPLOY_TRIES", "1")
        .output()
        .unwrap()
}

fn word(daemon: &Daemon) -> String {
    Client::fetch(daemon.address(), "/word").text().to_owned()
}

#[test]
fn a_deployment_stays_when_its_checks_pass_and_is_taken_back_when_one_fails() {
    let origin = Origin::echo("a");
    let text = config(&[&origin], "", "") + "route (exact)\"/word\" { respond 200 body=\"one\"; }\n";
    let daemon = Daemon::run(&text);
    let next = tempfile::tempdir().unwrap();
    let next = next.path().join("lbd.kdl");
    let before = std::fs::read_to_string(daemon.config()).unwrap();
    let write = |word: &str, more: &str| {
        std::fs::write(&next, before.replace("\"one\"", &format!("\"{word}\"")) + more).unwrap();
    };

    write("two", "");
    let done = deploy(&daemon, &next);
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert_eq!(word(&daemon), "two");
    let config = || daemon.control("GET", "/v1/status").1["config"].clone();
    assert!(config()["unconfirmed"].is_null(), "{}", config());
    let generation = config()["generation"].clone();

    let again = deploy(&daemon, &next);
    assert_eq!((again.status.code(), &config()["generation"]), (Some(0), &generation), "nothing to do");

    // A pool whose only server takes no connection.
    let (_port, closed) = crate::support::daemon::reserve_port();
    let dead = format!("pool dead {{ server \"{closed}\"; health tcp; }}\nroute \"/dead\" pool=dead\n");
    write("three", &dead);
    let failed = deploy(&daemon, &next);
    let said =
        String::from_utf8_lossy(&failed.stdout).into_owned() + &String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert_eq!(word(&daemon), "two", "{said}");
    assert!(config()["unconfirmed"].is_null(), "{}", config());
}
