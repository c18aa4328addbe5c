//! A mirror gets copies of requests; whatever it does, the requests themselves never suffer.

use std::io::BufRead;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use rustix::process::Signal;

use super::pools;
use crate::support::http2_server::text;
use crate::support::{After, Client, Daemon, Http2Server, Message, Origin, eventually};

/// Longer than any answer takes, shorter than any clock of the mirror.
const SOON: Duration = Duration::from_secs(4);

fn front(main: &Origin, shadow: &str, mirror: &str) -> Daemon {
    let text = pools(&[("main", main)]);
    Daemon::run(&format!(
        "{text}pool shadow {{ {shadow}; }}\nroute \"/\" pool=main {{ mirror pool=shadow {mirror}; }}\n"
    ))
}

fn at(origin: &Origin) -> String {
    format!("server \"{}\"", origin.address())
}

/// The requests that this origin has seen, once there are so many.
fn seen(origin: &Origin, count: usize) -> Vec<Message> {
    eventually("the mirror saw its copies", || {
        let seen = origin.requests();
        (seen.len() >= count).then_some(seen)
    })
}

#[test]
fn a_copy_is_the_request_and_its_answer_is_dropped() {
    let (main, shadow) = (Origin::echo("main"), Origin::echo("shadow"));
    let daemon = front(&main, &format!("{}; sticky cookie", at(&shadow)), "");
    let mut client = Client::connect(daemon.address());
    let fields = "Cookie: a=1; lbd-shadow=x\r\nX-A: b\r\n";
    let answer = client.request("GET", "/one?two=3", fields, b"");
    assert!(answer.text().starts_with("main\n") && answer.values("set-cookie").is_empty());
    let answer = client.request("POST", "/post", "Expect: 100-continue\r\n", b"hello");
    assert!(answer.text().starts_with("main\n"));
    client.send("PUT /put HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    assert_eq!(client.read(crate::support::Tail::AsSaid).status(), 200);
    let mut copies = seen(&shadow, 3);
    copies.sort_by_key(|copy| copy.line.clone());
    let lines: Vec<_> = copies.iter().map(|copy| copy.line.as_str()).collect();
    assert_eq!(lines, ["GET /one?two=3 HTTP/1.1", "POST /post HTTP/1.1", "PUT /put HTTP/1.1"]);
    assert_eq!((copies[0].field("host"), copies[0].field("x-a")), (Some("app.test"), Some("b")));
    assert_eq!(copies[0].field("cookie"), Some("a=1"));
    assert!(copies[0].field("x-forwarded-for").is_some());
    assert_eq!((copies[0].field("content-length"), copies[1].field("expect")), (None, None));
    eventually("the bodies are with the mirror", || {
        let seen = shadow.requests();
        let text = |line: &str| {
            seen.iter().find(|copy| copy.line.starts_with(line)).map(|copy| copy.text().to_owned())
        };
        (text("POST") == Some("hello".into()) && text("PUT") == Some("hello world".into())).then_some(())
    });
    assert_eq!(main.requests().len(), 3);
    let (_, pool) = daemon.control("GET", "/v1/pools");
    assert!(pool.to_string().contains("shadow"), "{pool}");
}

#[test]
fn a_share_is_copied() {
    let (main, shadow) = (Origin::echo("main"), Origin::echo("shadow"));
    let daemon = front(&main, &at(&shadow), "fraction=\"25%\"");
    let mut client = Client::connect(daemon.address());
    for _ in 0..800 {
        assert_eq!(client.get("/").status(), 200);
    }
    // 200 are expected; five standard deviations are 62.
    seen(&shadow, 138);
    assert!(shadow.requests().len() <= 262, "{}", shadow.requests().len());
}

/// All requests are answered at once, whatever the mirror is.
fn never_suffers(daemon: &Daemon, requests: usize) {
    let mut client = Client::connect(daemon.address());
    for n in 0..requests {
        let began = Instant::now();
        let body = vec![b'x'; if n % 2 == 0 { 0 } else { 1000 }];
        let answer = client.request(if n % 2 == 0 { "GET" } else { "POST" }, "/", "", &body);
        assert!(answer.text().starts_with("main\n"));
        assert!(began.elapsed() < SOON, "waited {:?}", began.elapsed());
    }
}

#[test]
fn a_mirror_that_is_gone_or_deaf_or_breaks_off_is_not_noticed() {
    let main = Origin::echo("main");
    let gone = Origin::echo("gone");
    let daemon = front(&main, &at(&gone), "");
    gone.stop();
    never_suffers(&daemon, 50);
    // Accepts in the kernel only, as a stopped process does: more copies than there is room for.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let shadow = format!("server \"{}\"", deaf.local_addr().unwrap());
    never_suffers(&front(&main, &shadow, ""), 300);
    let silent = Origin::scripted(|_, wire| {
        wire.reader().fill_buf()?;
        Ok(After::Close)
    });
    never_suffers(&front(&main, &at(&silent), ""), 300);
    let broken = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")?;
        Ok(After::Reset)
    });
    never_suffers(&front(&main, &at(&broken), ""), 50);
    assert_eq!(main.requests().len(), 700);
}

