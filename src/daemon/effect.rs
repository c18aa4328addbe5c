//! What a candidate means for what is going on: its snapshot is compiled, compared with the one that serves, and
//! dropped. Recent requests are routed by both.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::memory;
use crate::control::world::{FindingFacts, LeavingFacts, MoveFacts, ReplayFacts, TrafficFacts};
use crate::pool::{Pool, Server, ServerId};
use crate::proxy::{RoutingKey, mark};
use crate::reload::slow_drains;
use crate::router::{Facts, NormalPath};
use crate::snapshot::{ActionSnap, ListenerSnap, Snapshot};

/// Requests that are replayed, at most.
const REPLAYED: usize = 10_000;
/// Ways of moved requests that are told.
const MOVES: usize = 8;

/// What differs between `now` and `next` for connections, sessions, stickiness, checks and recent requests.
pub(super) fn weigh(now: &Snapshot, next: &Snapshot, mut recent: Vec<RoutingKey>) -> TrafficFacts {
    let mut facts = TrafficFacts::default();
    listeners(now, next, &mut facts);
    for (name, snap) in &now.pools {
        let then = next.pools.get(name).map(|snap| &*snap.pool);
        servers(&snap.pool, then, &mut facts);
        stickiness(&snap.pool, then, &mut facts);
    }
    for (name, snap) in &next.pools {
        rechecked(now.pools.get(name).map(|snap| &*snap.pool), &snap.pool, &mut facts);
    }
    facts.findings.extend(slow_drains(next).map(|hint| FindingFacts {
        hint: true,
        help: hint.help,
        ..finding(hint.code, hint.message, "")
    }));
    recent.sort_by_key(|key| key.at);
    let surplus = recent.len().saturating_sub(REPLAYED);
    if !recent.is_empty() {
        let replay = replay(now, next, &recent[surplus..]);
        if replay.lost > 0 {
            let message = format!("{} of the last {} requests would get 404", replay.lost, replay.requests);
            facts.findings.push(finding(
                "LB907",
                message,
                "keep a route for them, or answer them on purpose",
            ));
        }
        facts.replay = Some(replay);
    }
    facts
}

fn listeners(now: &Snapshot, next: &Snapshot, facts: &mut TrafficFacts) {
    for listener in &next.listeners {
        if now.listener(listener.address).is_some() {
            continue;
        }
        facts.opened.push(listener.address.to_string());
        if (1..1024).contains(&listener.address.port) && !may_bind_low() {
            let message = format!("{} is below 1024, and this process may not open it", listener.address);
            facts.findings.push(finding(
                "LB906",
                message,
                "give lbd CAP_NET_BIND_SERVICE, or take another port",
            ));
        }
    }
    for listener in now.listeners.iter().filter(|listener| next.listener(listener.address).is_none()) {
        let name = if *listener.name == *listener.address.to_string() {
            listener.name.to_string()
        } else {
            format!("{} {}", listener.name, listener.address)
        };
        facts.closed.push(LeavingFacts { name, requests: listener.live.open().into(), sessions: 0 });
    }
}

/// Whether the kernel lets this process listen on ports below 1024 (capability 10); yes where it does not say.
fn may_bind_low() -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return true };
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_none_or(|set| set >> 10 & 1 == 1)
}

fn servers(now: &Pool, then: Option<&Pool>, facts: &mut TrafficFacts) {
    let stays = |server: &Arc<Server>| {
        then.is_some_and(|pool| pool.members.iter().any(|member| Arc::ptr_eq(&member.server, server)))
    };
    for member in now.members.iter().filter(|member| !stays(&member.server)) {
        let server = &member.server;
        let name = format!("{}/{}", now.name, server.name);
        let sessions = server.sessions.count() as u64;
        if sessions > 0 {
            let message = format!("{name} goes with {sessions} open sessions; they are closed as in a drain");
            facts.findings.push(finding("LB904", message, &format!("lbctl server drain {name}")));
        }
        // Of another name, at the same address: it is the same server to who runs it.
        let renamed = then.and_then(|pool| {
            let same = |other: &&crate::pool::Member| {
                other.server.host == server.host
                    && other.server.port == server.port
                    && now.member(&other.server.name).is_none()
            };
            pool.members.iter().find(same)
        });
        if let Some(renamed) = renamed.filter(|_| !now.sticky.is_empty()) {
            let message = format!(
                "{name} is called {} from then on: clients that stick to it are lost",
                renamed.server.name
            );
            facts.findings.push(finding("LB905", message, "keep the name"));
        }
        facts.leaving.push(LeavingFacts { name, requests: server.in_flight().into(), sessions });
    }
}

