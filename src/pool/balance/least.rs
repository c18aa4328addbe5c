//! The least busy by weight. Among equals (an idle pool is all equals) each gets its share by weight in turn, so
//! that no herd runs to the first.

use std::cmp::Ordering as Order;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Candidates, spread};
use crate::pool::server::Server;

pub(super) fn pick(among: &Candidates<'_>, turn: &AtomicU64, load: fn(&Server) -> u32) -> Option<usize> {
    let mut best: Option<Least> = None;
    for (index, here) in busyness(among, load) {
        match best.as_mut().map(|best| (here.cmp(&best.busyness), best)) {
            Some((Order::Greater, _)) => {}
            Some((Order::Equal, best)) => best.ties += u64::from(here.weight),
            Some((Order::Less, _)) | None => {
                best = Some(Least { index, busyness: here, ties: u64::from(here.weight) });
            }
        }
    }
    let best = best?;
    if best.ties == u64::from(best.busyness.weight) {
        return Some(best.index);
    }
    let mut left = spread(turn.fetch_add(1, Ordering::Relaxed), best.ties);
    for (index, here) in busyness(among, load).filter(|(_, here)| here.cmp(&best.busyness) == Order::Equal) {
        if left < u64::from(here.weight) {
            return Some(index);
        }
        left -= u64::from(here.weight);
    }
    // Loads changed between the passes; who was least is good enough.
    Some(best.index)
}

/// The least busy so far, and the weight of all that are as little busy.
struct Least {
    index: usize,
    busyness: Busyness,
    ties: u64,
}

/// load/weight.
#[derive(Clone, Copy)]
struct Busyness {
    load: u32,
    weight: u32,
}

impl Busyness {
    fn cmp(&self, other: &Self) -> Order {
        let (one, two) = (u64::from(self.load), u64::from(other.load));
        (one * u64::from(other.weight)).cmp(&(two * u64::from(self.weight)))
    }
}

fn busyness(among: &Candidates<'_>, load: fn(&Server) -> u32) -> impl Iterator<Item = (usize, Busyness)> {
    (0..among.len()).filter_map(move |at| {
        let index = among.index(at);
        let weight = among.weight(index);
        (weight > 0).then(|| (index, Busyness { load: load(among.server(index)), weight }))
    })
}
