//! By what requests were routed lately: host, path, method, client; so that a plan can route them again.
//!
//! Two buffers for each worker, made once: when one is full the other is emptied and written anew, so that between
//! one and two buffers of requests are remembered, and a request costs a copy of its key and no allocation.
//! No query, no header field and no cookie is kept: a route that asks for these cannot be replayed.

use std::net::IpAddr;

/// Requests of one buffer.
const KEPT: usize = 10_000;
/// Bytes of one buffer.
const BYTES: usize = 1 << 20;
/// Bytes of a path and of a host that are kept.
const PATH: usize = 512;
const NAME: usize = 255;
/// Bytes before the texts of a request.
const FIXED: usize = 45;
/// A WebSocket was asked for.
const WEBSOCKET: u8 = 1;
/// The path was longer than what is kept.
const CUT: u8 = 2;
/// The client's address has 16 bytes.
const IPV6: u8 = 4;

/// By what one request was routed, told to whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingKey {
    /// Seconds since 1970.
    pub at: u64,
    /// A number for the listener's name ([`mark`]).
    pub listener: u64,
    /// The method.
    pub method: String,
    /// The host, as sent.
    pub host: Vec<u8>,
    /// The path without its query, as sent.
    pub path: Vec<u8>,
    /// Whether that is only the path's beginning.
    pub is_cut: bool,
    /// Whether a WebSocket was asked for.
    pub websocket: bool,
    /// The client.
    pub client: IpAddr,
    /// A number for the route's name ([`mark`]); 0 when none matched.
    pub route: u64,
}

/// What is noted of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) at: u64,
    pub(crate) listener: &'a str,
    pub(crate) method: &'a [u8],
    pub(crate) host: &'a [u8],
    pub(crate) path: &'a [u8],
    pub(crate) websocket: bool,
    pub(crate) client: IpAddr,
    pub(crate) route: Option<&'a str>,
}

/// One worker's memory.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    now: Buffer,
    before: Buffer,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    count: usize,
}

/// A number for a name, never 0. Eight bytes at a time: it is made for every request.
pub fn mark(name: &str) -> u64 {
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(STEP);
    let (bytes, length) = (name.as_bytes(), name.len() as u64);
    // The last eight bytes overlap with those before them: no byte is taken alone but in short names.
    let Some(last) = bytes.last_chunk::<8>() else {
        return bytes.iter().fold(length, |hash, byte| mix(hash, u64::from(*byte))) | 1;
    };
    let words = bytes.as_chunks::<8>().0;
    let hash = words.iter().fold(length, |hash, word| mix(hash, u64::from_ne_bytes(*word)));
    mix(hash, u64::from_ne_bytes(*last)) | 1
}

impl Recent {
    /// Notes one; the oldest make room.
    pub(crate) fn note(&mut self, seen: &Seen<'_>) {
        let path = &seen.path[..seen.path.len().min(PATH)];
        let [method, host] = [seen.method, seen.host].map(|name| &name[..name.len().min(NAME)]);
        let size = FIXED + method.len() + host.len() + path.len();
        if self.now.bytes.capacity() == 0 {
            self.now.bytes.reserve_exact(BYTES);
        }
        if self.now.count >= KEPT || self.now.bytes.len() + size > BYTES {
            std::mem::swap(&mut self.now, &mut self.before);
            self.now.bytes.clear();
            self.now.bytes.reserve_exact(BYTES);
            self.now.count = 0;
        }
        let flags = u8::from(seen.websocket) * WEBSOCKET
            + u8::from(path.len() < seen.path.len()) * CUT
            + u8::from(seen.client.is_ipv6()) * IPV6;
        let mut fixed = [0; FIXED];
        fixed[..8].copy_from_slice(&seen.at.to_ne_bytes());
        fixed[8..16].copy_from_slice(&seen.route.map_or(0, mark).to_ne_bytes());
        fixed[16..24].copy_from_slice(&mark(seen.listener).to_ne_bytes());
        match seen.client {
            IpAddr::V4(ip) => fixed[24..28].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => fixed[24..40].copy_from_slice(&ip.octets()),
        }
        // Each length is at most 255.
        fixed[40..43].copy_from_slice(&[flags, method.len() as u8, host.len() as u8]);
        fixed[43..].copy_from_slice(&(path.len() as u16).to_ne_bytes());
        let out = &mut self.now.bytes;
        out.extend_from_slice(&fixed);
        [method, host, path].into_iter().for_each(|text| out.extend_from_slice(text));
        self.now.count += 1;
    }

