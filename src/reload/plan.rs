//! What a new model adds, changes and takes away: by identity, setting by setting; and in one line.
//!
//! Pure. Where something was written is no part of what it means: a comment above a route changes no route.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::config::diagnostic::Place;
use crate::config::model::{Listener, Model, Pool, Route, Server, Site, Status};
use flat::Value;
use item::Item;
pub use told::Part;
pub(super) use told::parts;

mod flat;
mod item;
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
        plan.compare::<Listener>(0, old, new);
        plan.compare::<Site>(1, old, new);
        plan.compare::<Route>(2, old, new);
        plan.compare::<Pool>(3, old, new);
        plan.compare::<Server>(4, old, new);
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

    fn compare<T: Item>(&mut self, kind: usize, old: Option<&Model>, new: &Model) {
        let (old, new) = (old.map(T::all).unwrap_or_default(), T::all(new));
        self.before[kind] = old.len();
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (what, item) = match (old.get(name), new.get(name)) {
                (Some(before), Some(after)) => match changes(*before, *after) {
                    Some(settings) => (What::Changed(settings), after),
                    None => continue,
                },
                (None, Some(after)) => (What::Added, after),
                (Some(before), None) => (What::Removed, before),
                (None, None) => continue,
            };
            let (detail, place) = (item.detail(), item.place().to_string());
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

/// What of a thing differs; none where nothing that is meant does. Most are the same to the last place: the few
/// others are copied without their places, and not all, which with many routes would be as much again as the model.
fn changes<T: Item>(old: &T, new: &T) -> Option<Vec<Setting>> {
    if old == new {
        return None;
    }
    let (old, new) = (old.meant(), new.meant());
    (old != new).then(|| differences(&old, &new))
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

fn status(model: &Model) -> Option<Status> {
    model.status.clone().map(|status| Status { place: nowhere(), ..status })
}

fn nowhere() -> Place {
    Place { file: Arc::default(), line: 0 }
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
