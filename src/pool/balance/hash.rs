//! Rendezvous hashing: each server's score is a hash of the key and its name, and the best candidate wins. A server
//! that comes or goes moves only its own share of keys, and the order of servers means nothing.

use super::{Candidates, Tier, busy};
use crate::pool::pool::Member;
use crate::pool::server::{Server, ServerId};

pub(in crate::pool) fn pick(among: &Candidates<'_>, key: u64, headroom: Option<u32>) -> Option<usize> {
    let bound = headroom.map(|headroom| Bound::new(among, headroom));
    let even = among.tier.even && !among.overridden;
    let mut best: Option<Best> = None;
    for (at, seed) in among.tier.seeds.iter().enumerate() {
        let index = among.index(at);
        let (draw, weight) = (mix(key ^ seed), among.raw_weight(index));
        if best.as_ref().is_some_and(|best| !best.loses_to(draw, weight, even)) {
            continue;
        }
        // Few ever lead, so this is asked of few.
        let weight_now = among.weight(index);
        if weight_now > 0 && bound.as_ref().is_none_or(|bound| bound.admits(among.server(index), weight_now))
        {
            best = Some(Best::new(index, draw, weight, even));
        }
    }
    best.map(|best| best.index)
}

/// Whom [`pick`] would take if all members of the tier were ready.
pub(in crate::pool) fn home(tier: &Tier, members: &[Member], overridden: bool, key: u64) -> Option<usize> {
    let even = tier.even && !overridden;
    let mut best: Option<Best> = None;
    for (&index, seed) in tier.members.iter().zip(&tier.seeds) {
        let index = index as usize;
        let weight = members[index].effective_weight();
        let draw = mix(key ^ seed);
        if weight > 0 && best.as_ref().is_none_or(|best| best.loses_to(draw, weight, even)) {
            best = Some(Best::new(index, draw, weight, even));
        }
    }
    best.map(|best| best.index)
}

/// The most that a server may have of the load of all candidates, by weight ("consistent hashing with bounded loads").
struct Bound {
    /// Requests and sessions of all, this one included, with the headroom, in thousandths.
    load: u64,
    weight: u64,
}

impl Bound {
    fn new(among: &Candidates<'_>, headroom: u32) -> Self {
        let (mut load, mut weight) = (1_u64, 0_u64);
        for at in 0..among.len() {
            let index = among.index(at);
            let here = u64::from(among.weight(index));
            if here > 0 {
                weight += here;
                load += u64::from(busy(among.server(index)));
            }
        }
        Self { load: load * (1000 + u64::from(headroom)), weight: weight.max(1) }
    }

    /// Rounded up, so that somebody always has room.
    fn admits(&self, server: &Server, weight: u32) -> bool {
        let most = (u128::from(self.load) * u128::from(weight)).div_ceil(u128::from(self.weight) * 1000);
        u128::from(busy(server)) < most
    }
}

/// What a server's name adds to each hash.
pub(super) fn seed(server: ServerId) -> u64 {
    mix(server.0)
}

struct Best {
    index: usize,
    draw: u64,
    /// ln(draw)/weight, below zero; not needed among equal weights.
    score: f64,
}

impl Best {
    fn new(index: usize, draw: u64, weight: u32, even: bool) -> Self {
        let score = if even { 0.0 } else { ln(fraction(draw)) / f64::from(weight) };
        Self { index, draw, score }
    }

    /// With equal weights the larger draw wins; else the larger draw^(1/weight), which gives each its share.
    fn loses_to(&self, draw: u64, weight: u32, even: bool) -> bool {
        if even {
            return draw > self.draw;
        }
        let needs = self.score * f64::from(weight);
        let fraction = fraction(draw);
        // ln(x) <= x - 1 spares most logarithms.
        fraction - 1.0 > needs && ln(fraction) > needs
    }
}

/// A draw as a fraction of one, neither end included: its upper bits are the mantissa of a number from 1 to 2.
fn fraction(draw: u64) -> f64 {
    f64::from_bits(1.0_f64.to_bits() | draw >> 12) - (1.0 - f64::EPSILON / 2.0)
}

/// The natural logarithm of a fraction, to 11 digits: faster than the system's, and the same on every system.
fn ln(fraction: f64) -> f64 {
    let bits = fraction.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits(bits & ((1 << 52) - 1) | 1.0_f64.to_bits());
    // From 1..2 to around 1, where the series of the inverse hyperbolic tangent is short.
    let (exponent, mantissa) = if mantissa > std::f64::consts::SQRT_2 {
        (exponent + 1, mantissa / 2.0)
    } else {
        (exponent, mantissa)
    };
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let square = s * s;
    let series = [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0].iter().fold(0.0, |sum, odd| sum * square + 1.0 / odd);
    f64::from(exponent) * std::f64::consts::LN_2 + 2.0 * s * series
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
    fn the_logarithm_is_one() {
        for draw in [0, 1 << 12, 1 << 40, 1 << 63, u64::MAX / 3, u64::MAX - (1 << 30), u64::MAX] {
            let fraction = fraction(draw);
            assert!(fraction > 0.0 && fraction < 1.0, "{draw:#x}");
            let (ours, theirs) = (ln(fraction), fraction.ln());
            assert!(
                (ours - theirs).abs() <= 1e-11 * theirs.abs().max(1e-5),
                "{draw:#x}: {ours} for {theirs}"
            );
            assert!(ours < 0.0, "{draw:#x}");
        }
    }

    #[test]
    fn the_hash_never_changes() {
        // Written down: a change would move every client of every hashed pool at an upgrade.
        assert_eq!(hash(b""), 0xF52A_15E9_A9B5_E89B);
        assert_eq!(hash(b"JSESSIONID=1"), hash(b"JSESSIONID=1"));
        assert_ne!(hash(b"JSESSIONID=1"), hash(b"JSESSIONID=2"));
    }
}
