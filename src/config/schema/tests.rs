//! The table against itself, against the readers, and against what users get wrong.

use std::collections::BTreeSet;

use super::super::diagnostic::{FileId, Report, Severity, Span, Spanned};
use super::super::node::{Node, Origin, Scalar, Value};
use super::super::reader::{Block, Cx, default_value};
use super::super::resolve::Written;
use super::super::source::Sources;
use super::super::testing::{BASE, errors, load_text, warnings};
use super::*;

/// Nodes that are gone before the check: reading the text deals with them.
const TEXTUAL: &[&str] = &["include", "let", "template", "use", "defaults"];

fn span() -> Span {
    Span::new(FileId(0), 0..1)
}

fn word(text: &str) -> Value {
    let scalar = Scalar::String { text: text.into(), quoted: false, expanded: false };
    Value { scalar, ty: None, span: span(), poisoned: false, secret: false, from_env: false }
}

/// `inner` inside the blocks where it may stand, up to the top level.
fn nested(spec: &NodeSpec, inner: Node) -> Node {
    let Some((name, place)) = spec.parents.iter().find_map(|p| match p.split_once('@') {
        Some((name, place)) => Some((name, Some(place))),
        None => (*p != "root").then_some((*p, None)),
    }) else {
        return inner;
    };
    let is_parent = |s: &&NodeSpec| s.name == name && place.is_none_or(|place| s.parents.contains(&place));
    let parent = SCHEMA.iter().find(is_parent).unwrap();
    nested(parent, Node { children: Some(vec![inner]), ..bare(parent.name) })
}

fn bare(name: &str) -> Node {
    Node {
        name: Spanned::new(name.into(), span()),
        args: Vec::new(),
        props: Vec::new(),
        children: None,
        span: span(),
        origin: Origin::Written,
    }
}

/// Whether the check refuses `node` as not in this version, with a message that holds `named`.
#[track_caller]
fn assert_refused(node: Node, named: &str) {
    let mut report = Report::default();
    check(&[node], &mut report);
    let refused = report.findings.iter().any(|f| f.code == "LB100" && f.message.contains(named));
    assert!(refused, "`{named}` is not refused: {:?}", report.findings);
}

#[test]
fn the_table_is_sound() {
    assert_eq!(SCHEMA.len(), 81);
    let kebab = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let mut places = BTreeSet::new();
    for spec in SCHEMA {
        assert!(kebab(spec.name) && !spec.doc.is_empty(), "{}", spec.name);
        for parent in spec.parents {
            let name = parent.split('@').next().unwrap();
            assert!(name == "root" || SCHEMA.iter().any(|s| s.name == name), "{parent} of {}", spec.name);
            assert!(places.insert((spec.name, parent)), "{} stands twice in {parent}", spec.name);
        }
        for (index, arg) in spec.args.iter().enumerate() {
            let last = index + 1 == spec.args.len();
            assert!(last || !arg.repeat && !arg.optional, "only the last argument of {} may vary", spec.name);
        }
        assert!(spec.props.iter().all(|p| kebab(p.name)), "{}", spec.name);
    }
    assert!(RESERVED.iter().all(|word| find(None, word).is_none()));
}

#[test]
fn defaults_have_the_type_of_their_row_unless_they_are_words_for_people() {
    let for_people = [
        "",
        "same file",
        "host:port",
        "first pattern",
        "as paths",
        "= interval",
        "2s, or the interval if that is shorter",
        "= rate",
        "3 x refresh, 30s or more",
        "server's",
        "as traffic",
        "lbd-POOL",
        "system",
        "server host",
        "resolver's",
    ];
    for spec in SCHEMA {
        for prop in spec.props.iter().filter(|p| !for_people.contains(&p.default)) {
            assert!(
                default_value(spec, prop.name).is_some(),
                "{}: {}={}",
                spec.name,
                prop.name,
                prop.default
            );
        }
    }
}

#[test]
fn every_row_of_this_version_is_read() {
    let text = include_str!("../../../tests/golden/meaning/everything.kdl");
    let loaded = load_text(text);
    let drawn = super::super::render::human(&loaded.report, &loaded.sources, false);
    assert!(loaded.model.is_some() && loaded.report.findings.is_empty(), "{drawn}");

    let loader = super::super::source::MemLoader::new().file("lbd.kdl", text);
    let (nodes, report, sources): (Vec<Node>, Report, Sources) =
        super::super::load_nodes(std::path::Path::new("lbd.kdl"), &loader);
    let cx = Cx::new(&sources, &report);
    Written::read(Block::root(&cx, &nodes));
    let touched = cx.touched.borrow();
    let mut unread = Vec::new();
    for spec in SCHEMA.iter().filter(|s| s.since == Since::Implemented && !TEXTUAL.contains(&s.name)) {
        let args = spec.args.iter().map(|a| a.name);
        let props = spec.props.iter().filter(|p| p.since == Since::Implemented).map(|p| p.name);
        let keys = std::iter::once("").chain(args).chain(props);
        let missing = keys.filter(|key| !touched.contains(&(std::ptr::from_ref(spec), *key)));
        unread.extend(missing.map(|key| format!("{}/{} {key}", spec.parents[0], spec.name)));
    }
    assert!(unread.is_empty(), "accepted and never read: {unread:#?}");
}

