//! Known attacks over HTTP/2, each from one connection: what it can make the daemon hold is bounded, the connection is
//! given up where that is due, and others are served as if nothing were.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::front;
use crate::support::http2::{DATA, GOAWAY, HEADERS, RESET, SETTINGS};
use crate::support::{After, Client, DEADLINE, Daemon, Origin};

const PRIORITY: u8 = 2;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const FLOW_CONTROL_ERROR: u32 = 3;
const ENHANCE_YOUR_CALM: u32 = 11;

/// What an attack may cost: far more than what lbd holds for one connection, far less than what is sent.
const MOST: u64 = 24 * 1024 * 1024;

/// A connection that says what it likes, and reads only when it is told to.
struct Attacker {
    stream: TcpStream,
}

impl Attacker {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
        // Longer than a daemon on a busy machine needs to read on, unless it does not want to.
        stream.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut attacker = Self { stream };
        attacker.say(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        attacker.say(&frame(SETTINGS, 0, 0, &[])).unwrap();
        attacker
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends these frames again and again, until all are out or the daemon takes no more.
    fn flood(&mut self, times: usize, frames: impl Fn(u32) -> Vec<u8>) {
        for n in 0..times {
            if self.say(&frames(u32::try_from(n).unwrap())).is_err() {
                return;
            }
        }
    }

    /// The code of the GOAWAY with which it ends; `None` when it goes on, or ended without one.
    fn goaway(&mut self, patience: Duration) -> Option<u32> {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let mut code = None;
        loop {
            let mut head = [0; 9];
            if self.stream.read_exact(&mut head).is_err() {
                return code;
            }
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            if self.stream.read_exact(&mut payload).is_err() {
                return code;
            }
            if head[3] == GOAWAY {
                code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, flags]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// `METHOD /` of `app.test`, by the static table but for the authority.
fn request(method: u8) -> Vec<u8> {
    [&[method, 0x84, 0x86, 0x41, 8][..], b"app.test"].concat()
}

/// `GET path` of `app.test`.
fn for_path(path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    [&[GET, 0x86, 0x41, 8][..], b"app.test", &[0x04, length], path.as_bytes()].concat()
}

const GET: u8 = 0x82;
const POST: u8 = 0x83;

/// The number of a client's stream.
fn odd(n: u32) -> u32 {
    2 * n + 1
}

/// A daemon under attack.
struct Bench {
    daemon: Daemon,
    origin: Origin,
    calm: u64,
}

impl Bench {
    fn new(route: &str) -> Self {
        let origin = Origin::scripted(|message, wire| {
            wire.read_body(message)?;
            match message.target() {
                "/large" => {
                    wire.send("HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n")?;
                    (0..64).try_for_each(|_| wire.send([b'x'; 64 * 1024]))?;
                    Ok(After::Keep)
                }
                "/held" => {
                    // Not answered before it is given up.
                    let _ = wire.reader().read_to_end(&mut Vec::new());
                    Ok(After::Close)
                }
                target => wire.ok(target),
            }
        });
        let daemon = front(&[&origin], "", route);
        let bench = Self { daemon, origin, calm: 0 };
        bench.others_are_served("nothing");
        Self { calm: bench.daemon.resident(), ..bench }
    }

    fn attacker(&self) -> Attacker {
        Attacker::connect(self.daemon.address())
    }

    fn others_are_served(&self, during: &str) {
        let mut client = Client::connect(self.daemon.address());
        for n in 0..100 {
            let target = format!("/{n}");
            assert_eq!(client.get(&target).text(), target, "during: {during}");
        }
    }

    fn holds_little(&self, during: &str) {
        let grown = self.daemon.resident().saturating_sub(self.calm);
        assert!(grown < MOST, "{during}: {grown} bytes more");
    }
}

#[test]
fn requests_that_are_reset_at_once_end_their_connection() {
    let bench = Bench::new("");
    let asked_before = bench.origin.requests().len();
    let mut attacker = bench.attacker();
    attacker.flood(20_000, |n| {
        [
            frame(HEADERS, END_STREAM | END_HEADERS, odd(n), &request(GET)),
            frame(RESET, 0, odd(n), &8_u32.to_be_bytes()),
        ]
        .concat()
    });
    bench.others_are_served("a rapid reset");
    bench.holds_little("a rapid reset");
    assert!(matches!(attacker.goaway(DEADLINE), Some(ENHANCE_YOUR_CALM) | None));
    let asked = bench.origin.requests().len() - asked_before - 100;
    assert!(asked < 2000, "the server was asked {asked} times");
}

#[test]
fn requests_that_are_reset_one_by_one_end_their_connection_too() {
    let bench = Bench::new("");
    let mut attacker = bench.attacker();
    attacker.stream.set_nodelay(true).unwrap();
    let mut given = 0;
    for n in 0..20_000 {
        let head = frame(HEADERS, END_STREAM | END_HEADERS, odd(n), &for_path("/held"));
        // The echo of the PING says that the request was read before it is given up.
        let ping = frame(PING, 0, 0, &u64::from(n).to_be_bytes());
        let reset = frame(RESET, 0, odd(n), &8_u32.to_be_bytes());
        if attacker.say(&[head, ping].concat()).is_err() || !pong(&mut attacker.stream) {
            break;
        }
        if attacker.say(&reset).is_err() {
            break;
        }
        given = n;
    }
    // A flood of frames of the same length would be told to calm down, too, but not so soon.
    assert!(given < 800, "{given} requests were given up, and the connection goes on");
    bench.others_are_served("resets one by one");
}

/// Reads up to the echo of a PING; false when the connection ends instead, or is told to.
fn pong(stream: &mut TcpStream) -> bool {
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).is_err() {
            return false;
        }
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        if stream.read_exact(&mut payload).is_err() || head[3] == GOAWAY {
            return false;
        }
        if head[3] == PING {
            return true;
        }
    }
}

#[test]
fn heads_without_end_are_refused() {
    let bench = Bench::new("");
    for (name, payload) in [("of nothing", 0), ("of little", 1), ("of much", 16_000)] {
        let mut attacker = bench.attacker();
        attacker.say(&frame(HEADERS, END_STREAM, 1, &request(GET))).unwrap();
        // A field that is not indexed, over and over.
        let piece = [&[0, 1, b'a', 1, b'b'][..]; 3200].concat()[..payload].to_vec();
        attacker.flood(5000, |_| frame(CONTINUATION, 0, 1, &piece));
        bench.others_are_served(name);
        bench.holds_little(name);
        assert!(attacker.goaway(DEADLINE).is_none_or(|code| code != 0), "continuations {name}");
        assert!(attacker.say(&frame(PING, 0, 0, &[0; 8])).is_err() || !pong(&mut attacker.stream), "{name}");
    }
    assert!(bench.origin.requests().iter().all(|read| read.fields.len() < 20));
}

#[test]
fn fields_that_are_small_on_the_wire_and_large_in_memory_are_refused() {
    let bench = Bench::new("");
    let peak = bench.daemon.peak();
    for n in 0..20 {
        let mut attacker = bench.attacker();
        // One field of 3,000 bytes goes into the table, and is named 12,000 times: 36 MB.
        let mut block = request(GET);
        block.extend_from_slice(&[0x40, 1, b'a', 0x7f, 0xb9, 0x16]);
        block.extend_from_slice(&[b'x'; 3000]);
        block.extend_from_slice(&[0xbe; 12_000]);
        attacker.say(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &block)).unwrap();
        let refused = attacker.goaway(Duration::from_millis(200));
        assert!(refused.is_none_or(|code| code != 0), "{n}");
        bench.holds_little("an HPACK bomb");
    }
    let peak = bench.daemon.peak() - peak;
    assert!(peak < MOST, "{peak} bytes for a moment");
    bench.others_are_served("an HPACK bomb");
    assert!(bench.origin.requests().iter().all(|read| read.values("a").is_empty()));
}

#[test]
fn floods_of_frames_that_ask_for_nothing_end_their_connection() {
    let bench = Bench::new("");
    for (name, one) in floods() {
        let mut attacker = bench.attacker();
        let many = one.repeat(100);
        // Nothing of what the daemon says to this is read, before it is over.
        attacker.flood(2000, |_| many.clone());
        bench.others_are_served(name);
        bench.holds_little(name);
        assert!(attacker.goaway(DEADLINE).is_none_or(|code| code == ENHANCE_YOUR_CALM), "{name}");
    }
}

#[test]
fn who_floods_is_told_to_calm_down() {
    let bench = Bench::new("");
    for (name, one) in floods() {
        let mut attacker = bench.attacker();
        // In one piece, so that time has no say; and so few that the daemon reads on to the end, which lets the reason
        // arrive before the connection ends.
        let many = one.repeat(10_000);
        attacker.flood(1, |_| many.clone());
        assert_eq!(attacker.goaway(DEADLINE), Some(ENHANCE_YOUR_CALM), "{name}");
    }
}

#[test]
fn some_frames_that_ask_for_nothing_are_welcome() {
    let bench = Bench::new("");
    let mut attacker = bench.attacker();
    for (_, one) in floods() {
        attacker.say(&one.repeat(20)).unwrap();
    }
    attacker.say(&frame(PING, 0, 0, &[9; 8])).unwrap();
    assert!(pong(&mut attacker.stream), "the connection goes on");
}

/// Frames that change nothing, each a kind of its own.
fn floods() -> [(&'static str, Vec<u8>); 6] {
    let settings = [0, 4, 0, 0, 0xff, 0xff];
    [
        ("SETTINGS", frame(SETTINGS, 0, 0, &settings)),
        ("PING", frame(PING, 0, 0, &[7; 8])),
        ("the echo of a PING", frame(PING, 1, 0, &[7; 8])),
        ("PRIORITY", frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 7])),
        ("WINDOW_UPDATE", frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes())),
        ("a kind that nobody knows", frame(0xfa, 0, 0, &[0; 8])),
    ]
}

