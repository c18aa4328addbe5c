//! The signed word that stands for a server in a cookie: which server, since when, last seen when.
//!
//! `base64url(version 1, server id 8, issued 4, seen 4, tag 16)`: 44 characters. The tag covers the cookie's name
//! too, not the pool's: pools that share servers and a cookie name share the stickiness. What does not verify counts
//! as absent.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;

use super::KeyRing;
use super::keys::{Signed, TAG};
use crate::pool::server::ServerId;

const VERSION: u8 = 1;
const PAYLOAD: usize = 17;
const RAW: usize = PAYLOAD + TAG;
/// Characters of a word.
pub(super) const LENGTH: usize = 44;

/// A word, as it stands in a cookie.
pub type CookieValue = [u8; LENGTH];

/// What a word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) server: ServerId,
    /// Unix seconds.
    pub(super) issued: u32,
    /// Unix seconds; 0 when idleness was not watched.
    pub(super) seen: u32,
}

impl Token {
    /// Signs it for a cookie of this name.
    pub(super) fn seal(&self, name: &str, keys: &KeyRing) -> CookieValue {
        let mut raw = [0; RAW];
        raw[0] = VERSION;
        raw[1..9].copy_from_slice(&self.server.0.to_be_bytes());
        raw[9..13].copy_from_slice(&self.issued.to_be_bytes());
        raw[13..PAYLOAD].copy_from_slice(&self.seen.to_be_bytes());
        let tag = keys.sign([name.as_bytes(), &raw[..PAYLOAD]]);
        raw[PAYLOAD..].copy_from_slice(&tag);
        let mut value = [0; LENGTH];
        BASE64URL_NOPAD.encode_mut(&raw, &mut value);
        value
    }

    /// Reads a word that was made here for a cookie of this name, and says which key signed it.
    pub(super) fn open(value: &[u8], name: &Arc<str>, keys: &KeyRing) -> Option<(Self, Signed)> {
        let value: &CookieValue = value.try_into().ok()?;
        if let Some(known) = keys.verified.find(value, name) {
            return Some(known);
        }
        let found = Self::verify(value, name, keys)?;
        keys.verified.note(value, name, found);
        Some(found)
    }

    fn verify(value: &CookieValue, name: &str, keys: &KeyRing) -> Option<(Self, Signed)> {
        let raw = decode(value)?;
        let (payload, tag) = raw.split_at(PAYLOAD);
        let signed = keys.verify([name.as_bytes(), payload], tag)?;
        let server = ServerId(payload[1..9].iter().fold(0, |id, &byte| id << 8 | u64::from(byte)));
        let token = Self { server, issued: number(&payload[9..13]), seen: number(&payload[13..PAYLOAD]) };
        Some((token, signed))
    }

    /// Whether it looks like a word, whoever signed it.
    pub(super) fn has_shape(value: &[u8]) -> bool {
        decode(value).is_some()
    }
}

fn decode(value: &[u8]) -> Option<[u8; RAW]> {
    if value.len() != LENGTH {
        return None;
    }
    let mut raw = [0; RAW];
    let decoded = BASE64URL_NOPAD.decode_mut(value, &mut raw);
    (decoded == Ok(RAW) && raw[0] == VERSION).then_some(raw)
}

/// Unix seconds, as they stand in a word.
pub(super) fn seconds(now: u64) -> u32 {
    u32::try_from(now).unwrap_or(u32::MAX)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte))
}
