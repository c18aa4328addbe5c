//! `lbd import` on whole files: every line has a verdict, the result loads, and a real HAProxy and lbd do the same
//! with the same requests.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::daemon::reserve_port;
use crate::support::{Client, Message, Origin, Tail, eventually, lbd_bin};

mod differential;

/// A configuration of `tests/import`.
fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)
}

fn import(args: &[&str], file: &Path) -> Output {
    Command::new(lbd_bin()).arg("import").arg(file).args(args).output().unwrap()
}

/// The verdicts on a file, and what was written.
fn imported(file: &Path) -> (Value, Output, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let done = import(&["--report", "json", "-o", dir.path().to_str().unwrap()], file);
    let report = serde_json::from_slice(&done.stdout).unwrap_or_default();
    (report, done, dir)
}

/// Lines that say something: neither empty nor comments.
fn said(text: &str) -> usize {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).count()
}

#[test]
fn the_settings_of_a_thingworx_cluster_import_without_a_refusal_and_lint_clean() {
    let (report, done, dir) = imported(&sample("thingworx.cfg"));
    assert_eq!(done.status.code(), Some(0), "{report:#}");
    let text = std::fs::read_to_string(sample("thingworx.cfg")).unwrap();
    assert_eq!(report["lines"].as_array().unwrap().len(), said(&text));
    let config = std::fs::read_to_string(dir.path().join("lbd.kdl")).unwrap();
    for part in [
        "ignore-case=#true",
        "tunnel-idle=\"1h\"",
        "tls verify=none",
        "redirect-to-https status=301",
        "sticky source-ip ttl=\"30m\" max-entries=204800",
        "health \"/Thingworx/ready\" interval=\"5s\" timeout=\"5s\" rise=2 fall=3 status=\"200\"",
        "health \"/\" interval=\"2s\" rise=2 fall=3 port=9009 tls=#false",
    ] {
        assert!(config.contains(part), "{part} is not in\n{config}");
    }
    let linted = Command::new(lbd_bin()).arg("lint").arg("--files=no").arg(dir.path()).output().unwrap();
    let findings = String::from_utf8_lossy(&linted.stdout);
    assert_eq!((linted.status.code(), findings.as_ref()), (Some(0), ""), "{config}");
    let formatted = Command::new(lbd_bin()).args(["fmt", "--check"]).arg(dir.path()).output().unwrap();
    assert_eq!(formatted.status.code(), Some(0));
}

#[test]
fn what_the_rules_said_of_requests_is_what_lbd_test_finds() {
    for name in ["thingworx.cfg", "order.cfg"] {
        let (_, done, dir) = imported(&sample(name));
        assert_eq!(done.status.code(), Some(0), "{name}");
        let tested = Command::new(lbd_bin()).arg("test").arg(dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&tested.stderr).into_owned();
        let drawn = String::from_utf8_lossy(&tested.stdout);
        assert_eq!((tested.status.code(), drawn.as_ref()), (Some(0), ""), "{name}: {said}");
        let count: usize = said.split(' ').next().unwrap().parse().unwrap();
        assert!(count > 15 && said.contains("all hold"), "{name}: {said}");
    }
}

#[test]
fn a_refused_access_rule_is_told_in_the_summary_and_in_the_result() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("haproxy.cfg");
    let head = "frontend f\n mode http\n bind :80\n http-request deny if { nbsrv lt 1 }\n";
    let text = format!("{head} default_backend b\nbackend b\n mode http\n server s 10.0.0.1:80\n");
    std::fs::write(&file, text).unwrap();
    let (report, done, made) = imported(&file);
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(report["lets_through"], serde_json::json!([4]));
    let summary = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(summary.contains("1 refused (WARNING: 1 of them kept requests out"), "{summary}");
    let config = std::fs::read_to_string(made.path().join("lbd.kdl")).unwrap();
    assert!(config.contains("// WARNING: line 4 kept requests out, and nothing here does"), "{config}");
}

#[test]
fn the_exit_code_says_whether_a_line_was_refused_and_nothing_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("haproxy.cfg");
    let out = dir.path().join("out");
    let to = ["-o", out.to_str().unwrap()];
    std::fs::write(&file, "frontend f\n mode http\n bind :80\n default_backend b\nbackend b\n mode http\n server s 10.0.0.1:80\n")
        .unwrap();
    assert_eq!(import(&to, &file).status.code(), Some(0));
    let again = import(&to, &file);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));

    std::fs::write(&file, "userlist u\n user a password b\n").unwrap();
    let refused = import(&["--force", "-o", out.to_str().unwrap()], &file);
    assert_eq!(refused.status.code(), Some(1));
    let table = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert!(table.contains("refused") && table.contains("lbd asks for no passwords"), "{table}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("0 mapped, 0 approximated, 2 refused"));

    assert_eq!(import(&[], &dir.path().join("none.cfg")).status.code(), Some(2));
}

