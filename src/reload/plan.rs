//! What a new model adds, changes and takes away: by identity, setting by setting; and in one line.
//!
//! Pure. Where something was written is no part of what it means: a comment above a route changes no route.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::config::diagnostic::{FileId, Place, Span};
use crate::config::model::{Action, Certificate, ErrorPage, Listener, Model, Pool, Route, Site, Status};
use flat::Value;
pub use told::Part;
pub(super) use told::parts;

mod flat;
mod told;

/// The difference between two models.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// Everything that differs, in the order of [`KINDS`], by name within each.
    pub changes: Vec<Change>,
    /// How many of each kind there were.
    before: [usize; KINDS.len()],
}

/// One thing that is there on one side only, or differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// One of [`KINDS`].
    pub kind: &'static str,
    /// Its identity: `platform`, `platform/tw1`, `shop.test /cart`, `log`.
    pub name: String,
    /// What became of it.
    pub what: What,
    /// What it is, in a few words: a server's address, a route's target.
    pub detail: String,
    /// Where it is written, `file:line`; where it was, for what is removed.
    pub place: String,
}

/// What became of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// These settings differ; none do where only something within it does, which is told for itself.
    Changed(Vec<Setting>),
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `balance`, `drain close-rate count`.
    pub name: String,
    /// Its value before; `None` where there was none, and for what a list gained.
    pub old: Option<String>,
    /// Its value after; `None` where there is none, and for what a list lost.
    pub new: Option<String>,
}

/// What a model is made of.
pub const KINDS: [&str; 6] = ["listener", "site", "route", "pool", "server", "settings"];

impl Plan {
    /// From `old`, or from nothing, to `new`.
    pub fn between(old: Option<&Model>, new: &Model) -> Self {
        let mut plan = Self::default();
        plan.compare(0, old, new, listeners);
        plan.compare(1, old, new, sites);
        plan.compare(2, old, new, routes);
        plan.compare(3, old, new, pools);
        plan.compare(4, old, new, servers);
        if let Some(old) = old {
            plan.settings("log", &old.log, &new.log);
            plan.settings("reload", &old.reload, &new.reload);
            plan.settings("control", &old.control, &new.control);
            plan.settings("status", &status(old), &status(new));
            plan.settings("resolver", &old.resolver, &new.resolver);
            plan.settings("lint", &old.lint, &new.lint);
        }
        plan
    }

    /// Whether nothing that is meant differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The largest share of routes or servers that goes away, in percent, with its kind.
    pub(super) fn removal(&self) -> (f64, &'static str) {
        let mut most = (0.0, "route");
        for (kind, before) in KINDS.iter().zip(self.before) {
            let share = 100.0 * self.count(kind, &What::Removed) as f64 / before.max(1) as f64;
            if matches!(*kind, "route" | "server") && share > most.0 {
                most = (share, kind);
            }
        }
        most
    }

    /// How many of a kind were added, removed, or changed in whatever way.
    fn count(&self, kind: &str, what: &What) -> usize {
        let same = |change: &&Change| {
            change.kind == kind && std::mem::discriminant(&change.what) == std::mem::discriminant(what)
        };
        self.changes.iter().filter(same).count()
    }

    fn compare<T: PartialEq + fmt::Debug>(
        &mut self,
        kind: usize,
        old: Option<&Model>,
        new: &Model,
        items: impl Fn(&Model) -> BTreeMap<String, Item<T>>,
    ) {
        let (old, new) = (old.map(&items).unwrap_or_default(), items(new));
        self.before[kind] = old.len();
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (before, after) = (old.get(name), new.get(name));
            let (what, item) = match (before, after) {
                (Some(before), Some(after)) if before.item == after.item => continue,
                (Some(before), Some(after)) => (What::Changed(differences(&before.item, &after.item)), after),
                (None, Some(after)) => (What::Added, after),
                (Some(before), None) => (What::Removed, before),
                (None, None) => continue,
            };
            let (detail, place) = (item.detail.clone(), item.place.clone());
            self.changes.push(Change { kind: KINDS[kind], name: name.clone(), what, detail, place });
        }
    }

    fn settings<T: PartialEq + fmt::Debug>(&mut self, name: &str, old: &T, new: &T) {
        if old != new {
            let what = What::Changed(differences(old, new));
            let (detail, place) = (String::new(), String::new());
            self.changes.push(Change { kind: KINDS[5], name: name.to_owned(), what, detail, place });
        }
    }
}

