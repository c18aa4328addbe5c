//! Edges of the data path and of the daemon, each found by reading as an adversary: what is stalled, cut,
//! pipelined, or stopped at the wrong moment. Each test is named for what must hold.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use rustix::process::Signal;

use crate::proxying::config;
use crate::support::daemon::reserve_port;
use crate::support::{After, CHECKED_ONCE, Client, DEADLINE, Daemon, Origin, eventually};

/// A pipe with a name.
fn fifo(dir: &Path) -> PathBuf {
    let path = dir.join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    path
}

/// An origin that reads a request and never answers it.
fn silent() -> Origin {
    Origin::scripted(|_, wire| {
        let _ = crate::support::message::read_line(wire.reader());
        Ok(After::Close)
    })
}

mod tls {
    use std::sync::Arc;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

    use super::*;

    pub(super) type Stream = StreamOwned<ClientConnection, TcpStream>;

    /// A certificate on disk, and a client's settings that trust it.
    pub(super) fn trusted(dir: &Path) -> (PathBuf, Arc<ClientConfig>) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let path = dir.join("site.pem");
        std::fs::write(&path, made.cert.pem() + &made.signing_key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        (path, Arc::new(builder.unwrap().with_root_certificates(roots).with_no_client_auth()))
    }

    /// Connects and shakes hands.
    pub(super) fn connect(
        address: std::net::SocketAddr,
        config: &Arc<ClientConfig>,
    ) -> std::io::Result<Stream> {
        let tcp = TcpStream::connect(address)?;
        tcp.set_read_timeout(Some(DEADLINE))?;
        tcp.set_write_timeout(Some(std::time::Duration::from_millis(500)))?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), tcp);
        stream.flush()?;
        Ok(stream)
    }
}

#[test]
fn a_tls_client_that_does_not_read_is_given_up_by_the_write_clock() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, client) = tls::trusted(dir.path());
    let (_reserved, port) = reserve_port();
    let _daemon = Daemon::run(&format!(
        "listen \"{port}\" name=secure {{ tls {{ certificate \"{}\"; }}; timeout write=\"300ms\"; limits max-connections=1; }}\n\
         route \"/\" {{ respond 200 body=\"{}\"; }}\n",
        certificate.display(),
        "x".repeat(50_000),
    ));
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut stalled = tls::connect(port, &client).unwrap();
    // Far more answers than two sockets' buffers hold, and none is read.
    for _ in 0..1000 {
        if stalled.write_all(request).and_then(|()| stalled.flush()).is_err() {
            break;
        }
    }
    eventually("the stalled connection makes room for another", || {
        let mut stream = tls::connect(port, &client).ok()?;
        stream.write_all(request).ok()?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).ok()?;
        (line == "HTTP/1.1 200 OK\r\n").then_some(())
    });
    drop(stalled);
}

#[test]
fn a_log_that_nobody_reads_stops_neither_reloads_nor_the_control_socket() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = fifo(dir.path());
    let text = |to: &Path, status: u16| {
        format!("log {{ access to=\"{}\"; }}\nroute \"/\" {{ respond {status}; }}\n", to.display())
    };
    let daemon = Daemon::run(&text(&pipe, 200));
    let mut client = Client::connect(daemon.address());
    let long = format!("/{}", "x".repeat(15_000));
    // More than all that may wait for the writer, which waits for a reader of the pipe.
    for _ in 0..1500 {
        assert_eq!(client.get(&long).status(), 200);
    }
    daemon.save(&text(&dir.path().join("file"), 204));
    eventually("the saved configuration is live", || {
        (Client::fetch(daemon.address(), "/").status() == 204).then_some(())
    });
    assert_eq!(daemon.control("GET", "/v1/status").0, 200);
}

#[test]
fn the_last_lines_of_the_access_log_are_written_before_the_process_ends() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = fifo(dir.path());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::File::open(pipe).unwrap()
    });
    let daemon = Daemon::run(&format!(
        "log {{ access to=\"{}\"; }}\nroute \"/\" {{ respond 200; }}\n",
        pipe.display()
    ));
    let mut reader = reader.join().unwrap();
    let mut client = Client::connect(daemon.address());
    let long = format!("/{}", "x".repeat(4000));
    for _ in 0..200 {
        assert_eq!(client.get(&long).status(), 200);
    }
    daemon.signal(Signal::TERM);
    eventually("the daemon has stopped serving", || daemon.log().contains("stopped").then_some(()));
    let mut lines = String::new();
    reader.read_to_string(&mut lines).unwrap();
    assert_eq!(lines.lines().count(), 200);
    assert!(lines.ends_with("}\n"));
}

