//! Servers that hang, trickle, lie or vanish: each stage has its clock, a client is never told that half an answer is
//! whole, and nothing that has effects is sent twice.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

use crate::proxying::config;
use crate::support::{After, Client, DEADLINE, Daemon, Origin, Tail, Wire, eventually};

const LOG: &str = "log { access to=\"stdout\"; }\n";

/// Does not come back before lbd closes the connection.
fn hang(wire: &mut Wire) {
    let _ = wire.reader().read_to_end(&mut Vec::new());
}

/// The address of a listener whose queue is full: a connection to it is neither made nor refused.
fn unreachable() -> (Socket, Vec<TcpStream>, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().expect("an IPv4 address");
    let patience = std::time::Duration::from_millis(300);
    let waiting =
        std::iter::from_fn(|| TcpStream::connect_timeout(&address, patience).ok()).take(50).collect();
    (socket, waiting, address)
}

#[test]
fn a_connection_that_is_not_made_in_time_is_a_504_by_the_connect_clock() {
    let (_socket, waiting, address) = unreachable();
    assert!(waiting.len() < 50, "the queue never filled");
    let route = "timeout connect=\"300ms\" response=\"1h\"";
    let daemon = Daemon::run(&format!(
        "{LOG}pool app {{ server a \"{address}\"; }}\nroute \"/\" pool=app {{ {route}; }}\n"
    ));
    assert_eq!(Client::fetch(daemon.address(), "/").status(), 504);
    eventually("the log says why", || daemon.log().contains("connect-timeout").then_some(()));
}

