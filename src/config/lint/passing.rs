//! Pools below HTTP: LB217 (settings that need a request, where only connections are passed on).

use std::collections::BTreeSet;

use super::super::diagnostic::Diagnostic;
use super::super::model::{Balance, ClientKey, Key, Sticky};
use super::Subject;

pub(super) fn run(s: &Subject<'_>) {
    let passed: BTreeSet<_> = s.model.listeners.iter().flat_map(|l| &l.tcp).map(|tcp| &tcp.pool).collect();
    let routes = || s.model.sites.iter().flat_map(|site| &site.routes);
    for pool in s.written.pools.iter().filter(|pool| passed.contains(&pool.pool.name)) {
        if routes().any(|route| route.action.pools().any(|name| *name == pool.pool.name)) {
            continue;
        }
        let block = pool.reader.block();
        let cookies = pool.pool.sticky.iter().zip(block.strongest("sticky"));
        let cookies = cookies.filter(|(sticky, _)| needs_requests(sticky)).map(|(_, node)| node);
        let by_request = matches!(&pool.pool.balance, Balance::Hash { key, .. } if !matches!(key, Key::SourceIp | Key::Host));
        for node in cookies.chain(block.one("balance").filter(|_| by_request)) {
            let message = format!("`{}` here needs requests, and has no effect", node.name());
            let finding = Diagnostic::warning("LB217", node.span(), message);
            s.push(
                finding
                    .label("only `tcp` leads to this pool: its connections are passed on unread")
                    .help("use `sticky source-ip`, or `balance hash key=source-ip`")
                    .subject(format!("pool/{}", pool.pool.name)),
            );
        }
    }
}

fn needs_requests(sticky: &Sticky) -> bool {
    match sticky {
        Sticky::Cookie(_) | Sticky::Marked(_) => true,
        Sticky::Table(table) => !matches!(table.by, ClientKey::SourceIp { .. }),
    }
}
