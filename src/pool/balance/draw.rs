//! A weighted draw. While most members are candidates a few random probes find one; else passes over all do.

use super::Candidates;

/// Probes before the passes.
const PROBES: u32 = 8;
/// How few candidates are gathered, so that two can be drawn from one pass.
const FEW: usize = 32;

/// Draws a candidate with a chance in proportion to its weight.
pub(super) fn one(among: &Candidates<'_>) -> Option<usize> {
    probe(among, None).or_else(|| full(among, None))
}

/// Draws two different candidates, one after the other; the second is missing when there is only one.
pub(super) fn two(among: &Candidates<'_>) -> Option<(usize, Option<usize>)> {
    if let Some((first, second)) = even_pair(among) {
        return Some((first, Some(second)));
    }
    let probed = probe(among, None);
    if let Some(first) = probed
        && let Some(second) = probe(among, Some(first))
    {
        return Some((first, Some(second)));
    }
    let mut few = [(0, 0); FEW];
    let mut count = 0;
    for candidate in candidates(among, None) {
        if count == FEW {
            let first = probed.or_else(|| full(among, None))?;
            return Some((first, full(among, Some(first))));
        }
        few[count] = candidate;
        count += 1;
    }
    let few = &few[..count];
    let first = probed.or_else(|| draw(few, None))?;
    Some((first, draw(few, Some(first))))
}

/// Two different members of which each has the same chance, when both turn out to be candidates of the full weight.
fn even_pair(among: &Candidates<'_>) -> Option<(usize, usize)> {
    let count = among.len();
    // Without a weight nobody is a candidate, however even that is.
    if !among.tier.even || among.tier.max_weight == 0 || among.overridden || count < 2 {
        return None;
    }
    let first = fastrand::usize(..count);
    let second = (first + 1 + fastrand::usize(..count - 1)) % count;
    let (first, second) = (among.index(first), among.index(second));
    let full = |index| among.weight(index) == among.tier.max_weight;
    (full(first) && full(second)).then_some((first, second))
}

/// Draws in two passes, whatever the weights are; never `without`.
pub(super) fn full(among: &Candidates<'_>, without: Option<usize>) -> Option<usize> {
    let total: u64 = candidates(among, without).map(|(_, weight)| u64::from(weight)).sum();
    if total == 0 {
        return None;
    }
    at(candidates(among, without), fastrand::u64(..total))
}

/// The candidate in whose share `target` lies.
pub(super) fn share(among: &Candidates<'_>, target: u64) -> Option<usize> {
    at(candidates(among, None), target)
}

/// Taking a random member with the chance weight/largest, else trying again, is a weighted draw too.
fn probe(among: &Candidates<'_>, without: Option<usize>) -> Option<usize> {
    let largest = among.tier.max_weight;
    if among.overridden || largest == 0 {
        return None;
    }
    (0..PROBES).find_map(|_| {
        let index = among.index(fastrand::usize(..among.len()));
        let weight = among.weight(index);
        let taken = weight == largest || fastrand::u32(..largest) < weight;
        (taken && Some(index) != without).then_some(index)
    })
}

fn draw(few: &[(usize, u32)], without: Option<usize>) -> Option<usize> {
    let others = || few.iter().copied().filter(|(index, _)| Some(*index) != without);
    let total: u64 = others().map(|(_, weight)| u64::from(weight)).sum();
    if total == 0 {
        return None;
    }
    at(others(), fastrand::u64(..total))
}

/// The one in whose share `target` lies; the last one when shares shrank since they were summed.
fn at(candidates: impl Iterator<Item = (usize, u32)>, target: u64) -> Option<usize> {
    let mut left = target;
    let mut last = None;
    for (index, weight) in candidates {
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
