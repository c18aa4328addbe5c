//! Answers are compressed as the client likes it, and whatever must not be compressed stays as it is.

use std::io::{BufReader, Read};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::channel;

use super::ask;
use crate::support::{After, Client, DEADLINE, Daemon, Message, Origin, Tail, http2};

const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];

/// A server that answers with this status, these fields and this body.
fn server(status: &'static str, fields: &'static str, body: impl Into<Vec<u8>>) -> Origin {
    let body = body.into();
    Origin::scripted(move |message, wire| {
        let length = body.len();
        wire.send(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\n\r\n"))?;
        if message.method() != "HEAD" && !status.starts_with("304") {
            wire.send(&body)?;
        }
        Ok(After::Keep)
    })
}

fn front(origin: &Origin, compress: &str) -> Daemon {
    let address = origin.address();
    Daemon::run(&format!("pool app {{ server \"{address}\"; }}\nroute \"/\" pool=app {{ {compress}; }}\n"))
}

fn page() -> Vec<u8> {
    let line = |n: u32| format!("<li>{n} {:x}</li>\n", n.wrapping_mul(2_654_435_761));
    (0..20_000).map(line).collect::<String>().into_bytes()
}

fn reader<'a>(coding: &str, bytes: impl Read + 'a) -> Box<dyn Read + 'a> {
    match coding {
        "zstd" => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap().single_frame()),
        "br" => Box::new(brotli::Decompressor::new(bytes, 4096)),
        _ => Box::new(flate2::read::GzDecoder::new(bytes)),
    }
}

fn decoded(answer: &Message) -> Vec<u8> {
    let mut body = Vec::new();
    let coding = answer.field("content-encoding").expect("an answer that is compressed");
    reader(coding, &*answer.body).read_to_end(&mut body).unwrap();
    body
}

fn accept(coding: &str) -> String {
    format!("Accept-Encoding: {coding}\r\n")
}

const PLAIN: &str = "Content-Type: text/html; charset=utf-8\r\n";

#[test]
fn each_coding_arrives_byte_by_byte_and_the_head_says_what_it_is() {
    let fields = "Content-Type: text/html\r\nETag: \"v1\"\r\nVary: Origin\r\nAccept-Ranges: bytes\r\n\
                  Content-MD5: eA==\r\nDigest: a=b\r\nRepr-Digest: a=:b:\r\nContent-Digest: a=:b:\r\n";
    let origin = server("200 OK", fields, page());
    let daemon = front(&origin, "compress");
    let mut client = Client::connect(daemon.address());
    for coding in CODINGS {
        let answer = client.request("GET", "/", &accept(coding), b"");
        assert_eq!((answer.status(), answer.field("content-encoding")), (200, Some(coding)));
        assert!(decoded(&answer) == page(), "{coding}");
        assert!(answer.body.len() * 2 < page().len(), "{coding}: {} bytes", answer.body.len());
        assert_eq!(answer.field("vary"), Some("Origin, Accept-Encoding"));
        assert_eq!(answer.field("etag"), Some("W/\"v1\""));
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
        for gone in
            ["content-length", "accept-ranges", "content-md5", "digest", "repr-digest", "content-digest"]
        {
            assert_eq!(answer.field(gone), None, "{gone}");
        }
    }
    let plain = client.request("GET", "/", "", b"");
    assert!(plain.body == page() && plain.field("content-encoding").is_none());
    assert_eq!(plain.field("vary"), Some("Origin, Accept-Encoding"), "it could have been another one");
    assert_eq!((plain.field("etag"), plain.field("accept-ranges")), (Some("\"v1\""), Some("bytes")));
    assert_eq!(origin.connections(), 1, "what is compressed leaves both connections in step");
}

#[test]
fn the_client_weighs_and_the_configuration_prefers() {
    let origin = server("200 OK", PLAIN, page());
    let coding = |daemon: &Daemon, accept: &str| {
        let answer = ask(daemon, "/", &format!("Accept-Encoding: {accept}\r\n"));
        assert_eq!(answer.field("vary"), Some("Accept-Encoding"));
        answer.field("content-encoding").map(str::to_owned)
    };
    let all = front(&origin, "compress zstd br gzip");
    for (accept, expected) in [
        ("gzip, deflate, br, zstd", Some("zstd")),
        ("gzip, br", Some("br")),
        ("gzip, br;q=0.9", Some("gzip")),
        ("*;q=0.5", Some("zstd")),
        ("zstd;q=0, *", Some("br")),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0", None),
        ("deflate", None),
    ] {
        assert_eq!(coding(&all, accept).as_deref(), expected, "{accept}");
    }
    let two = front(&origin, "compress gzip br");
    assert_eq!(coding(&two, "zstd, br, gzip").as_deref(), Some("gzip"));
    assert_eq!(coding(&two, "zstd"), None);
}

