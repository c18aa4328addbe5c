//! Another binary takes over: nobody is refused or cut, what is live stays, and a bad one changes nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::proxying::config;
use crate::support::lbctl::{lbctl, said};
use crate::support::{Client, Daemon, Origin, Tail, eventually, lbd_bin, websocket};

mod broken_word;
mod keys;
mod known;
mod tickets;

/// Answers every request with its name; a WebSocket echoes.
fn origin(name: &'static str) -> Origin {
    Origin::scripted(move |message, wire| {
        if message.field("upgrade").is_some() {
            return websocket::echo(message, wire);
        }
        wire.read_body(message)?;
        wire.ok(&format!("{name} {}", message.body.len()))
    })
}

fn pid(daemon: &Daemon) -> u64 {
    daemon.control("GET", "/v1").1["pid"].as_u64().expect("a daemon has a number")
}

fn upgrade(daemon: &Daemon) -> Value {
    let (status, done) = daemon.control_with("POST", "/v1/upgrade", &json!({}));
    assert_eq!(status, 200, "{done}\n{}", daemon.log());
    assert_eq!(done["pid"], pid(daemon), "the one that answers now");
    done
}

/// Ends the askers, also when the test fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks again and again, on one connection while it lasts; how often it was answered.
fn ask(address: SocketAddr, keep: bool, stop: &AtomicBool) -> usize {
    let mut answers = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut client = Client::connect(address);
        loop {
            let answer = client.request("POST", "/", "", b"12345");
            assert_eq!((answer.status(), answer.text()), (200, "one 5"));
            answers += 1;
            if !keep || answer.field("connection") == Some("close") || stop.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    answers
}

#[test]
fn under_load_nobody_is_refused_and_nothing_fails() {
    let origin = origin("one");
    let mut daemon = Daemon::run_with(
        2,
        &config(&[&origin], "drain close-rate=\"20/s\" close-code=4012 deadline=\"5m\"", ""),
    );
    let address = daemon.address();
    let mut sockets: Vec<_> = (0..20).map(|_| websocket::open(address, "/ws", "").0).collect();
    let mut slow = Client::connect(address);
    slow.send("POST /slow HTTP/1.1\r\nHost: app.test\r\nContent-Length: 10\r\n\r\n12345");
    let idle = Client::connect(address);
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let ending = Ending(&stop);
        for keep in [true, true, false] {
            let (stop, answered) = (&stop, &answered);
            scope.spawn(move || answered.fetch_add(ask(address, keep, stop), Ordering::Relaxed));
        }
        let first = pid(&daemon);
        let done = upgrade(&daemon);
        assert_eq!((&done["old_pid"], done["pid"] == first), (&json!(first), false));
        // The streams are still there, and are told to go one by one.
        for socket in &mut sockets[..3] {
            if socket.send("still there".into()).is_err() {
                panic!("a WebSocket was cut");
            }
        }
        let status = said(&daemon, &["status"], "");
        assert!(status.contains(&format!("! old process {first} ")), "{status}");
        slow.send("67890");
        let answer = slow.read(Tail::AsSaid);
        assert_eq!((answer.status(), answer.text()), (200, "one 10"), "a body that was on its way");
        drop(ending);
    });
    assert!(answered.load(Ordering::Relaxed) > 20);
    for socket in &mut sockets {
        let (_, close) = websocket::read_to_close(socket);
        assert_eq!(close.map(|(code, _)| code), Some(4012), "closed by pace, never cut");
    }
    drop((slow, idle));
    assert_eq!(daemon.wait(), Some(0), "the old process ends by itself");
    eventually("nobody is left to wait for", || {
        daemon.control("GET", "/v1/status").1.get("predecessors").is_none().then_some(())
    });
    assert_eq!(Client::fetch(address, "/").text(), "one 0");
}

