//! Splits, rewrites, limits of rate, error pages: what they come to mean, and what is refused.

use std::time::Duration;

use super::super::model::{Action, Key, LocationPart, PathRewrite, Route, SplitBy};
use super::super::testing::{BASE, errors, good, warnings};

const CANARY: &str = "pool b { server \"10.0.0.2:1\"; health tcp; timeout response=\"7s\"; }\n";

/// The route `/x` of the base with these nodes.
fn route(nodes: &str) -> Route {
    let model = good(&format!("{BASE}{CANARY}{nodes}"));
    let routes = model.sites.into_iter().flat_map(|site| site.routes);
    routes.into_iter().find(|route| &*route.name == "/x").expect("it has the route")
}

#[track_caller]
fn bad(nodes: &str, expected: &[&str]) {
    errors(&format!("{CANARY}route \"/x\" {nodes}"), expected);
}

#[test]
fn a_split_weighs_its_pools_and_takes_over_their_clocks() {
    let route = route(
        "route \"/x\" { timeout connect=\"1s\"; split by=cookie cookie=side max-age=\"1d\" { to b weight=5; to app; }; }",
    );
    let Action::Split(split) = &route.action else { panic!("{:?}", route.action) };
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(split.by, SplitBy::Cookie { name: "side".into(), max_age: day });
    let branches: Vec<_> = split
        .branches
        .iter()
        .map(|b| (&*b.pool, b.weight, b.timeout.connect.as_secs(), b.timeout.response.as_secs()))
        .collect();
    assert_eq!(branches, [("app", 1, 1, 60), ("b", 5, 1, 7)]);
}

#[test]
fn a_split_that_cannot_work_is_refused() {
    bad("{ split { to app; to b; }; }", &[]);
    bad("{ split { to app; to nowhere; }; }", &["LB103 5"]);
    bad("{ split { to app; to app; }; }", &["LB105 5"]);
    bad("{ split; }", &["LB203 5"]);
    bad("pool=app { split { to b; }; }", &["LB203 5"]);
    bad("{ split { to app weight=0; to b weight=0; }; }", &["LB211 5"]);
    bad("{ split by=cookie { to app; to b; }; }", &["LB102 5"]);
    bad("{ split cookie=side { to app; to b; }; }", &["LB101 5"]);
    bad("{ split by=source-ip max-age=\"1d\" { to app; to b; }; }", &["LB101 5"]);
}

#[test]
fn the_cookie_of_a_split_is_its_own() {
    let split =
        |cookie: &str, to: &str| format!("{{ split by=cookie cookie={cookie} {{ to app; to {to}; }}; }}");
    let two = |a: &str, b: &str| {
        format!(
            "{CANARY}pool c {{ server \"10.0.0.3:1\"; sticky cookie name=s; }}\nroute \"/x\" {a}\nroute \"/y\" {b}"
        )
    };
    errors(&two(&split("side", "b"), &split("side", "b")), &[]);
    errors(&two(&split("side", "b"), &split("side", "c")), &["LB401 7"]);
    errors(&two(&split("side", "b"), &split("other", "c")), &[]);
    errors(&two(&split("s", "b"), "{ respond 404; }"), &["LB401 6"]);
}

#[test]
fn a_rewrite_shortens_or_replaces_a_path_and_names_a_host() {
    let rewrite = |node: &str| route(&format!("route \"/x\" pool=b {{ rewrite {node}; }}")).rewrite.unwrap();
    assert_eq!(rewrite("strip-prefix=\"/x/\"").path, PathRewrite::StripPrefix("/x".into()));
    let replaced = PathRewrite::Replace(vec![LocationPart::Text("/y".into()), LocationPart::Path]);
    assert_eq!(rewrite("path=\"/y{path}\"").path, replaced);
    assert_eq!(rewrite("host=\"a.b:80\"").host, Some(vec![LocationPart::Text("a.b:80".into())]));
    let node = |node: &str| format!("pool=app {{ rewrite {node}; }}");
    bad(&node("strip-prefix=\"/x\" path=\"/y\""), &["LB101 5"]);
    bad(&node("path=\"y\""), &["LB102 5"]);
    bad(&node("path=\"/y?a=1\""), &["LB102 5"]);
    bad(&node("path=\"/y{query}\""), &["LB102 5"]);
    bad(&node("path=\"/{id}\""), &["LB103 5"]);
    bad(&node("host=\"a b\""), &["LB102 5"]);
    bad(&node("host=\"\""), &["LB102 5"]);
    bad(&node("host=\"{path}\""), &["LB102 5"]);
    let warned = |node: &str| format!("{CANARY}route \"/x\" {node}\nroute \"/b\" pool=b");
    warnings(&warned("{ respond 404; rewrite host=a; }"), &["LB217 5"]);
    warnings(&warned("pool=app { rewrite; }"), &["LB217 5"]);
    warnings(&warned("pool=app { rewrite strip-prefix=\"/y\"; }"), &["LB217 5"]);
    warnings(&warned("pool=app { rewrite strip-prefix=\"/x/y\"; }"), &[]);
}

