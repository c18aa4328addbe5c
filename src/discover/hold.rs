//! Servers that an answer no longer names stay for a while without new clients: an answer may leave out what the next
//! one names again, and a drain closes streams for good. HAProxy's `hold obsolete` is the same.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::config::model::Pool;
use crate::pool::{Member, Origin, ServerSettings};

/// Who is held, since when and until when.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// By pool and server.
    held: BTreeMap<(Arc<str>, Arc<str>), Held>,
}

#[derive(Debug)]
struct Held {
    since: Instant,
    /// `None`: its time is over, and it is on its way out.
    until: Option<Instant>,
}

/// What is new of a pool's servers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// They are held from now on.
    pub(super) unnamed: Vec<Arc<str>>,
    /// They are named again.
    pub(super) named: Vec<Arc<str>>,
}

impl Holds {
    /// Adds to `servers`, which may hold some already, those of `before` that are to stay although `is_named` knows
    /// them no more.
    pub(super) fn keep(
        &mut self,
        pool: &Pool,
        is_named: impl Fn(&str) -> bool,
        servers: &mut Vec<ServerSettings>,
        before: &[Member],
        now: Instant,
    ) -> News {
        let mut news = News::default();
        let was = |name: &str| before.iter().any(|member| *member.server.name == *name);
        self.held.retain(|(of, name), _| {
            let named = *of == pool.name && is_named(name);
            if named {
                news.named.push(Arc::clone(name));
            }
            *of != pool.name || (!named && was(name))
        });
        for member in before {
            let (name, Some(origin)) = (&member.server.name, &member.origin) else { continue };
            let discover =
                pool.discover.iter().find(|discover| super::registry::source(discover) == origin.source);
            let (Some(discover), false) = (discover, is_named(name)) else { continue };
            let key = (Arc::clone(&pool.name), Arc::clone(name));
            if origin.unnamed && !self.held.contains_key(&key) {
                // It stood in until there was an answer.
                continue;
            }
            let held = self.held.entry(key).or_insert_with(|| {
                if !discover.hold.is_zero() {
                    news.unnamed.push(Arc::clone(name));
                }
                Held { since: now, until: None }
            });
            // A reload may have changed the span.
            held.until = held.since.checked_add(discover.hold).filter(|until| now < *until);
            if held.until.is_some() && servers.iter().all(|server| server.name != *name) {
                servers.push(without_new_clients(member, origin));
            }
        }
        news
    }

    /// When the next of them is held no longer.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.held.values().filter_map(|held| held.until).min()
    }

    /// Pools that are gone hold nobody.
    pub(super) fn forget(&mut self, is_there: impl Fn(&Arc<str>) -> bool) {
        self.held.retain(|(pool, _), _| is_there(pool));
    }
}

/// The same server, for those that it has.
fn without_new_clients(member: &Member, origin: &Origin) -> ServerSettings {
    ServerSettings {
        name: Arc::clone(&member.server.name),
        host: Arc::clone(&member.server.host),
        port: member.server.port,
        weight: 0,
        backup: member.backup,
        health_port: member.health_port,
        limits: member.limits.clone(),
        origin: Some(Arc::new(Origin { unnamed: true, ..origin.clone() })),
    }
}
