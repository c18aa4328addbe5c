//! One line of the access log, as JSON or as NCSA combined. Nothing that a client sent can forge or break one.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use crate::proxy::forwarded::render;

/// Bytes that are looked at together.
const PIECE: usize = 32;

/// What one line tells.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) id: &'a str,
    pub(crate) client: IpAddr,
    pub(crate) listener: &'a str,
    /// `HTTP/1.1`; empty where there is none.
    pub(crate) protocol: &'a str,
    /// `TLSv1.3`, where the client's connection is encrypted by lbd.
    pub(crate) tls: Option<&'a str>,
    /// The trace that it belongs to.
    pub(crate) trace: Option<&'a [u8]>,
    pub(crate) method: &'a str,
    pub(crate) host: &'a [u8],
    pub(crate) target: &'a [u8],
    pub(crate) status: u16,
    pub(crate) route: Option<&'a str>,
    pub(crate) pool: Option<&'a str>,
    pub(crate) server: Option<&'a str>,
    pub(crate) how: &'a str,
    pub(crate) retries: u32,
    pub(crate) times: Times,
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

/// Where the time went until an answer began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Times {
    /// In the queue, if it had to wait.
    pub(crate) queue: Option<Duration>,
    /// Until a connection was open, if one was opened.
    pub(crate) connect: Option<Duration>,
    /// From when the server had the request to its answer.
    pub(crate) server: Option<Duration>,
    /// In all.
    pub(crate) first_byte: Option<Duration>,
}

/// What stands before a value: one text, known when this is built.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

pub(super) fn json(entry: &Entry<'_>, now: SystemTime, clock: &mut Clock, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    clock.write(now, out);
    out.extend_from_slice(b"\",\"client\":\"");
    address(entry.client, out);
    out.push(b'"');
    string(key!("id"), entry.id.as_bytes(), out);
    string(key!("listener"), entry.listener.as_bytes(), out);
    word(key!("protocol"), entry.protocol, out);
    word(key!("tls"), entry.tls.unwrap_or_default(), out);
    string(key!("trace_id"), entry.trace.unwrap_or_default(), out);
    string(key!("method"), entry.method.as_bytes(), out);
    string(key!("host"), entry.host, out);
    string(key!("target"), entry.target, out);
    number(key!("status"), entry.status.into(), out);
    for (key, value) in
        [(key!("route"), entry.route), (key!("pool"), entry.pool), (key!("server"), entry.server)]
    {
        if let Some(value) = value {
            string(key, value.as_bytes(), out);
        }
    }
    word(key!("how"), entry.how, out);
    number(key!("retries"), entry.retries.into(), out);
    times(entry, out);
    number(key!("bytes_in"), entry.bytes_in, out);
    number(key!("bytes_out"), entry.bytes_out, out);
    word(key!("reason"), entry.reason.unwrap_or_default(), out);
    if let Some(carried) = &entry.carried {
        stream(carried, out);
    }
    string(key!("user_agent"), entry.user_agent, out);
    for (name, value) in entry.captures {
        string(&format!(",\"{name}\":"), value, out);
    }
    number(key!("generation"), entry.generation, out);
    out.extend_from_slice(b"}\n");
}

/// Where the time went.
fn times(entry: &Entry<'_>, out: &mut Vec<u8>) {
    let Times { queue, connect, server, first_byte } = entry.times;
    let times = [
        (key!("queue_ms"), queue),
        (key!("connect_ms"), connect),
        (key!("server_ms"), server),
        (key!("first_byte_ms"), first_byte),
        (key!("ms"), Some(entry.took)),
    ];
    for (key, time) in times {
        if let Some(time) = time {
            millis(key, time, out);
        }
    }
}

/// What only a long-lived stream has.
fn stream(carried: &Carried, out: &mut Vec<u8>) {
    if let Some((to_server, to_client)) = carried.messages {
        number(key!("messages_in"), to_server, out);
        number(key!("messages_out"), to_client, out);
    }
    word(key!("closed_by"), carried.closed_by.unwrap_or_default(), out);
    if let Some(code) = carried.close_code {
        number(key!("close_code"), code.into(), out);
    }
}

/// NCSA combined, as httpd and nginx write it, with route, pool and server behind.
pub(super) fn combined(entry: &Entry<'_>, now: SystemTime, clock: &mut Clock, out: &mut Vec<u8>) {
    address(entry.client, out);
    out.extend_from_slice(b" - - [");
    clock.write_combined(now, out);
    out.extend_from_slice(b"] \"");
    out.extend_from_slice(entry.method.as_bytes());
    out.push(b' ');
    escaped(entry.target, out);
    out.push(b' ');
    out.extend_from_slice(dashed(entry.protocol));
    out.extend_from_slice(b"\" ");
    digits(entry.status.into(), out);
    out.push(b' ');
    digits(entry.bytes_out, out);
    out.extend_from_slice(b" \"");
    escaped(entry.referer, out);
    out.extend_from_slice(b"\" \"");
    escaped(entry.user_agent, out);
    out.extend_from_slice(b"\" ");
    out.extend_from_slice(dashed(entry.route.unwrap_or_default()));
    out.push(b' ');
    out.extend_from_slice(dashed(entry.pool.unwrap_or_default()));
    out.push(b'/');
    out.extend_from_slice(dashed(entry.server.unwrap_or_default()));
    out.push(b' ');
    // Seconds, rounded to thousandths.
    let millis = (entry.took.as_micros() as u64 + 500) / 1000;
    digits(millis / 1000, out);
    out.push(b'.');
    thousandths(millis % 1000, out);
    out.push(b'\n');
}

