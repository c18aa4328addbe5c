//! `mirror`, of a route.

use super::super::diagnostic::Diagnostic;
use super::super::model::Mirror;
use super::super::reader::Block;
use super::super::values::typed::Typed;
use super::timeout;

/// The mirror; its clocks are the defaults until pools are known.
pub(super) fn read(block: Block<'_>) -> Option<Mirror> {
    let r = block.one("mirror")?;
    let fraction_percent = r.value("fraction", Typed::percent);
    let pool = r.get("pool", Typed::text);
    let Some(span) = r.written("pool") else {
        let error = Diagnostic::error("LB102", r.span(), "a mirror needs the pool that gets the copies");
        r.cx.push(error.label("no pool").help("write `mirror pool=shadow`"));
        return None;
    };
    let timeout = timeout::defaults(Block::empty_in(r.cx, "pool"));
    Some(Mirror { pool: pool?.into(), fraction_percent, timeout, span })
}
