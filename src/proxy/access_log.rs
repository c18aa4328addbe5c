//! The access log: one line for each exchange, formatted by hand into the worker's own chunk, which a
//! writer thread takes. A worker never waits for the writer: when its queue is full, chunks are dropped
//! and counted.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tracing::{error, warn};

use crate::config::model::{AccessFormat, AccessLog as Settings, AccessTarget};

/// A chunk is handed over when it is this large, and at each sweep.
const CHUNK: usize = 64 * 1024;
/// Chunks that may wait for the writer.
const QUEUE: usize = 256;

/// What one line tells.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) id: &'a str,
    pub(crate) client: IpAddr,
    pub(crate) listener: &'a str,
    pub(crate) method: &'a str,
    pub(crate) host: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) status: u16,
    pub(crate) route: Option<&'a str>,
    pub(crate) pool: Option<&'a str>,
    pub(crate) server: Option<&'a str>,
    pub(crate) how: &'a str,
    pub(crate) retries: u32,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) took: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) reason: Option<&'a str>,
    /// Of a long-lived stream.
    pub(crate) carried: Option<Carried>,
    pub(crate) user_agent: &'a [u8],
    pub(crate) referer: &'a [u8],
    pub(crate) generation: u64,
    /// Fields that the configuration asked for; `(name, value)`.
    pub(crate) captures: &'a [(String, Vec<u8>)],
}

/// What a long-lived stream has carried, and how it was closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Bytes from the client, and to it.
    pub(crate) bytes: (u64, u64),
    /// Messages of a WebSocket, likewise.
    pub(crate) messages: Option<(u64, u64)>,
    /// Who closed first: `client`, `server`, `lbd`.
    pub(crate) closed_by: Option<&'static str>,
    /// With which code of a WebSocket's Close; 1005 is none (RFC 6455, section 7.1.5).
    pub(crate) close_code: Option<u16>,
}

/// Where finished chunks go; shared by the workers.
#[derive(Debug, Clone)]
pub struct AccessLogWriter {
    sender: SyncSender<Chunk>,
    dropped: Arc<AtomicU64>,
    target: Arc<Target>,
}

/// Where lines are to go, as the steering thread says and the writer reads before each chunk.
#[derive(Debug, Default)]
struct Target {
    wanted: Mutex<Option<AccessTarget>>,
    /// Open the target (again): it changed, or a log rotation asked for it.
    reopen: AtomicBool,
}

#[derive(Debug)]
enum Chunk {
    Lines(Vec<u8>),
    /// Nothing to write: the target is to be looked at.
    Wake,
    /// All that came before is written: say so.
    Told(SyncSender<()>),
}

impl AccessLogWriter {
    /// Starts the writer thread. It ends when the last handle is dropped.
    pub fn start() -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Chunk>(QUEUE);
        let target = Arc::new(Target::default());
        let shared = Arc::clone(&target);
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            let mut sink: Option<Box<dyn std::io::Write>> = None;
            for chunk in receiver {
                if shared.reopen.swap(false, Ordering::AcqRel) {
                    let wanted = shared.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    sink = wanted.as_ref().and_then(open);
                }
                match chunk {
                    Chunk::Wake => {}
                    Chunk::Told(told) => drop(told.send(())),
                    Chunk::Lines(lines) => {
                        if let Some(sink) = &mut sink
                            && let Err(error) = sink.write_all(&lines).and_then(|()| sink.flush())
                        {
                            error!(%error, "cannot write the access log");
                        }
                    }
                }
            }
        })?;
        Ok(Self { sender, dropped: Arc::new(AtomicU64::new(0)), target })
    }

    /// Writes to `target` from now on. The same file again opens it anew, for log rotation.
    pub fn set_target(&self, target: Option<AccessTarget>) {
        *self.target.wanted.lock().unwrap_or_else(PoisonError::into_inner) = target;
        self.reopen();
    }

    /// Opens the target anew: a log rotation moved the file.
    ///
    /// Never waits for the writer, which may wait for a disk or for a reader: when its queue is full, the next
    /// chunk that it takes reminds it as well.
    pub fn reopen(&self) {
        self.target.reopen.store(true, Ordering::Release);
        let _ = self.sender.try_send(Chunk::Wake);
    }

    /// Waits until all that was handed over is written, but no longer than `patience`: the process is about to
    /// end. Blocks its thread.
    pub fn finish(&self, patience: Duration) {
        let began = Instant::now();
        let (told, done) = sync_channel(1);
        while self.sender.try_send(Chunk::Told(told.clone())).is_err() {
            if began.elapsed() > patience {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(told);
        if done.recv_timeout(patience.saturating_sub(began.elapsed())).is_err() {
            warn!("the access log is written too slowly: its last lines are lost");
        }
    }

    /// Chunks that were dropped because the writer was too slow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A worker's end.
    pub fn worker(&self) -> AccessLog {
        AccessLog { chunk: RefCell::default(), writer: self.clone(), warned: Cell::new(false) }
    }
}

fn open(target: &AccessTarget) -> Option<Box<dyn std::io::Write>> {
    match target {
        AccessTarget::Stdout => Some(Box::new(std::io::stdout())),
        AccessTarget::Stderr => Some(Box::new(std::io::stderr())),
        AccessTarget::File(path) => match std::fs::OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Some(Box::new(file)),
            Err(error) => {
                error!(path = %path.display(), %error, "cannot open the access log: no lines are written");
                None
            }
        },
    }
}

