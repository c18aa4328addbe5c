//! Asks a proxy at a steady rate, and says how long the answers took; or as often as it answers; or once for each of many
//! clients.
//!
//!   lbd-pace steady PORT CONNECTIONS RATE SECONDS
//!   lbd-pace most PORT CONNECTIONS SECONDS           the next request when the answer is there
//!   lbd-pace fill PORT CONNECTIONS COUNT             X-Session: session-0000001, and so on
//!
//! Each connection is a thread that sleeps until its next request is due, at random distances around the mean, so that
//! requests do not come in step. A request that is late because the one before it was slow counts from when it was due:
//! a proxy that stands still is charged for all who would have asked meanwhile. A request that is late because this
//! program woke late counts from when it was sent. Prints one line of JSON: times in microseconds.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

const REQUEST: &[u8] = b"GET /1k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// What is asked for.
#[derive(Clone, Copy)]
struct Plan {
    port: u16,
    connections: u32,
    what: What,
}

#[derive(Clone, Copy)]
enum What {
    Steady { rate: f64, seconds: f64 },
    Most { seconds: f64 },
    Fill { count: u64 },
}

impl Plan {
    fn read() -> Result<Self, Box<dyn Error>> {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (port, connections, what) = match words.as_slice() {
            ["steady", port, connections, rate, seconds] => (
                port,
                connections,
                What::Steady { rate: rate.parse::<f64>()?.max(1.0), seconds: seconds.parse()? },
            ),
            ["most", port, connections, seconds] => {
                (port, connections, What::Most { seconds: seconds.parse()? })
            }
            ["fill", port, connections, count] => (port, connections, What::Fill { count: count.parse()? }),
            _ => {
                return Err(
                    "usage: lbd-pace steady PORT CONNECTIONS RATE SECONDS | most PORT CONNECTIONS SECONDS | \
                     fill PORT CONNECTIONS COUNT"
                        .into(),
                );
            }
        };
        Ok(Self { port: port.parse()?, connections: connections.parse::<u32>()?.max(1), what })
    }
}

/// The times of a connection's answers, and how many were no 200.
type Answers = Result<(Vec<Duration>, u64), Box<dyn Error + Send + Sync>>;

/// Steps that are not regular: enough to keep connections out of step.
struct Dice(u64);

impl Dice {
    /// From 0 to 2, on average 1.
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 52) as f64
    }
}

/// Reads one answer with a Content-Length; whether it was a 200.
fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let mut seen = 0;
    buffer.resize(64 * 1024, 0);
    let mut whole = None;
    while whole.is_none_or(|whole| seen < whole) {
        let room = buffer.get_mut(seen..).filter(|room| !room.is_empty()).ok_or("an answer is too long")?;
        let count = stream.read(room)?;
        if count == 0 {
            return Err("closed before the answer's end".into());
        }
        seen += count;
        let head = &buffer[..seen];
        if whole.is_none()
            && let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let text = std::str::from_utf8(&head[..end])?.to_ascii_lowercase();
            let length = text.split("content-length:").nth(1).ok_or("an answer without Content-Length")?;
            let length: usize = length.lines().next().unwrap_or_default().trim().parse()?;
            whole = Some(end + 4 + length);
        }
    }
    Ok(buffer.starts_with(b"HTTP/1.1 200"))
}

/// One connection to its end.
fn ask(plan: Plan, number: u32) -> Answers {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, plan.port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    match plan.what {
        What::Steady { rate, seconds } => {
            let mean = f64::from(plan.connections) / rate;
            steady(stream, mean, seconds, Dice(0x9E37_79B9_7F4A_7C15 ^ (u64::from(number) + 1)))
        }
        What::Most { seconds } => most(stream, seconds),
        What::Fill { count } => {
            fill(stream, (1 + u64::from(number)..=count).step_by(plan.connections as usize))
        }
    }
}

fn steady(mut stream: TcpStream, mean: f64, seconds: f64, mut dice: Dice) -> Answers {
    let (mut times, mut wrong, mut buffer) = (Vec::new(), 0, Vec::new());
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut due = Instant::now() + Duration::from_secs_f64(mean * dice.roll());
    while due < end {
        let wait = due.saturating_duration_since(Instant::now());
        let start = if wait.is_zero() {
            due
        } else {
            std::thread::sleep(wait);
            Instant::now()
        };
        stream.write_all(REQUEST)?;
        wrong += u64::from(!answer(&mut stream, &mut buffer)?);
        times.push(start.elapsed());
        due += Duration::from_secs_f64(mean * dice.roll());
    }
    Ok((times, wrong))
}

fn most(mut stream: TcpStream, seconds: f64) -> Answers {
    let (mut times, mut wrong, mut buffer) = (Vec::new(), 0, Vec::new());
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut start = Instant::now();
    while start < end {
        stream.write_all(REQUEST)?;
        wrong += u64::from(!answer(&mut stream, &mut buffer)?);
        times.push(start.elapsed());
        start = Instant::now();
    }
    Ok((times, wrong))
}

fn fill(mut stream: TcpStream, clients: impl Iterator<Item = u64>) -> Answers {
    let (mut times, mut wrong, mut buffer) = (Vec::new(), 0, Vec::new());
    for client in clients {
        let start = Instant::now();
        let request =
            format!("GET /1k HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Session: session-{client:07}\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        wrong += u64::from(!answer(&mut stream, &mut buffer)?);
        times.push(start.elapsed());
    }
    Ok((times, wrong))
}

fn main() -> Result<(), Box<dyn Error>> {
    let plan = Plan::read()?;
    let threads: Vec<_> = (0..plan.connections)
        .map(|number| {
            let name = format!("ask-{number}");
            std::thread::Builder::new().name(name).stack_size(256 * 1024).spawn(move || ask(plan, number))
        })
        .collect::<Result<_, _>>()?;
    let (mut times, mut errors) = (Vec::new(), 0);
    for thread in threads {
        match thread.join().map_err(|_| "a connection's thread ended badly")? {
            Ok((more, wrong)) => {
                times.extend(more);
                errors += wrong;
            }
            Err(error) => {
                eprintln!("{error}");
                errors += 1;
            }
        }
    }
    times.sort_unstable();
    let at = |share: f64| {
        let index = (times.len().saturating_sub(1) as f64 * share).round() as usize;
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    println!(
        "{{\"count\": {}, \"errors\": {errors}, \"p50\": {:.1}, \"p90\": {:.1}, \"p99\": {:.1}, \"p999\": {:.1}, \"max\": {:.1}}}",
        times.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0)
    );
    Ok(())
}
