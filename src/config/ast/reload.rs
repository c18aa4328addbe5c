//! `reload`: how files are watched.

use super::super::model::Reload;
use super::super::reader::Block;
use super::super::values::typed::Typed;

/// What it says, or the defaults.
pub(crate) fn read(root: Block<'_>) -> Reload {
    let r = root.one_or_defaults("reload");
    Reload {
        watch: r.value("watch", Typed::bool),
        settle: r.value("settle", Typed::time),
        poll: r.value("poll", Typed::time),
        history: r.value("history", Typed::int),
        max_removal_percent: r.value("max-removal", Typed::percent_off),
        replay: r.value("replay", Typed::bool),
    }
}
