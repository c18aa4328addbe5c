//! Splits: LB211 (one that does not divide), LB216 (one that moves a client between servers that know it).

use super::super::diagnostic::Diagnostic;
use super::super::model::{Action, SplitBy, Sticky};
use super::{Subject, edits};

pub(super) fn run(s: &Subject<'_>) {
    for route in s.written.sites.iter().flat_map(|site| &site.routes) {
        let Some(action) = &route.action else { continue };
        let Action::Split(split) = &action.value else { continue };
        let warn =
            |code, at, message: String, label: &str| Diagnostic::warning(code, at, message).label(label);
        if let [only] = split.branches.as_slice() {
            let message = format!("this split always leads to `{}`", only.pool);
            let finding = warn("LB211", action.span, message, "one branch");
            s.push(finding.help(format!("write `pool={}`, or add another `to`", only.pool)));
            continue;
        }
        for idle in split.branches.iter().filter(|branch| branch.weight == 0) {
            let finding = warn("LB211", idle.span, format!("`{}` gets nobody", idle.pool), "weight 0");
            s.push(finding.help("give it a weight, or remove it"));
        }
        let keeps = |pool: &_| {
            let pool = s.model.pools.get(pool);
            pool.is_some_and(|pool| pool.sticky.iter().any(|sticky| !matches!(sticky, Sticky::Table(_))))
        };
        if let (SplitBy::Request, Some(sticky)) =
            (&split.by, split.branches.iter().find(|branch| keeps(&branch.pool)))
        {
            let message = format!("a client of `{}` leaves its server with any request", sticky.pool);
            let finding = warn("LB216", action.span, message, "each request is drawn anew");
            let finding = finding.help("write `split by=cookie cookie=side`");
            let node = route.reader.block().one("split").filter(|node| node.written("cookie").is_none());
            s.push(edits::safe(finding, node.and_then(|node| edits::set(node, "by", "cookie cookie=side"))));
        }
    }
}
