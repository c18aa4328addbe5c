//! The real `lbctl`, against the daemon of a test.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use super::{Daemon, lbd_bin};

/// Runs it to its end, with this at its standard input.
pub(crate) fn lbctl(daemon: &Daemon, args: &[&str], input: &str) -> Output {
    let mut child = Command::new(bin())
        .env_remove("LBD_SOCKET")
        .arg("--socket")
        .arg(daemon.config().with_file_name("control.sock"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("lbctl can be started");
    // Who does not read has ended; what it said tells why.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    child.wait_with_output().expect("lbctl ends")
}

/// The same; what it printed, once it ended well.
pub(crate) fn said(daemon: &Daemon, args: &[&str], input: &str) -> String {
    let output = lbctl(daemon, args, input);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "lbctl {args:?}: {talk}");
    String::from_utf8(output.stdout).unwrap()
}

/// It stands beside `lbd`, or `LBCTL_BIN` names it; where only this package was built it is built now.
pub(crate) fn bin() -> PathBuf {
    static BIN: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        if let Some(named) = std::env::var_os("LBCTL_BIN") {
            return PathBuf::from(named);
        }
        let beside = lbd_bin().with_file_name("lbctl");
        if !beside.exists() {
            let directory = beside.parent().expect("a binary has a directory");
            let release = directory.ends_with("release").then_some("--release");
            let mut build = Command::new(env!("CARGO"));
            build.args(["build", "--quiet", "--package", "lbctl", "--target-dir"]);
            build.arg(directory.parent().expect("a profile's directory is in the target's")).args(release);
            assert!(build.status().expect("cargo can be started").success(), "lbctl is built");
        }
        beside
    };
    BIN.get_or_init(find).clone()
}