/// Where Debian's package of HAProxy has its examples.
const EXAMPLES: &str = "/usr/share/doc/haproxy/examples";

/// Every `.cfg` of the samples, of HAProxy's own examples where they are installed, and of the folder that
/// `LBD_HAPROXY_EXAMPLES` names, such as `examples` of HAProxy's source.
#[test]
fn every_example_of_a_folder_goes_through_with_a_verdict_for_each_line() {
    let named = std::env::var_os("LBD_HAPROXY_EXAMPLES").map(PathBuf::from);
    let installed = Some(PathBuf::from(EXAMPLES)).filter(|folder| folder.is_dir());
    for folder in [Some(sample("")), installed, named].into_iter().flatten() {
        let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|end| end == "cfg"));
        let count = files.inspect(|path| goes_through(path)).count();
        assert!(count > 0, "no .cfg in {}", folder.display());
    }
}

fn goes_through(path: &Path) {
    let (report, done, dir) = imported(path);
    assert!(matches!(done.status.code(), Some(0 | 1)), "{}: {done:?}", path.display());
    let text = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let lines = report["lines"].as_array().unwrap();
    assert_eq!(lines.len(), said(&text), "{}", path.display());
    let of = |kind: &str| lines.iter().filter(|line| line["verdict"] == kind).count();
    let [mapped, approximated, refused] = ["mapped", "approximated", "refused"].map(of);
    assert_eq!(mapped + approximated + refused, lines.len(), "{}", path.display());
    println!("{}: {mapped} mapped, {approximated} approximated, {refused} refused", path.display());
    let formatted = Command::new(lbd_bin()).args(["fmt", "--check"]).arg(dir.path()).output().unwrap();
    assert_eq!(formatted.status.code(), Some(0), "{}", path.display());
}

/// Conditions that overlap in every way: what keeps HAProxy's order could take for ever.
#[test]
fn conditions_that_all_overlap_take_no_more_work_than_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("haproxy.cfg");
    let mut rng = fastrand::Rng::with_seed(27);
    let mut text = "defaults\n mode http\nfrontend f\n bind :80\n".to_owned();
    for at in 0..120 {
        let condition = match rng.u8(0..6) {
            0 => format!("hdr_end(host) .h{at}.example"),
            1 => format!("hdr_beg(host) h{at}."),
            2 => format!("path_dir d{at}"),
            3 => format!("path_beg {}{at}", "/a".repeat(at % 6 + 1)),
            4 => format!("path_reg x{at}[0-9]y"),
            _ => format!("path_sub -i x{at}y"),
        };
        text.push_str(&format!(" acl a{at} {condition}\n"));
    }
    for at in 0..120 {
        let (one, other) = (rng.u8(0..120), rng.u8(0..120));
        text.push_str(&format!(" use_backend b if a{one} !a{other}\n"));
        if at % 3 == 0 {
            text.push_str(&format!(" http-request set-header x-{at} y if a{one} or a{other}\n"));
        }
    }
    text.push_str(" default_backend c\nbackend b\n server s 10.0.0.1:80\nbackend c\n server s 10.0.0.2:80\n");
    std::fs::write(&file, &text).unwrap();
    let began = std::time::Instant::now();
    let (report, done, _made) = imported(&file);
    let took = began.elapsed();
    assert!(matches!(done.status.code(), Some(0 | 1)), "{done:?}");
    assert_eq!(report["lines"].as_array().unwrap().len(), said(&text));
    // Unoptimised and beside other tests; optimised it is a fraction of a second.
    assert!(took.as_secs() < 60, "{took:?}");
}

#[test]
fn migrate_shows_checks_and_changes_files_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lbd.kdl");
    std::fs::write(&file, "// kept\npaths ignore-case=true // this too\n").unwrap();
    let migrate =
        |args: &[&str]| Command::new(lbd_bin()).arg("migrate").args(args).arg(&file).output().unwrap();
    assert_eq!(migrate(&["--check"]).status.code(), Some(1));
    let shown = migrate(&["--diff"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("+paths ignore-case=#true // this too"));
    assert_eq!(shown.status.code(), Some(1));
    assert_eq!(migrate(&[]).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "// kept\npaths ignore-case=#true // this too\n");
    assert_eq!(migrate(&["--check"]).status.code(), Some(0));
    std::fs::write(&file, "a true {").unwrap();
    assert_eq!(migrate(&[]).status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a true {");
}
