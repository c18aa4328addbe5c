//! Counts of routes: by site and name, so that they go on over reloads, whatever else of a route changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Snapshot;
use crate::config::model::{Model, Route, Site};
use crate::observe::Exchanges;

/// How many routes are counted by themselves: metrics of more would cost more than they tell.
const MOST: usize = 500;
/// The site and the name of all the others together.
const OTHER: &str = "other";
/// The site that takes what is for no other.
const DEFAULT_SITE: &str = "default";

/// Counts by the first host of a site and a route's name. Routes of one name in a site are counted together.
pub type RouteCounts = BTreeMap<(Arc<str>, Arc<str>), Arc<Exchanges>>;

/// Counts for the routes of a model; those that `previous` has go on.
pub(super) fn adopt(model: &Model, previous: &Snapshot, workers: usize) -> RouteCounts {
    let mut counts = RouteCounts::new();
    for key in model.sites.iter().flat_map(|site| site.routes.iter().map(|route| key(site, route))) {
        if counts.contains_key(&key) {
            continue;
        }
        let key = if counts.len() < MOST { key } else { other() };
        let before = previous.route_counts.get(&key);
        counts.entry(key).or_insert_with(|| before.map_or_else(|| Exchanges::new(workers), Arc::clone));
    }
    counts
}

/// Those of one route.
pub(super) fn of(counts: &RouteCounts, site: &Site, route: &Route) -> Arc<Exchanges> {
    counts.get(&key(site, route)).or_else(|| counts.get(&other())).map(Arc::clone).unwrap_or_default()
}

fn key(site: &Site, route: &Route) -> (Arc<str>, Arc<str>) {
    let host = site.hosts.first().map_or_else(|| DEFAULT_SITE.into(), |host| host.to_string().into());
    (host, Arc::clone(&route.name))
}

fn other() -> (Arc<str>, Arc<str>) {
    (OTHER.into(), OTHER.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, source::MemLoader};

    fn model(text: &str) -> Model {
        let loader = MemLoader::new().file("lbd.kdl", format!("listen \":80\"\n{text}"));
        let loaded = config::load("lbd.kdl".as_ref(), &loader);
        loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.report))
    }

    #[test]
    fn what_was_counted_goes_on_under_the_same_name() {
        let before = model(
            "site \"a.test\" \"b.test\" { route \"/x\" { respond 204; }; }\nroute \"/x\" { respond 404; }",
        );
        let mut world = Snapshot::empty();
        world.route_counts = adopt(&before, &world, 1);
        let keys: Vec<String> =
            world.route_counts.keys().map(|(site, route)| format!("{site} {route}")).collect();
        assert_eq!(keys, ["a.test /x", "default /x"]);
        let after =
            model("site \"a.test\" { route \"/x\" { respond 200; }; route \"/y\" { respond 200; }; }");
        let now = adopt(&after, &world, 1);
        assert_eq!(now.len(), 2, "what is gone is gone");
        let key = ("a.test".into(), "/x".into());
        assert!(Arc::ptr_eq(&now[&key], &world.route_counts[&key]));
    }

    #[test]
    fn routes_beyond_the_most_are_counted_together() {
        let routes: String = (0..MOST + 7).map(|n| format!("route \"/{n}\" {{ respond 204; }}\n")).collect();
        let model = model(&routes);
        let counts = adopt(&model, &Snapshot::empty(), 1);
        assert_eq!(counts.len(), MOST + 1);
        let site = &model.sites[0];
        let one = |n: usize| of(&counts, site, &site.routes[n]);
        assert!(Arc::ptr_eq(&one(MOST), &one(MOST + 6)) && !Arc::ptr_eq(&one(0), &one(1)));
    }
}