#[test]
fn an_answer_is_not_thrown_away_when_no_other_server_could_give_a_better_one() {
    let busy = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.send("HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nback soon")?;
        Ok(After::Keep)
    });
    let down = Origin::echo("down");
    down.set_ready(false);
    let check = format!("health \"/ready\" {CHECKED_ONCE}");
    let daemon = Daemon::run(&config(&[&busy, &down], &check, "retry 503"));
    eventually("the busy server takes requests", || {
        (!busy.requests().is_empty() || Client::fetch(daemon.address(), "/").text() == "back soon")
            .then_some(())
    });
    let answer = Client::fetch(daemon.address(), "/");
    assert_eq!((answer.status(), answer.text()), (503, "back soon"));
}

#[test]
fn the_clock_of_the_whole_exchange_runs_on_over_retries() {
    let origins = [silent(), silent(), silent()];
    let route = "timeout request=\"500ms\" response=\"450ms\"\nretry timeout attempts=2";
    let daemon = Daemon::run(&config(&origins.each_ref(), "", route));
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 504);
    let asked: usize = origins.iter().map(|origin| origin.requests().len()).sum();
    assert!(asked < 3, "the second answer was due after the time for the whole exchange was over");
}

#[test]
fn resets_are_tried_elsewhere_only_as_far_as_the_budget_goes() {
    let resets = || Origin::scripted(|_, _| Ok(After::Reset));
    let origins = [resets(), resets()];
    let daemon = Daemon::run(&config(&origins.each_ref(), "", "retry reset budget=\"1%\""));
    let mut client = Client::connect(daemon.address());
    for _ in 0..40 {
        assert_eq!(client.get("/").status(), 502);
    }
    let asked: usize = origins.iter().map(|origin| origin.requests().len()).sum();
    assert!((41..=55).contains(&asked), "40 requests and a reserve of few retries, not {asked}");
}

/// Sockets of this machine that are connected to `port`, and those of them that the other side has closed.
fn sockets_to(port: u16) -> (usize, usize) {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!(":{port:04X}");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let states: Vec<_> =
        rows.filter(|row| row.len() > 3 && row[2].ends_with(&remote)).map(|row| row[3].to_owned()).collect();
    let count = |wanted: &str| states.iter().filter(|state| *state == wanted).count();
    (count("01"), count("08"))
}

#[test]
fn every_unused_connection_that_its_server_closed_is_let_go() {
    const CLIENTS: usize = 240;
    let all_here = Arc::new(Barrier::new(CLIENTS));
    let ended = Arc::new(AtomicUsize::new(0));
    let origin = Origin::scripted({
        let ended = Arc::clone(&ended);
        move |message, wire| {
            wire.read_body(message)?;
            all_here.wait();
            wire.ok("ok")?;
            // Two of three stay; the third is closed once everybody has an answer.
            if wire.connection % 3 != 0 {
                return Ok(After::Keep);
            }
            eventually("all have their answers", || (ended.load(Ordering::SeqCst) == CLIENTS).then_some(()));
            Ok(After::Close)
        }
    });
    let daemon = Daemon::run(&config(&[&origin], "", ""));
    let address = daemon.address();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let ended = Arc::clone(&ended);
            std::thread::spawn(move || {
                let status = Client::fetch(address, "/").status();
                ended.fetch_add(1, Ordering::SeqCst);
                status
            })
        })
        .collect();
    assert!(clients.into_iter().all(|client| client.join().unwrap() == 200));
    let port = origin.address().port();
    eventually("those that live are kept, those that were closed are not", || {
        (sockets_to(port) == (CLIENTS * 2 / 3, 0)).then_some(())
    });
}

#[test]
fn a_client_that_connected_before_the_stop_may_still_ask_once() {
    let daemon = Daemon::run("route \"/\" { respond 200 body=\"served\"; }\n");
    let mut early = Client::connect(daemon.address());
    // Accepted after the other one: once this is answered, the other is a connection as well.
    let mut idle = Client::connect(daemon.address());
    assert_eq!(idle.get("/").status(), 200);
    daemon.signal(Signal::TERM);
    assert!(idle.is_closed(), "an idle connection ends when the daemon stops");
    let answer = early.get("/");
    assert_eq!((answer.status(), answer.text()), (200, "served"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(early.is_closed());
}

#[test]
fn an_answer_arrives_whole_although_the_client_said_more_than_is_read() {
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.ok(&"x".repeat(1_000_000))
    });
    let daemon =
        Daemon::run(&config(&[&origin], "", "").replace("route", "log { access to=\"stdout\"; }\nroute"));
    let mut client = Client::connect(daemon.address());
    client.send("GET / HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n");
    client.read_head();
    client.send("GET /more HTTP/1.1\r\nHost: app.test\r\n\r\n");
    // The balancer has handed everything to its kernel before the client reads on.
    eventually("the exchange is over", || daemon.log().contains("\"bytes_out\":1000000").then_some(()));
    let mut body = 0;
    while let n @ 1.. = client.read_some().len() {
        body += n;
    }
    assert_eq!(body, 1_000_000);
}