#[test]
fn a_stop_tells_websockets_to_go_before_anything_is_cut() {
    let origin = origin("one");
    let mut daemon = Daemon::run(&config(&[&origin], "drain close-rate=\"20/s\" close-code=4012", ""));
    let mut sockets: Vec<_> = (0..3).map(|_| websocket::open(daemon.address(), "/ws", "").0).collect();
    daemon.signal(Signal::TERM);
    for socket in &mut sockets {
        let (_, close) = websocket::read_to_close(socket);
        assert_eq!(close, Some((4012, "lbd stops".to_owned())));
    }
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn a_new_binary_that_fails_changes_nothing() {
    let origin = origin("one");
    let good = config(&[&origin], "", "");
    let daemon = Daemon::run(&(good.clone() + "reload watch=#false\n"));
    let first = pid(&daemon);
    let directory = daemon.config().parent().expect("a file has a directory").to_path_buf();
    let script = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    let check = |args: &[&str], parts: &[&str]| {
        let output = lbctl(&daemon, &[&["daemon", "upgrade"], args].concat(), "");
        let talk = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{talk}");
        for part in parts {
            assert!(talk.contains(part), "{part:?} is not in {talk}");
        }
        assert_eq!(pid(&daemon), first);
        assert_eq!(Client::fetch(daemon.address(), "/").text(), "one 0");
    };
    let missing = directory.join("missing").display().to_string();
    check(&["--binary", &missing], &["cannot start", "missing", "nothing has changed"]);
    let broken = script("broken", "#!/bin/sh\necho 'no such library' >&2\nexit 3\n");
    check(&["--binary", &broken], &["no such library", "exit status: 3", "nothing has changed"]);
    let deaf = script("deaf", "#!/bin/sh\nexec sleep 600\n");
    check(&["--binary", &deaf, "--within", "1s"], &["was not ready in time"]);
    daemon.save(&(good + "route \"/x\" pool=nobody\n"));
    check(&[], &["no pool is named `nobody`", "nothing has changed"]);
    let (_, events) = daemon.control("GET", "/v1/status");
    assert!(events.get("predecessors").is_none(), "{events}");
    assert!(daemon.log().contains("the upgrade failed"));
}

#[test]
fn two_at_a_time_are_refused() {
    let daemon = Daemon::run(&config(&[&origin("one")], "", ""));
    let directory = daemon.config().parent().expect("a file has a directory").to_path_buf();
    let path = directory.join("deaf");
    std::fs::write(&path, "#!/bin/sh\necho here >&2\nexec sleep 600\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::thread::scope(|scope| {
        let first = scope
            .spawn(|| daemon.control_with("POST", "/v1/upgrade", &json!({ "binary": path, "within": "5s" })));
        eventually("the first goes on", || daemon.log().contains("starting the new process").then_some(()));
        let (status, problem) = daemon.control_with("POST", "/v1/upgrade", &json!({}));
        assert_eq!(status, 409, "{problem}");
        assert!(problem.to_string().contains("goes on already"), "{problem}");
        assert_eq!(first.join().unwrap().0, 502);
    });
    upgrade(&daemon);
}

#[test]
fn wishes_clients_and_events_are_the_same_after_two_upgrades_by_signal() {
    let servers = [origin("one"), origin("two"), origin("three")];
    let pool = "sticky source-ip\nhealth \"/\" interval=\"1h\"";
    let mut daemon = Daemon::run(&config(&servers.each_ref(), pool, ""));
    let up = |servers: &Value| {
        servers.as_array().unwrap().iter().filter(|one| one["health"]["state"] == "up").count()
    };
    eventually("all are checked", || (up(&daemon.control("GET", "/v1/servers").1) == 3).then_some(()));
    let mine = Client::fetch(daemon.address(), "/").text().to_owned();
    let other = ["one", "two", "three"].iter().position(|name| !mine.starts_with(name)).expect("another one");
    let server = format!("app/s{other}");
    said(&daemon, &["drain", &server, "--reason", "disk"], "");
    let mut last = 0;
    for round in 0..2 {
        let (before, seq) = (pid(&daemon), last);
        // The first is our child; the second is known by its number only.
        let number = rustix::process::Pid::from_raw(i32::try_from(before).unwrap()).unwrap();
        rustix::process::kill_process(number, Signal::USR2).unwrap();
        eventually("another process serves", || (pid(&daemon) != before).then_some(()));
        assert_eq!(Client::fetch(daemon.address(), "/").text(), mine, "round {round}: the client stays");
        let (_, status) = daemon.control("GET", "/v1/servers");
        let drained = status.as_array().unwrap().iter().find(|one| one["admin"]["state"] == "drain");
        let drained = drained.unwrap_or_else(|| panic!("{status}"));
        assert_eq!(
            (&drained["name"], &drained["admin"]["reason"]),
            (&json!(format!("s{other}")), &json!("disk"))
        );
        assert_eq!(up(&status), 3, "no server waits an hour for its check: {status}");
        let events = said(&daemon, &["events", "--kind", "daemon", "--json"], "");
        last = events
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|event| event["kind"] == "daemon.upgraded")
            .and_then(|event| event["seq"].as_u64())
            .unwrap_or_else(|| panic!("{events}"));
        assert!(last > seq, "numbers go on: {last} after {seq}");
    }
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn sockets_of_the_service_manager_are_used() {
    let directory = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody else could bind it: this socket does not share.
    let text = format!(
        "listen \"{address}\"\ncontrol socket=\"{}/c.sock\"\nroute \"/\" {{ respond 200 body=\"here\"; }}\n",
        directory.path().display()
    );
    std::fs::write(directory.path().join("lbd.kdl"), text).unwrap();
    let mut waiting = Client::connect(address);
    waiting.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg("exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" run lbd.kdl --workers 2 --state-dir state")
        .arg(lbd_bin())
        .current_dir(directory.path())
        .stdin(Stdio::from(OwnedFd::from(listener.try_clone().unwrap())))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (to, answered) = mpsc::channel();
    std::thread::spawn(move || to.send(waiting.read(Tail::AsSaid).text().to_owned()));
    let text = answered.recv_timeout(Duration::from_secs(30));
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(text.as_deref(), Ok("here"), "who connected before the start is answered");
}
