//! A weighted draw. While most members are candidates a few random probes find one; else two passes over all do.

use super::Candidates;

/// Probes before the passes.
const PROBES: u32 = 8;

/// Draws a candidate with a chance in proportion to its weight; never `without`.
pub(super) fn pick(among: &Candidates<'_>, without: Option<usize>) -> Option<usize> {
    // Taking a random member with the chance weight/largest, else trying again, is a weighted draw.
    if !among.overridden {
        for _ in 0..PROBES {
            let index = among.index(fastrand::usize(..among.len()));
            let weight = among.weight(index);
            let taken =
                weight == among.tier.max_weight || fastrand::u32(..among.tier.max_weight.max(1)) < weight;
            if weight > 0 && taken && Some(index) != without {
                return Some(index);
            }
        }
    }
    full(among, without)
}

/// The same in two passes, whatever the weights are.
pub(super) fn full(among: &Candidates<'_>, without: Option<usize>) -> Option<usize> {
    let total: u64 = candidates(among, without).map(|(_, weight)| u64::from(weight)).sum();
    if total == 0 {
        return None;
    }
    at(among, without, fastrand::u64(..total))
}

/// The candidate in whose share `target` lies; the last one when shares shrank since they were summed.
pub(super) fn at(among: &Candidates<'_>, without: Option<usize>, target: u64) -> Option<usize> {
    let mut left = target;
    let mut last = None;
    for (index, weight) in candidates(among, without) {
        if left < u64::from(weight) {
            return Some(index);
        }
        left -= u64::from(weight);
        last = Some(index);
    }
    last
}

fn candidates(among: &Candidates<'_>, without: Option<usize>) -> impl Iterator<Item = (usize, u32)> {
    (0..among.len()).filter_map(move |at| {
        let index = among.index(at);
        let weight = among.weight(index);
        (weight > 0 && Some(index) != without).then_some((index, weight))
    })
}
