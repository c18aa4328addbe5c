//! A pool: its members and policies, made at compile time from plain settings, adopting what lived before.
//!
//! Making one changes nothing that lives: what the new settings mean for adopted servers and tables is applied by
//! [`Pool::commit`], once the generation is sure to be published.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::admin::{Admin, DrainSticky, Overrides};
use super::balance::{BalanceKind, Balancer, Tier};
use super::check::CheckSpec;
use super::overload::{Overload, ServerLimits};
use super::queue::Queue;
use super::server::{Eligibility, Identity, Origin, Server, ServerId};
use super::sessions::WebSocketPolicy;
use super::sticky::{
    ClientKey, ClientTable, CookiePolicy, MarkedCookie, Moved, OnDown, OnReturn, Sticky, TablePolicy,
};
use crate::observe::Counters;

/// What compile gives: plain values.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// The name.
    pub name: Arc<str>,
    /// Its servers; names are unique.
    pub servers: Vec<ServerSettings>,
    /// Who gets what is not sticky.
    pub balance: BalanceKind,
    /// Ways to keep a client on its server, in the order they are tried.
    pub sticky: Vec<StickySettings>,
    /// The check.
    pub check: Option<Arc<CheckSpec>>,
    /// How servers leave, unless the operator says otherwise.
    pub drain: DrainPolicy,
    /// When servers fail or are full.
    pub overload: Overload,
    /// What is said in WebSockets.
    pub websocket: WebSocketPolicy,
}

/// A server, as written or found.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerSettings {
    /// Its name: its identity for cookies, drains, tables.
    pub name: Arc<str>,
    /// A name, or an IP literal without brackets.
    pub host: Arc<str>,
    /// The port.
    pub port: u16,
    /// Its share of new clients; 0 is none (sticky ones keep coming).
    pub weight: u32,
    /// Only while no other server takes new clients.
    pub backup: bool,
    /// The port of its check, when not the pool's.
    pub health_port: Option<u16>,
    /// What it takes, and where it stands.
    pub limits: ServerLimits,
    /// How it was found; none when the file names it.
    pub origin: Option<Arc<Origin>>,
}

/// A way to keep a client on its server, as written.
#[derive(Debug, Clone)]
pub enum StickySettings {
    /// A cookie.
    Cookie(CookiePolicy),
    /// The application's cookie.
    Marked(MarkedCookie),
    /// A table.
    Table(TableSettings),
}

/// A table of clients, as written.
#[derive(Debug, Clone)]
pub struct TableSettings {
    /// What a client is known by.
    pub by: ClientKey,
    /// An entry's life after its last use.
    pub ttl: Duration,
    /// Most entries.
    pub max_entries: usize,
    /// When its server is down.
    pub on_down: OnDown,
    /// When the server is back that the hash means.
    pub on_return: OnReturn,
}

/// How servers leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainPolicy {
    /// After this long what is left is cut.
    pub deadline: Duration,
    /// Whether sticky clients keep coming.
    pub sticky: DrainSticky,
    /// How fast WebSockets are closed.
    pub close_rate: Rate,
    /// What their clients are told.
    pub close_code: u16,
}

/// So many in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many; at least one.
    pub count: u32,
    /// In how much time.
    pub per: Duration,
}

impl Default for DrainPolicy {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30 * 60),
            sticky: DrainSticky::Keep,
            close_rate: Rate { count: 50, per: Duration::from_secs(1) },
            close_code: 1012,
        }
    }
}

/// A server's place in a pool.
#[derive(Debug)]
pub struct Member {
    /// The server.
    pub server: Arc<Server>,
    /// Its share, as the file says.
    pub weight: u32,
    /// Only while no other server takes new clients.
    pub backup: bool,
    /// The port of its check, when not the pool's.
    pub health_port: Option<u16>,
    /// What it takes, and where it stands.
    pub limits: ServerLimits,
    /// How it was found; none when the file names it.
    pub origin: Option<Arc<Origin>>,
}

impl Member {
    /// Its share now: the operator's, else the file's. One that DNS names no longer has none, whatever was wished of
    /// it while it was named: it may be gone.
    pub fn effective_weight(&self) -> u32 {
        match &self.origin {
            Some(origin) if origin.unnamed => 0,
            _ => self.server.admin.weight().unwrap_or(self.weight),
        }
    }

    /// What its server says, and no new clients without a share.
    pub fn eligibility(&self) -> Eligibility {
        match self.server.eligibility() {
            Eligibility::Ready if self.effective_weight() == 0 => Eligibility::StickyOnly,
            other => other,
        }
    }
}

