//! What stands before or inside a stream: PROXY headers, hellos of TLS, frames of WebSockets.

use std::net::SocketAddr;

use lbd::config::model::SendProxy;
use lbd::proxy::client_hello::{self, Hello};
use lbd::proxy::proxy_protocol::{self as proxy, Parsed};
use lbd::proxy::websocket::{Answer, Frames, Sender};

use super::splits;

/// A PROXY header is judged by its own bytes alone, and its addresses are written and read as the same.
pub(crate) fn proxy(data: &[u8]) {
    let judged = proxy::parse(data);
    let before = (0..data.len()).map(|end| proxy::parse(&data[..end]));
    match judged {
        Parsed::Whole(header) => {
            assert!(header.length <= data.len() && proxy::is_header(data) && proxy::may_be_header(data));
            for (end, parsed) in before.enumerate() {
                let expected = if end < header.length { Parsed::Partial } else { judged };
                assert_eq!(parsed, expected, "of {end} bytes");
            }
            header.addresses.into_iter().for_each(is_written);
        }
        Parsed::Partial => {
            assert!(proxy::may_be_header(data));
            before.for_each(|parsed| assert_eq!(parsed, Parsed::Partial));
        }
        Parsed::Wrong => {
            // Once wrong, wrong for good.
            assert_eq!(proxy::parse(&[data, b"\r\n"].concat()), Parsed::Wrong);
            let first = before.clone().position(|parsed| parsed == Parsed::Wrong).unwrap_or(data.len());
            assert!(before.skip(first).all(|parsed| parsed == Parsed::Wrong));
        }
    }
}

fn is_written((client, local): (SocketAddr, SocketAddr)) {
    for version in [SendProxy::V1, SendProxy::V2] {
        let written = proxy::write(version, client, local);
        let Parsed::Whole(again) = proxy::parse(&written) else { panic!("{}", written.escape_ascii()) };
        assert_eq!(again.length, written.len());
        let (source, destination) = again.addresses.expect("addresses were written");
        let same = |a: SocketAddr, b: SocketAddr| {
            a.port() == b.port() && a.ip().to_canonical() == b.ip().to_canonical()
        };
        assert!(same(source, client) && same(destination, local), "{again:?}");
    }
}

/// A hello is judged by its own bytes alone; a name in it is plain.
pub(crate) fn hello(data: &[u8]) {
    let judged = client_hello::read(data);
    if let Hello::Whole(Some(name)) = &judged {
        assert!(!name.is_empty() && name.len() <= 255);
        assert!(name.iter().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b"-._".contains(b)));
    }
    // The first verdict on a beginning is the last one: nobody is routed by half a hello.
    let first =
        (0..=data.len()).map(|end| client_hello::read(&data[..end])).find(|one| *one != Hello::Partial);
    assert_eq!(first.unwrap_or(Hello::Partial), judged);
}

/// Frames end where a reader that has all bytes at once finds them to end, however they come in. The first byte
/// says who sends, the second how the rest is split.
pub(crate) fn frames(data: &[u8]) {
    let (seed, stream) = data.split_at(data.len().min(2));
    let sender = if seed.first().is_some_and(|byte| byte & 1 == 1) { Sender::Client } else { Sender::Server };
    let plain = read_at_once(stream, sender);
    for pieces in [vec![stream], stream.chunks(1).collect(), splits(stream, seed)] {
        let mut frames = Frames::new(sender);
        let (mut passed, mut ends) = (0, Vec::new());
        for mut piece in pieces {
            while !piece.is_empty() {
                let taken = frames.step(piece);
                assert!(taken > 0 && taken <= piece.len());
                passed += taken;
                piece = &piece[taken..];
                if frames.at_boundary() {
                    ends.push(passed);
                }
            }
        }
        assert_eq!(ends, plain.ends);
        assert_eq!((frames.is_broken(), frames.messages()), (plain.broken, plain.messages));
        assert_eq!(frames.close(), plain.close);
    }
    let payload = [7; 8];
    for end in 0..=stream.len().min(20) {
        let answer = Frames::new(sender).begins_pong(&stream[..end], payload);
        let whole = Frames::new(sender).begins_pong(stream, payload);
        assert!(answer == whole || answer == Answer::Perhaps, "{answer:?} of {end} bytes, {whole:?} of all");
    }
}

/// What a reader finds that has all bytes at once.
#[derive(Default)]
struct Found {
    ends: Vec<usize>,
    broken: bool,
    messages: u64,
    close: Option<u16>,
}

/// Section 5.2 of RFC 6455, read from top to bottom.
fn read_at_once(stream: &[u8], sender: Sender) -> Found {
    let (mut found, mut at) = (Found::default(), 0_usize);
    while let Some(head) = stream.get(at..at + 2) {
        let (fin, opcode, masked, short) =
            (head[0] >> 7 == 1, head[0] & 15, head[1] >> 7 == 1, head[1] & 127);
        let wide = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_at = at + 2 + wide;
        let payload_at = mask_at + if masked { 4 } else { 0 };
        let Some(head) = stream.get(at + 2..payload_at) else { break };
        let length = match wide {
            0 => u64::from(short),
            _ => head[..wide].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
        };
        let known = matches!(opcode, 0..=2 | 8..=10);
        let control_is_short = opcode < 8 || fin && length <= 125;
        if masked != (sender == Sender::Client) || !known || !control_is_short || length >> 63 == 1 {
            found.broken = true;
            break;
        }
        let end = usize::try_from(length).ok().and_then(|length| payload_at.checked_add(length));
        let Some(payload) = end.and_then(|end| stream.get(payload_at..end)) else { break };
        let mask = if masked { [stream[mask_at], stream[mask_at + 1]] } else { [0, 0] };
        if opcode == 8 && found.close.is_none() {
            let code =
                payload.get(..2).map(|code| u16::from_be_bytes([code[0] ^ mask[0], code[1] ^ mask[1]]));
            found.close = Some(code.unwrap_or(1005));
        }
        found.messages += u64::from(opcode < 8 && fin);
        at = payload_at + payload.len();
        found.ends.push(at);
    }
    found
}
