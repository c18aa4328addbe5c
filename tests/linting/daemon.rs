//! The rules speak at each load of the daemon, too.

use std::net::SocketAddr;

use super::command::Desk;
use crate::support::daemon::reserve_port;
use crate::support::{Client, Daemon, Origin, eventually, websocket};

/// The findings that the metrics count, the worst severity first.
fn counted(status: SocketAddr) -> Option<[u32; 3]> {
    std::net::TcpStream::connect(status).ok()?;
    let page = String::from_utf8(Client::fetch(status, "/metrics").body).ok()?;
    let of = |severity: &str| {
        let name = format!("lbd_config_findings{{severity=\"{severity}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok())
    };
    Some([of("error")?, of("warning")?, of("hint")?])
}

/// The codes of the warnings that `lbctl status` shows.
fn shown(daemon: &Daemon) -> Vec<String> {
    let status = daemon.control("GET", "/v1/status").1;
    let warnings = status["config"]["warnings"].as_array().unwrap();
    warnings.iter().map(|warning| warning["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_found_at_a_load_is_counted_and_shown() {
    let (_port, address) = reserve_port();
    let quiet = format!("status \"{address}\"\nroute \"/\" {{ respond 204; }}\n");
    let daemon = Daemon::run(&quiet);
    let becomes = |expected: [u32; 3]| {
        eventually(&format!("{expected:?} is counted"), || (counted(address)? == expected).then_some(()));
    };
    becomes([0, 0, 0]);
    assert_eq!(shown(&daemon), [""; 0]);
    daemon.save(&format!("{quiet}let unused \"1\"\n"));
    becomes([0, 1, 0]);
    assert_eq!(shown(&daemon), ["LB109"]);
    daemon.save(&format!("{quiet}let unused \"1\" // lint-allow LB109: soon\n"));
    becomes([0, 0, 0]);
    daemon.save(&format!("{quiet}let unused \"1\" // lint-allow LB104: soon\n"));
    becomes([0, 2, 0]);
    assert_eq!(shown(&daemon), ["LB109", "LB806"]);
    daemon.save(&format!("{quiet}sever\n"));
    becomes([1, 0, 0]);
}

#[test]
fn a_drain_that_takes_too_long_is_told_by_the_streams_that_are_open() {
    let origin = Origin::scripted(|message, wire| websocket::echo(message, wire));
    let (_port, address) = reserve_port();
    let text = |deadline: &str| {
        format!(
            "status \"{address}\"\nroute \"/\" pool=app\npool app {{\n  server one \"{}\" max-connections=5000\n  \
             queue\n  websocket ping=\"55s\"\n  drain deadline=\"{deadline}\" close-rate=\"1/m\"\n}}\n",
            origin.address()
        )
    };
    let daemon = Daemon::run(&text("90s"));
    let report = || daemon.control("GET", "/v1/config/report").1["findings"].clone();
    let told = || -> Vec<String> {
        let all = report().as_array().cloned().unwrap_or_default();
        let ours = all.iter().filter(|one| one["code"] == "LB507");
        ours.map(|one| one["message"].as_str().unwrap().to_owned()).collect()
    };
    // By the file alone it would take 5000 minutes.
    let file = Desk::with("lbd.kdl", &std::fs::read_to_string(daemon.config()).unwrap());
    let alone = file.lint(&["--format", "plain", "lbd.kdl"]).stdout;
    assert!(alone.contains("LB507 closing 5000 WebSockets"), "{alone}");
    let against = format!("--against={}", daemon.config().with_file_name("control.sock").display());
    let asked = || file.lint(&["--format", "plain", "--select", "LB507", &against, "lbd.kdl"]).stdout;
    assert_eq!((told(), asked().as_str()), (vec![], ""), "nobody is there");
    let before = counted(address).unwrap();

    let (mut first, _) = websocket::open(daemon.address(), "/", "");
    let (mut second, _) = websocket::open(daemon.address(), "/", "");
    websocket::round_trip(&mut first, "hello");
    websocket::round_trip(&mut second, "hello");
    let said = "app/one has 2 open streams: closing them one after another takes 2m";
    eventually("the open streams are told", || (told() == [said]).then_some(()));
    assert!(asked().contains(&format!("hint LB507 {said}")), "{}", asked());
    assert_eq!(counted(address).unwrap(), [before[0], before[1], before[2] + 1]);
    daemon.save(&text("2m"));
    eventually("there is time enough", || told().is_empty().then_some(()));
    websocket::round_trip(&mut first, "it goes on");
}

#[test]
fn the_daemon_tells_what_the_files_would_do_to_what_goes_on() {
    let origin = Origin::scripted(|message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok("plain"),
    });
    let pools = format!("pool app {{ server one \"{}\"; }}\n", origin.address());
    let daemon = Daemon::run(&format!("{pools}route \"/\" pool=app\nroute \"/gone\" pool=app\n"));
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    websocket::round_trip(&mut socket, "hello");
    assert_eq!(Client::fetch(daemon.address(), "/gone").text(), "plain");
    let socket_path = daemon.config().with_file_name("control.sock");
    let against = format!("--against={}", socket_path.display());
    let codes = |desk: &Desk, more: &[&str]| {
        let done = desk.lint(&[&["--format", "plain", against.as_str()], more].concat());
        let code = |line: &str| line.split_whitespace().find(|word| word.contains("LB9")).map(str::to_owned);
        (done.code, done.stdout.lines().filter_map(code).collect::<Vec<_>>(), done.stderr)
    };
    // The same listener, written as the daemon's own file has it.
    let own = std::fs::read_to_string(daemon.config()).unwrap();
    let head: String =
        own.lines().take_while(|line| !line.starts_with("pool")).map(|l| format!("{l}\n")).collect();
    let next = format!("{head}include \"pools.kdl\"\nroute \"/ws\" pool=app\n");
    let desk = Desk::with("lbd.kdl", &next).and("pools.kdl", &pools.replace("server one", "server two"));
    let (code, found, said) = codes(&desk, &["--fail-on", "warning", "."]);
    assert_eq!(code, Some(1), "{said}");
    assert!(found.iter().any(|word| word.contains("LB904")), "{found:?} {said}");
    assert!(found.iter().any(|word| word.contains("LB907")), "{found:?} {said}");
    assert_eq!(codes(&desk, &["."]).0, Some(0), "they are warnings");
    let (_, found, _) = codes(&desk, &["--select", "LB907", "."]);
    assert!(found.len() == 1 && found[0].contains("LB907"), "{found:?}");
    let same = Desk::with("lbd.kdl", &own);
    assert_eq!(codes(&same, &["."]).1, [""; 0], "what runs does nothing to what goes on");
    assert_eq!(daemon.control("GET", "/v1").1["generation"], 1, "nothing was changed");
    websocket::round_trip(&mut socket, "it goes on");
    let nobody = same.lint(&["--against=none.sock", "."]);
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    assert!(nobody.stderr.contains("cannot reach lbd on none.sock"), "{nobody:?}");
}
