//! What must not come out: secrets of the configuration, and bytes of strangers that a terminal would obey.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::proxying::config;
use crate::support::lbctl::said;
use crate::support::{Client, Daemon, Message, Origin, eventually};

const SECRET: &str = "tell-nobody-4711";

/// Every file below a directory, with what it holds.
fn files(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            let held = std::fs::read(&path).unwrap();
            found.push((path, held));
        }
    }
    found
}

#[test]
fn a_secret_reaches_the_server_and_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, SECRET).unwrap();
    let origin = Origin::echo("a");
    let edits = format!("request-headers {{ set authorization \"Bearer ${{file:{}}}\"; }}", file.display());
    let kdl = |more: &str| {
        format!("log level=trace {{ access to=\"stdout\"; }}\n{}{more}", config(&[&origin], "", &edits))
    };
    let daemon = Daemon::run(&kdl(""));
    let client = Client::fetch(daemon.address(), "/");
    let bearer = format!("Bearer {SECRET}");
    assert_eq!(origin.requests()[0].field("authorization"), Some(&*bearer), "the server needs it");
    let told = |message: &Message| message.fields.iter().any(|(_, value)| value.contains(SECRET));
    assert!(!told(&client), "{client:?}");
    // A change of it, and a configuration that is refused, are told of too.
    std::fs::write(&file, format!("{SECRET}-2")).unwrap();
    daemon.save(&kdl("route \"/more\" { respond 200; }\n"));
    eventually("the change is live", || {
        (Client::fetch(daemon.address(), "/more").status() == 200).then_some(())
    });
    daemon.save(&kdl(&format!("route \"/bad\" {{ respond \"${{file:{}}}\"; }}\n", file.display())));
    eventually("the refusal is told", || daemon.log().contains("rejected").then_some(()));
    let mut out = vec![("the log".to_owned(), daemon.log())];
    for path in [
        "/v1/status",
        "/v1/config",
        "/v1/config/report",
        "/v1/config/generations",
        "/v1/pools",
        "/v1/pools/app",
        "/v1/routes",
        "/v1/events?follow=false",
        "/v1/servers",
        "/v1/operations",
        "/v1/sticky",
        "/v1/certificates",
    ] {
        out.push((path.to_owned(), daemon.control("GET", path).1.to_string()));
    }
    let ask = json!({ "url": "http://app.test/" });
    out.push(("explain".to_owned(), daemon.control_with("POST", "/v1/routes/explain", &ask).1.to_string()));
    out.push(("lbctl status".to_owned(), said(&daemon, &["status"], "")));
    for (what, text) in out {
        assert!(!text.contains(SECRET), "{what} tells the secret: {text}");
    }
    let state = daemon.config().with_file_name("state");
    let kept = files(&state);
    assert!(!kept.is_empty(), "something is kept");
    for (path, held) in kept {
        let tells = held.windows(SECRET.len()).any(|window| window == SECRET.as_bytes());
        assert!(!tells, "{} keeps the secret", path.display());
    }
}

#[test]
fn what_is_kept_and_who_may_ask_is_nobody_elses_business() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&config(&[&origin], "sticky cookie name=NODE", ""));
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 200);
    let wish = json!({ "state": "drain", "force": true, "reason": "kept" });
    assert_eq!(daemon.control_with("PUT", "/v1/pools/app/servers/s0/admin", &wish).0, 202);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let state = daemon.config().with_file_name("state");
    eventually("the wish is kept", || state.join("admin.json").is_file().then_some(()));
    for (path, _) in files(&state) {
        assert_eq!(mode(&path) & 0o077, 0, "{} can be read by others: {:o}", path.display(), mode(&path));
    }
    assert_eq!(mode(&daemon.config().with_file_name("control.sock")), 0o660, "whoever may change things");
    assert_eq!(mode(&daemon.config().with_file_name("read.sock")), 0o666, "whoever may look");
}

#[test]
fn a_log_says_what_a_stranger_sent_and_does_not_obey_it() {
    let origin = Origin::echo("a");
    for format in ["json", "combined"] {
        let log = format!("log level=debug {{ access to=\"stdout\" format={format}; }}\n");
        let daemon = Daemon::run(&(log + &config(&[&origin], "", "")));
        let mut client = Client::connect(daemon.address());
        // Bytes below a blank are refused in a field; what is above ASCII is not: CSI as one byte, and as two.
        client.send(
            b"GET /%1b%5b31m HTTP/1.1\r\nHost: app.test\r\nUser-Agent: \x9b31m\xc2\x9b2J\" \\ \xff\r\n",
        );
        client.send("Referer: http://x/\u{85}\u{2028}{\"status\":999}\r\n\r\n");
        assert_eq!(client.read(crate::support::Tail::AsSaid).status(), 200);
        let mut bad = Client::connect(daemon.address());
        bad.send(b"GET /\x1b[31m HTTP/1.1\r\nHost: a\x1b[2J\r\nX: \x1b]0;owned\x07\r\n\r\n");
        assert_eq!(bad.read(crate::support::Tail::AsSaid).status(), 400);
        eventually("both are told", || (daemon.log().matches("31m").count() >= 1).then_some(()));
        let text = eventually("the refusal is told", || {
            let log = daemon.log();
            (log.contains("bad-request") || log.contains(" 400 ")).then_some(log)
        });
        let obeyed = |c: &char| c.is_control() && *c != '\n';
        assert_eq!(text.chars().find(obeyed), None, "{format}: {text:?}");
    }
}
