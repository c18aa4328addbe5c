//! Spans and values of nodes.

use super::super::lexer;
use super::*;

fn read(text: &str) -> (Vec<Node>, Vec<Diagnostic>) {
    let (nodes, findings) = super::nodes(FileId(0), repair::repair(FileId(0), text, lexer::lex(text)));
    (nodes.unwrap(), findings)
}

#[test]
fn every_part_has_its_own_exact_span() {
    let text = "// lead\nroute (regex) #\"^/é\"# name = \"n\" (t)5 /-x=1 { on \"a\" ; } // trail\n\nb\n";
    let (nodes, findings) = read(text);
    assert_eq!(findings, []);
    let at = |span: Span| &text[span.range()];
    let route = &nodes[0];
    assert_eq!(at(route.name.span), "route");
    assert!(
        at(route.span).starts_with("route (regex)") && at(route.span).ends_with("; }"),
        "{}",
        at(route.span)
    );
    assert_eq!(at(route.args[0].span), "#\"^/é\"#");
    let ty = route.args[0].ty.as_ref().unwrap();
    assert_eq!((ty.value.as_str(), at(ty.span)), ("regex", "regex"));
    assert_eq!(at(route.args[1].span), "5");
    assert_eq!((at(route.props[0].0.span), at(route.props[0].1.span)), ("name", "\"n\""));
    assert_eq!(route.props.len(), 1, "what `/-` comments out is not there");
    let on = &route.children.as_ref().unwrap()[0];
    assert_eq!((at(on.span), at(on.args[0].span)), ("on \"a\"", "\"a\""));
    assert_eq!(at(nodes[1].span), "b");
}

#[test]
fn values_keep_their_kind_and_whether_they_were_quoted() {
    let (nodes, _) = read("a b \"c\" #\"d\"# 1 2.5 #true #null");
    let string = |text: &str, quoted| Scalar::String { text: text.to_owned(), quoted, expanded: false };
    let scalars: Vec<Scalar> = nodes[0].args.iter().map(|value| value.scalar.clone()).collect();
    let expected = [
        string("b", false),
        string("c", true),
        string("d", true),
        Scalar::Integer(1),
        Scalar::Decimal(2.5),
        Scalar::Bool(true),
        Scalar::Null,
    ];
    assert_eq!(scalars, expected);
}

#[test]
fn no_block_differs_from_an_empty_one() {
    let (nodes, _) = read("a\nb {}\nc { }");
    let children: Vec<_> = nodes.iter().map(|node| node.children.as_ref().map(Vec::len)).collect();
    assert_eq!(children, [None, Some(0), Some(0)]);
}

#[test]
fn what_was_mended_is_poisoned_or_gone() {
    let (nodes, _) = read("server 10.0.0.1:80 weight=5% true=1 ok=1\n5s 1\nlast");
    let names: Vec<&str> = nodes.iter().map(|node| node.name.value.as_str()).collect();
    assert_eq!(names, ["server", "last"], "a node whose name nobody knows is not there");
    assert!(nodes[0].args[0].poisoned);
    let props: Vec<_> = nodes[0].props.iter().map(|(key, value)| (&*key.value, value.poisoned)).collect();
    assert_eq!(props, [("weight", true), ("ok", false)]);
}

#[test]
fn a_property_given_twice_is_an_error_and_both_are_delivered() {
    let text = "server \"a\" weight=1 weight=2 weight=3";
    let (nodes, findings) = read(text);
    assert_eq!(nodes[0].props.len(), 3);
    let codes: Vec<_> = findings.iter().map(|finding| (finding.code, finding.span.unwrap().start)).collect();
    assert_eq!(codes, [("KDL018", 20), ("KDL018", 29)]);
    let edit = &findings[0].fixes[0].edits[0];
    assert_eq!(&text[edit.span.range()], " weight=1");
}

#[test]
fn a_type_on_a_node_is_refused() {
    let (_, findings) = read("(x)server \"a\"");
    assert_eq!(findings[0].code, "LB101");
}
