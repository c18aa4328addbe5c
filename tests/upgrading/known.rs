//! What the process before knows and has, so that nobody finds out anew.

use super::{origin, upgrade};
use crate::language::bound;
use crate::proxying::config;
use crate::support::{Client, Daemon, Origin, eventually};

#[test]
fn the_sockets_are_the_same_ones() {
    // A port that the kernel chose: who listens anew gets another one.
    let text = "listen \"127.0.0.1:0\" name=other\nroute \"/\" { respond 200 body=\"here\"; }\n";
    let daemon = Daemon::run(text);
    let before = bound(&daemon, "other");
    upgrade(&daemon);
    assert_eq!(bound(&daemon, "other"), before);
    assert_eq!(Client::fetch(before, "/").text(), "here");
}

#[test]
fn a_server_that_was_up_is_up_until_its_checks_say_otherwise() {
    let server = Origin::echo("a");
    let check = "health \"/ready\" interval=\"1h\" down-interval=\"1h\" rise=1 fall=3";
    let daemon = Daemon::run(&config(&[&server], check, ""));
    eventually("it is checked", || (Client::fetch(daemon.address(), "/").status() == 200).then_some(()));
    // The next check fails, and one is not enough for a server that is known.
    server.set_ready(false);
    upgrade(&daemon);
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 200);
}

#[test]
fn who_was_drained_stays_drained_from_the_first_request_on() {
    let servers = [origin("one"), origin("two")];
    let daemon = Daemon::run(&config(&servers.each_ref(), "", ""));
    crate::support::lbctl::said(&daemon, &["drain", "app/s0", "--reason", "disk", "--force"], "");
    upgrade(&daemon);
    for _ in 0..6 {
        assert_eq!(Client::fetch(daemon.address(), "/").text(), "two 0");
    }
}
