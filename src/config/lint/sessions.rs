//! LB410: a session that is marked in its cookie and learned from where else the application puts it.

use super::super::diagnostic::Diagnostic;
use super::super::model::{ClientKey, LearnFrom, Sticky};
use super::Subject;

pub(super) fn run(s: &Subject<'_>) {
    for pool in &s.written.pools {
        let nodes = pool.reader.block().strongest("sticky");
        let ways = || pool.pool.sticky.iter().zip(&nodes);
        for (mark, node) in ways().filter_map(|(sticky, node)| match sticky {
            Sticky::Marked(mark) => Some((mark, node)),
            Sticky::Cookie(_) | Sticky::Table(_) => None,
        }) {
            let learned = ways().find(|(sticky, _)| match sticky {
                Sticky::Table(table) => match &table.by {
                    // The cookie itself, in two ways, is LB401.
                    ClientKey::Learned { from: LearnFrom::Header | LearnFrom::Parameter, name, .. } => {
                        name.eq_ignore_ascii_case(&mark.name)
                    }
                    _ => false,
                },
                Sticky::Cookie(_) | Sticky::Marked(_) => false,
            });
            let Some((_, other)) = learned else { continue };
            let message =
                format!("the session `{}` is marked by lbd and learned from the application", mark.name);
            let finding =
                Diagnostic::warning("LB410", node.span(), message).label("lbd adds the server's name");
            let finding = finding
                .also(other.span(), "what the application says already")
                .help("keep one: `learn` for an application that names its server itself (a jvmRoute), else the mark")
                .help("a session that stands in URLs too is read from there with `mode=suffix parameter=…`");
            s.push(finding.subject(format!("pool/{}/sticky", pool.pool.name)));
        }
    }
}