/// The settings of two things of one name that differ, by name. What is told for itself is left out.
fn differences<T: fmt::Debug>(old: &T, new: &T) -> Vec<Setting> {
    const FOR_ITSELF: [&str; 3] = ["name", "servers", "routes"];
    let (old, new) = (flat::settings(old, &FOR_ITSELF), flat::settings(new, &FOR_ITSELF));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut told = Vec::new();
    let mut whole: Option<String> = None;
    for path in paths {
        // What came or went as a whole is told once, without everything in it.
        if whole.as_ref().is_some_and(|whole| path.starts_with(whole.as_str())) {
            continue;
        }
        let (before, after) = (old.get(path), new.get(path));
        if before == after {
            continue;
        }
        if [before, after].into_iter().flatten().any(Value::is_none) {
            whole = Some(format!("{path} "));
        }
        difference(path, before, after, &mut told);
    }
    told
}

fn difference(path: &str, old: Option<&Value>, new: Option<&Value>, told: &mut Vec<Setting>) {
    let mut tell = |old: Option<String>, new: Option<String>| {
        let name = if path.is_empty() { "value".to_owned() } else { path.to_owned() };
        told.push(Setting { name, old, new });
    };
    match (old, new) {
        (Some(Value::Many(old)), Some(Value::Many(new))) => {
            let gone: Vec<_> = old.iter().filter(|text| !new.contains(text)).collect();
            let come: Vec<_> = new.iter().filter(|text| !old.contains(text)).collect();
            if gone.is_empty() && come.is_empty() {
                return tell(Some(Value::line(old)), Some(Value::line(new)));
            }
            gone.iter().for_each(|text| tell(Some(text.shown.clone()), None));
            come.iter().for_each(|text| tell(None, Some(text.shown.clone())));
        }
        (old, new) => tell(old.and_then(Value::shown), new.and_then(Value::shown)),
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for kind in &KINDS[..5] {
            for (sign, what) in [('+', What::Added), ('~', What::Changed(Vec::new())), ('-', What::Removed)] {
                let count = self.count(kind, &what);
                if count > 0 {
                    parts.push(format!("{sign}{count} {kind}{}", if count == 1 { "" } else { "s" }));
                }
            }
        }
        if self.count(KINDS[5], &What::Changed(Vec::new())) > 0 {
            parts.push("~settings".into());
        }
        if parts.is_empty() {
            // Equal models, other bytes: a comment, a certificate, the order of nodes.
            parts.push("no change of meaning".into());
        }
        f.write_str(&parts.join(" "))
    }
}

/// A part of a model without places, and what is told of it.
struct Item<T> {
    item: T,
    detail: String,
    place: String,
}

fn item<T>(item: T, place: &Place, detail: String) -> Item<T> {
    Item { item, detail, place: place.to_string() }
}

fn listeners(model: &Model) -> BTreeMap<String, Item<Listener>> {
    let plain = |listener: &Listener| {
        let mut plain = Listener { place: nowhere(), ..listener.clone() };
        if let Some(tls) = &mut plain.tls {
            tls.span = NO_SPAN;
            tls.certificates.iter_mut().for_each(forget_span);
            tls.client_ca.iter_mut().for_each(|ca| ca.span = NO_SPAN);
        }
        (listener.name.to_string(), item(plain, &listener.place, listener.address.to_string()))
    };
    model.listeners.iter().map(plain).collect()
}

