//! `balance`: who gets what is not sticky.

use super::super::diagnostic::Diagnostic;
use super::super::model::Balance;
use super::super::reader::Block;
use super::super::values::typed::Typed;

/// `balance`; p2c when there is none.
pub(crate) fn read(block: Block<'_>) -> Balance {
    let Some(r) = block.one("balance") else { return Balance::P2c };
    let key = r.get("key", Typed::key);
    let headroom = r.value("headroom", Typed::percent_off);
    let Some(policy) = r.arg(0, Typed::word) else { return Balance::P2c };
    let simple = match policy.value {
        "round-robin" => Balance::RoundRobin,
        "least-requests" => Balance::LeastRequests,
        "least-connections" => Balance::LeastConnections,
        "ewma" => Balance::Ewma,
        "random" => Balance::Random,
        "hash" => {
            return key.map(|key| Balance::Hash { key, headroom }).unwrap_or_else(|| {
                if r.written("key").is_none() {
                    let error = Diagnostic::error("LB312", r.span(), "`balance hash` needs a key");
                    let help = "write `balance hash key=source-ip`, or header:NAME, cookie:NAME, query:NAME, path, host";
                    r.cx.push(error.label("hash of what?").help(help));
                }
                Balance::P2c
            });
        }
        _ => Balance::P2c,
    };
    for (word, span) in ["key", "headroom"].into_iter().filter_map(|word| Some((word, r.written(word)?))) {
        let message = format!("`{word}` means nothing with `balance {}`", policy.value);
        r.cx.push(
            Diagnostic::error("LB312", span, message)
                .label("has no effect")
                .help("remove it, or `balance hash`"),
        );
    }
    simple
}
