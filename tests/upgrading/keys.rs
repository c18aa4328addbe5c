//! The keys of sticky cookies, where no directory keeps them.

use super::{origin, upgrade};
use crate::proxying::config;
use crate::support::{Client, Daemon};

#[test]
fn cookies_are_believed_by_the_process_that_takes_over_without_a_state_directory() {
    let servers = [origin("one"), origin("two")];
    let daemon = Daemon::forgetful(&config(&servers.each_ref(), "sticky cookie name=NODE", ""));
    let answer = Client::fetch(daemon.address(), "/");
    let cookie = answer.field("set-cookie").and_then(|cookie| cookie.split(';').next());
    let cookie = format!("Cookie: {}\r\n", cookie.expect("a new client gets a cookie"));
    for round in 0..3 {
        // As many as would meet the other server, were they balanced.
        for _ in 0..4 {
            let again = Client::connect(daemon.address()).request("GET", "/", &cookie, b"");
            assert_eq!((again.text(), again.field("set-cookie")), (answer.text(), None), "round {round}");
        }
        if round < 2 {
            upgrade(&daemon);
        }
    }
}
