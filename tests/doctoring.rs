//! `lbd doctor` on a machine that is well and on one that is not.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::proxying::config;
use crate::support::secure::Authority;
use crate::support::{Daemon, Nobody, Origin, lbd_bin};

fn doctor(config: &Path, state: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(lbd_bin());
    command.arg("doctor").arg(config).arg("--state-dir").arg(state).args(more).stdin(Stdio::null());
    command.output().expect("lbd can be started")
}

/// The lines of one check: how bad, what, and all of it.
fn lines(output: &Output, check: &str) -> Vec<(String, String, Value)> {
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let lines = answer["lines"].as_array().unwrap().iter().filter(|line| line["check"] == check);
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    lines.map(|line| (text(line, "verdict"), text(line, "what"), line.clone())).collect()
}

fn verdicts(output: &Output, check: &str) -> Vec<String> {
    lines(output, check).into_iter().map(|(verdict, ..)| verdict).collect()
}

/// Says what time it is not.
fn yesterday() -> Origin {
    Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n")?;
        Ok(crate::support::After::Close)
    })
}

#[test]
fn a_machine_on_which_lbd_serves_is_well() {
    let origin = Origin::echo("s0");
    let daemon = Daemon::run(&config(&[&origin], "", ""));
    let state = daemon.config().with_file_name("state");
    let output = doctor(&daemon.config(), &state, &["--json"]);
    for check in ["configuration", "control", "state", "certificates", "servers", "clock"] {
        assert_eq!(verdicts(&output, check), ["ok"], "{check}: {}", String::from_utf8_lossy(&output.stdout));
    }
    let listeners = lines(&output, "listeners");
    assert!(listeners[0].0 == "ok" && listeners[0].1.contains("the lbd that serves"), "{listeners:?}");
    let (_, control, _) = &lines(&output, "control")[0];
    assert!(control.contains(env!("CARGO_PKG_VERSION")) && control.contains("process"), "{control}");
    // What the kernel of a machine allows is its own matter.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{:?}", output.status);
    let human = doctor(&daemon.config(), &state, &["--offline"]);
    let text = String::from_utf8_lossy(&human.stdout).into_owned();
    assert!(
        text.starts_with("ok    configuration") && text.lines().last().unwrap().contains(" 0 fail"),
        "{text}"
    );
    assert!(!text.contains("servers"), "offline: {text}");
}

#[test]
fn what_is_wrong_is_told_with_how_to_mend_it() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (nobody, late) = (Nobody::new(), yesterday());
    let text = format!(
        "listen \"{}\"\ncontrol socket=\"/proc/none/control.sock\"\n\
         pool app {{ server gone \"{}\"; server late \"{}\"; }}\nroute \"/\" pool=app\n",
        taken.local_addr().unwrap(),
        nobody.address(),
        late.address(),
    );
    let file = dir.path().join("lbd.kdl");
    std::fs::write(&file, text).unwrap();
    let state = dir.path().join("lbd.kdl");
    let output = doctor(&file, &state, &["--json"]);
    assert_eq!(output.status.code(), Some(2));
    let one = |check| -> (String, String, Value) { lines(&output, check).remove(0) };
    let (verdict, what, line) = one("listeners");
    let me = format!("process {}", std::process::id());
    assert!(verdict == "fail" && what.ends_with(&me) && line["mend"].is_array(), "{line}");
    assert_eq!((one("state").0, one("control").0), ("fail".to_owned(), "warn".to_owned()));
    let (verdict, what, line) = one("servers");
    assert!(verdict == "fail" && what.contains("`gone`") && what.contains("LB902"), "{line}");
    let (verdict, what, line) = one("clock");
    assert!(verdict == "warn" && what.contains("app/late") && what.contains("behind"), "{line}");
}

#[test]
fn a_configuration_or_a_certificate_that_does_not_load_fails() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lbd.kdl");
    let run = |text: &str| {
        std::fs::write(&file, text).unwrap();
        doctor(&file, dir.path(), &["--json", "--offline"])
    };
    let broken = run("listen \":80\" nonsense=1");
    assert_eq!(
        (broken.status.code(), verdicts(&broken, "configuration")),
        (Some(2), vec!["fail".to_owned()])
    );
    assert_eq!(verdicts(&broken, "listeners"), [""; 0], "nothing is known of them");
    let with = |certificate: &Path| {
        run(&format!(
            "listen \"127.0.0.1:0\" {{ tls {{ certificate \"{}\"; }}; }}\nroute \"/\" {{ respond 200; }}\n",
            certificate.display()
        ))
    };
    let missing = with(&dir.path().join("none.pem"));
    assert_eq!(
        (missing.status.code(), verdicts(&missing, "certificates")),
        (Some(2), vec!["fail".to_owned()])
    );
    let authority = Authority::new();
    let good = with(&authority.issue("site.pem", "site.test"));
    let (verdict, what, _) = lines(&good, "certificates").remove(0);
    assert!(verdict == "ok" && what.contains("site ends first"), "{what}");
}

#[test]
fn every_check_has_its_part_of_the_page() {
    let page = include_str!("../docs/doctor.md");
    let parts: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(parts, lbd::daemon::doctor::CHECKS);
}
