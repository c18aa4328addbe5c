//! Every question of the running generation, and what their answers make of its pools.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use tracing::info;

use super::answer;
use super::asker::{Asker, Question, Shared, Wants};
use super::dns::Dns;
use super::hold::Holds;
use crate::config::model::{Discover, DiscoverKind, Model, OnFailure, Pool, Resolver};
use crate::observe::Events;
use crate::pool::{Eligibility, Member, Origin, ServerSettings};
use crate::snapshot::{Discovered, Snapshot};

/// Names being resolved. One for the process; on the steering thread.
#[derive(Debug)]
pub struct Discovery {
    shared: Rc<Shared>,
    askers: RefCell<BTreeMap<Question, Asker>>,
    /// Pools where servers linger, since when.
    lingering: RefCell<BTreeMap<Arc<str>, Instant>>,
    holds: RefCell<Holds>,
}

/// Servers that are gone stay at most this long for want of one that replaces them.
const LINGER: Duration = Duration::from_secs(10);
/// How often it is looked whether one does.
const LOOK: Duration = Duration::from_millis(20);

/// A name that has no answer now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The name.
    pub name: Arc<str>,
    /// `a` or `srv`.
    pub kind: &'static str,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: SystemTime,
    /// Addresses of the last answer; 0 when there never was one.
    pub known: usize,
}

impl Discovery {
    /// No questions yet.
    pub fn new(events: Arc<Events>) -> Rc<Self> {
        let dns = RefCell::new(Rc::new(Dns::new(Resolver::default())));
        let shared = Rc::new(Shared { dns, events, changed: tokio::sync::Notify::new() });
        Rc::new(Self {
            shared,
            askers: RefCell::default(),
            lingering: RefCell::default(),
            holds: RefCell::default(),
        })
    }

    /// Waits until there may be other servers for a pool.
    pub async fn changed(&self) {
        let look = match self.holds.borrow().next_end() {
            _ if !self.lingering.borrow().is_empty() => LOOK,
            None => Duration::MAX,
            Some(end) => end.saturating_duration_since(Instant::now()).max(LOOK),
        };
        // Cut short is as good as changed.
        let _ = tokio::time::timeout(look, self.shared.changed.notified()).await;
    }

    /// The servers that DNS gives to the pools of `model`, as far as is known now. A name that was never answered
    /// takes nothing away: until it is, what the pool had found before stays, and a pool that would be empty for
    /// it stays as it was. Nor does an answer that replaces every server, before the first of the new ones is
    /// ready: a check has to find that out.
    pub fn servers(&self, model: &Model, previous: &Snapshot) -> Discovered {
        let mut discovered = Discovered::new();
        for pool in model.pools.values().filter(|pool| !pool.discover.is_empty()) {
            let before = previous.pools.get(&pool.name).map_or(&[][..], |snap| &snap.pool.members);
            let mut servers = self.servers_of(pool, before);
            let named: BTreeSet<Arc<str>> = servers.iter().map(|server| Arc::clone(&server.name)).collect();
            self.linger(pool, &mut servers, before);
            self.hold(pool, &named, &mut servers, before);
            servers.sort_by(|a, b| a.name.cmp(&b.name));
            discovered.insert(Arc::clone(&pool.name), servers);
        }
        discovered
    }

    /// Makes the names of `model`, and of the servers of `next`, the ones that are asked for. Called with a
    /// generation that is sure to be published, within the steering thread's `LocalSet`.
    pub fn reconcile(&self, model: &Model, next: &Snapshot) {
        let wanted = wanted(model, next);
        self.lingering.borrow_mut().retain(|pool, _| model.pools.contains_key(pool));
        self.holds.borrow_mut().forget(|pool| model.pools.contains_key(pool));
        let mut askers = self.askers.borrow_mut();
        let others = self.shared.dns.borrow().settings() != &model.resolver;
        if others {
            self.shared.dns.replace(Rc::new(Dns::new(model.resolver.clone())));
        }
        askers.retain(|question, _| wanted.contains_key(question));
        for (question, wants) in wanted {
            match askers.get(&question) {
                None => {
                    askers.insert(question.clone(), Asker::start(question, wants, &self.shared));
                }
                Some(asker) => {
                    asker.cell.want(wants, &self.shared);
                    if others {
                        asker.cell.ask_now();
                    }
                }
            }
        }
    }

