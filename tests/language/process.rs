//! The process: text and files, logs, reloads, the control socket, the status endpoint, and lint.

use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use super::{count, says};
use crate::support::daemon::{lbd_bin, reserve_port};
use crate::support::{After, Client, Daemon, Origin, Tail, eventually, mutant, websocket};

const SERVED: &str = "route \"/\" { respond 200 body=\"one\"; }\n";

fn word(daemon: &Daemon) -> String {
    Client::fetch(daemon.address(), "/").text().to_owned()
}

#[test]
fn text_is_put_together_from_constants_templates_and_files() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("more.kdl"), "route \"/included\" { respond 202; }\n").unwrap();
    let text = format!(
        "include \"{}/*.kdl\"\nlet word \"said\"\ntemplate closed {{ deny-from \"127.0.0.0/8\"; }}\n\
         template shop {{ route \"/shop\" {{ respond 201; }}; }}\nuse shop\n\
         route \"/\" {{ respond 200 body=\"${{word}}\"; }}\nroute \"/closed\" {{ use closed; respond 200; }}\n",
        dir.path().display()
    );
    let daemon = Daemon::run(&text);
    assert_eq!(word(&daemon), "said");
    assert_eq!(Client::fetch(daemon.address(), "/closed").status(), 403);
    assert_eq!(Client::fetch(daemon.address(), "/shop").status(), 201);
    assert_eq!(Client::fetch(daemon.address(), "/included").status(), 202);
}

#[test]
fn a_file_that_is_optional_may_be_gone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("more.kdl");
    std::fs::write(&file, "route \"/more\" { respond 202; }\n").unwrap();
    let daemon = Daemon::run(&format!("include \"{}\" optional=#true\n{SERVED}", file.display()));
    let more = || Client::fetch(daemon.address(), "/more").status();
    assert_eq!(more(), 202);
    std::fs::remove_file(&file).unwrap();
    eventually("the file without it is live", || (more() == 200).then_some(()));
}

#[test]
fn defaults_hold_where_nothing_else_is_written() {
    let daemon =
        Daemon::run("defaults { route { deny-from \"127.0.0.0/8\"; }; }\nroute \"/\" { respond 200; }\n");
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 403);
}

#[test]
fn the_log_holds_what_its_level_lets_through() {
    // A server that is down is a warning; what goes well is information.
    let pool =
        "pool app { server s0 \"127.0.0.1:1\"; health tcp interval=\"100ms\" timeout=\"100ms\" fall=1; }\n";
    for (level, has, lacks) in [
        ("error", "", "server down"),
        ("warn", "server down", "configuration applied"),
        ("info", "configuration applied", "DEBUG"),
        ("debug", "DEBUG", "TRACE"),
        ("trace", "request decided", "nothing is below it"),
    ] {
        let daemon = Daemon::run(&format!("log level={level}\n{pool}route \"/\" pool=app\n"));
        eventually("the server is found down", || {
            let server = daemon.control("GET", "/v1/pools/app/servers/s0").1.to_string();
            server.contains("\"down\"").then_some(())
        });
        assert_eq!(Client::fetch(daemon.address(), "/").status(), 503);
        says(&daemon, has);
        assert!(!daemon.log().contains(lacks), "{level}: {}", daemon.log());
    }
}

#[test]
fn the_log_has_the_form_that_the_file_says() {
    for (format, json) in [("json", true), ("text", false)] {
        let daemon = Daemon::run(&format!("log level=info format={format}\n{SERVED}"));
        says(&daemon, "serves");
        let log = daemon.log();
        let line = log.lines().find(|line| line.contains("serves")).unwrap_or_default();
        assert_eq!(line.starts_with('{'), json, "{format}: {line}");
    }
}

#[test]
fn the_access_log_has_the_form_and_the_fields_that_the_file_says() {
    let ask = |daemon: &Daemon| {
        let answer = Client::connect(daemon.address()).request("GET", "/seen", "X-Probe: Probe/1\r\n", b"");
        assert_eq!(answer.status(), 200);
    };
    let daemon = Daemon::run(&format!("log {{ access to=stdout format=combined; }}\n{SERVED}"));
    ask(&daemon);
    says(&daemon, "\"GET /seen HTTP/1.1\" 200");
    let daemon = Daemon::run(&format!("log {{ access to=stdout format=json; }}\n{SERVED}"));
    ask(&daemon);
    says(&daemon, "\"target\":\"/seen\"");
    for (hash, shown) in [("#false", true), ("#true", false)] {
        let daemon = Daemon::run(&format!(
            "log {{ access to=stdout; capture \"header:x-probe\" hash={hash}; }}\n{SERVED}"
        ));
        ask(&daemon);
        says(&daemon, "x-probe");
        assert_eq!(daemon.log().contains("Probe/1"), shown, "{hash}");
    }
}