#[test]
fn what_must_not_be_compressed_stays_as_it_is() {
    let table = [
        ("200 OK", "Content-Type: image/png\r\n", ""),
        ("200 OK", "Content-Type: text/event-stream\r\n", ""),
        ("200 OK", "", ""),
        ("200 OK", "Content-Type: text/html\r\nContent-Encoding: gzip\r\n", ""),
        ("200 OK", "Content-Type: text/html\r\nCache-Control: public, No-Transform\r\n", ""),
        ("200 OK", "Content-Type: text/html\r\n", "Cache-Control: no-transform\r\n"),
        (
            "206 Partial Content",
            "Content-Type: text/html\r\nContent-Range: bytes 0-9/99\r\n",
            "Range: bytes=0-9\r\n",
        ),
        ("200 OK", "Content-Type: text/html\r\nContent-Range: bytes 0-9/99\r\n", ""),
        ("200 OK", "Content-Type: application/grpc\r\n", ""),
    ];
    for (status, fields, asked) in table {
        let origin = server(status, fields, page());
        let daemon = front(&origin, "compress");
        let answer = ask(&daemon, "/", &(accept("gzip") + asked));
        assert!(answer.body == page(), "{status} {fields:?}");
        assert_eq!(answer.field("content-length"), Some(&*page().len().to_string()), "{fields:?}");
        let by_server = fields.contains("Content-Encoding").then_some("gzip");
        assert_eq!((answer.field("content-encoding"), answer.field("vary")), (by_server, None), "{fields:?}");
    }
}

#[test]
fn small_answers_and_those_of_lbd_stay_as_they_are() {
    let small = server("200 OK", PLAIN, vec![b'x'; 1023]);
    let answer = ask(&front(&small, "compress"), "/", &accept("gzip"));
    assert_eq!(
        (answer.field("content-encoding"), answer.field("vary"), answer.body.len()),
        (None, None, 1023)
    );
    let answer = ask(&front(&small, "compress gzip min-size=\"1023B\""), "/", &accept("gzip"));
    assert_eq!(decoded(&answer), vec![b'x'; 1023]);
    let empty = server("200 OK", PLAIN, "");
    let answer = ask(&front(&empty, "compress min-size=\"0B\""), "/", &accept("gzip"));
    assert_eq!((answer.field("content-encoding"), answer.body.len()), (None, 0));
}

#[test]
fn a_route_replaces_the_word_of_its_site() {
    let origin = server("200 OK", PLAIN, page());
    let daemon = Daemon::run(&format!(
        "pool app {{ server \"{}\"; }}\nsite \"app.test\" {{ compress br; route \"/\" pool=app; \
         route \"/gzip\" pool=app {{ compress gzip; }}; route \"/off\" pool=app {{ compress off; }}; }}\n",
        origin.address()
    ));
    let coding =
        |path| ask(&daemon, path, &accept("gzip, br, zstd")).field("content-encoding").map(str::to_owned);
    assert_eq!(coding("/").as_deref(), Some("br"));
    assert_eq!(coding("/gzip").as_deref(), Some("gzip"));
    assert_eq!(coding("/off"), None);
}

#[test]
fn the_answer_to_head_is_that_to_get_without_its_body() {
    let origin = server("200 OK", "Content-Type: text/html\r\nETag: \"a\"\r\n", page());
    let daemon = front(&origin, "compress");
    let mut client = Client::connect(daemon.address());
    for _ in 0..2 {
        let answer = client.request("HEAD", "/", &accept("gzip"), b"");
        assert_eq!((answer.field("content-encoding"), answer.field("etag")), (Some("gzip"), Some("W/\"a\"")));
        assert_eq!((answer.field("content-length"), answer.field("vary")), (None, Some("Accept-Encoding")));
    }
    let plain = client.request("HEAD", "/", "", b"");
    assert_eq!(plain.field("content-length"), Some(&*page().len().to_string()));
}

#[test]
fn a_client_that_has_the_compressed_answer_is_told_that_it_is_current() {
    let origin = server("304 Not Modified", "ETag: \"a\"\r\n", "");
    let daemon = front(&origin, "compress");
    let etag = |known: &str| {
        let answer = ask(&daemon, "/", &format!("If-None-Match: {known}\r\n{}", accept("gzip")));
        assert_eq!((answer.status(), answer.field("vary")), (304, Some("Accept-Encoding")));
        answer.field("etag").unwrap().to_owned()
    };
    assert_eq!(etag("\"b\", W/\"a\""), "W/\"a\"");
    assert_eq!(etag("\"a\""), "\"a\"");
}

#[test]
fn what_a_server_said_before_it_paused_is_with_the_client() {
    for coding in CODINGS {
        let (go, gate) = channel();
        let gate = Mutex::new(gate);
        let origin = Origin::scripted(move |_, wire| {
            wire.send(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            )?;
            for n in 0..3 {
                wire.send(format!("7\r\n{{\"n\":{n}}}\r\n"))?;
                // The next part is only sent when the client has decoded this one.
                gate.lock().unwrap().recv_timeout(DEADLINE).expect("the client saw the part");
            }
            wire.send("0\r\n\r\n")?;
            Ok(After::Keep)
        });
        let daemon = front(&origin, "compress");
        let mut client = Client::connect(daemon.address());
        client.send(format!("GET / HTTP/1.1\r\nHost: app.test\r\n{}\r\n", accept(coding)));
        assert_eq!(client.read_head().field("content-encoding"), Some(coding));
        let mut body = reader(coding, Chunks(client.into_reader(), 0));
        for n in 0..3 {
            let mut part = [0; 7];
            body.read_exact(&mut part).unwrap();
            assert_eq!(part, format!("{{\"n\":{n}}}").as_bytes(), "{coding}");
            go.send(()).unwrap();
        }
        assert_eq!(body.read(&mut [0]).unwrap(), 0);
    }
}