fn stickiness(now: &Pool, then: Option<&Pool>, facts: &mut TrafficFacts) {
    let seconds = memory::now();
    for table in now.sticky.iter().filter_map(|sticky| sticky.table()) {
        facts.sticky += table.len() as u64;
        let is_kept = then.is_some_and(|pool| {
            pool.sticky.iter().filter_map(|sticky| sticky.table()).any(|other| Arc::ptr_eq(other, table))
        });
        let named = |server: ServerId| then.is_some_and(|pool| pool.by_id(server).is_some());
        if is_kept {
            facts.sticky_kept += table.list(seconds, usize::MAX, |entry| named(entry.server)).len() as u64;
        }
    }
}

fn rechecked(now: Option<&Pool>, then: &Pool, facts: &mut TrafficFacts) {
    if then.check.is_none() {
        return;
    }
    let same_check = now.is_some_and(|pool| pool.check == then.check);
    for member in &then.members {
        let known = now
            .is_some_and(|pool| pool.members.iter().any(|other| Arc::ptr_eq(&other.server, &member.server)));
        if !known || !same_check {
            facts.rechecked.push(format!("{}/{}", then.name, member.server.name));
        }
    }
}

/// Where a remembered request goes.
#[derive(Debug, PartialEq, Eq)]
enum Way {
    /// To this target, by the route of this name.
    Target(String, u64),
    /// No route takes it.
    Nowhere,
}

fn replay(now: &Snapshot, next: &Snapshot, recent: &[RoutingKey]) -> ReplayFacts {
    let mut facts = ReplayFacts { requests: recent.len() as u64, ..ReplayFacts::default() };
    let mut moves: HashMap<(String, String), (u64, &RoutingKey)> = HashMap::new();
    for key in recent {
        let Some(listener) = now.listeners.iter().find(|listener| mark(&listener.name) == key.listener)
        else {
            facts.unknown += 1;
            continue;
        };
        let here = way(listener, key);
        let route = if let Way::Target(_, route) = &here { *route } else { 0 };
        // Told by its path alone it would have gone another way: something else decided, which is not remembered.
        if route != key.route || key.is_cut {
            facts.unknown += 1;
            continue;
        }
        let there = next.listener(listener.address).map_or(Way::Nowhere, |listener| way(listener, key));
        let target = |way: Way| if let Way::Target(target, _) = way { target } else { "404".to_owned() };
        match (here, there) {
            (Way::Nowhere, Way::Nowhere) => continue,
            (Way::Target(a, _), Way::Target(b, _)) if a == b => continue,
            (here, there) => {
                match (&here, &there) {
                    (_, Way::Nowhere) => facts.lost += 1,
                    (Way::Nowhere, _) => facts.found += 1,
                    _ => facts.moved += 1,
                }
                moves.entry((target(here), target(there))).or_insert((0, key)).0 += 1;
            }
        }
    }
    let mut moves: Vec<MoveFacts> = moves
        .into_iter()
        .map(|((from, to), (requests, key))| MoveFacts { from, to, requests, example: example(key) })
        .collect();
    moves.sort_by(|a, b| (b.requests, &a.from, &a.to).cmp(&(a.requests, &b.from, &b.to)));
    moves.truncate(MOVES);
    ReplayFacts { moves, ..facts }
}

fn example(key: &RoutingKey) -> String {
    let text =
        |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().filter(|c| !c.is_control()).collect::<String>();
    format!("{}{}", text(&key.host), text(&key.path))
}

fn way(listener: &ListenerSnap, key: &RoutingKey) -> Way {
    if let Some(redirect) = listener.redirect_to_https {
        return Way::Target(format!("redirect {}", redirect.status), 0);
    }
    let found = listener.sites.find(&key.host).and_then(|site| {
        let path = NormalPath::parse(&key.path, site.paths).ok()?;
        site.routes.find_surely(&path, &Replayed(key)).ok()?.map(|found| Arc::clone(found.value))
    });
    let Some(route) = found else { return Way::Nowhere };
    let target = match &route.action {
        ActionSnap::Pool(pool) => format!("pool {}", pool.pool.name),
        ActionSnap::Split(_) => "a split".to_owned(),
        ActionSnap::Redirect { status, .. } => format!("redirect {status}"),
        ActionSnap::Respond { status, .. } => format!("respond {status}"),
    };
    Way::Target(target, mark(&route.name))
}

/// A remembered request, without what is not remembered.
struct Replayed<'a>(&'a RoutingKey);

impl Facts for Replayed<'_> {
    fn method(&self) -> &str {
        &self.0.method
    }

    fn any_header(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn any_cookie(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn query(&self) -> Option<&[u8]> {
        None
    }

    fn client_ip(&self) -> IpAddr {
        self.0.client
    }

    fn is_websocket(&self) -> bool {
        self.0.websocket
    }
}

fn finding(code: &str, message: String, help: &str) -> FindingFacts {
    FindingFacts { code: code.to_owned(), message, help: vec![help.to_owned()], ..FindingFacts::default() }
}
