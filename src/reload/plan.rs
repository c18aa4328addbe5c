//! What a new model adds, changes and takes away, in one line; and how much of the old one it removes.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::model::{Model, Route};

/// The difference between two models, counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plan {
    kinds: Vec<(&'static str, Counts)>,
    /// Something else changed: limits, logs, the control socket.
    settings: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    added: usize,
    changed: usize,
    removed: usize,
    before: usize,
}

impl Plan {
    /// From `old`, or from nothing, to `new`.
    pub(super) fn between(old: Option<&Model>, new: &Model) -> Self {
        let listeners = compare(old, new, |model| {
            model.listeners.iter().map(|listener| (listener.name.to_string(), listener)).collect()
        });
        let routes = compare(old, new, routes);
        let pools = compare(old, new, |model| {
            model.pools.iter().map(|(name, pool)| (name.to_string(), pool)).collect()
        });
        let servers = compare(old, new, |model| {
            let of_pool = |(pool, settings): (&_, &'_ crate::config::model::Pool)| -> Vec<_> {
                let named = settings.servers.iter().map(|server| {
                    let key = (server.weight, server.backup, &server.host, server.port);
                    (format!("{pool}/{}", server.name), key)
                });
                named.map(|(name, key)| (name, (key.0, key.1, key.2.to_string(), key.3))).collect()
            };
            model.pools.iter().flat_map(of_pool).collect()
        });
        let settings = old.is_some_and(|old| {
            old.status != new.status
                || old.control != new.control
                || old.log != new.log
                || old.reload != new.reload
        });
        Self {
            kinds: vec![("listener", listeners), ("route", routes), ("pool", pools), ("server", servers)],
            settings,
        }
    }

    /// The largest share of routes or servers that goes away, in percent, with its kind.
    pub(super) fn removal(&self) -> (f64, &'static str) {
        let share = |counts: &Counts| 100.0 * counts.removed as f64 / counts.before.max(1) as f64;
        self.kinds
            .iter()
            .filter(|(kind, _)| matches!(*kind, "route" | "server"))
            .map(|(kind, counts)| (share(counts), *kind))
            .fold((0.0, "route"), |most, next| if next.0 > most.0 { next } else { most })
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (kind, counts) in &self.kinds {
            for (sign, count) in [('+', counts.added), ('~', counts.changed), ('-', counts.removed)] {
                if count > 0 {
                    parts.push(format!("{sign}{count} {kind}{}", if count == 1 { "" } else { "s" }));
                }
            }
        }
        if self.settings {
            parts.push("~settings".into());
        }
        if parts.is_empty() {
            // Equal models, other bytes: a comment, a certificate, the order of nodes.
            parts.push("no change of meaning".into());
        }
        f.write_str(&parts.join(" "))
    }
}

fn compare<'m, T: PartialEq>(
    old: Option<&'m Model>,
    new: &'m Model,
    items: impl Fn(&'m Model) -> BTreeMap<String, T>,
) -> Counts {
    let (old, new) = (old.map(&items).unwrap_or_default(), items(new));
    let changed = new.iter().filter(|(name, item)| old.get(*name).is_some_and(|before| before != *item));
    Counts {
        added: new.keys().filter(|name| !old.contains_key(*name)).count(),
        changed: changed.count(),
        removed: old.keys().filter(|name| !new.contains_key(*name)).count(),
        before: old.len(),
    }
}

/// Routes by site and name; where one was written does not count.
fn routes(model: &Model) -> BTreeMap<String, Route> {
    let mut routes = BTreeMap::new();
    for site in &model.sites {
        let host = site.hosts.first().map_or("*", |host| host);
        for (at, route) in site.routes.iter().enumerate() {
            let key = format!("{host} {}", route.name);
            let key = if routes.contains_key(&key) { format!("{key} {at}") } else { key };
            routes.insert(key, route.clone());
        }
    }
    routes
}
