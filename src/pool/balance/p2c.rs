//! The less busy of two drawn at random: nearly as even as the least busy of all, and no herd runs to one server.

use super::{Candidates, draw};
use crate::pool::server::Server;

pub(super) fn pick(among: &Candidates<'_>, load: fn(&Server) -> u32) -> Option<usize> {
    let (first, second) = draw::two(among)?;
    let Some(second) = second else { return Some(first) };
    // load/weight, compared without a division; a tie goes to the first, whose draw was by weight.
    let per_weight =
        |one: usize, other: usize| u64::from(load(among.server(one))) * u64::from(among.raw_weight(other));
    let busier = per_weight(first, second) > per_weight(second, first);
    Some(if busier { second } else { first })
}
