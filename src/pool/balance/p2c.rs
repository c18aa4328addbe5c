//! The less busy of two drawn at random: nearly as even as the least busy of all, and no herd runs to one server.

use super::{Candidates, draw};
use crate::pool::server::Server;

pub(super) fn pick(among: &Candidates<'_>, load: fn(&Server) -> u32) -> Option<usize> {
    let first = draw::pick(among, None)?;
    let Some(second) = draw::pick(among, Some(first)) else { return Some(first) };
    let (one, two) = (among.weight(first), among.weight(second));
    // load/weight, compared without a division; a tie goes to the first, whose draw was by weight.
    let busier = u64::from(load(among.server(first))) * u64::from(two)
        > u64::from(load(among.server(second))) * u64::from(one);
    Some(if busier { second } else { first })
}