/// The data of chunks, as they come.
struct Chunks(BufReader<TcpStream>, usize);

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.1 == 0 {
            let mut line = crate::support::message::read_line(&mut self.0)?.unwrap_or_default();
            if line.is_empty() {
                line = crate::support::message::read_line(&mut self.0)?.unwrap_or_default();
            }
            self.1 = usize::from_str_radix(&line, 16).unwrap();
        }
        let most = into.len().min(self.1);
        let n = self.0.read(&mut into[..most])?;
        self.1 -= n;
        Ok(n)
    }
}

#[test]
fn an_answer_that_broke_off_is_never_passed_off_as_whole() {
    for head in ["Content-Length: 100000\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let origin = Origin::scripted(move |_, wire| {
            wire.send(format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n{head}"))?;
            Ok(After::Close)
        });
        let daemon = front(&origin, "compress");
        for coding in CODINGS {
            let mut client = Client::connect(daemon.address());
            client.send(format!("GET / HTTP/1.1\r\nHost: app.test\r\n{}\r\n", accept(coding)));
            assert!(client.try_read(Tail::AsSaid).is_err(), "{head:?} was made whole");
        }
    }
}

#[test]
fn an_old_client_gets_it_as_it_is() {
    let origin = server("200 OK", PLAIN, page());
    let daemon = front(&origin, "compress");
    let mut client = Client::connect(daemon.address());
    client.send(format!("GET / HTTP/1.0\r\nHost: app.test\r\n{}\r\n", accept("gzip")));
    let answer = client.read(Tail::AsSaid);
    assert!(answer.body == page() && answer.field("content-encoding").is_none());
}

#[test]
fn trailers_and_streams_of_http2_are_served_as_well() {
    let origin = Origin::scripted(|_, wire| {
        wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        for part in page().chunks(10_000) {
            wire.send(format!("{:x}\r\n", part.len()))?;
            wire.send(part)?;
            wire.send("\r\n")?;
        }
        wire.send("0\r\nX-Sum: down\r\n\r\n")?;
        Ok(After::Keep)
    });
    let daemon = Daemon::listening(
        "protocols http1 h2c",
        &format!("pool app {{ server \"{}\"; }}\nroute \"/\" pool=app {{ compress; }}\n", origin.address()),
    );
    http2::run(async {
        let mut sender = http2::connect(daemon.address()).await;
        for coding in CODINGS {
            let mut request = http2::request("GET", "/", http2::empty());
            request.headers_mut().insert("accept-encoding", coding.parse().unwrap());
            let answer = http2::send(&mut sender, request).await;
            assert_eq!(answer.fields["content-encoding"], coding);
            assert!(!answer.fields.contains_key("content-length"));
            let mut body = Vec::new();
            reader(coding, &*answer.body).read_to_end(&mut body).unwrap();
            assert!(body == page(), "{coding}");
            assert_eq!(answer.trailers.unwrap()["x-sum"], "down");
        }
    });
}

#[test]
fn curl_understands_it() {
    let origin = server("200 OK", PLAIN, page());
    let daemon = front(&origin, "compress");
    let url = format!("http://{}/", daemon.address());
    let curl = Command::new("curl").args(["--silent", "--compressed", "--max-time", "20", &url]).output();
    // Where there is no curl there is nothing to try.
    let Ok(output) = curl else { return };
    assert!(output.status.success() && output.stdout == page(), "{:?}", output.status);
    assert!(origin.requests()[0].field("accept-encoding").is_some_and(|codings| codings.contains("gzip")));
}

#[test]
fn a_server_whose_process_is_killed_costs_no_compressed_answer() {
    let text = "so be it ".repeat(2000);
    let server = || Daemon::run(&format!("route \"/\" {{ respond 200 body=\"{text}\"; }}\n"));
    let (mut first, second) = (server(), server());
    let daemon = Daemon::run(&format!(
        "pool app {{ server one \"{}\"; server two \"{}\"; balance round-robin; }}\nroute \"/\" pool=app {{ compress; }}\n",
        first.address(),
        second.address()
    ));
    let mut client = Client::connect(daemon.address());
    for n in 0..200 {
        if n == 50 {
            first.signal(rustix::process::Signal::KILL);
            assert_eq!(first.wait(), None, "it was killed");
        }
        let answer = client.request("GET", "/", &accept(CODINGS[n % CODINGS.len()]), b"");
        assert_eq!((answer.status(), decoded(&answer)), (200, text.as_bytes().to_vec()), "request {n}");
    }
}