#[test]
fn as_much_is_logged_as_the_file_says() {
    let daemon = Daemon::run(&format!("log {{ access to=stdout sample=\"0%\"; }}\n{SERVED}"));
    assert_eq!(count(&daemon, 50, "GET"), 50);
    let origin = Origin::scripted(|message, wire| websocket::echo(message, wire));
    for (lines, times) in [("open-close", 2), ("close", 1)] {
        let daemon = Daemon::run(&format!(
            "log {{ access to=stdout websocket={lines}; }}\npool app {{ server \"{}\"; }}\nroute \"/\" pool=app\n",
            origin.address()
        ));
        let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
        websocket::round_trip(&mut socket, "x");
        drop(socket);
        // The line of the plain request comes last.
        let before = eventually("the stream is over", || {
            let sessions = daemon.control("GET", "/v1/pools/app").1.to_string();
            sessions.contains("\"sessions\":0").then(|| daemon.log())
        });
        let seen = |log: &str| log.lines().filter(|line| line.contains("\"target\":\"/ws\"")).count();
        eventually("the last line", || (seen(&daemon.log()) >= times).then_some(()));
        assert!(seen(&before) <= times && seen(&daemon.log()) == times, "{lines}: {}", daemon.log());
    }
    assert!(!daemon.log().contains("\"target\""), "{}", daemon.log());
}

#[test]
fn a_long_lived_stream_is_told_of_again_and_at_its_end_how_it_was_closed() {
    let origin = Origin::scripted(|message, wire| match message.target() {
        "/mute" => {
            let mut socket = websocket::accept(message, wire)?;
            let frame = tungstenite::protocol::CloseFrame { code: 4002.into(), reason: "".into() };
            let _ = socket.close(Some(frame));
            while socket.read().is_ok() {}
            Ok(After::Close)
        }
        _ => websocket::echo(message, wire),
    });
    let daemon = Daemon::run(&format!(
        "log {{ access to=stdout websocket=close websocket-every=\"100ms\"; }}\n\
         pool app {{ server s0 \"{}\"; }}\nroute \"/\" pool=app\n",
        origin.address()
    ));
    let line = |target: &str, wanted: &dyn Fn(&Value) -> bool| {
        eventually(&format!("a line of {target}"), || {
            let log = daemon.log();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find(|line| line["target"] == *target && wanted(line))
        })
    };
    let goes_on = |line: &Value| {
        line["reason"] == "session-goes-on" && line["messages_in"] != 0 && line["messages_out"] != 0
    };
    let is_over = |line: &Value| line["reason"] != "session-goes-on";
    let (mut socket, _) = websocket::open(daemon.address(), "/client", "");
    websocket::round_trip(&mut socket, "hello");
    let on = line("/client", &goes_on);
    assert_eq!(
        (&on["messages_in"], &on["messages_out"], &on["closed_by"]),
        (&json!(1), &json!(1), &Value::Null)
    );
    let frame = tungstenite::protocol::CloseFrame { code: 4001.into(), reason: "".into() };
    socket.close(Some(frame)).unwrap();
    while socket.read().is_ok() {}
    drop(socket);
    let over = line("/client", &is_over);
    assert_eq!((&over["closed_by"], &over["close_code"]), (&json!("client"), &json!(4001)), "{over}");
    let (mut socket, _) = websocket::open(daemon.address(), "/lbd", "");
    websocket::round_trip(&mut socket, "hello");
    let wish = json!({"state": "drain", "force": true, "close_code": 4003});
    daemon.control_with("PUT", "/v1/pools/app/servers/s0/admin", &wish);
    assert_eq!(websocket::read_to_close(&mut socket).1.map(|close| close.0), Some(4003));
    let over = line("/lbd", &is_over);
    assert_eq!((&over["closed_by"], &over["close_code"]), (&json!("lbd"), &json!(4003)), "{over}");
    assert_eq!(over["reason"], "closed-by-operator");
    daemon.control_with("PUT", "/v1/pools/app/servers/s0/admin", &json!({"state": "ready"}));
    let (mut socket, _) = websocket::open(daemon.address(), "/mute", "");
    socket.send(tungstenite::Message::text("is anybody there?")).unwrap();
    assert_eq!(websocket::read_to_close(&mut socket).1.map(|close| close.0), Some(4002));
    drop(socket);
    let over = line("/mute", &is_over);
    assert_eq!((&over["closed_by"], &over["close_code"]), (&json!("server"), &json!(4002)), "{over}");
}

