//! Rendezvous hashing: each server's score is a hash of the key and its name, and the best candidate wins. A server
//! that comes or goes moves only its own share of keys, and the order of servers means nothing.

use super::Candidates;
use crate::pool::server::ServerId;

pub(super) fn pick(among: &Candidates<'_>, key: u64) -> Option<usize> {
    let mut best: Option<Best> = None;
    for at in 0..among.len() {
        let index = among.index(at);
        let weight = among.weight(index);
        if weight == 0 {
            continue;
        }
        let draw = draw(key, among.server(index).id);
        match &mut best {
            None => best = Some(Best { index, draw, weight }),
            Some(best) if best.loses_to(draw, weight) => *best = Best { index, draw, weight },
            Some(_) => {}
        }
    }
    best.map(|best| best.index)
}

struct Best {
    index: usize,
    draw: u64,
    weight: u32,
}

impl Best {
    /// With equal weights the larger draw wins; else the larger draw^(1/weight), which is the larger
    /// -weight/ln(draw) and gives each server its share.
    fn loses_to(&self, draw: u64, weight: u32) -> bool {
        if weight == self.weight {
            return draw > self.draw;
        }
        ln(draw) * f64::from(self.weight) > ln(self.draw) * f64::from(weight)
    }
}

/// The natural logarithm of a draw taken as a fraction of one; below zero.
fn ln(draw: u64) -> f64 {
    ((draw >> 11) as f64 + 0.5).ln() - 53.0 * std::f64::consts::LN_2
}

fn draw(key: u64, server: ServerId) -> u64 {
    mix(key ^ mix(server.0))
}

/// A hash of some bytes that is the same everywhere and always: what an [`Affinity`](crate::pool::Affinity) makes a
/// hash key with. Not meant to withstand who chooses keys to collide: such a client only burdens its own server.
pub fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    mix(fnv)
}

/// The finisher of splitmix64: each bit of the input changes half of the output.
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_never_changes() {
        // Written down: a change would move every client of every hashed pool at an upgrade.
        assert_eq!(hash(b""), 0xF52A_15E9_A9B5_E89B);
        assert_eq!(hash(b"JSESSIONID=1"), hash(b"JSESSIONID=1"));
        assert_ne!(hash(b"JSESSIONID=1"), hash(b"JSESSIONID=2"));
    }
}
