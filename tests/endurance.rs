//! What takes minutes: run with `cargo test --test tests -- --ignored endurance`.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::proxying::config;
use crate::support::{Daemon, Origin, websocket};

/// Open WebSockets, and edits while they are.
const SOCKETS: usize = 1000;
const RELOADS: usize = 1000;
/// Events that the daemon remembers.
const EVENTS: usize = 4096;
/// After so many the daemon has warmed up.
const WARM: usize = 50;

/// Bytes of memory that the daemon has.
fn resident(pid: u64) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel says it");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
#[ignore = "takes minutes"]
fn a_thousand_reloads_cut_none_of_a_thousand_websockets_and_keep_no_memory() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
    let origin = Origin::scripted(|message, wire| {
        // A socket may be silent for longer than any answer may take.
        wire.reader().get_ref().set_read_timeout(None)?;
        websocket::echo(message, wire)
    });
    let kdl = |word: usize| {
        config(&[&origin], "", "") + &format!("route (exact)\"/word\" {{ respond 200 body=\"{word}\"; }}\n")
    };
    let daemon = Daemon::run_with(2, &kdl(0));
    let pid = daemon.control("GET", "/v1").1["pid"].as_u64().expect("a process");
    // The ring of events has a bound, and is full from the beginning: what grows below is not that.
    for _ in 0..EVENTS {
        let change =
            json!({ "weight": 1, "reason": "the file says the same, and this is only to be remembered" });
        assert_eq!(daemon.control_with("PUT", "/v1/pools/app/servers/s0/weight", &change).0, 200);
    }
    let mut sockets: Vec<_> = (0..SOCKETS).map(|_| websocket::open(daemon.address(), "/ws", "").0).collect();
    let mut warm = 0;
    for edit in 1..=RELOADS {
        daemon.save(&kdl(edit));
        let (status, answer) = daemon.control("POST", "/v1/config/reload");
        assert_eq!(status, 200, "{answer}");
        websocket::round_trip(&mut sockets[edit % SOCKETS], "still here");
        if edit == WARM {
            warm = resident(pid);
        }
    }
    for socket in &mut sockets {
        websocket::round_trip(socket, "to the end");
    }
    let generation = daemon.control("GET", "/v1").1["generation"].as_u64().expect("a number");
    assert!(generation > RELOADS as u64, "{generation} generations");
    let end = resident(pid);
    println!("resident after {WARM} reloads {} KiB, after {RELOADS} {} KiB", warm / 1024, end / 1024);
    assert!(end <= warm + warm / 20, "{warm} bytes after {WARM} reloads, {end} after {RELOADS}");
}