#[test]
fn a_large_body_and_a_full_mirror_are_passed_by() {
    let (main, shadow) = (Origin::echo("main"), Origin::echo("shadow"));
    let daemon = front(&main, &at(&shadow), "");
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.request("POST", "/large", "", &vec![b'x'; 64 * 1024 + 1]).status(), 200);
    client.send("POST /chunks HTTP/1.1\r\nHost: app.test\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("10001\r\n{}\r\n0\r\n\r\n", "x".repeat(0x10001)));
    assert_eq!(client.read(crate::support::Tail::AsSaid).status(), 200);
    assert_eq!(client.request("POST", "/fits", "", &vec![b'x'; 64 * 1024]).status(), 200);
    let copies = seen(&shadow, 1);
    assert_eq!(copies[0].line, "POST /fits HTTP/1.1");
    assert_eq!(shadow.requests().len(), 1);
}

#[test]
fn a_mirror_that_speaks_http2_gets_the_same_copies() {
    let (body_seen, bodies) = std::sync::mpsc::channel();
    let shadow = Http2Server::run(move |request| {
        let body_seen = body_seen.clone();
        async move {
            let target = request.uri().to_string();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            body_seen.send((target, body.to_vec())).unwrap();
            text("answer".repeat(50_000))
        }
    });
    let main = Origin::echo("main");
    let daemon = front(&main, &format!("server \"{}\"; connections http=2", shadow.address()), "");
    let mut client = Client::connect(daemon.address());
    let large = vec![b'x'; 64 * 1024];
    for (method, target, body) in
        [("GET", "/get", &b""[..]), ("POST", "/post", b"hello"), ("POST", "/most", &large)]
    {
        let answer = client.request(method, target, "X-A: b\r\nExpect: 100-continue\r\n", body);
        assert!(answer.text().starts_with("main\n"));
        let seen = bodies.recv_timeout(crate::support::DEADLINE).unwrap();
        assert_eq!(seen.0, format!("http://app.test{target}"));
        assert!(seen.1 == body, "{} bytes of {} came", seen.1.len(), body.len());
    }
    let copies = shadow.requests();
    let lengths: Vec<_> = copies.iter().map(|copy| copy.headers.get("content-length").cloned()).collect();
    assert_eq!(lengths, [None, Some("5".parse().unwrap()), Some("65536".parse().unwrap())]);
    for copy in &copies {
        assert_eq!((copy.version, &copy.headers["x-a"]), (hyper::Version::HTTP_2, &"b".parse().unwrap()));
        assert!(!copy.headers.contains_key("expect") && copy.headers.contains_key("x-forwarded-for"));
    }
    assert_eq!(shadow.connections(), 1, "copies share a connection");
}

#[test]
fn a_mirror_whose_process_is_stopped_and_then_killed_is_not_noticed() {
    let main = Origin::echo("main");
    let mut shadow = Daemon::run("route \"/\" { respond 200 body=\"copy\"; }\n");
    let daemon = front(&main, &format!("server \"{}\"", shadow.address()), "");
    never_suffers(&daemon, 50);
    shadow.signal(Signal::STOP);
    never_suffers(&daemon, 300);
    shadow.signal(Signal::KILL);
    never_suffers(&daemon, 300);
    assert_eq!(shadow.wait(), None, "it was killed");
    never_suffers(&daemon, 50);
}

#[test]
fn a_mirror_that_does_not_speak_http2_is_not_noticed() {
    let (main, shadow) = (Origin::echo("main"), Origin::echo("shadow"));
    let daemon = front(&main, &format!("{}; connections http=2", at(&shadow)), "");
    never_suffers(&daemon, 20);
    // It sees how such a connection begins, and no request.
    let lines: Vec<_> = seen(&shadow, 1).into_iter().map(|head| head.line).collect();
    assert!(lines.iter().all(|line| !line.contains("HTTP/1.1")), "{lines:?}");
}