/// Looks for so long whether anything but `word` is answered.
fn stays(daemon: &Daemon, expected: &str, time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        assert_eq!(word(daemon), expected);
    }
}

fn saying(word: &str, more: &str) -> String {
    format!("route \"/\" {{ respond 200 body=\"{word}\"; }}\n{more}\n")
}

#[test]
fn files_are_watched_and_settle_as_the_file_says() {
    let off = "reload watch=#false";
    let daemon = Daemon::run(&saying("one", off));
    daemon.save(&saying("two", off));
    stays(&daemon, "one", Duration::from_secs(3));
    let slow = "reload settle=\"2s\"";
    let daemon = Daemon::run(&saying("one", slow));
    let started = Instant::now();
    daemon.save(&saying("two", slow));
    eventually("it goes live", || (word(&daemon) == "two").then_some(()));
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
}

#[test]
fn as_many_generations_are_kept_as_the_file_says() {
    let few = "reload history=2";
    let daemon = Daemon::run(&saying("0", few));
    for n in 1..6 {
        daemon.save(&saying(&n.to_string(), few));
        eventually("it is live", || (word(&daemon) == n.to_string()).then_some(()));
    }
    let kept =
        || daemon.control("GET", "/v1/config/generations").1.to_string().matches("\"number\":").count();
    assert!((1..=3).contains(&kept()), "{}", daemon.control("GET", "/v1/config/generations").1);
}

#[test]
fn an_edit_that_removes_too_much_waits_for_a_person() {
    let bound = "reload max-removal=\"30%\"";
    let half = "route \"/a\" { respond 200; }\nroute \"/b\" { respond 200; }\n";
    let daemon = Daemon::run(&saying("one", &format!("{bound}\n{half}")));
    daemon.save(&saying("two", bound));
    says(&daemon, "removes");
    assert_eq!(word(&daemon), "one");
}

/// The file mode and the group of a socket.
fn owner(path: &Path) -> (u32, u32) {
    let found = eventually("the socket is there", || std::fs::metadata(path).ok());
    (found.permissions().mode() & 0o777, found.gid())
}

#[test]
fn the_control_sockets_are_made_as_the_file_says() {
    // Only root may give a socket to a group that it is not in.
    let as_root = rustix::process::geteuid().is_root();
    let (group, id) = if as_root { ("daemon", 1) } else { ("", rustix::process::getegid().as_raw()) };
    let group = if group.is_empty() { String::new() } else { format!("group={group}") };
    let control = format!("mode=\"0600\" {group} read-mode=\"0640\"");
    let daemon = Daemon::controlled(&control, SERVED);
    let socket = daemon.config().with_file_name("control.sock");
    assert_eq!(owner(&socket), (0o600, id));
    assert_eq!(owner(&socket.with_file_name("read.sock")), (0o640, id));
}

#[test]
fn a_user_may_do_what_the_file_grants() {
    // Roles refine others than root and the daemon's own user: only root can be another one.
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can ask as another user");
        return;
    }
    let ask = |daemon: &Daemon, method: &str, path: &str, body: &str| {
        let folder = daemon.config();
        let folder = folder.parent().unwrap();
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
        let socket = folder.join("control.sock");
        let asked = Command::new("setpriv")
            .args(["--reuid=daemon", "--regid=daemon", "--clear-groups", "curl", "-s", "-o", "/dev/null"])
            .args(["-w", "%{http_code}", "-m", "20", "-X", method, "-H", "Content-Type: application/json"])
            .args(["-d", body, "--unix-socket"])
            .arg(&socket)
            .arg(format!("http://lbd{path}"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&asked.stdout).into_owned()
    };
    let pool = "pool app { server s0 \"127.0.0.1:1\"; server s1 \"127.0.0.1:2\"; }\nroute \"/\" pool=app\n";
    let admin = "/v1/pools/app/servers/s0/admin";
    for (role, drains, reloads) in [("read", false, false), ("operate", true, false), ("admin", true, true)] {
        let daemon = Daemon::controlled(&format!("mode=\"0666\" {{ grant user=daemon role={role}; }}"), pool);
        assert_eq!(ask(&daemon, "GET", "/v1/status", ""), "200", "{role}");
        assert_eq!(ask(&daemon, "PUT", admin, "{\"state\":\"drain\"}") != "403", drains, "{role}");
        assert_eq!(ask(&daemon, "POST", "/v1/config/reload", "{}") != "403", reloads, "{role}");
    }
}