#[test]
fn floods_of_empty_frames_end_their_connection() {
    let bench = Bench::new("");
    let mut attacker = bench.attacker();
    attacker.say(&frame(HEADERS, END_HEADERS, 1, &request(POST))).unwrap();
    let many = frame(DATA, 0, 1, &[]).repeat(100);
    attacker.flood(40, |_| many.clone());
    bench.others_are_served("empty DATA");
    bench.holds_little("empty DATA");
    assert_eq!(attacker.goaway(DEADLINE), Some(ENHANCE_YOUR_CALM), "empty DATA");
    // A stream that was never begun, and heads that hold nothing: an error before there can be many.
    for (name, one) in
        [("RST_STREAM", frame(RESET, 0, 1, &8_u32.to_be_bytes())), ("HEADERS", frame(HEADERS, 0, 1, &[]))]
    {
        let mut attacker = bench.attacker();
        attacker.flood(4000, |_| one.clone());
        assert!(attacker.goaway(DEADLINE).is_some_and(|code| code != 0), "{name}");
    }
    // Requests that hold nothing, each on a stream of its own.
    let mut attacker = bench.attacker();
    attacker.flood(4000, |n| frame(HEADERS, END_STREAM | END_HEADERS, odd(n), &[]));
    assert_eq!(attacker.goaway(DEADLINE), Some(ENHANCE_YOUR_CALM), "empty requests");
}