/// Sites without their routes, which count for themselves; and not the default one, which is only routes.
fn sites(model: &Model) -> BTreeMap<String, Item<Site>> {
    let named = model.sites.iter().filter_map(|site| {
        let mut plain = Site { place: nowhere(), routes: Vec::new(), ..site.clone() };
        plain.certificates.iter_mut().for_each(forget_span);
        forget_spans(&mut plain.error_pages);
        Some((site.hosts.first()?.to_string(), item(plain, &site.place, String::new())))
    });
    named.collect()
}

/// Routes by site and name.
fn routes(model: &Model) -> BTreeMap<String, Item<Route>> {
    let mut routes = BTreeMap::new();
    for site in &model.sites {
        let host = site.hosts.first().map_or("*", |host| host);
        for (at, route) in site.routes.iter().enumerate() {
            let key = if host == "*" { route.name.to_string() } else { format!("{host} {}", route.name) };
            let key = if routes.contains_key(&key) { format!("{key} {at}") } else { key };
            let mut plain = Route { place: nowhere(), span: NO_SPAN, ..route.clone() };
            forget_spans(&mut plain.error_pages);
            match &mut plain.action {
                Action::Split(split) => split.branches.iter_mut().for_each(|branch| branch.span = NO_SPAN),
                Action::Respond { body, .. } => *body = fingerprint(body),
                Action::Pool(_) | Action::Redirect { .. } => {}
            }
            plain.mirror.iter_mut().for_each(|mirror| mirror.span = NO_SPAN);
            routes.insert(key, item(plain, &route.place, action(&route.action)));
        }
    }
    routes
}

fn pools(model: &Model) -> BTreeMap<String, Item<Pool>> {
    let plain = |pool: &Pool| {
        let mut plain = Pool { place: nowhere(), span: NO_SPAN, ..pool.clone() };
        plain.servers.iter_mut().for_each(|server| server.place = nowhere());
        if let Some(tls) = &mut plain.tls {
            tls.span = NO_SPAN;
            tls.certificate.iter_mut().for_each(forget_span);
        }
        (pool.name.to_string(), item(plain, &pool.place, String::new()))
    };
    model.pools.values().map(plain).collect()
}

fn servers(model: &Model) -> BTreeMap<String, Item<crate::config::model::Server>> {
    let of_pool = |pool: &Pool| {
        let told = |server: &crate::config::model::Server| {
            let plain = crate::config::model::Server { place: nowhere(), ..server.clone() };
            let v6 = server.host.contains(':');
            let address = if v6 {
                format!("[{}]:{}", server.host, server.port)
            } else {
                format!("{}:{}", server.host, server.port)
            };
            (format!("{}/{}", pool.name, server.name), item(plain, &server.place, address))
        };
        pool.servers.iter().map(told).collect::<Vec<_>>()
    };
    model.pools.values().flat_map(of_pool).collect()
}

/// What a route does, in a few words.
fn action(action: &Action) -> String {
    match action {
        Action::Pool(pool) => format!("pool {pool}"),
        Action::Split(split) => {
            let ways = split.branches.iter().map(|way| format!("{} {}", way.pool, way.weight));
            format!("split {}", ways.collect::<Vec<_>>().join(", "))
        }
        Action::Redirect { status, .. } => format!("redirect {status}"),
        Action::Respond { status, .. } => format!("respond {status}"),
    }
}

fn status(model: &Model) -> Option<Status> {
    model.status.clone().map(|status| Status { place: nowhere(), ..status })
}

const NO_SPAN: Span = Span { file: FileId(0), start: 0, end: 0 };

fn nowhere() -> Place {
    Place { file: Arc::default(), line: 0 }
}

fn forget_span(certificate: &mut Certificate) {
    certificate.span = NO_SPAN;
}

fn forget_spans(pages: &mut [ErrorPage]) {
    for page in pages {
        page.span = NO_SPAN;
        page.body = fingerprint(&page.body);
    }
}