/// Servers that do one job, and how to use them.
#[derive(Debug)]
pub struct Pool {
    /// The name.
    pub name: Arc<str>,
    /// Servers, in the order of the settings.
    pub members: Vec<Member>,
    /// Who gets what is not sticky.
    pub balance: Balancer,
    /// Ways to keep a client on its server, in the order they are tried.
    pub sticky: Vec<Sticky>,
    /// The check.
    pub check: Option<Arc<CheckSpec>>,
    /// Counts over all its servers.
    pub counters: Arc<Counters>,
    /// How servers leave.
    pub drain: DrainPolicy,
    /// What is said in WebSockets.
    pub websocket: WebSocketPolicy,
    /// Servers that left the pool and were still in use when this one was made.
    pub leaving: Vec<Arc<Server>>,
    /// When servers fail or are full.
    pub(super) overload: Overload,
    /// Who waits for a server.
    pub(super) queue: Arc<Queue>,
    /// Clients with cookies that are to come back elsewhere.
    pub(super) moved: Arc<Moved>,
    /// Held while it is decided whether one more server is ejected.
    pub(super) ejecting: Mutex<()>,
    /// Primary members, then backups; of each those of the own zone first.
    pub(super) tiers: Vec<Tier>,
    /// Members by id.
    pub(super) index: Vec<(ServerId, u32)>,
    pub(super) overrides: Overrides,
    turn: Arc<AtomicU64>,
}

impl Pool {
    /// Makes a pool that adopts what it can from the previous one of its name: servers by name and address, wishes
    /// and counts by name, sticky tables by what they are by, the balance position.
    pub fn new(settings: PoolSettings, previous: Option<&Pool>, workers: usize) -> Self {
        let PoolSettings { name, servers, balance, sticky, check, drain, overload, websocket } = settings;
        let previous = previous.filter(|pool| pool.name == name);
        let overrides = previous.map(|pool| pool.overrides.clone()).unwrap_or_default();
        let turn = previous.map_or_else(Arc::default, |pool| Arc::clone(&pool.turn));
        let queue = previous.map_or_else(Arc::default, |pool| Arc::clone(&pool.queue));
        let moved = previous.map_or_else(Arc::default, |pool| Arc::clone(&pool.moved));
        let adopt = Adopt {
            pool: &name,
            previous,
            check: check.as_ref(),
            overrides: &overrides,
            queue: &queue,
            workers,
        };
        let members: Vec<Member> = servers.into_iter().map(|server| adopt.member(server)).collect();
        let mut index: Vec<_> = (0_u32..).zip(&members).map(|(i, m)| (m.server.id, i)).collect();
        index.sort_unstable();
        let at = |id: ServerId| find(&index, id).map(|at| &members[at].server);
        let is_member = |server: &Arc<Server>| at(server.id).is_some_and(|here| Arc::ptr_eq(here, server));
        let tiers = Tier::all(&members, overload.zone.as_deref(), &balance);
        Self {
            leaving: adopt.leaving(is_member),
            sticky: adopt.sticky(sticky),
            counters: previous.map_or_else(|| Counters::new(workers), |pool| Arc::clone(&pool.counters)),
            balance: Balancer::new(balance, Arc::clone(&turn)),
            name,
            members,
            check,
            drain,
            websocket,
            overload,
            moved,
            ejecting: Mutex::default(),
            tiers,
            index,
            overrides,
            turn,
            queue,
        }
    }

    /// Applies to what was adopted what the new settings say of it: check definitions and table limits. Called once
    /// nothing can fail any more (`health::Checkers::reconcile` does it).
    pub fn commit(&self) {
        for member in &self.members {
            member.server.apply_check(self.check.as_ref());
            member.server.set_origin(member.origin.clone());
        }
        self.commit_limits();
        for server in &self.leaving {
            server.forget_health();
        }
        for sticky in &self.sticky {
            if let Some(policy) = sticky.table_policy() {
                policy.table.limit(policy.ttl, policy.max_entries);
            }
        }
    }

    /// Forgets stickiness that is out of date.
    pub fn sweep(&self, now: u64) {
        self.moved.sweep(now);
        for table in self.sticky.iter().filter_map(Sticky::table) {
            table.sweep(now);
        }
    }

