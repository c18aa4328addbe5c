//! The access log: what a line says, and where it goes.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;
use serde_json::Value;

use super::figures::Scraped;
use crate::support::secure::{Authority, SecureClient};
use crate::support::{Client, DEADLINE, Daemon, Origin, eventually, websocket};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Waits for a line of the access log on standard output.
fn line(daemon: &Daemon, is: impl Fn(&Value) -> bool) -> Value {
    eventually("the access log tells of it", || {
        let log = daemon.log();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).find(&is)
    })
}

#[test]
fn a_line_says_where_the_time_went_and_to_which_trace_it_belongs() {
    let origin = Origin::echo("s1");
    let daemon = Daemon::run(&format!(
        "log {{ access; }}\npool app {{ server s1 \"{}\"; }}\nroute \"/\" pool=app\n",
        origin.address()
    ));
    let sent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let mut client = Client::connect(daemon.address());
    let answer = client.request("GET", "/first", &format!("traceparent: {sent}\r\n"), b"");
    assert!(
        answer.text().contains(&format!("traceparent: {sent}\n")),
        "it passes as it came: {}",
        answer.text()
    );
    let first = line(&daemon, |line| line["target"] == "/first");
    assert_eq!((&first["trace_id"], &first["protocol"]), (&TRACE.into(), &"HTTP/1.1".into()), "{first}");
    let time = |name: &str| first[name].as_f64().unwrap_or_else(|| panic!("no {name} in {first}"));
    assert!(time("connect_ms") > 0.0 && time("server_ms") > 0.0, "{first}");
    assert!(time("connect_ms") + time("server_ms") <= time("first_byte_ms") + 0.002, "{first}");
    assert!(time("first_byte_ms") <= time("ms"), "{first}");
    assert_eq!(client.request("GET", "/second", "traceparent: 00-nonsense-01\r\n", b"").status(), 200);
    let second = line(&daemon, |line| line["target"] == "/second");
    assert_eq!(
        (&second["trace_id"], &second["queue_ms"], &second["tls"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[test]
fn a_line_says_which_version_of_tls_the_client_speaks() {
    let authority = Authority::new();
    let file = authority.issue("app.pem", "app.test");
    let tls = format!("tls {{ certificate \"{}\"; }}", file.display());
    let daemon = Daemon::listening(&tls, "log { access; }\nroute \"/\" { respond 200; }\n");
    let mut client = SecureClient::connect(daemon.address(), &authority, None);
    assert_eq!(client.get("").unwrap().status(), 200);
    assert_eq!(line(&daemon, |line| line["target"] == "/")["tls"], "TLSv1.3");
}

#[test]
fn the_lines_of_a_session_have_what_was_captured_and_no_secret() {
    let origin = Origin::scripted(|message, wire| websocket::echo(message, wire));
    let daemon = Daemon::run(&format!(
        "log {{ access; capture \"cookie:sid\"; }}\npool app {{ server s1 \"{}\"; }}\nroute \"/\" pool=app\n",
        origin.address()
    ));
    let fields = format!("Cookie: sid=secret\r\ntraceparent: 00-{TRACE}-00f067aa0ba902b7-01\r\n");
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", &fields);
    websocket::round_trip(&mut socket, "hello");
    let open = line(&daemon, |line| line["reason"] == "session-open");
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    drop(socket);
    let over = line(&daemon, |line| line["closed_by"] == "client");
    for line in [&open, &over] {
        assert_eq!((&line["trace_id"], &line["server"]), (&TRACE.into(), &"s1".into()), "{line}");
        assert_eq!(line["cookie:sid"].as_str().map(str::len), Some(16), "{line}");
    }
    assert_eq!((&over["messages_in"], &over["messages_out"]), (&1.into(), &1.into()), "{over}");
    assert!(!daemon.log().contains("secret"), "{}", daemon.log());
}

/// The line within a message of syslog.
fn message(datagram: &[u8]) -> Value {
    let text = std::str::from_utf8(datagram).unwrap();
    let parts: Vec<&str> = text.splitn(8, ' ').collect();
    assert_eq!((parts[0], parts[3], parts[5], parts[6]), ("<134>1", "lbd", "access", "-"), "{text}");
    assert!(parts[1].ends_with('Z') && parts[4].parse::<u32>().is_ok(), "{text}");
    serde_json::from_str(parts[7]).unwrap()
}

#[test]
fn lines_go_to_the_syslog_of_the_machine() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let daemon = Daemon::run(&format!(
        "log {{ access to=\"syslog:{}\"; }}\nroute \"/\" {{ respond 200; }}\n",
        path.display()
    ));
    // It begins to listen after lbd did: what came before is lost, what comes now is not.
    let syslog = UnixDatagram::bind(&path).unwrap();
    syslog.set_nonblocking(true).unwrap();
    let mut client = Client::connect(daemon.address());
    let line = eventually("a line", || {
        assert_eq!(client.get("/seen").status(), 200);
        let mut datagram = [0; 4096];
        let length = syslog.recv(&mut datagram).ok()?;
        Some(message(&datagram[..length]))
    });
    assert_eq!((&line["target"], &line["status"]), (&"/seen".into(), &200.into()));
}

#[test]
fn lines_go_to_a_syslog_over_udp() {
    let syslog = UdpSocket::bind("127.0.0.1:0").unwrap();
    syslog.set_read_timeout(Some(DEADLINE)).unwrap();
    let daemon = Daemon::run(&format!(
        "log {{ access to=\"syslog:{}\"; }}\nroute \"/\" {{ respond 200; }}\n",
        syslog.local_addr().unwrap()
    ));
    let mut client = Client::connect(daemon.address());
    for target in ["/one", "/two"] {
        assert_eq!(client.get(target).status(), 200);
    }
    for target in ["/one", "/two"] {
        let mut datagram = [0; 4096];
        let length = syslog.recv(&mut datagram).unwrap();
        assert_eq!(message(&datagram[..length])["target"], target, "a datagram for each line");
    }
}

#[test]
fn a_file_that_was_moved_away_is_made_again_on_sighup() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
    let daemon = Daemon::run(&format!(
        "log {{ access to=\"{}\"; }}\nroute \"/\" {{ respond 200; }}\n",
        path.display()
    ));
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.get("/before").status(), 200);
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    eventually("the first line", || read(&path).contains("/before").then_some(()));
    std::fs::rename(&path, &moved).unwrap();
    daemon.signal(Signal::HUP);
    eventually("lines in a new file", || {
        assert_eq!(client.get("/after").status(), 200);
        read(&path).contains("/after").then_some(())
    });
    assert!(read(&moved).contains("/before") && !read(&path).contains("/before"));
}

#[test]
fn lines_that_are_lost_are_counted_and_stop_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let text = |to: &str| format!("log {{ access to=\"{to}\"; }}\nroute \"/\" {{ respond 200; }}\n");
    let scraped = Scraped::run(&text("/dev/full"));
    let mut client = Client::connect(scraped.daemon.address());
    for _ in 0..5 {
        assert_eq!(client.get("/").status(), 200);
    }
    scraped.becomes("lbd_access_log_dropped_lines_total", 5.0);
    scraped.daemon.says("cannot write the access log");
    let file = dir.path().join("access.log");
    let good = text(&file.display().to_string());
    scraped.daemon.save(&format!("status \"{}\"\n{good}", scraped.status));
    eventually("lines are written", || {
        assert_eq!(client.get("/").status(), 200);
        (scraped.figures()["lbd_access_log_written_lines_total"] >= 1.0).then_some(())
    });
    assert!(std::fs::read_to_string(file).unwrap().contains("\"target\":\"/\""));
}
