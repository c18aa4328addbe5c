//! The SARIF that `lbd lint` writes is SARIF, and points at what it means.

use std::path::Path;

use lbd::config::rules;
use serde_json::{Value, json};

use super::command::Desk;
use super::schema;

/// A fault with a fix behind letters of several bytes; one in another file; what is allowed; one without a place.
const MAIN: &str = "include \"more pools/ä.kdl\"\nlisten \":80\"\n/* für alle */ route \"/äö\" pool=ap\nroute \"/\" pool=app\n\
                    pool app { server \"10.0.0.3:1\"; }\n";
const MORE: &str = "pool app { server \"10.0.0.1:1\"; }\n// lint-allow LB109: soon\nlet unused \"1\"\n";

fn written(desk: &Desk, args: &[&str]) -> Value {
    let done = desk.lint(&[&["--format", "sarif"], args].concat());
    serde_json::from_str(&done.stdout)
        .unwrap_or_else(|error| panic!("{error}: {} {}", done.stdout, done.stderr))
}

fn example() -> (Desk, Value) {
    let desk = Desk::with("lbd.kdl", MAIN).and("more pools/ä.kdl", MORE).and("empty.kdl", "");
    let document = written(&desk, &["lbd.kdl", "empty.kdl"]);
    (desk, document)
}

#[test]
fn it_is_as_the_schema_of_sarif_wants_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/linting/schema/sarif-schema-2.1.0.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (_desk, document) = example();
    assert_eq!(schema::errors(&schema, &schema, &document, ""), [""; 0]);
    // The schema is in force: what it does not know is refused.
    let mut wrong = document.clone();
    wrong["runs"][0]["results"][0]["level"] = json!("bad");
    wrong["runs"][0]["columnKind"] = json!("bytes");
    assert_eq!(schema::errors(&schema, &schema, &wrong, "").len(), 2);
}

#[test]
fn every_rule_is_declared_with_its_page() {
    let (_desk, document) = example();
    let declared = document["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(declared.len(), rules::all().count());
    for (value, rule) in declared.iter().zip(rules::all()) {
        assert_eq!((&value["id"], &value["help"]["markdown"]), (&json!(rule.code), &json!(rule.page)));
    }
    for result in document["runs"][0]["results"].as_array().unwrap() {
        if let Some(index) = result["ruleIndex"].as_u64() {
            assert_eq!(declared[index as usize]["id"], result["ruleId"]);
        }
    }
}

#[test]
fn places_count_letters_and_paths_are_uris() {
    let (_desk, document) = example();
    let results = document["runs"][0]["results"].as_array().unwrap();
    let of = |code: &str| results.iter().find(|result| result["ruleId"] == code).unwrap();
    let reference = of("LB103");
    let place = &reference["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"], json!({ "uri": "lbd.kdl", "uriBaseId": "SRCROOT" }));
    let region = json!({ "startLine": 3, "startColumn": 33, "endLine": 3, "endColumn": 35 });
    assert_eq!(place["region"], region);
    let change = &reference["fixes"][0]["artifactChanges"][0]["replacements"][0];
    assert_eq!(change, &json!({ "deletedRegion": region, "insertedContent": { "text": "app" } }));
    let twice = of("LB105");
    assert_eq!(twice["level"], "error");
    let related =
        twice["relatedLocations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
    let first = twice["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
    assert!([related, first].contains(&"more%20pools/%C3%A4.kdl"), "{related} {first}");
    let empty = &of("LB801")["locations"][0]["physicalLocation"];
    assert_eq!(empty["artifactLocation"], json!({ "uri": "empty.kdl", "uriBaseId": "SRCROOT" }));
    assert_eq!(empty["region"]["startLine"], 1);
}

#[test]
fn what_is_allowed_is_there_with_its_reason() {
    let desk = Desk::with("lbd.kdl", &format!("{MORE}listen \":80\"\nroute \"/\" pool=app\n"));
    let document = written(&desk, &["lbd.kdl"]);
    let results = document["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{document:#}");
    assert_eq!(results[0]["suppressions"], json!([{ "kind": "inSource", "justification": "soon" }]));
}