/// One worker's lines on their way out.
#[derive(Debug)]
pub struct AccessLog {
    chunk: RefCell<Vec<u8>>,
    writer: AccessLogWriter,
    warned: Cell<bool>,
}

impl AccessLog {
    /// Adds a line, unless sampling leaves it out.
    pub(crate) fn record(&self, settings: &Settings, entry: &Entry<'_>) {
        if settings.sample_percent < 100.0 && fastrand::f64() * 100.0 >= settings.sample_percent {
            return;
        }
        let mut chunk = self.chunk.borrow_mut();
        match settings.format {
            AccessFormat::Json => json(entry, SystemTime::now(), &mut chunk),
            AccessFormat::Combined => combined(entry, SystemTime::now(), &mut chunk),
        }
        let full = chunk.len() >= CHUNK;
        drop(chunk);
        if full {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub(crate) fn flush(&self) {
        if self.chunk.borrow().is_empty() {
            return;
        }
        let lines = self.chunk.take();
        if let Err(TrySendError::Full(_)) = self.writer.sender.try_send(Chunk::Lines(lines)) {
            self.writer.dropped.fetch_add(1, Ordering::Relaxed);
            if !self.warned.replace(true) {
                warn!("the access log is written too slowly: lines are dropped");
            }
        }
    }
}

fn json(entry: &Entry<'_>, now: SystemTime, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    out.extend_from_slice(timestamp(now).as_bytes());
    let _ = write!(out, "\",\"client\":\"{}\"", entry.client);
    string("id", entry.id.as_bytes(), out);
    string("listener", entry.listener.as_bytes(), out);
    string("method", entry.method.as_bytes(), out);
    string("host", entry.host, out);
    string("target", entry.target, out);
    let _ = write!(out, ",\"status\":{}", entry.status);
    for (name, value) in [("route", entry.route), ("pool", entry.pool), ("server", entry.server)] {
        if let Some(value) = value {
            string(name, value.as_bytes(), out);
        }
    }
    string("how", entry.how.as_bytes(), out);
    let _ = write!(out, ",\"retries\":{}", entry.retries);
    if let Some(first_byte) = entry.first_byte {
        let _ = write!(out, ",\"first_byte_ms\":{:.3}", first_byte.as_secs_f64() * 1e3);
    }
    let _ = write!(
        out,
        ",\"ms\":{:.3},\"bytes_in\":{},\"bytes_out\":{}",
        entry.took.as_secs_f64() * 1e3,
        entry.bytes_in,
        entry.bytes_out
    );
    if let Some(reason) = entry.reason {
        string("reason", reason.as_bytes(), out);
    }
    let Carried { messages, closed_by, close_code, .. } = entry.carried.unwrap_or_default();
    if let Some((to_server, to_client)) = messages {
        let _ = write!(out, ",\"messages_in\":{to_server},\"messages_out\":{to_client}");
    }
    if let Some(closed_by) = closed_by {
        string("closed_by", closed_by.as_bytes(), out);
    }
    if let Some(code) = close_code {
        let _ = write!(out, ",\"close_code\":{code}");
    }
    string("user_agent", entry.user_agent, out);
    for (name, value) in entry.captures {
        string(name, value, out);
    }
    let _ = writeln!(out, ",\"generation\":{}}}", entry.generation);
}

/// NCSA combined, as httpd and nginx write it, with route, pool and server behind.
fn combined(entry: &Entry<'_>, now: SystemTime, out: &mut Vec<u8>) {
    let time = jiff::Timestamp::try_from(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let _ = write!(
        out,
        "{} - - [{}] \"{} ",
        entry.client,
        time.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        entry.method
    );
    escaped(entry.target, out);
    let _ = write!(out, " HTTP/1.1\" {} {} \"", entry.status, entry.bytes_out);
    escaped(entry.referer, out);
    out.extend_from_slice(b"\" \"");
    escaped(entry.user_agent, out);
    let _ = writeln!(
        out,
        "\" {} {}/{} {:.3}",
        entry.route.unwrap_or("-"),
        entry.pool.unwrap_or("-"),
        entry.server.unwrap_or("-"),
        entry.took.as_secs_f64()
    );
}

fn timestamp(now: SystemTime) -> String {
    jiff::Timestamp::try_from(now).map_or_else(|_| "-".to_owned(), |time| format!("{time:.3}"))
}

fn string(name: &str, value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    let _ = write!(out, ",\"{name}\":\"");
    escaped(value, out);
    out.push(b'"');
}

/// A value that can be read by a JSON reader and that cannot forge a line: control bytes, quotes and
/// backslashes are escaped, bytes beyond ASCII are kept when they are UTF-8.
fn escaped(value: &[u8], out: &mut Vec<u8>) {
    for chunk in value.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                c if c.is_control() => {
                    let _ = write!(out, "\\u{:04x}", c as u32);
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\u{byte:04x}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry<'a>(target: &'a [u8], captures: &'a [(String, Vec<u8>)]) -> Entry<'a> {
        Entry {
            id: "4bf92f",
            client: "203.0.113.9".parse().unwrap(),
            listener: ":80",
            method: "GET",
            host: b"app.example",
            target,
            status: 200,
            route: Some("/"),
            pool: Some("app"),
            server: Some("a1"),
            how: "sticky-cookie",
            retries: 0,
            first_byte: Some(Duration::from_micros(1500)),
            took: Duration::from_millis(2),
            bytes_in: 0,
            bytes_out: 512,
            reason: None,
            carried: None,
            user_agent: b"curl/8",
            referer: b"",
            generation: 3,
            captures,
        }
    }

    #[test]
    fn a_json_line_is_one_json_object_whatever_the_client_sent() {
        let mut out = Vec::new();
        let captures = [("cookie:sid".to_owned(), b"a\"\n".to_vec())];
        json(&entry(b"/\"\\\x01\xff\nx?q=\xc3\xa4", &captures), SystemTime::UNIX_EPOCH, &mut out);
        assert_eq!(out.iter().filter(|&&b| b == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["target"], "/\"\\\u{1}\u{ff}\nx?q=ä");
        assert_eq!((&value["server"], &value["id"]), (&"a1".into(), &"4bf92f".into()));
        assert_eq!(value["first_byte_ms"], 1.5);
        assert_eq!(value["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(value["cookie:sid"], "a\"\n");
    }

    #[test]
    fn a_combined_line_cannot_be_forged() {
        let mut out = Vec::new();
        combined(&entry(b"/x\" 200 1\n127.0.0.1", &[]), SystemTime::UNIX_EPOCH, &mut out);
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert!(
            line.starts_with("203.0.113.9 - - [01/Jan/1970:00:00:00 +0000] \"GET /x\\\" 200 1\\u000a127"),
            "{line}"
        );
        assert!(line.ends_with("/ app/a1 0.002\n"), "{line}");
    }
}