#[test]
fn windows_are_no_weapon() {
    let bench = Bench::new("");
    let widest = 0x7fff_ffff_u32.to_be_bytes();
    let mut attacker = bench.attacker();
    for _ in 0..2 {
        attacker.say(&frame(WINDOW_UPDATE, 0, 0, &widest)).unwrap();
    }
    assert_eq!(attacker.goaway(DEADLINE), Some(FLOW_CONTROL_ERROR), "a window beyond its bound");
    let mut attacker = bench.attacker();
    attacker.say(&frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])).unwrap();
    assert_eq!(attacker.goaway(DEADLINE), Some(FLOW_CONTROL_ERROR), "an initial window beyond its bound");
    // Twenty times a hundred large answers, none of which may be sent.
    let attackers: Vec<_> = (0..20)
        .map(|_| {
            let mut attacker = bench.attacker();
            attacker.say(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).unwrap();
            let large = for_path("/large");
            for n in 0..10 {
                attacker.say(&frame(HEADERS, END_STREAM | END_HEADERS, odd(n), &large)).unwrap();
            }
            attacker
        })
        .collect();
    crate::support::eventually("the answers wait", || {
        let large = bench.origin.requests().iter().filter(|read| read.target() == "/large").count();
        (large == 200).then_some(())
    });
    bench.others_are_served("200 answers that wait for a window");
    // 800 MB are due. Each stream may hold its 64 KiB, and what it reads in one step.
    let grown = bench.daemon.resident().saturating_sub(bench.calm);
    assert!(grown < 160 * 1024 * 1024, "{grown} bytes more");
    drop(attackers);
}
