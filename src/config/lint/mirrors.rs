//! Mirrors: LB218 (copies that double the route's own work), LB217 (a mirror that gets nothing).

use super::super::diagnostic::Diagnostic;
use super::Subject;

pub(super) fn run(s: &Subject<'_>) {
    for route in s.written.sites.iter().flat_map(|site| &site.routes) {
        let (Some(mirror), Some(action)) = (&route.mirror, &route.action) else { continue };
        if action.value.pools().any(|pool| *pool == mirror.pool) {
            let message = format!("`{}` gets requests of this route twice", mirror.pool);
            let finding = Diagnostic::warning("LB218", mirror.span, message);
            let finding = finding.label("the route leads here already").also(action.span, "here");
            s.push(finding.help("copy to a pool of its own: a copy has all the effects of its request"));
        }
        if mirror.fraction_percent == 0.0 {
            let finding = Diagnostic::warning("LB217", mirror.span, "this mirror gets nothing");
            s.push(finding.label("fraction 0%").help("remove it, or give it a share"));
        }
    }
}