fn status(address: SocketAddr, path: &str) -> Option<u16> {
    let stream = std::net::TcpStream::connect(address).ok()?;
    drop(stream);
    let mut client = Client::connect(address);
    client.try_send(format!("GET {path} HTTP/1.1\r\nHost: lbd\r\nConnection: close\r\n\r\n")).ok()?;
    Some(client.try_read(Tail::AsSaid).ok()??.status())
}

#[test]
fn the_status_endpoint_answers_where_and_whom_the_file_says() {
    let (_port, address) = reserve_port();
    let text = format!("status \"{address}\" live=\"/l\" ready=\"/r\" metrics=\"/m\"\n{SERVED}");
    let _daemon = Daemon::run(&text);
    for path in ["/l", "/r", "/m"] {
        eventually(path, || (status(address, path)? == 200).then_some(()));
    }
    let (_other, address) = reserve_port();
    let _closed = Daemon::run(&format!("status \"{address}\" {{ allow-from \"192.0.2.0/24\"; }}\n{SERVED}"));
    let answer = eventually("it listens", || {
        std::net::TcpStream::connect(address).is_ok().then(|| status(address, "/live"))
    });
    assert_ne!(answer, Some(200));
}

#[test]
fn at_the_end_others_have_the_time_that_the_file_says_to_go_elsewhere() {
    let (_port, address) = reserve_port();
    let mut daemon = Daemon::run(&format!("status \"{address}\" drain-delay=\"300ms\"\n{SERVED}"));
    eventually("it is ready", || (status(address, "/ready")? == 200).then_some(()));
    let started = Instant::now();
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.wait(), Some(0));
    assert!(started.elapsed() >= Duration::from_millis(300), "{:?}", started.elapsed());
}

/// What `lbd lint` says about a text.
fn lint(text: &str) -> String {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("lbd.kdl");
    let mut params = rcgen::CertificateParams::new(["app.test".to_owned()]).unwrap();
    let today = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + today + Duration::from_secs(100 * 86400);
    let key = rcgen::KeyPair::generate().unwrap();
    let file = dir.path().join("app.pem");
    std::fs::write(&file, params.self_signed(&key).unwrap().pem() + &key.serialize_pem()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, mutant::text(text.to_owned())).unwrap();
    let output = Command::new(lbd_bin()).arg("lint").arg(&path).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn lint_measures_with_what_the_file_says() {
    let tls = "listen \":443\" { tls { certificate \"app.pem\"; }; }\nroute \"/\" { respond 200; }\n";
    // The certificate ends in a hundred days.
    assert!(!lint(tls).contains("LB603"));
    assert!(lint(&format!("lint cert-expiry=\"200d\"\n{tls}")).contains("LB603"));
    let pool =
        "listen \":80\"\npool app { server \"10.0.0.1:80\"; health tcp interval=\"10s\" timeout=\"5s\"; }\n";
    let route = "route \"/\" pool=app { timeout tunnel-idle=\"60s\"; }\n";
    assert!(!lint(&format!("{pool}{route}")).contains("warning"), "{}", lint(&format!("{pool}{route}")));
    let slow = lint(&format!("lint error-tolerance=\"2s\"\n{pool}{route}"));
    assert!(slow.contains("LB306"), "{slow}");
    let ping = lint(&format!("lint websocket-ping=\"59s\"\n{pool}{route}"));
    assert!(ping.contains("warning"), "{ping}");
    let short =
        "listen \":80\"\npool app { discover \"app.test:80\"; health tcp; sticky source-ip ttl=\"20m\"; }\n";
    let sessions = |idle: &str| lint(&format!("lint session-idle=\"{idle}\"\n{short}route \"/\" pool=app\n"));
    assert!(sessions("1h").contains("LB407"), "{}", sessions("1h"));
    assert!(!sessions("10m").contains("LB407"), "{}", sessions("10m"));
}

#[test]
fn lint_is_silent_and_strict_where_the_file_says_so() {
    let text = "listen \":80\"\npool app { server \"10.0.0.1:80\"; server \"10.0.0.2:80\"; }\nroute \"/\" pool=app\n";
    assert!(lint(text).contains("warning[LB301]"), "{}", lint(text));
    let silent = lint(&format!("lint {{ allow LB301 because=\"no check is wanted\"; }}\n{text}"));
    assert!(!silent.contains("LB301") && !silent.contains("LB806"), "{silent}");
    let unexplained = lint(&format!("lint {{ allow LB301; }}\n{text}"));
    assert!(unexplained.contains("warning[LB806]"), "{unexplained}");
    assert!(lint(&format!("lint {{ deny LB301; }}\n{text}")).contains("error[LB301]"));
}
