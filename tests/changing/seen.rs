//! A bad save is in `lbctl status` soon, because the system told of it: the daemon here looks at its files by itself
//! once an hour. What it waits for besides is summed up by `reload::timing`.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{file, saying, word};
use crate::support::lbctl::{lbctl, said};
use crate::support::{Client, Daemon, Origin, eventually, websocket};

const NOBODY: &str = "route \"/nobody\" pool=nobody\n";

/// Says when it goes that all is done, also when a test ends where it is surprised.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What a person reads of the files on disk.
fn shown(daemon: &Daemon) -> String {
    said(daemon, &["status"], "")
}

/// Saves `bad`; ends when `lbctl status` says why it does not run, and that it is mended.
fn is_shown(daemon: &Daemon, bad: &str, why: &str, save: impl FnOnce(&str)) {
    let (good, running) = (file(daemon), word(daemon));
    save(bad);
    eventually("the finding is in `lbctl status`", || shown(daemon).contains(why).then_some(()));
    assert_eq!(word(daemon), running, "the generation before goes on");
    fs::write(daemon.config(), good).unwrap();
    eventually("mended", || (!shown(daemon).contains(why)).then_some(()));
    assert_eq!(word(daemon), running);
}

#[test]
fn a_bad_save_is_shown_because_the_system_told_of_it() {
    let origin = Origin::scripted(|message, wire| match message.target() {
        "/ws" => websocket::echo(message, wire),
        _ => wire.ok("plain"),
    });
    let daemon = Daemon::run_with(2, &(saying(&origin, "0") + "reload poll=\"1h\"\n"));
    let (mut socket, _) = websocket::open(daemon.address(), "/ws", "");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _done = Done(&done);
        for _ in 0..2 {
            scope.spawn(|| {
                let mut client = Client::connect(daemon.address());
                while !done.load(Ordering::SeqCst) {
                    assert_eq!(client.get("/").text(), "plain");
                }
            });
        }
        let write = |text: &str| fs::write(daemon.config(), text).unwrap();
        is_shown(&daemon, &(file(&daemon) + NOBODY), "no pool is named `nobody` (LB103)", write);
        let whole = file(&daemon);
        // Cut in the middle of the pool's block: whoever wrote it went away.
        let half = &whole[..whole.find("server ").expect("a server") + 3];
        is_shown(&daemon, half, "refused", write);
        is_shown(&daemon, &(file(&daemon) + NOBODY), "no pool is named `nobody` (LB103)", |bad| {
            let beside = daemon.config().with_file_name("lbd.kdl.tmp");
            fs::write(&beside, bad).unwrap();
            fs::rename(beside, daemon.config()).unwrap();
        });

        // In the middle of a change: while `apply` works, or before it is confirmed.
        let next = file(&daemon).replace("body=\"0\"", "body=\"1\"");
        let bad = file(&daemon) + NOBODY;
        let applied = std::thread::scope(|scope| {
            let apply =
                scope.spawn(|| lbctl(&daemon, &["config", "apply", "--confirm-within", "1h", "-"], &next));
            write(&bad);
            apply.join().unwrap()
        });
        // Whichever came last is in the file; the other one was refused, or overwritten by its author's leave.
        if file(&daemon) != bad {
            write(&bad);
        }
        eventually("the finding is in `lbctl status`", || {
            shown(&daemon).contains("no pool is named `nobody` (LB103)").then_some(())
        });
        let running = if applied.status.success() { "1" } else { "0" };
        assert_eq!(word(&daemon), running, "{applied:?}");
    });
    websocket::round_trip(&mut socket, "nothing was cut");
}
