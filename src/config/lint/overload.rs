//! Full pools and emptied ones: LB314 (a limit without a queue, a queue without a limit), LB315 (passive checks may
//! empty the pool).

use super::super::diagnostic::Diagnostic;
use super::Subject;

pub(super) fn run(s: &Subject<'_>) {
    for pool in &s.written.pools {
        let (meant, block) = (&pool.pool, pool.reader.block());
        let subject = format!("pool/{}", meant.name);
        let has_limit = |server: &super::super::model::Server| {
            server.max_requests.is_some() || server.max_connections.is_some()
        };
        let limited = meant.servers.iter().any(has_limit);
        let waits = meant.queue.is_some_and(|queue| queue.size > 0);
        if limited && !waits {
            let message = format!("pool `{}` limits its servers and has no queue", meant.name);
            let at = block.one("queue").map_or(pool.reader.span(), |queue| queue.span());
            let finding = Diagnostic::warning("LB314", at, message).label("excess gets 503 at once");
            let help = "let it wait a little: `queue size=1000 timeout=\"5s\"`";
            s.push(finding.help(help).subject(subject.clone()));
        }
        if let (false, true, Some(queue)) = (limited, waits, block.one("queue")) {
            let message = format!("nothing ever waits in the queue of pool `{}`", meant.name);
            let finding = Diagnostic::warning("LB314", queue.span(), message).label("no server has a limit");
            s.push(finding.help("give servers `max-requests=`, or remove it").subject(subject.clone()));
        }
        if let (Some(passive), Some(node), None) = (&meant.passive, block.one("passive"), meant.panic_percent)
            && passive.max_ejected_percent >= 100.0
        {
            let at = node.written("max-ejected").unwrap_or(node.span());
            let message = format!("passive checks may eject all of pool `{}`", meant.name);
            let finding = Diagnostic::warning("LB315", at, message).label("one bad deploy empties the pool");
            let help = "lower it, or add `panic \"50%\"`, which uses all servers when few are left";
            s.push(finding.help(help).subject(subject));
        }
    }
}