    /// All that is remembered, oldest first.
    pub(crate) fn all(&self) -> Vec<RoutingKey> {
        [&self.before, &self.now].into_iter().flat_map(|buffer| Reader(&buffer.bytes)).collect()
    }
}

/// Reads what [`Recent::note`] wrote.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn text(&mut self, length: usize) -> Option<Vec<u8>> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head.to_vec())
    }
}

impl Iterator for Reader<'_> {
    type Item = RoutingKey;

    fn next(&mut self) -> Option<RoutingKey> {
        let at = u64::from_ne_bytes(self.array()?);
        let route = u64::from_ne_bytes(self.array()?);
        let listener = u64::from_ne_bytes(self.array()?);
        let client: [u8; 16] = self.array()?;
        let [flags, method, host] = self.array()?;
        let path = usize::from(u16::from_ne_bytes(self.array()?));
        let [a, b, c, d, ..] = client;
        let client = if flags & IPV6 != 0 { IpAddr::from(client) } else { IpAddr::from([a, b, c, d]) };
        Some(RoutingKey {
            at,
            listener,
            method: String::from_utf8_lossy(&self.text(method.into())?).into_owned(),
            host: self.text(host.into())?,
            path: self.text(path)?,
            is_cut: flags & CUT != 0,
            websocket: flags & WEBSOCKET != 0,
            client,
            route,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &[u8]) -> Seen<'_> {
        Seen {
            at: 7,
            listener: "front",
            method: b"GET",
            host: b"a.b",
            path,
            websocket: true,
            client: IpAddr::from([203, 0, 113, 9]),
            route: Some("/x"),
        }
    }

    #[test]
    fn what_is_noted_is_told() {
        let mut recent = Recent::default();
        assert_eq!(recent.all(), []);
        recent.note(&seen(b"/x/y"));
        recent.note(&Seen {
            route: None,
            websocket: false,
            client: IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
            ..seen(b"/")
        });
        let told = recent.all();
        assert_eq!(
            (told[0].path.as_slice(), told[0].host.as_slice(), told[0].at),
            (&b"/x/y"[..], &b"a.b"[..], 7)
        );
        assert_eq!((told[0].route, told[0].websocket, told[0].client), (mark("/x"), true, seen(b"").client));
        assert_eq!((told[1].route, told[1].websocket, told[1].client.is_ipv6()), (0, false, true));
    }

    #[test]
    fn the_oldest_make_room_and_nothing_is_allocated_on_the_way() {
        let mut recent = Recent::default();
        recent.note(&seen(b"/first"));
        let room = recent.now.bytes.capacity();
        for number in 0..2 * KEPT {
            recent.note(&seen(format!("/{number}").as_bytes()));
            assert_eq!(recent.now.bytes.capacity(), room);
        }
        let told = recent.all();
        assert!((KEPT..=2 * KEPT).contains(&told.len()), "{}", told.len());
        assert_eq!(told.last().unwrap().path, format!("/{}", 2 * KEPT - 1).as_bytes());
        assert!(told.iter().all(|key| key.path != b"/first"));
    }

    #[test]
    fn long_paths_are_cut_and_said_to_be() {
        let mut recent = Recent::default();
        let long = [b"/".as_slice(), &[b'x'; 4 * PATH]].concat();
        for _ in 0..KEPT {
            recent.note(&seen(&long));
        }
        let told = recent.all();
        assert!(told.len() >= BYTES / (PATH + 64) - 1);
        assert!(told.iter().all(|key| key.is_cut && key.path.len() == PATH));
        assert!(recent.now.bytes.len() <= BYTES && recent.before.bytes.len() <= BYTES);
    }
}
