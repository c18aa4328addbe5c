//! `rate-limit`: token buckets, of a site or a route.

use super::super::diagnostic::Spanned;
use super::super::model::{Name, RateLimit};
use super::super::reader::Block;
use super::super::values::typed::Typed;

/// Every limit of a block; the name of one that has none is empty until its place is known.
pub(super) fn read(block: Block<'_>) -> Vec<Spanned<RateLimit>> {
    let mut limits = Vec::new();
    for r in block.all("rate-limit") {
        let burst = r.get("burst", Typed::int);
        let key = r.value("key", Typed::key);
        let name = r.get("name", Typed::text).unwrap_or_default();
        let Some(rate) = r.arg(0, Typed::rate) else { continue };
        let limit = RateLimit {
            name: Name::from(name),
            key,
            count: rate.value.count,
            per: rate.value.per,
            burst: burst.unwrap_or(rate.value.count),
        };
        limits.push(Spanned::new(limit, r.span()));
    }
    limits
}