#[test]
fn each_stage_at_which_a_server_hangs_has_its_clock() {
    let origin = Origin::scripted(|message, wire| {
        match message.target() {
            "/silent" => {}
            "/half-a-line" => wire.send("HTTP/1.1 20")?,
            "/half-a-head" => wire.send("HTTP/1.1 200 OK\r\nContent-Len")?,
            "/only-interim" => wire.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")?,
            _ => return wire.ok("well"),
        }
        hang(wire);
        Ok(After::Close)
    });
    let clocks = "timeout response=\"300ms\" idle=\"1h\"";
    let daemon = Daemon::run(&(LOG.to_owned() + &config(&[&origin], "", clocks)));
    for target in ["/silent", "/half-a-line", "/half-a-head", "/only-interim"] {
        let mut client = Client::connect(daemon.address());
        client.send(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\n"));
        let mut answer = client.read(Tail::AsSaid);
        while answer.status() < 200 {
            answer = client.read(Tail::AsSaid);
        }
        assert_eq!(answer.status(), 504, "{target}");
        assert_eq!(client.get("/well").text(), "well", "{target}: the client's connection lives");
    }
    eventually("the log says why", || (daemon.log().matches("response-timeout").count() == 4).then_some(()));
}

#[test]
fn an_answer_that_stalls_or_breaks_off_is_never_whole() {
    let origin = Origin::scripted(|message, wire| {
        let framing = if message.target().ends_with("chunks") {
            "Transfer-Encoding: chunked\r\n\r\n64\r\nhalf"
        } else {
            "Content-Length: 100\r\n\r\nhalf"
        };
        wire.send(format!("HTTP/1.1 200 OK\r\n{framing}"))?;
        match message.target().split('-').next() {
            Some("/stall") => hang(wire),
            Some("/reset") => return Ok(After::Reset),
            _ => {}
        }
        Ok(After::Close)
    });
    let daemon = Daemon::run(&(LOG.to_owned() + &config(&[&origin], "", "timeout idle=\"300ms\"")));
    for target in
        ["/stall-length", "/stall-chunks", "/reset-length", "/reset-chunks", "/close-length", "/close-chunks"]
    {
        let mut client = Client::connect(daemon.address());
        client.send(format!("GET {target} HTTP/1.1\r\nHost: app.test\r\n\r\n"));
        // Nothing was sent on before the server was gone: then it can still be said.
        if let Ok(Some(answer)) = client.try_read(Tail::AsSaid) {
            assert_eq!(answer.status(), 502, "{target}: {answer:?}");
        }
    }
    eventually("the log says why", || (daemon.log().matches("server-stalled").count() == 2).then_some(()));
}

#[test]
fn an_answer_that_trickles_arrives_and_a_head_that_trickles_has_the_response_clock() {
    let origin = Origin::scripted(|message, wire| {
        let text = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234567890123456789";
        let head = text.len() - 20;
        let quick = if message.target() == "/body" { head } else { 0 };
        wire.send(&text[..quick])?;
        for byte in text.as_bytes()[quick..].chunks(1) {
            wire.send(byte)?;
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(After::Keep)
    });
    let clocks = "timeout response=\"600ms\" idle=\"30s\"";
    let daemon = Daemon::run(&config(&[&origin], "", clocks));
    assert_eq!(Client::fetch(daemon.address(), "/body").text(), "01234567890123456789");
    // Each byte is progress, but the whole head is due: it takes three seconds.
    assert_eq!(Client::fetch(daemon.address(), "/head").status(), 504);
}

#[test]
fn with_every_server_down_the_answer_is_a_503_that_says_when_to_come_again() {
    let origins = [Origin::echo("a"), Origin::echo("b")];
    for origin in &origins {
        origin.set_ready(false);
    }
    let check = "health \"/ready\" interval=\"1s\" timeout=\"1s\" rise=1 fall=1";
    let daemon = Daemon::run(&config(&origins.each_ref(), check, "timeout response=\"1h\" connect=\"1h\""));
    let mut client = Client::connect(daemon.address());
    for method in ["GET", "POST"] {
        let answer = client.request(method, "/", "", b"");
        assert_eq!((answer.status(), answer.field("retry-after")), (503, Some("5")), "{method}");
    }
    assert!(origins.iter().all(|origin| origin.requests().is_empty()));
}

#[test]
fn what_has_effects_is_never_sent_twice_however_connections_end() {
    const RUNS: usize = 300;
    let turn = AtomicUsize::new(0);
    let origin = || {
        let turn = AtomicUsize::new(0);
        Origin::scripted(move |message, wire| {
            // Ends a connection before, within or behind an answer, by turns that no pattern of requests matches.
            let turn = turn.fetch_add(7, Ordering::SeqCst) % 11;
            if turn == 3 {
                return Ok(After::Reset);
            }
            wire.read_body(message)?;
            match turn {
                0 => Ok(After::Close),
                1 => Ok(After::Reset),
                2 => {
                    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbro")?;
                    Ok(After::Reset)
                }
                4 | 5 => {
                    // Said to be kept, and closed as it is used again.
                    wire.ok("ok")?;
                    Ok(After::Close)
                }
                _ => wire.ok("ok"),
            }
        })
    };
    let origins = [origin(), origin()];
    let daemon = Daemon::run(&config(&origins.each_ref(), "", "retry connect reset timeout 503 attempts=3"));
    let mut client = Client::connect(daemon.address());
    for _ in 0..RUNS {
        let n = turn.fetch_add(1, Ordering::SeqCst);
        let method = ["POST", "PATCH", "POST", "LOCK"][n % 4];
        let head = format!("{method} /{n} HTTP/1.1\r\nHost: app.test\r\nContent-Length: 4\r\n\r\nonce");
        if client.try_send(&head).is_err() || !matches!(client.try_read(Tail::AsSaid), Ok(Some(_))) {
            client = Client::connect(daemon.address());
        }
        if client.try_send("GET /get HTTP/1.1\r\nHost: app.test\r\n\r\n").is_err()
            || !matches!(client.try_read(Tail::AsSaid), Ok(Some(_)))
        {
            client = Client::connect(daemon.address());
        }
    }
    let mut seen = vec![0; RUNS];
    for read in origins.iter().flat_map(Origin::requests).filter(|read| read.method() != "GET") {
        seen[read.target()[1..].parse::<usize>().unwrap()] += 1;
    }
    let twice: Vec<_> = seen.iter().enumerate().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "sent more than once: {twice:?}");
    assert!(seen.iter().filter(|times| **times == 1).count() > RUNS / 2, "most were sent");
}

#[test]
fn bytes_that_a_server_says_while_nobody_asks_answer_nobody() {
    let (said, heard) = std::sync::mpsc::channel();
    let origin = Origin::scripted(move |message, wire| {
        if message.target() != "/first" {
            return wire.ok("good");
        }
        wire.ok("first")?;
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray")?;
        said.send(()).unwrap();
        Ok(After::Keep)
    });
    let daemon = Daemon::run(&config(&[&origin], "", ""));
    let mut client = Client::connect(daemon.address());
    for method in ["GET", "POST", "HEAD", "DELETE"] {
        assert_eq!(client.get("/first").text(), "first");
        heard.recv_timeout(DEADLINE).unwrap();
        // lbd has heard of the stray bytes when it hears of this request.
        let answer = client.request(method, "/next", "", b"");
        assert_eq!(answer.status(), 200, "{method}");
        assert!(method == "HEAD" || answer.text() == "good", "{method}: {answer:?}");
        assert_eq!(answer.field("content-length"), Some("4"), "{method}");
    }
}

#[test]
fn a_client_that_has_nothing_more_to_say_gets_its_answer() {
    let origin = Origin::echo("a");
    let daemon = Daemon::run(&config(&[&origin], "", ""));
    let mut client = Client::connect(daemon.address());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\n\r\nabc").end_sending();
    assert_eq!(client.read(Tail::AsSaid).status(), 200);
    assert!(client.is_closed());
    // Half a request is none.
    let mut client = Client::connect(daemon.address());
    client.send("POST / HTTP/1.1\r\nHost: app.test\r\nContent-Length: 3\r\n\r\nab").end_sending();
    assert!(client.try_read(Tail::AsSaid).ok().flatten().is_none_or(|answer| answer.status() >= 400));
    assert!(origin.requests().iter().all(|read| read.body != b"ab"));
}

#[test]
fn a_process_that_hangs_is_ejected_and_what_waits_for_it_is_answered_by_another() {
    let server = |name: &str| Daemon::run(&format!("route \"/\" {{ respond 200 body=\"{name}\"; }}\n"));
    let (hangs, works) = (server("hangs"), server("works"));
    let daemon = Daemon::run(&format!(
        "pool app {{\n  server hangs \"{}\"\n  server works \"{}\"\n  balance round-robin\n\
           health \"/\" interval=\"1s\" timeout=\"1s\" rise=1 fall=3\n}}\n\
         route \"/\" pool=app {{ timeout response=\"1h\"; }}\n",
        hangs.address(),
        works.address()
    ));
    let both = || {
        let mut names: Vec<_> =
            (0..2).map(|_| Client::fetch(daemon.address(), "/").text().to_owned()).collect();
        names.sort();
        (names == ["hangs", "works"]).then_some(())
    };
    eventually("both servers answer", both);
    hangs.freeze();
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut client = Client::connect(daemon.address());
            client.send("GET / HTTP/1.1\r\nHost: app.test\r\n\r\n");
            client
        })
        .collect();
    for mut client in waiting {
        let answer = client.read(Tail::AsSaid);
        assert_eq!((answer.status(), answer.text()), (200, "works"));
    }
    hangs.signal(Signal::CONT);
    eventually("it is back", both);
}
