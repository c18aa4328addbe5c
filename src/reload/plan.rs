//! What a new model adds, changes and takes away, in one line; and how much of the old one it removes.
//!
//! Where something was written is no part of what it means: a comment above a route changes no route.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::diagnostic::{FileId, Place, Span};
use crate::config::model::{Action, Certificate, ErrorPage, Listener, Model, Pool, Route, Site, Status};

/// The difference between two models, counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Plan {
    kinds: [(&'static str, Counts); 5],
    /// Something else changed: logs, the control socket, the status endpoint.
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
        let kinds = [
            ("listener", compare(old, new, listeners)),
            ("site", compare(old, new, sites)),
            ("route", compare(old, new, routes)),
            ("pool", compare(old, new, pools)),
            ("server", compare(old, new, servers)),
        ];
        let settings = old.is_some_and(|old| {
            status(old) != status(new)
                || old.control != new.control
                || old.log != new.log
                || old.reload != new.reload
                || old.resolver != new.resolver
        });
        Self { kinds, settings }
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

fn compare<T: PartialEq>(
    old: Option<&Model>,
    new: &Model,
    items: impl Fn(&Model) -> BTreeMap<String, T>,
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

fn listeners(model: &Model) -> BTreeMap<String, Listener> {
    let plain = |listener: &Listener| {
        let mut plain = Listener { place: nowhere(), ..listener.clone() };
        if let Some(tls) = &mut plain.tls {
            tls.span = NO_SPAN;
            tls.certificates.iter_mut().for_each(forget_span);
            tls.client_ca.iter_mut().for_each(|ca| ca.span = NO_SPAN);
        }
        (listener.name.to_string(), plain)
    };
    model.listeners.iter().map(plain).collect()
}

/// Sites without their routes, which count for themselves; and not the default one, which is only routes.
fn sites(model: &Model) -> BTreeMap<String, Site> {
    let named = model.sites.iter().filter_map(|site| {
        let mut plain = Site { place: nowhere(), routes: Vec::new(), ..site.clone() };
        plain.certificates.iter_mut().for_each(forget_span);
        forget_spans(&mut plain.error_pages);
        Some((site.hosts.first()?.to_string(), plain))
    });
    named.collect()
}

/// Routes by site and name.
fn routes(model: &Model) -> BTreeMap<String, Route> {
    let mut routes = BTreeMap::new();
    for site in &model.sites {
        let host = site.hosts.first().map_or("*", |host| host);
        for (at, route) in site.routes.iter().enumerate() {
            let key = format!("{host} {}", route.name);
            let key = if routes.contains_key(&key) { format!("{key} {at}") } else { key };
            let mut plain = Route { place: nowhere(), span: NO_SPAN, ..route.clone() };
            forget_spans(&mut plain.error_pages);
            if let Action::Split(split) = &mut plain.action {
                split.branches.iter_mut().for_each(|branch| branch.span = NO_SPAN);
            }
            routes.insert(key, plain);
        }
    }
    routes
}

fn pools(model: &Model) -> BTreeMap<String, Pool> {
    let plain = |pool: &Pool| {
        let mut plain = Pool { place: nowhere(), span: NO_SPAN, ..pool.clone() };
        plain.servers.iter_mut().for_each(|server| server.place = nowhere());
        if let Some(tls) = &mut plain.tls {
            tls.span = NO_SPAN;
            tls.certificate.iter_mut().for_each(forget_span);
        }
        (pool.name.to_string(), plain)
    };
    model.pools.values().map(plain).collect()
}

fn servers(model: &Model) -> BTreeMap<String, crate::config::model::Server> {
    let of_pool = |pool: Pool| {
        let name = pool.name;
        pool.servers.into_iter().map(move |server| (format!("{name}/{}", server.name), server))
    };
    pools(model).into_values().flat_map(of_pool).collect()
}

fn status(model: &Model) -> Option<Status> {
    model.status.clone().map(|status| Status { place: nowhere(), ..status })
}

const NO_SPAN: Span = Span { file: FileId(0), start: 0, end: 0 };

fn nowhere() -> Place {
    Place { file: std::sync::Arc::default(), line: 0 }
}

fn forget_span(certificate: &mut Certificate) {
    certificate.span = NO_SPAN;
}

fn forget_spans(pages: &mut [ErrorPage]) {
    pages.iter_mut().for_each(|page| page.span = NO_SPAN);
}

#[cfg(test)]
mod tests {
    use super::super::tests::model_of;
    use super::*;
    use crate::config::testing::{BASE, good};

    fn plan(old: &str, new: &str) -> String {
        Plan::between(Some(&model_of(old)), &model_of(new)).to_string()
    }

    #[test]
    fn changes_are_counted_by_what_they_mean() {
        assert_eq!(Plan::between(None, &model_of("server a")).to_string(), "+1 pool +1 server");
        assert_eq!(plan("server a", "server a"), "no change of meaning");
        assert_eq!(plan("server a", "// a comment moves lines\n\nserver a"), "no change of meaning");
        assert_eq!(plan("server a", "server a\nserver b\nserver c"), "~1 pool +2 servers");
        assert_eq!(plan("server a\nserver b", "server b"), "~1 pool -1 server");
        assert_eq!(plan("server a", "server a\nwatch-not"), "~settings");
    }

    #[test]
    fn where_a_branch_or_a_page_was_written_is_no_part_of_what_it_means() {
        let text = |weight: u32| {
            format!(
                "{BASE}error-page 404 file=\"errors/5xx.html\"\npool b {{ server \"10.0.0.2:1\"; }}\n\
                 route \"/x\" {{ split {{ to app; to b weight={weight}; }}; }}\n\
                 site \"a.b\" {{ route \"/\" pool=b; }}\n"
            )
        };
        let (old, moved) = (good(&text(1)), good(&format!("// a comment\n{}", text(1))));
        assert_eq!(Plan::between(Some(&old), &moved).to_string(), "no change of meaning");
        assert_eq!(Plan::between(Some(&old), &good(&text(2))).to_string(), "~1 route");
    }

    #[test]
    fn the_share_removed_is_of_what_was_there() {
        let removal = |old, new| Plan::between(Some(&model_of(old)), &model_of(new)).removal();
        assert_eq!(removal("server a\nserver b", "server b\nserver c"), (50.0, "server"));
        assert_eq!(removal("server a", "server a\nserver b").0, 0.0);
        assert_eq!(removal("server a\nserver b", "").0, 100.0);
    }
}
