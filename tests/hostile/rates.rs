//! Clients that move a byte now and then: enough for every clock that counts from the last byte, and too little for the
//! least rate of a body.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::proxying::config;
use crate::support::http2::{DATA, Frames, HEADERS, RESET, SETTINGS};
use crate::support::{After, Client, DEADLINE, Daemon, Origin, eventually};

/// Between two bytes: far less than the window of the rate.
const STEP: Duration = Duration::from_millis(20);
/// A machine that stood still for so long may have missed the write clock, too.
const STILL: Duration = Duration::from_millis(500);
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

/// A second is the window; a byte each step is a twentieth of what is due.
const SLOW: &str = "protocols http1 h2c; timeout write=\"1s\"";

fn daemon(origin: &Origin, rate: &str) -> Daemon {
    let text = config(&[origin], "", "");
    Daemon::run(&format!("limits min-rate=\"{rate}\"\ndefaults {{ listen {{ {SLOW}; }}; }}\n{text}"))
}

/// Sends a byte after each step until something is answered, and then all of that.
fn trickle(address: SocketAddr, head: &str, piece: &[u8]) -> String {
    let mut stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(STEP)).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    let (started, mut answer) = (Instant::now(), Vec::new());
    while started.elapsed() < DEADLINE {
        let mut some = [0; 4096];
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(&some[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if answer.is_empty() {
                    let _ = stream.write_all(piece);
                }
            }
            Err(_) => break,
        }
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_body_that_comes_slower_than_the_least_rate_is_a_408_and_the_end() {
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.ok("read")
    });
    let daemon = daemon(&origin, "1KiB");
    let head = "POST / HTTP/1.1\r\nHost: app.test\r\n";
    for (framing, piece) in [("Content-Length: 100000", "x"), ("Transfer-Encoding: chunked", "1\r\nx\r\n")] {
        let answer = trickle(daemon.address(), &format!("{head}{framing}\r\n\r\n"), piece.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 408 "), "{framing}: {answer:?}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{framing}: {answer:?}");
    }
    // Who is fast enough is not cut; with the clock of a default, which no machine is too slow for.
    let daemon = Daemon::run(&format!("limits min-rate=\"1KiB\"\n{}", config(&[&origin], "", "")));
    let body = vec![b'x'; 200_000];
    assert_eq!(
        Client::connect(daemon.address()).request("POST", "/", "", &body).status(),
        200,
        "fast enough"
    );
}

#[test]
fn an_answer_that_is_taken_slower_than_the_least_rate_is_cut() {
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
        wire.send([b'x'; 100_000])?;
        Ok(After::Keep)
    });
    let daemon = daemon(&origin, "1KiB");
    let mut frames = Frames::connect(daemon.address());
    // A window of nothing, which is opened by a byte after each step.
    frames.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    frames.head(1, &[(":method", "GET"), (":path", "/"), (":scheme", "http"), (":authority", "app.test")]);
    frames.expect(HEADERS);
    let mut opener = frames.writer();
    let started = Instant::now();
    let opening = std::thread::spawn(move || {
        while started.elapsed() < 2 * DEADLINE {
            let update = [&[0, 0, 4, WINDOW_UPDATE, 0, 0, 0, 0, 1][..], &1_u32.to_be_bytes()].concat();
            if opener.write_all(&update).is_err() {
                break;
            }
            std::thread::sleep(STEP);
        }
    });
    assert_eq!(frames.expect(RESET).stream, 1);
    assert!(started.elapsed() < DEADLINE, "it was cut when it stood still");
    frames.writer().shutdown(std::net::Shutdown::Both).unwrap();
    opening.join().unwrap();
}

/// A body of gRPC that comes a byte at a time, and ends when two others that come so were cut, one after the other; the
/// body of its answer. `None` when the machine stood still: the write clock counts for gRPC, too.
fn trickled_beside_grpc(address: SocketAddr) -> Option<Vec<u8>> {
    const GRPC: u32 = 1;
    let mut frames = Frames::connect(address);
    let head =
        |kind| [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "app.test"), kind];
    frames.head_with_body(GRPC, &head(("content-type", "application/grpc")));
    let mut last = Instant::now();
    for other in [3, 5] {
        frames.head_with_body(other, &head(("content-type", "text/plain")));
        let mut cut = false;
        while !cut {
            for stream in [GRPC, other] {
                frames.send(DATA, 0, stream, b"x");
            }
            frames.send(PING, 0, 0, &[0; 8]);
            loop {
                let frame = frames.next().expect("a connection that goes on");
                match (frame.kind, frame.stream) {
                    (PING, _) => break,
                    (HEADERS | RESET, GRPC) => return (last.elapsed() < STILL).then(|| b"cut".to_vec()),
                    (HEADERS, stream) => cut |= stream == other,
                    _ => {}
                }
            }
            if last.elapsed() > STILL {
                return None;
            }
            last = Instant::now();
            std::thread::sleep(STEP);
        }
    }
    frames.send(DATA, 1, GRPC, b"");
    loop {
        let frame = frames.next().expect("an answer");
        match (frame.kind, frame.stream) {
            (DATA, GRPC) => return Some(frame.payload),
            (RESET, GRPC) => return Some(b"reset".to_vec()),
            _ => {}
        }
    }
}

#[test]
fn what_grpc_sends_may_rest() {
    let origin = Origin::scripted(|message, wire| {
        wire.read_body(message)?;
        wire.ok("read")
    });
    let daemon = daemon(&origin, "1KiB");
    let answer = eventually("the machine goes on", || trickled_beside_grpc(daemon.address()));
    assert_eq!(String::from_utf8(answer).unwrap(), "read");
}