#[test]
fn limits_of_a_site_and_its_route_add_up_and_are_named_by_their_place() {
    let route = route(
        "site \"a.b\" { rate-limit \"100/s\"; rate-limit \"5/m\" name=all key=host; route \"/x\" pool=b { rate-limit \"100/s\" burst=7 key=\"cookie:u\"; }; route \"/\" { respond 404; }; }",
    );
    let limits: Vec<_> =
        route.rate_limits.iter().map(|l| (&*l.name, &l.key, l.count, l.per.as_secs(), l.burst)).collect();
    let cookie = Key::Cookie("u".into());
    let expected = [
        ("all", &Key::Host, 5, 60, 5),
        ("route a.b /x", &cookie, 100, 1, 7),
        ("site a.b", &Key::SourceIp, 100, 1, 100),
    ];
    assert_eq!(limits, expected);
    bad("pool=app { rate-limit \"100\"; }", &["LB102 5"]);
    bad("pool=app { rate-limit \"0/s\"; }", &["LB102 5"]);
    bad("pool=app { rate-limit \"1/s\" name=n; rate-limit \"2/s\" name=n; }", &["LB105 5"]);
    bad("pool=app { rate-limit \"1/s\" name=n; }\nroute \"/y\" pool=b { rate-limit \"1/s\" name=n; }", &[]);
}

#[test]
fn the_nearest_error_page_wins_and_two_of_one_place_contradict_each_other() {
    let page = |status: &str| format!("error-page {status} file=\"errors/5xx.html\"");
    let route = route(&format!(
        "{}\nsite \"a.b\" {{ {}; route \"/x\" pool=b {{ {}; }}; route \"/\" {{ respond 404; }}; }}",
        page("\"500-599\""),
        page("404 503"),
        page("429")
    ));
    let pages: Vec<_> = route.error_pages.iter().map(|page| page.statuses.0.clone()).collect();
    assert_eq!(pages, [vec![(429, 429)], vec![(404, 404), (503, 503)], vec![(500, 599)]]);
    assert_eq!(&*route.error_pages[0].body, b"<p>soon");
    errors(&format!("{}\n{}", page("\"500-503\""), page("502")), &["LB105 5"]);
    errors(&format!("{}\n{}", page("503"), page("502")), &[]);
    errors(&page("200"), &["LB102 4"]);
    errors("error-page 503", &["LB102 4"]);
    errors("error-page 503 file=\"gone.html\"", &["LB807 4"]);
    let both =
        format!("defaults {{ route {{ {}; }}; }}\nroute \"/x\" pool=app {{ {}; }}", page("503"), page("503"));
    errors(&both, &[]);
}

#[test]
fn a_route_says_how_its_answers_are_compressed_or_its_site_does() {
    use super::super::model::Coding::{Brotli, Gzip, Zstd};
    let compress = |site: &str, own: &str| {
        let routes = format!("route \"/x\" pool=b {{ {own} }}; route \"/\" {{ respond 404; }};");
        let compress = route(&format!("site \"a.b\" {{ {site} {routes} }}")).compress;
        compress.map(|compress| (compress.codings, compress.min_size))
    };
    assert_eq!(compress("", ""), None);
    assert_eq!(compress("compress;", ""), Some((vec![Zstd, Brotli, Gzip], 1024)));
    assert_eq!(
        compress("compress;", "compress gzip br min-size=\"2KiB\";"),
        Some((vec![Gzip, Brotli], 2048))
    );
    assert_eq!(compress("compress;", "compress off;"), None);
    bad("pool=app { compress lz4; }", &["LB102 5"]);
    bad("pool=app { compress gzip gzip; }", &["LB105 5"]);
    bad("pool=app { compress gzip off; }", &["LB102 5"]);
    bad("pool=app { compress off min-size=\"1KiB\"; }", &["LB101 5"]);
    let own = format!("{CANARY}route \"/b\" pool=b\nroute \"/x\" {{ respond 404; compress; }}");
    warnings(&own, &["LB217 6"]);
}

#[test]
fn a_mirror_has_a_pool_of_its_own_and_its_clocks() {
    let mirror = route("route \"/x\" pool=app { timeout response=\"1s\"; mirror pool=b fraction=\"1%\"; }")
        .mirror
        .unwrap();
    assert_eq!((&*mirror.pool, mirror.fraction_percent), ("b", 1.0));
    assert_eq!(mirror.timeout.response.as_secs(), 7);
    bad("pool=app { mirror pool=nowhere; }", &["LB103 5"]);
    bad("pool=app { mirror; }", &["LB102 5"]);
    let warned = |nodes: &str| format!("{CANARY}route \"/x\" {nodes}");
    warnings(&warned("pool=app { mirror pool=b; }"), &[]);
    warnings(&warned("pool=b { mirror pool=b; }"), &["LB218 5"]);
    warnings(&warned("pool=app { mirror pool=b fraction=\"0%\"; }"), &["LB217 5"]);
    warnings(&warned("{ respond 404; mirror pool=b; }"), &["LB217 5"]);
}

#[test]
fn splits_that_disappoint() {
    let split = |pool: &str, node: &str| {
        format!("pool b {{ server \"10.0.0.2:1\"; {pool} }}\nroute \"/x\" {{ {node}; }}\nroute \"/b\" pool=b")
    };
    warnings(&split("", "split { to b; }"), &["LB211 5"]);
    warnings(&split("", "split { to app; to b weight=0; }"), &["LB211 5"]);
    warnings(&split("", "split { to app; to b; }"), &[]);
    let sticky = "server \"10.0.0.3:1\"; health tcp; sticky cookie;";
    warnings(&split(sticky, "split { to app; to b; }"), &["LB216 5"]);
    warnings(&split(sticky, "split by=source-ip { to app; to b; }"), &[]);
    warnings(&split(sticky, "split by=cookie cookie=side { to app; to b; }"), &[]);
    // A pool that only a split leads to is used.
    warnings("pool b { server \"10.0.0.2:1\"; }\nroute \"/x\" { split { to app; to b; }; }", &[]);
}
