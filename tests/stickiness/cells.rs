//! What can happen to a client's server, and what becomes of the client.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::site::{Mode, Visitor, server};
use crate::support::{CHECKED_OFTEN, Daemon, Origin, eventually};

/// What happens after a client's first visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// Nothing.
    Kept,
    /// A reload with other words, and one server more where that moves nobody.
    Reload,
    /// The end of the process, and another one.
    Restart,
    /// A drain that keeps sticky clients.
    DrainKeep,
    /// A drain that moves them.
    DrainMove,
    /// Its server goes down.
    Down,
    /// Its server goes down, and comes back after the client was moved.
    Back,
    /// The client shows something forged.
    Forged,
    /// Its server leaves the file.
    Removed,
}

/// What becomes of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on its server.
    Same,
    /// It is on one other server.
    Moved,
    /// It is on one server, whichever.
    Mended,
}

/// The application in front of its clients.
struct Place {
    mode: Mode,
    origins: [Origin; 4],
    daemon: Daemon,
}

/// Checks all cells of a mode, each with clients of its own, on one daemon.
pub(super) fn check<const M: usize, const C: usize>(mode: Mode, cells: &[(Cell, [(Mode, Outcome); M]); C]) {
    let origins = ["s0", "s1", "s2", "s3"].map(|name| server(name, mode));
    let daemon = Daemon::listening("trust-forwarded \"127.0.0.1\"", &kdl(mode, &origins, &[0, 1, 2], ""));
    let mut place = Place { mode, origins, daemon };
    place.wait_for(&["s0", "s1", "s2"], "up");
    for (cell, outcomes) in cells {
        let (_, expected) = outcomes.iter().find(|(of, _)| *of == mode).expect("a cell for each mode");
        let (before, after) = place.play(*cell);
        let outcome = match (expected, after == before) {
            (Outcome::Mended, _) => Outcome::Mended,
            (_, true) => Outcome::Same,
            (_, false) => Outcome::Moved,
        };
        assert_eq!(outcome, *expected, "{mode:?}, {cell:?}: from {before} to {after}");
        place.settle();
    }
}

fn kdl(mode: Mode, origins: &[Origin; 4], servers: &[usize], more: &str) -> String {
    let server = |n: &usize| format!("  server s{n} \"{}\"\n", origins[*n].address());
    let servers: String = servers.iter().map(server).collect();
    format!(
        "pool app {{\n{servers}  health \"/ready\" {CHECKED_OFTEN}\n  {} {more}\n}}\nroute \"/\" pool=app\n",
        mode.kdl()
    )
}

impl Place {
    /// A client comes, the cell happens, the client comes again: where it was, and where it is now for good.
    fn play(&mut self, cell: Cell) -> (String, String) {
        let mut client = Visitor::new(self.mode);
        let before = client.visit(&self.daemon);
        let again = client.visit(&self.daemon);
        assert_eq!(again, before, "{:?}, {cell:?}: the second visit", self.mode);
        let home = before[1..].parse::<usize>().unwrap();
        self.happen(cell, &mut client, &before, home);
        let after = client.visit(&self.daemon);
        for _ in 0..20 {
            assert_eq!(client.visit(&self.daemon), after, "{:?}, {cell:?}: it stays", self.mode);
        }
        (before, after)
    }

    fn happen(&mut self, cell: Cell, client: &mut Visitor, before: &str, home: usize) {
        match cell {
            Cell::Kept => {}
            Cell::Reload => {
                let count = if self.mode.goes_home() { 3 } else { 4 };
                let all = kdl(self.mode, &self.origins, &[0, 1, 2, 3][..count], "on-down=redispatch");
                self.reload(&all, &["s0", "s1", "s2", "s3"][..count]);
            }
            Cell::Restart => {
                self.daemon.signal(Signal::TERM);
                assert_eq!(self.daemon.wait(), Some(0));
                self.daemon.start_again();
                self.wait_for(&["s0", "s1", "s2"], "up");
            }
            Cell::DrainKeep | Cell::DrainMove => {
                let sticky = if cell == Cell::DrainKeep { "keep" } else { "move" };
                self.admin(before, &json!({ "state": "drain", "sticky": sticky }));
                for _ in 0..6 {
                    assert_ne!(
                        Visitor::new(self.mode).visit(&self.daemon),
                        before,
                        "new clients go elsewhere"
                    );
                }
            }
            Cell::Down => self.take_down(before, home),
            Cell::Back => {
                self.take_down(before, home);
                let moved = client.visit(&self.daemon);
                assert_ne!(moved, before);
                assert_eq!(client.visit(&self.daemon), moved);
                self.origins[home].set_ready(true);
                self.wait_for(&[before], "up");
            }
            Cell::Forged => client.forge(),
            Cell::Removed => {
                let left: Vec<usize> = (0..3).filter(|n| *n != home).collect();
                let names: Vec<String> = left.iter().map(|n| format!("s{n}")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.reload(&kdl(self.mode, &self.origins, &left, ""), &names);
            }
        }
    }

    fn take_down(&self, name: &str, at: usize) {
        self.origins[at].set_ready(false);
        self.wait_for(&[name], "down");
    }

    /// As it was at first, but for what is remembered.
    fn settle(&self) {
        self.origins.iter().for_each(|origin| origin.set_ready(true));
        self.reload(&kdl(self.mode, &self.origins, &[0, 1, 2], ""), &["s0", "s1", "s2"]);
        for name in ["s0", "s1", "s2"] {
            self.admin(name, &json!({ "state": "ready" }));
        }
    }

    fn reload(&self, kdl: &str, servers: &[&str]) {
        self.daemon.save(kdl);
        let (status, answer) = self.daemon.control("POST", "/v1/config/reload");
        assert!(status < 300, "{answer}");
        eventually("the pool has its servers", || {
            let (_, pool) = self.daemon.control("GET", "/v1/pools/app");
            let names: Vec<_> =
                pool["servers"].as_array()?.iter().filter_map(|s| s["name"].as_str()).collect();
            (names == servers).then_some(())
        });
        self.wait_for(servers, "up");
    }

    fn admin(&self, name: &str, wish: &Value) {
        let path = format!("/v1/pools/app/servers/{name}/admin");
        let (status, answer) = self.daemon.control_with("PUT", &path, wish);
        assert!(status < 300, "{answer}");
    }

    fn wait_for(&self, servers: &[&str], health: &str) {
        for name in servers {
            eventually("the server's health is as expected", || {
                let (_, server) = self.daemon.control("GET", &format!("/v1/pools/app/servers/{name}"));
                (server["health"]["state"] == health).then_some(())
            });
        }
    }
}
