//! Servers of pools: LB107 (one server twice), LB304 (backups alone), LB316 (one that gets nobody), LB318 (one that
//! has no other beside it).

use std::collections::{BTreeMap, HashMap};

use super::super::ast::pool::Pool;
use super::super::diagnostic::{Diagnostic, Severity, Span};
use super::super::model::{Name, Server};
use super::super::reader::Reader;
use super::Subject;

/// What only says something about several servers.
const OF_SEVERAL: [&str; 5] = ["balance", "drain", "panic", "passive", "slow-start"];

pub(super) fn run(s: &Subject<'_>) {
    let mut checked: Checked<'_> = HashMap::new();
    for pool in &s.written.pools {
        let subject = format!("pool/{}", pool.pool.name);
        let mut addresses: BTreeMap<(&Name, u16), (&Server, Span)> = BTreeMap::new();
        let nodes = pool.reader.block().all("server").into_iter();
        let nodes: HashMap<String, Reader<'_>> = nodes.map(|node| (node.arg_text(0), node)).collect();
        let spare = pool.pool.servers.iter().any(|other| other.weight > 0);
        for server in &pool.pool.servers {
            let Some(node) = nodes.get(server.name.as_ref()).copied() else { continue };
            if let Some((first, at)) = addresses.get(&(&server.host, server.port)) {
                let message = format!(
                    "servers `{}` and `{}` are one: {}:{}",
                    first.name, server.name, server.host, server.port
                );
                let finding =
                    Diagnostic::warning("LB107", node.span(), message).label("the same server again");
                let help = "its load counts twice, and a drain of one name leaves the other: keep one, with a `weight`";
                s.push(finding.also(*at, "first here").help(help).subject(subject.clone()));
                continue;
            }
            addresses.insert((&server.host, server.port), (server, node.span()));
            checked_otherwise(s, &mut checked, pool, server, node.span());
            if server.weight == 0 && !server.backup && spare {
                let at = node.written("weight").unwrap_or(node.span());
                let message = format!("server `{}` gets no new client", server.name);
                let finding = Diagnostic::warning("LB316", at, message).label("weight 0");
                let help = "to empty it for a while, drain it: `lbctl drain POOL/SERVER`; for a reserve, write `backup=#true`";
                s.push(finding.help(help).subject(format!("{subject}/server/{}", server.name)));
            }
        }
        alone(s, pool, &subject);
    }
}

/// The servers that were seen, by address, each with its pool.
type Checked<'a> = HashMap<(&'a Name, u16), Vec<(&'a Pool<'a>, &'a Server, Span)>>;

/// LB107: one server, checked in two ways by two pools.
fn checked_otherwise<'a>(
    s: &Subject<'_>,
    checked: &mut Checked<'a>,
    pool: &'a Pool<'a>,
    server: &'a Server,
    at: Span,
) {
    let Some(own) = &pool.pool.health else { return };
    let known = checked.entry((&server.host, server.port)).or_default();
    let differs = |pool: &Pool<'_>| pool.pool.health.as_ref().is_some_and(|health| health.probe != own.probe);
    if let Some((first, other, place)) = known.iter().find(|(pool, ..)| differs(pool)) {
        let message = format!(
            "{}:{} is in pools `{}` and `{}`, which check it in two ways",
            server.host, server.port, first.pool.name, pool.pool.name
        );
        let finding = Diagnostic::warning("LB107", at, message).label("the same server again");
        let finding = finding.also(*place, format!("first here, as `{}`", other.name));
        s.push(
            finding.help(
                "one pool may take it for dead while the other sends to it: give both the same `health`",
            ),
        );
    }
    known.push((pool, server, at));
}

fn alone(s: &Subject<'_>, pool: &Pool<'_>, subject: &str) {
    let (meant, block) = (&pool.pool, pool.reader.block());
    if !meant.discover.is_empty() || !s.is_whole() {
        return;
    }
    if !meant.servers.is_empty() && meant.servers.iter().all(|server| server.backup) {
        let message = format!("every server of pool `{}` is a backup", meant.name);
        let finding =
            Diagnostic::warning("LB304", pool.reader.span(), message).label("they take all traffic");
        s.push(finding.help("remove `backup=#true` from those that come first").subject(subject));
    }
    if meant.servers.len() != 1 {
        return;
    }
    let said = |name: &&&'static str| block.one(name).is_some_and(|node| node.is_written());
    let (at, label, help) = match OF_SEVERAL.iter().find(said).and_then(|name| block.one(name)) {
        Some(node) => {
            (node.span(), "for one server this decides nothing", "add a second server, or remove this")
        }
        // Where no pool has several servers, one is what is wanted.
        None if serves(s, pool) && s.written.pools.iter().any(has_several) => {
            let label = "others have several: a drain of this one needs `--force`";
            (
                pool.reader.span(),
                label,
                "add a second server, or say why one is enough: `lint-allow LB318: …`",
            )
        }
        None => return,
    };
    let message = format!("pool `{}` has one server: nothing takes over from it", meant.name);
    let finding = Diagnostic::new("LB318", Severity::Hint, Some(at), message).label(label);
    s.push(finding.help(help).subject(subject));
}

fn has_several(pool: &Pool<'_>) -> bool {
    pool.pool.servers.len() > 1 || !pool.pool.discover.is_empty()
}

/// Whether somebody waits for its answers: a route leads to it, or a `tcp`. Of a mirror's nobody does.
fn serves(s: &Subject<'_>, pool: &Pool<'_>) -> bool {
    let passes =
        |listener: &crate::config::model::Listener| listener.tcp.iter().any(|tcp| tcp.pool == pool.pool.name);
    s.to_pool.contains_key(&pool.pool.name) || s.model.listeners.iter().any(passes)
}