    /// Says which servers came and which are gone, once `next` is published.
    pub fn tell(&self, previous: &Snapshot, next: &Snapshot) {
        let found = |member: &&Member| member.origin.is_some();
        for (pool, snap) in &next.pools {
            let before = previous.pools.get(pool).map_or(&[][..], |before| &before.pool.members);
            let after = &snap.pool.members;
            let names = |members: &[Member]| -> BTreeSet<Arc<str>> {
                members.iter().filter(found).map(|member| Arc::clone(&member.server.name)).collect()
            };
            let (had, has) = (names(before), names(after));
            for member in after.iter().filter(|member| found(member) && !had.contains(&member.server.name)) {
                self.say("server.discovered", "server discovered", pool, member);
            }
            for member in before.iter().filter(|member| found(member) && !has.contains(&member.server.name)) {
                self.say("server.gone", "server gone", pool, member);
            }
        }
    }

    fn say(&self, kind: &'static str, message: &str, pool: &str, member: &Member) {
        let name = &*member.server.name;
        let source = member.origin.as_ref().map_or("", |origin| &origin.source);
        info!(pool, server = name, source, "{message}");
        let data = json!({ "pool": pool, "server": name, "source": source });
        self.shared.events.emit(kind, format!("{pool}/{name}"), data, None);
    }

    /// Names that have no answer now.
    pub fn unresolved(&self) -> Vec<Unresolved> {
        let askers = self.askers.borrow();
        let unresolved = askers.iter().filter_map(|(question, asker)| {
            asker.cell.known(|known| {
                let (since, why) = known.failing.as_ref()?;
                Some(Unresolved {
                    name: Arc::clone(&question.name),
                    kind: question.kind(),
                    reason: why.to_string(),
                    since: *since,
                    known: known.targets.as_ref().map_or(0, Vec::len),
                })
            })
        });
        unresolved.collect()
    }

    fn servers_of(&self, pool: &Pool, before: &[Member]) -> Vec<ServerSettings> {
        let mut servers: Vec<ServerSettings> = Vec::new();
        let mut add = |found: Vec<ServerSettings>| {
            for server in found {
                let taken = |name: &str, host: &str, port| {
                    *name == *server.name || (*host == *server.host && port == server.port)
                };
                // What the file names itself, it says more of.
                if !pool.servers.iter().any(|file| taken(&file.name, &file.host, file.port))
                    && !servers.iter().any(|other| taken(&other.name, &other.host, other.port))
                {
                    servers.push(server);
                }
            }
        };
        let (mut unheard, mut heard) = (None, Vec::new());
        for discover in &pool.discover {
            match self.targets(discover) {
                Some(found) => {
                    heard.push(source(discover));
                    add(found);
                }
                None => unheard = unheard.or(Some(discover)),
            }
        }
        if let Some(unheard) = unheard {
            let source = source(unheard);
            // What a name no longer gives that has answered is gone.
            let is_open = |origin: &Arc<Origin>| !heard.contains(&origin.source);
            let found = before.iter().filter(|member| member.origin.as_ref().is_some_and(is_open));
            add(found.map(|member| stand_in(member, &source)).collect());
            if heard.is_empty() && servers.is_empty() && pool.servers.is_empty() {
                servers = before.iter().map(|member| stand_in(member, &source)).collect();
            }
        }
        servers
    }

    /// Keeps those of `before` that are ready while none of `servers` is.
    fn linger(&self, pool: &Pool, servers: &mut Vec<ServerSettings>, before: &[Member]) {
        let mut lingering = self.lingering.borrow_mut();
        let is_left = |member: &&Member| {
            let name = &member.server.name;
            servers.iter().any(|s| s.name == *name) || pool.servers.iter().any(|s| s.name == *name)
        };
        let is_ready = |member: &&Member| member.eligibility() == Eligibility::Ready;
        let leaving: Vec<ServerSettings> = before
            .iter()
            .filter(|member| member.origin.is_some() && !is_left(member) && is_ready(member))
            .filter_map(|member| Some(stand_in(member, &member.origin.as_ref()?.source)))
            .collect();
        let is_replaced = before.iter().filter(is_left).any(|member| is_ready(&member));
        if pool.health.is_none() || servers.is_empty() || leaving.is_empty() || is_replaced {
            lingering.remove(&pool.name);
            return;
        }
        let since = *lingering.entry(Arc::clone(&pool.name)).or_insert_with(Instant::now);
        if since.elapsed() < LINGER {
            servers.extend(leaving);
        } else {
            lingering.remove(&pool.name);
        }
    }

