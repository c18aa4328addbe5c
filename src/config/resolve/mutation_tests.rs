//! Whatever stands in a node, reading it gives findings or a model, never a panic and never both or neither.

use std::path::Path;

use proptest::prelude::*;

use super::super::diagnostic::{Report, Severity};
use super::super::node::{Node, Origin, Scalar};
use super::super::source::{MemLoader, Sources};
use super::super::{load_nodes, schema};
use super::model;

const EVERYTHING: &str = include_str!("../../../tests/golden/meaning/everything.kdl");

fn nodes(text: &str) -> (Vec<Node>, Report, Sources) {
    load_nodes(Path::new("lbd.kdl"), &MemLoader::new().file("lbd.kdl", text))
}

fn string(text: &str) -> Scalar {
    Scalar::String { text: text.into(), quoted: true, expanded: false }
}

/// Visits every node, deepest last, with a number.
fn visit(nodes: &mut Vec<Node>, count: &mut usize, change: &mut dyn FnMut(usize, &mut Node)) {
    for node in nodes {
        change(*count, node);
        *count += 1;
        visit(node.children.get_or_insert_default(), count, change);
    }
}

/// Checks and resolves; the report and the model must agree.
fn resolve(nodes: &[Node], sources: &Sources) -> Report {
    let mut report = Report::default();
    schema::check(nodes, &mut report);
    let before = report.has_errors();
    let meant = model(nodes, sources, &mut report);
    assert_eq!(meant.is_some(), !report.has_errors());
    assert!(!before || meant.is_none(), "what the check refuses never has a meaning");
    report
}

#[test]
fn any_value_anywhere_is_read_or_refused() {
    // Compiling a regular expression a thousand times would be most of this test.
    let (original, _, sources) = nodes(&EVERYTHING.replace("(regex)", ""));
    let odd = [
        Scalar::Integer(-1),
        Scalar::Decimal(f64::NAN),
        Scalar::Null,
        string(""),
        string("off"),
        string("0s"),
        string("é\r\n"),
    ];
    let mut total = 0;
    visit(&mut original.clone(), &mut total, &mut |_, _| {});
    assert!(total > 60, "{total}");
    for target in 0..total {
        for value in &odd {
            for slot in 0..20 {
                let mut changed = original.clone();
                let mut hit = false;
                visit(&mut changed, &mut 0, &mut |index, node| {
                    let mut values =
                        node.args.iter_mut().chain(node.props.iter_mut().map(|(_, value)| value));
                    if let (true, Some(place)) = (index == target, values.nth(slot)) {
                        place.scalar = value.clone();
                        hit = true;
                    }
                });
                if !hit {
                    break;
                }
                resolve(&changed, &sources);
            }
        }
    }
}

#[test]
fn every_default_can_be_read() {
    let (mut bare, _, sources) = nodes(EVERYTHING);
    visit(&mut bare, &mut 0, &mut |_, node| {
        // Without its kind a service is an address that lacks its port.
        let needed = |key: &str| {
            ["pool", "user", "role", "key", "file", "sni", "certificate", "kind", "token"].contains(&key)
        };
        let sticky = node.name.value == "sticky";
        node.props.retain(|(key, _)| needed(&key.value) || sticky && key.value == "name");
    });
    let report = resolve(&bare, &sources);
    // Names are gone, so what named them is not found; nothing else is wrong.
    let codes: Vec<_> =
        report.findings.iter().filter(|f| f.severity == Severity::Error).map(|f| f.code).collect();
    assert!(codes.iter().all(|code| ["LB108", "LB302"].contains(code)), "{:?}", report.findings);
}

#[test]
fn a_setting_twice_from_one_source_is_an_error_and_from_two_is_not() {
    let (mut changed, _, sources) = nodes(
        "listen \":80\"\npool a { server \"10.0.0.1:1\"; balance p2c; server \"10.0.0.2:1\"; health tcp; }\nroute \"/\" pool=a",
    );
    let pool = changed[1].children.as_mut().unwrap();
    let again = pool[1].clone();
    pool.push(Node { origin: Origin::Defaults, ..again.clone() });
    assert!(!resolve(&changed, &sources).has_errors());
    let other_place = super::super::diagnostic::Span::new(again.span.file, 0..1);
    let name = super::super::diagnostic::Spanned::new("balance".into(), other_place);
    changed[1].children.as_mut().unwrap().push(Node { name, ..again });
    assert_eq!(resolve(&changed, &sources).findings.iter().map(|f| f.code).collect::<Vec<_>>(), ["LB105"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_order_of_nodes_never_changes_the_meaning(seed in any::<u64>()) {
        let text = EVERYTHING.to_owned() + "site \"a.b\" { route \"/\" pool=app; }\nroute \"/x\" \"/y\" pool=app\nroute \"/\" { respond 404; }";
        let (mut shuffled, _, sources) = nodes(&text);
        let straight = model(&shuffled, &sources, &mut Report::default()).expect("it is good");
        let mut random = seed;
        shuffle(&mut shuffled, &mut random);
        let mut other = model(&shuffled, &sources, &mut Report::default()).expect("it is good in any order");
        // The default site is placed at its first route, and routes stand in no meaningful order.
        for (a, b) in other.sites.iter_mut().zip(&straight.sites) {
            a.place = b.place.clone();
            a.routes.sort_by_key(|route| route.span);
        }
        prop_assert_eq!(other, straight);
    }
}

/// Shuffles what has no order: all but `sticky` and edits of headers, and `match` (whose order is told by the router).
fn shuffle(nodes: &mut [Node], random: &mut u64) {
    for index in (1..nodes.len()).rev() {
        *random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let other = (*random >> 33) as usize % (index + 1);
        let ordered = |node: &Node| {
            ["sticky", "match", "certificate", "set", "add", "remove"].contains(&node.name.value.as_str())
        };
        if !ordered(&nodes[index]) && !ordered(&nodes[other]) {
            nodes.swap(index, other);
        }
    }
    for node in nodes {
        shuffle(node.children.get_or_insert_default(), random);
    }
}