/// A body is compared, and never told.
fn fingerprint(body: &[u8]) -> Arc<[u8]> {
    if body.is_empty() { Arc::default() } else { Sha256::digest(body).as_slice().into() }
}

#[cfg(test)]
mod laws;

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

    /// A diff as a reader sees it: `~ pool app: balance round-robin -> random`.
    fn drawn(old: &str, new: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for change in Plan::between(Some(&good(old)), &good(new)).changes {
            let (kind, name) = (change.kind, change.name);
            match change.what {
                What::Added => lines.push(format!("+ {kind} {name} {}", change.detail)),
                What::Removed => lines.push(format!("- {kind} {name} {}", change.detail)),
                What::Changed(settings) => {
                    lines.push(format!("~ {kind} {name}"));
                    lines.extend(settings.into_iter().map(|Setting { name, old, new }| {
                        format!("{name} {} -> {}", old.unwrap_or_default(), new.unwrap_or_default())
                    }));
                }
            }
        }
        lines
    }

    #[test]
    fn each_mutation_is_told_and_nothing_else() {
        let check = |from: &str, to: &str, expected: &[&str]| {
            let text = |part: &str| format!("{BASE}pool b {{ server b1 \"10.0.0.2:1\"; {part}; }}\n");
            assert_eq!(drawn(&text(from), &text(to)), expected, "{from} => {to}");
            assert_eq!(drawn(&text(to), &text(to)), [""; 0], "{to}");
        };
        check("balance random", "balance p2c", &["~ pool b", "balance random -> p2c"]);
        check("balance random", "// moved\n balance random", &[]);
        check("health tcp interval=\"60s\"", "health tcp interval=\"1m\"", &[]);
        check("health tcp rise=2", "health tcp rise=4", &["~ pool b", "health rise 2 -> 4"]);
        check("/-health tcp", "health tcp", &["~ pool b", "health none -> health"]);
        check(
            "drain close-rate=\"20/s\"",
            "drain close-rate=\"30/s\"",
            &["~ pool b", "drain close-rate count 20 -> 30"],
        );
        check(
            "server b2 \"[::1]:80\"",
            "server b3 \"10.0.0.3:80\" weight=2",
            &["~ pool b", "- server b/b2 [::1]:80", "+ server b/b3 10.0.0.3:80"],
        );
    }

    #[test]
    fn routes_sites_and_settings_are_told_by_name() {
        let site = |part: &str| format!("{BASE}site \"a.b\" {{ route \"/x\" {part}; }}\n");
        assert_eq!(
            drawn(&site("pool=app"), &site("{ respond 204; }")),
            [
                "~ route a.b /x",
                "action pool app -> respond",
                "action body  -> (not shown)",
                "action content-type  -> text/plain",
                "action status  -> 204"
            ]
        );
        assert_eq!(drawn(BASE, &site("pool=app")), ["+ site a.b ", "+ route a.b /x pool app"]);
        let log = |level: &str| format!("{BASE}log level={level}\n");
        assert_eq!(drawn(&log("info"), &log("debug")), ["~ settings log", "level info -> debug"]);
    }

    #[test]
    fn the_value_of_a_header_is_compared_and_not_told() {
        let text = |value: &str| {
            format!(
                "{BASE}site \"a.b\" {{ route \"/x\" pool=app {{ request-headers {{ set x-key \"{value}\"; }}; }}; }}\n"
            )
        };
        let told = drawn(&text("one-secret"), &text("two-secret")).join("\n");
        assert!(told.contains("request-headers") && !told.contains("secret"), "{told}");
    }

    #[test]
    fn the_share_removed_is_of_what_was_there() {
        let removal = |old, new| Plan::between(Some(&model_of(old)), &model_of(new)).removal();
        assert_eq!(removal("server a\nserver b", "server b\nserver c"), (50.0, "server"));
        assert_eq!(removal("server a", "server a\nserver b").0, 0.0);
        assert_eq!(removal("server a\nserver b", "").0, 100.0);
    }
}
