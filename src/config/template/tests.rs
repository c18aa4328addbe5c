//! What `use` and `defaults` make of a file.

use super::super::{source::MemLoader, syntax};
use super::*;
use std::path::Path;

fn read(text: &str) -> (Vec<Node>, Report) {
    let loader = MemLoader::new().file("main.kdl", text);
    let (nodes, report, _) = syntax::read(Path::new("main.kdl"), &loader);
    (nodes, report)
}

/// Nodes as text: `name[origin](args){children}`, the origin being `t`, `d` or nothing.
fn show(nodes: &[Node]) -> String {
    let value = |value: &Value| match &value.scalar {
        Scalar::String { text, .. } => text.clone(),
        other => format!("{other:?}"),
    };
    let show = |node: &Node| {
        let origin = match node.origin {
            Origin::Written => "",
            Origin::Template => "'t",
            Origin::Defaults => "'d",
        };
        let args: Vec<String> = node.args.iter().map(value).collect();
        let children = node.children.as_deref().map(|children| format!("{{{}}}", show(children)));
        format!("{}{origin}({}){}", node.name.value, args.join(","), children.unwrap_or_default())
    };
    nodes.iter().map(show).collect::<Vec<_>>().join(" ")
}

fn check(text: &str, expected: &str) {
    let (nodes, report) = read(text);
    assert_eq!(report.findings, [], "{text}");
    assert_eq!(show(&nodes), expected, "{text}");
}

#[test]
fn a_template_is_spliced_where_it_is_used() {
    check(
        "template t path=\"/ready\" { balance p2c; health \"${path}\" { header a b; } }\n\
         pool a { use t; server \"x\"; }\n\
         pool b { use t path=\"/up\"; }",
        "pool(a){balance't(p2c) health't(/ready){header't(a,b)} server(x)} \
         pool(b){balance't(p2c) health't(/up){header't(a,b)}}",
    );
    check("use t\ntemplate t { pool a { server \"x\"; } }", "pool't(a){server't(x)}");
}

#[test]
fn both_a_written_and_a_spliced_node_are_delivered() {
    check(
        "template t { balance p2c; }\ndefaults { pool { balance hash; } }\npool a { balance random; use t; }",
        "pool(a){balance(random) balance't(p2c) balance'd(hash)}",
    );
}

#[test]
fn splicing_is_hygienic() {
    let text = "let x \"let\"\n\
        template inner y=\"${x}\" { b \"${x}\" \"${y}\"; }\n\
        template outer x=\"param\" { a \"${x}\"; use inner; use inner y=\"${x}\"; }\n\
        pool p { use outer; c \"${x}\"; }";
    check(text, "pool(p){a't(param) b't(let,let) b't(let,param) c(let)}");
}

#[test]
fn a_parameter_that_is_only_spoken_of_must_be_given() {
    check("template t { health \"${path}\"; }\npool a { use t path=\"/x\"; }", "pool(a){health't(/x)}");
    let (nodes, report) = read("template t { health \"${path}\"; }\npool a { use t; }");
    assert_eq!(report.findings[0].code, "LB111");
    let Some([health]) = nodes[0].children.as_deref() else { panic!("{nodes:?}") };
    assert!(health.args[0].poisoned);
}

#[test]
fn defaults_reach_every_block_of_their_kind_and_no_other() {
    check(
        "defaults { route { timeout x; }; pool { balance p2c; }; site { paths y; }; listen { limits z; } }\n\
         listen \":80\"\n\
         site \"s\" { route \"/\" { pool { q; }; }; other { route \"/\" { }; }; }\n\
         route \"/\"\n\
         pool a { tls { pool { }; }; }",
        "listen(:80){limits'd(z)} \
         site(s){route(/){pool(){q()} timeout'd(x)} other(){route(/){}} paths'd(y)} \
         route(/){timeout'd(x)} \
         pool(a){tls(){pool(){}} balance'd(p2c)}",
    );
    check(
        "defaults { route { timeout x; }; }\nsite \"s\" { route \"/\"; }",
        "site(s){route(/){timeout'd(x)}}",
    );
}

#[test]
fn a_template_used_by_defaults_is_a_default() {
    check("template t { balance p2c; }\ndefaults { pool { use t; } }\npool a", "pool(a){balance'd(p2c)}");
    check(
        "defaults { pool { balance hash; } }\ntemplate t { pool b { x; }; }\nuse t",
        "pool't(b){x't() balance'd(hash)}",
    );
}

#[test]
fn nothing_that_was_only_syntax_is_left() {
    let (nodes, report) = read("pool a { include \"x\"; let a 1; template t; defaults; match { use t; }; }");
    assert_eq!(show(&nodes), "pool(a){match(){}}");
    assert_eq!(report.findings.len(), 5);
    assert!(report.findings.iter().all(|finding| finding.code == "LB101"));
}

#[test]
fn templates_that_double_are_stopped() {
    let mut text = "template t0 { a; }\n".to_owned();
    for n in 1..40 {
        text.push_str(&format!("template t{n} {{ use t{0}; use t{0}; }}\n", n - 1));
    }
    text.push_str("pool p { use t39; }");
    let (nodes, report) = read(&text);
    assert!(report.findings.iter().any(|finding| finding.code == "KDL019"), "{:?}", report.findings.first());
    assert!(nodes[0].children.as_ref().unwrap().len() <= MAX_SPLICED + 1);
}

#[test]
fn unused_is_said_only_when_all_uses_could_be_seen() {
    let codes = |text: &str| read(text).1.findings.iter().map(|finding| finding.code).collect::<Vec<_>>();
    assert_eq!(codes("let a \"1\"\ntemplate t { }\nlet b \"${a}\""), ["LB109", "LB109"]);
    assert_eq!(codes("let a \"1\"\nserver 5s\"${a}\""), ["KDL001", "KDL000"]);
}
