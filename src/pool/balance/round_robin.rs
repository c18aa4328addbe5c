//! Smooth weighted round robin: `a a a b` with weights 3 and 1 is served as `a a b a`.
//!
//! The order over all members is computed once; a shared position walks it, and who takes no requests is passed
//! over, which keeps the shares and the smoothness of the others. With weight overrides the order does not hold, and
//! the position is spread over the weights of the moment instead.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Candidates, draw, spread};

/// The longest order; larger sums of weights are scaled down.
const LONGEST: u64 = 4096;
/// How often a pick that raced with others looks again before it takes what it found.
const RACES: u32 = 8;

pub(super) fn pick(among: &Candidates<'_>, turn: &AtomicU64) -> Option<usize> {
    if among.overridden {
        return pick_by_weights(among, turn);
    }
    let sequence = &among.tier.sequence;
    if sequence.is_empty() {
        return None;
    }
    // With heavy weights gone the next candidate may be far away: then a draw is cheaper and as fair.
    let reach = sequence.len().min(4 * among.len() + 64);
    for race in 0..=RACES {
        let start = turn.load(Ordering::Relaxed);
        let found = (0..reach).find_map(|step| {
            let index = sequence[(start.wrapping_add(step as u64) % sequence.len() as u64) as usize] as usize;
            (among.weight(index) > 0).then_some((step as u64 + 1, index))
        });
        let Some((steps, index)) = found else { break };
        let end = start.wrapping_add(steps);
        if turn.compare_exchange_weak(start, end, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Some(index);
        }
        if race == RACES {
            turn.fetch_add(steps, Ordering::Relaxed);
            return Some(index);
        }
    }
    draw::full(among, None)
}

fn pick_by_weights(among: &Candidates<'_>, turn: &AtomicU64) -> Option<usize> {
    let total: u64 = (0..among.len()).map(|at| u64::from(among.weight(among.index(at)))).sum();
    if total == 0 {
        return None;
    }
    let target = spread(turn.fetch_add(1, Ordering::Relaxed), total);
    draw::at(among, None, target)
}

/// The order in which members of these weights are served, by index; each as often as its weight says, never
/// bunched.
pub(super) fn smooth_sequence(weights: &[u32]) -> Vec<usize> {
    let weights = reduced(weights);
    let total: i64 = weights.iter().sum();
    let mut credit = vec![0_i64; weights.len()];
    let mut sequence = Vec::with_capacity(total as usize);
    for _ in 0..total {
        let mut best = 0;
        for (i, weight) in weights.iter().enumerate() {
            credit[i] += weight;
            if credit[i] > credit[best] {
                best = i;
            }
        }
        credit[best] -= total;
        sequence.push(best);
    }
    sequence
}

fn reduced(weights: &[u32]) -> Vec<i64> {
    let divisor = weights.iter().copied().fold(0, gcd).max(1);
    let sum: u64 = weights.iter().map(|&w| u64::from(w / divisor)).sum();
    let scale = |weight: u32| match u64::from(weight / divisor) {
        weight if weight == 0 || sum <= LONGEST => weight,
        weight => ((weight * LONGEST + sum / 2) / sum).max(1),
    };
    weights.iter().map(|&weight| scale(weight) as i64).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(weights: &[u32], expected: &str) {
        let seen: String = smooth_sequence(weights).into_iter().map(|i| char::from(b'a' + i as u8)).collect();
        assert_eq!(seen, expected, "{weights:?}");
    }

    #[test]
    fn the_order_is_smooth() {
        check(&[1, 1, 1], "abc");
        check(&[3, 1], "aaba");
        check(&[5, 1, 1], "aabacaa");
        check(&[50, 10, 10], "aabacaa");
        check(&[0, 2, 1], "bcb");
        check(&[0, 0], "");
        check(&[], "");
    }

    proptest! {
        #[test]
        fn each_prefix_gives_each_member_its_share(weights in prop::collection::vec(0_u32..40, 1..8)) {
            let sequence = smooth_sequence(&weights);
            let total: u32 = weights.iter().sum();
            let mut served = vec![0_f64; weights.len()];
            for (i, &member) in sequence.iter().enumerate() {
                served[member] += 1.0;
                for (served, &weight) in served.iter().zip(&weights) {
                    let share = (i + 1) as f64 * f64::from(weight) / f64::from(total);
                    prop_assert!((served - share).abs() < weights.len() as f64, "{weights:?} at {i}");
                }
            }
            // A whole round is exact.
            for (served, &weight) in served.iter().zip(&weights) {
                let share = sequence.len() as f64 * f64::from(weight) / f64::from(total.max(1));
                prop_assert!((served - share).abs() < 1e-6, "{weights:?}: {served} for {share}");
            }
        }

        #[test]
        fn no_order_is_too_long_and_nobody_is_forgotten(weights in prop::collection::vec(1_u32..100_000, 1..200)) {
            let sequence = smooth_sequence(&weights);
            prop_assert!(sequence.len() as u64 <= LONGEST + weights.len() as u64);
            let mut served = vec![false; weights.len()];
            sequence.iter().for_each(|&i| served[i] = true);
            prop_assert!(served.into_iter().all(|s| s));
        }
    }
}