#[test]
fn every_row_that_is_not_in_this_version_is_refused_by_name() {
    for spec in SCHEMA {
        if spec.since == Since::NotYet {
            // What stands in a refused node is refused with it.
            let inside = SCHEMA.iter().find(|s| s.since == Since::NotYet && spec.parents.contains(&s.name));
            assert_refused(nested(spec, bare(spec.name)), inside.map_or(spec.name, |s| s.name));
            continue;
        }
        for prop in spec.props.iter().filter(|p| p.since == Since::NotYet) {
            let props = vec![(Spanned::new(prop.name.to_owned(), span()), word("x"))];
            assert_refused(nested(spec, Node { props, ..bare(spec.name) }), &format!("`{}=`", prop.name));
        }
        for prop in spec.props {
            let Type::Choice { later, .. } = prop.ty else { continue };
            for text in later {
                let props = vec![(Spanned::new(prop.name.to_owned(), span()), word(text))];
                assert_refused(nested(spec, Node { props, ..bare(spec.name) }), text);
            }
        }
        for arg in spec.args {
            let Type::Choice { later, .. } = arg.ty else { continue };
            for text in later {
                assert_refused(nested(spec, Node { args: vec![word(text)], ..bare(spec.name) }), text);
            }
        }
    }
    for text in RESERVED {
        assert_refused(bare(text), text);
    }
}

#[test]
fn unknown_names_are_errors_with_a_suggestion() {
    let help = |text: &str| {
        let loaded = load_text(&format!("{BASE}{text}"));
        let finding = loaded.report.findings.iter().find(|f| f.severity == Severity::Error).unwrap();
        (finding.code, finding.help.first().cloned().unwrap_or_default(), finding.fixes.len())
    };
    assert_eq!(help("pol b"), ("LB101", "did you mean `pool`?".into(), 1));
    assert_eq!(help("server \"10.0.0.1:1\""), ("LB101", "`server` stands in `pool`".into(), 0));
    assert_eq!(
        help("pool b { server \"10.0.0.2:1\" wieght=5; }"),
        ("LB101", "did you mean `weight`?".into(), 1)
    );
    let own_node = "`header` is a node of its own: write it inside `health { }`";
    assert_eq!(
        help("pool b { server \"10.0.0.2:1\"; health \"/\" header=x; }"),
        ("LB101", own_node.into(), 0)
    );
    let (code, list, fixes) = help("reload zzzzzz=5");
    assert_eq!((code, fixes), ("LB101", 0));
    assert!(list.contains("watch") && list.contains("max-removal"), "{list}");
}

#[test]
fn shapes_are_checked() {
    errors("pool", &["LB102 4"]);
    errors("pool b c { server \"10.0.0.2:1\"; }", &["LB101 4"]);
    errors("pool b { server \"10.0.0.2:1\" { x; }; }", &["LB101 4"]);
    errors("reload watch=yes", &["KDL015 4"]);
    errors("reload watch=1", &["LB102 4"]);
    errors("reload history=\"5\"", &["LB102 4"]);
    errors("reload history=5000", &["LB102 4"]);
    errors("route \"/x\" pool=app { timeout connect=5; }", &["LB102 4"]);
    errors("route \"/x\" pool=app { timeout connect=\"0s\"; }", &["LB102 4"]);
    errors("route \"/x\" pool=app { body-limit \"1M\"; }", &["LB102 4"]);
    errors("pool B { server \"10.0.0.2:1\"; }", &["LB102 4"]);
    errors("pool (x)b { server \"10.0.0.2:1\"; }", &["LB102 4"]);
    errors("cluster", &["LB100 4"]);
}

#[test]
fn settings_that_ran_together_are_told_apart() {
    errors("pool b { balance p2c sticky cookie\nserver \"10.0.0.2:1\"; }", &["LB101 4"]);
    errors("pool b { server \"10.0.0.2:1\" health; }", &["LB102 4"]);
    warnings("route \"/x\" pool=app { request-headers { remove x-a set; }; }", &["KDL012 4"]);
    warnings("route \"/x\" pool=app { request-headers { remove x-a \"set\"; }; }", &[]);
    let loaded = load_text(&format!("{BASE}pool b {{ balance p2c sticky cookie\nserver \"10.0.0.2:1\"; }}"));
    let finding = loaded.report.findings.iter().find(|finding| finding.code == "LB101").unwrap();
    assert!(finding.help[0].starts_with("`sticky` is a setting of its own"), "{finding:?}");
    assert_eq!(finding.fixes[0].edits[0].text, "; sticky");
}

#[test]
fn expanded_text_takes_the_type_that_is_due() {
    let text = |value: &str| {
        format!(
            "let v \"{value}\"\npool b {{ server \"10.0.0.2:1\" weight=\"${{v}}\" backup=#false; }}\nroute \"/b\" pool=b"
        )
    };
    errors(&text("3"), &[]);
    errors(&text("three"), &["LB102 5"]);
    errors("let v \"true\"\nreload watch=\"${v}\"", &[]);
}
