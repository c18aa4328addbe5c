//! The rules speak at each load of the daemon, too.

use std::net::SocketAddr;

use crate::support::daemon::reserve_port;
use crate::support::{Client, Daemon, eventually};

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
    // The control socket of a test lies in a directory for everybody, which is worth a warning of its own.
    let quiet = format!(
        "lint {{ allow LB703 because=\"a test\"; }}\nstatus \"{address}\"\nroute \"/\" {{ respond 204; }}\n"
    );
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