    /// The longest life of its cookies; a pool without a limit has none.
    pub fn longest_cookie(&self) -> Option<Duration> {
        let life = |sticky: &Sticky| match sticky {
            Sticky::Cookie(policy) => policy.max_life,
            Sticky::Marked(_) | Sticky::Table(_) => None,
        };
        self.sticky.iter().filter_map(life).max()
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| &*member.server.name == name)
    }

    /// The member whose name has this id.
    pub fn by_id(&self, id: ServerId) -> Option<&Member> {
        self.index_of(id).map(|index| &self.members[index])
    }

    /// How many members take new clients.
    pub fn ready(&self) -> usize {
        self.members.iter().filter(|member| member.eligibility() == Eligibility::Ready).count()
    }

    /// The cookies that are lbd's own here and must not reach a server.
    pub fn sticky_cookie_names(&self) -> impl Iterator<Item = &str> {
        self.sticky.iter().filter_map(|sticky| match sticky {
            Sticky::Cookie(policy) => Some(&*policy.name),
            Sticky::Marked(_) | Sticky::Table(_) => None,
        })
    }

    /// The application's cookies whose marks must not reach a server.
    pub fn marked_cookies(&self) -> impl Iterator<Item = &Arc<MarkedCookie>> {
        self.sticky.iter().filter_map(|sticky| match sticky {
            Sticky::Marked(policy) => Some(policy),
            Sticky::Cookie(_) | Sticky::Table(_) => None,
        })
    }

    /// Where the balance's turn stands.
    pub(super) fn turn_now(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    pub(super) fn index_of(&self, id: ServerId) -> Option<usize> {
        find(&self.index, id)
    }
}

fn find(index: &[(ServerId, u32)], id: ServerId) -> Option<usize> {
    let at = index.binary_search_by_key(&id, |&(id, _)| id).ok()?;
    Some(index[at].1 as usize)
}

/// What a new pool takes over.
struct Adopt<'a> {
    pool: &'a Arc<str>,
    previous: Option<&'a Pool>,
    check: Option<&'a Arc<CheckSpec>>,
    overrides: &'a Overrides,
    queue: &'a Arc<Queue>,
    workers: usize,
}

impl Adopt<'_> {
    fn member(&self, settings: ServerSettings) -> Member {
        let ServerSettings { name, host, port, weight, backup, health_port, limits, origin } = settings;
        let namesake =
            self.previous.and_then(|pool| pool.by_id(ServerId::of(&name))).map(|member| &member.server);
        let before = namesake.into_iter().chain(self.previous.iter().flat_map(|pool| &pool.leaving));
        let same = before.into_iter().find(|s| s.name == name && s.host == host && s.port == port);
        let server = match same {
            Some(server) => Arc::clone(server),
            None => self.newcomer(Identity {
                pool: Arc::clone(self.pool),
                admin: self.admin(namesake),
                counters: namesake
                    .map_or_else(|| Counters::new(self.workers), |server| Arc::clone(&server.counters)),
                queue: Arc::clone(self.queue),
                name,
                host,
                port,
            }),
        };
        Member { server, weight, backup, health_port, limits, origin }
    }

    /// Who joins a pool that serves already starts slowly; at first all are equal.
    fn newcomer(&self, identity: Identity) -> Arc<Server> {
        let server = Server::new(identity, self.check);
        if self.previous.is_some() && server.eligibility() == Eligibility::Ready {
            server.up_since.set(Instant::now());
        }
        Arc::new(server)
    }

    fn admin(&self, namesake: Option<&Arc<Server>>) -> Arc<Admin> {
        namesake.map_or_else(|| Admin::new(self.overrides.clone()), |server| Arc::clone(&server.admin))
    }

    fn leaving(&self, is_member: impl Fn(&Arc<Server>) -> bool) -> Vec<Arc<Server>> {
        let Some(previous) = self.previous else { return Vec::new() };
        let before = previous.members.iter().map(|member| &member.server).chain(&previous.leaving);
        before.filter(|server| !is_member(server) && server.is_busy()).cloned().collect()
    }

    fn sticky(&self, settings: Vec<StickySettings>) -> Vec<Sticky> {
        let mut before: Vec<&TablePolicy> =
            self.previous.iter().flat_map(|pool| &pool.sticky).filter_map(Sticky::table_policy).collect();
        let mut adopt = |settings| match settings {
            StickySettings::Cookie(policy) => Sticky::Cookie(Arc::new(policy)),
            StickySettings::Marked(policy) => Sticky::Marked(Arc::new(policy)),
            StickySettings::Table(TableSettings { by, ttl, max_entries, on_down, on_return }) => {
                let same = before.iter().position(|policy| policy.by == by);
                let table = match same {
                    Some(at) => Arc::clone(&before.remove(at).table),
                    None => Arc::new(ClientTable::new(ttl, max_entries)),
                };
                Sticky::Table(TablePolicy { by, ttl, max_entries, on_down, on_return, table })
            }
        };
        settings.into_iter().map(&mut adopt).collect()
    }
}

#[cfg(test)]
mod tests;