    /// Keeps those of `before` that were named a short while ago.
    fn hold(
        &self,
        pool: &Pool,
        named: &BTreeSet<Arc<str>>,
        servers: &mut Vec<ServerSettings>,
        before: &[Member],
    ) {
        let is_named = |name: &str| named.contains(name) || pool.servers.iter().any(|s| *s.name == *name);
        let news = self.holds.borrow_mut().keep(pool, is_named, servers, before, Instant::now());
        for (kind, message, names) in [
            ("server.unnamed", "its name no longer leads to it: it takes no new clients", news.unnamed),
            ("server.named", "its name leads to it again", news.named),
        ] {
            let members = before.iter().filter(|member| names.contains(&member.server.name));
            members.for_each(|member| self.say(kind, message, &pool.name, member));
        }
    }

    /// What a name gives now; `None` when it never had an answer and what was there before is to stay.
    fn targets(&self, discover: &Discover) -> Option<Vec<ServerSettings>> {
        let askers = self.askers.borrow();
        let asker = askers.get(&question(discover));
        let known =
            asker.map(|asker| asker.cell.known(|known| (known.targets.clone(), known.failing.is_some())));
        match known {
            Some((_, true)) if discover.on_failure == OnFailure::Empty => Some(Vec::new()),
            Some((Some(targets), _)) => Some(answer::servers(&targets, discover.kind, &source(discover))),
            _ => None,
        }
    }
}

/// A server that stays where it was until a name has its first answer.
fn stand_in(member: &Member, source: &Arc<str>) -> ServerSettings {
    let server = &member.server;
    let origin =
        || Arc::new(Origin { source: Arc::clone(source), host: Arc::clone(&server.host), unnamed: true });
    ServerSettings {
        name: Arc::clone(&server.name),
        host: Arc::clone(&server.host),
        port: server.port,
        weight: member.weight,
        backup: member.backup,
        health_port: member.health_port,
        limits: member.limits.clone(),
        origin: Some(member.origin.clone().unwrap_or_else(origin)),
    }
}

fn question(discover: &Discover) -> Question {
    Question { name: Arc::clone(&discover.name), is_service: matches!(discover.kind, DiscoverKind::Service) }
}

/// What a server's origin is called: as `discover` has it.
pub(super) fn source(discover: &Discover) -> Arc<str> {
    match discover.kind {
        DiscoverKind::Address { port } => format!("{}:{port}", discover.name).into(),
        DiscoverKind::Service => Arc::clone(&discover.name),
    }
}

/// Every name that is asked for, by whom.
fn wanted(model: &Model, next: &Snapshot) -> BTreeMap<Question, Wants> {
    let mut wanted: BTreeMap<Question, Wants> = BTreeMap::new();
    for discover in model.pools.values().flat_map(|pool| &pool.discover) {
        want(&mut wanted, question(discover), discover.refresh).is_discovered = true;
    }
    for member in next.pools.values().flat_map(|snap| &snap.pool.members) {
        if member.server.needs_resolving() {
            let question = Question { name: Arc::clone(&member.server.host), is_service: false };
            let wants = want(&mut wanted, question, model.resolver.refresh);
            wants.servers.push(Arc::clone(&member.server));
        }
    }
    wanted
}

fn want(wanted: &mut BTreeMap<Question, Wants>, question: Question, refresh: Duration) -> &mut Wants {
    let wants = wanted.entry(question).or_insert_with(|| Wants { refresh, ..Wants::default() });
    wants.refresh = wants.refresh.min(refresh);
    wants
}

#[cfg(test)]
mod tests;