fn dashed(text: &str) -> &[u8] {
    if text.is_empty() { b"-" } else { text.as_bytes() }
}

pub(super) fn timestamp(now: SystemTime) -> String {
    jiff::Timestamp::try_from(now).map_or_else(|_| "-".to_owned(), |time| format!("{time:.3}"))
}

/// A value that may hold anything; nothing is written of an empty one.
#[inline]
fn string(key: &str, value: &[u8], out: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    out.extend_from_slice(key.as_bytes());
    out.push(b'"');
    escaped(value, out);
    out.push(b'"');
}

/// A word of the code's own.
#[inline]
fn word(key: &str, value: &str, out: &mut Vec<u8>) {
    if value.is_empty() {
        return;
    }
    out.extend_from_slice(key.as_bytes());
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

#[inline]
fn number(key: &str, value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(key.as_bytes());
    digits(value, out);
}

fn digits(value: u64, out: &mut Vec<u8>) {
    match u8::try_from(value) {
        Ok(one) if one < 10 => out.push(b'0' + one),
        _ => out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes()),
    }
}

fn address(ip: IpAddr, out: &mut Vec<u8>) {
    out.extend_from_slice(render(ip, &mut [0; 48]));
}

/// Milliseconds with microseconds behind the point, as integers: a float costs several times as much to write.
fn millis(key: &str, time: Duration, out: &mut Vec<u8>) {
    let micros = time.as_micros() as u64;
    number(key, micros / 1000, out);
    out.push(b'.');
    thousandths(micros % 1000, out);
}

/// Three digits.
fn thousandths(n: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&[n / 100, n / 10 % 10, n % 10].map(|digit| b'0' + digit as u8));
}

/// Writes instants; those of one second are taken apart once.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: u64,
    /// Without what is behind the second.
    text: String,
    /// The same as NCSA writes it.
    combined: String,
}

impl Clock {
    fn turn(&mut self, now: SystemTime) -> Duration {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if self.text.is_empty() || self.second != since.as_secs() {
            self.second = since.as_secs();
            self.text = timestamp(now);
            self.text.truncate("1970-01-01T00:00:00".len());
            let time = jiff::Timestamp::try_from(now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
            self.combined = time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
        }
        since
    }

    fn write(&mut self, now: SystemTime, out: &mut Vec<u8>) {
        let since = self.turn(now);
        out.extend_from_slice(self.text.as_bytes());
        out.push(b'.');
        thousandths(since.subsec_millis().into(), out);
        out.push(b'Z');
    }

    fn write_combined(&mut self, now: SystemTime, out: &mut Vec<u8>) {
        self.turn(now);
        out.extend_from_slice(self.combined.as_bytes());
    }
}

/// A value that can be read by a JSON reader and that cannot forge a line: control bytes, quotes and
/// backslashes are escaped, bytes beyond ASCII are kept when they are UTF-8.
fn escaped(value: &[u8], out: &mut Vec<u8>) {
    let plain = |byte: &u8| (byte.wrapping_sub(b' ') < 95) & (*byte != b'"') & (*byte != b'\\');
    // A piece at a time, to its end: so many bytes are compared at once.
    if value.chunks(PIECE).all(|piece| piece.iter().fold(true, |all, byte| all & plain(byte))) {
        return out.extend_from_slice(value);
    }
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
            protocol: "HTTP/2.0",
            tls: Some("TLSv1.3"),
            trace: None,
            method: "GET",
            host: b"app.example",
            target,
            status: 200,
            route: Some("/"),
            pool: Some("app"),
            server: Some("a1"),
            how: "sticky-cookie",
            retries: 0,
            times: Times { first_byte: Some(Duration::from_micros(1500)), ..Times::default() },
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
        json(
            &entry(b"/\"\\\x01\xff\nx?q=\xc3\xa4", &captures),
            SystemTime::UNIX_EPOCH,
            &mut Clock::default(),
            &mut out,
        );
        assert_eq!(out.iter().filter(|&&b| b == b'\n').count(), 1);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["target"], "/\"\\\u{1}\u{ff}\nx?q=ä");
        assert_eq!((&value["server"], &value["id"]), (&"a1".into(), &"4bf92f".into()));
        assert_eq!((&value["first_byte_ms"], &value["queue_ms"]), (&1.5.into(), &serde_json::Value::Null));
        assert_eq!((&value["protocol"], &value["tls"]), (&"HTTP/2.0".into(), &"TLSv1.3".into()));
        assert_eq!(value["time"], "1970-01-01T00:00:00.000Z");
        assert_eq!(value["cookie:sid"], "a\"\n");
    }

    #[test]
    fn a_clock_writes_what_its_library_does() {
        let mut clock = Clock::default();
        for millis in [0, 7, 999, 1000, 1_999, 1_700_000_000_123, 1_700_000_000_999, 1_699_999_999_001] {
            let now = SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
            let mut out = Vec::new();
            clock.write(now, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), timestamp(now));
        }
    }

    #[test]
    fn a_combined_line_cannot_be_forged() {
        let mut out = Vec::new();
        combined(
            &entry(b"/x\" 200 1\n127.0.0.1", &[]),
            SystemTime::UNIX_EPOCH,
            &mut Clock::default(),
            &mut out,
        );
        let line = String::from_utf8(out).unwrap();
        assert_eq!(line.matches('\n').count(), 1);
        assert!(
            line.starts_with("203.0.113.9 - - [01/Jan/1970:00:00:00 +0000] \"GET /x\\\" 200 1\\u000a127"),
            "{line}"
        );
        assert!(line.ends_with("/ app/a1 0.002\n"), "{line}");
    }
}
