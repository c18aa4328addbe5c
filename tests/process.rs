//! The process: how it starts on good, bad and missing files, what signals do, how it ends.

use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Signal;

use crate::proxying::config;
use crate::support::{Client, Daemon, Origin, Tail, eventually};

/// A configuration that answers `word` itself.
fn saying(word: &str, more: &str) -> String {
    format!("route \"/\" {{ respond 200 body=\"{word}\"; }}\n{more}\n")
}

fn word(daemon: &Daemon) -> String {
    Client::fetch(daemon.address(), "/").text().to_owned()
}

#[test]
fn a_hangup_reads_files_that_are_not_watched() {
    let daemon = Daemon::run(&saying("first", "reload watch=#false"));
    daemon.save(&saying("second", "reload watch=#false"));
    assert_eq!(word(&daemon), "first");
    daemon.signal(Signal::HUP);
    eventually("the new file is live", || (word(&daemon) == "second").then_some(()));
}

#[test]
fn bad_files_at_start_leave_the_last_good_generation_in_charge() {
    let mut daemon = Daemon::run(&saying("good", ""));
    eventually("the generation is stored", || {
        (daemon.control("GET", "/v1").1["generation"] == 1).then_some(())
    });
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(), Some(0));
    daemon.save(&saying("good", "route \"/x\" pool=nobody"));
    daemon.start_again();
    assert_eq!(word(&daemon), "good");
    let (_, status) = daemon.control("GET", "/v1/status");
    assert!(status.to_string().contains("no pool is named `nobody`"), "{status}");
    daemon.save(&saying("mended", ""));
    eventually("the mended file is live", || (word(&daemon) == "mended").then_some(()));
}

#[test]
fn strict_refuses_bad_files_and_a_missing_file_is_never_guessed() {
    let mut daemon = Daemon::run(&saying("good", ""));
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait(), Some(0));
    daemon.save(&saying("good", "route \"/x\" pool=nobody"));
    assert_eq!(daemon.start_in_vain(&["--strict"]), Some(1));
    eventually("the finding is told", || daemon.log().contains("no pool is named `nobody`").then_some(()));
    std::fs::remove_file(daemon.config()).unwrap();
    assert_eq!(daemon.start_in_vain(&[]), Some(2));
    eventually("the missing file is named", || daemon.log().contains("lbd.kdl").then_some(()));
}

#[test]
fn a_request_under_way_is_answered_before_the_end() {
    let (arrived, at_server) = mpsc::channel();
    let (let_go, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let origin = Origin::scripted(move |_, wire| {
        arrived.send(()).unwrap();
        wait.lock().unwrap().recv_timeout(Duration::from_secs(20)).unwrap();
        wire.ok("late but whole")
    });
    let mut daemon = Daemon::run(&config(&[&origin], "", ""));
    let mut idle = Client::connect(daemon.address());
    let mut busy = Client::connect(daemon.address());
    busy.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    at_server.recv_timeout(Duration::from_secs(20)).unwrap();
    daemon.signal(Signal::TERM);
    assert!(idle.is_closed(), "a connection without a request is ended");
    assert!(daemon.is_alive());
    let_go.send(()).unwrap();
    assert_eq!(busy.read(Tail::AsSaid).text(), "late but whole");
    assert!(busy.is_closed());
    assert_eq!(daemon.wait(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait() {
    let (arrived, at_server) = mpsc::channel();
    let (_keep, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let origin = Origin::scripted(move |_, wire| {
        arrived.send(()).unwrap();
        let _ = wait.lock().unwrap().recv_timeout(Duration::from_secs(20));
        wire.ok("too late")
    });
    let mut daemon = Daemon::run(&config(&[&origin], "", ""));
    let mut busy = Client::connect(daemon.address());
    busy.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
    at_server.recv_timeout(Duration::from_secs(20)).unwrap();
    daemon.signal(Signal::TERM);
    eventually("it is stopping", || daemon.log().contains("stopping").then_some(()));
    daemon.signal(Signal::TERM);
    daemon.says("second signal: what is left is cut");
    assert_eq!(daemon.wait(), Some(0));
}
