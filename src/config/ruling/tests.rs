//! What allowances silence, how far they reach, and what is said about those that are wrong.

use super::super::testing::load_text;

/// A pool that has two servers and no check (LB301) and a certificate that nobody verifies (LB608).
const POOL: &str = "pool legacy {\n  server \"10.0.0.1:1\"\n  server \"10.0.0.2:1\"\n  tls verify=none\n}\n";
const HEAD: &str = "listen \":80\"\nroute \"/\" pool=legacy\n";

/// The findings that are left, as `CODE line`, and the codes that were silenced.
fn settled(text: &str) -> (Vec<String>, Vec<&'static str>) {
    let mut loaded = load_text(text);
    loaded.report.judge_allowances(&loaded.sources, true);
    let line = |span| loaded.sources.place(span).line;
    let left = loaded.report.findings.iter();
    let left = left.map(|finding| format!("{} {}", finding.code, finding.span.map_or(0, line))).collect();
    (left, loaded.report.ruling.silenced.iter().map(|silenced| silenced.finding.code).collect())
}

#[track_caller]
fn check(text: &str, left: &[&str], silenced: &[&str]) {
    let (found_left, found_silenced) = settled(text);
    assert_eq!(
        (found_left, found_silenced),
        (left.iter().map(|s| (*s).to_owned()).collect(), silenced.to_vec())
    );
}

#[test]
fn a_comment_reaches_as_far_as_its_place_says() {
    check(&format!("{HEAD}{POOL}"), &["LB301 3", "LB608 6"], &[]);
    let above = format!("{HEAD}// lint-allow LB301 LB608: a lab\n{POOL}");
    check(&above, &[], &["LB301", "LB608"]);
    let first = format!("// lint-allow LB301: a lab\n\n{HEAD}{POOL}");
    check(&first, &["LB608 8"], &["LB301"]);
    let line = POOL.replace("=none", "=none // lint-allow LB608: a lab");
    check(&format!("{HEAD}{line}"), &["LB301 3"], &["LB608"]);
    let inside = POOL.replace("  tls", "  // lint-allow LB608: a lab\n  // and more words\n  tls");
    check(&format!("{HEAD}{inside}"), &["LB301 3"], &["LB608"]);
    let elsewhere = format!("// lint-allow LB301: a lab\n{HEAD}{POOL}");
    check(&elsewhere, &["LB806 1", "LB301 4", "LB608 7"], &[]);
    let parted = format!("{HEAD}// lint-allow LB301: a lab\n\n{POOL}");
    check(&parted, &["LB806 3", "LB301 5", "LB608 8"], &[]);
}

#[test]
fn the_whole_configuration_can_allow_and_deny() {
    let lint = |orders: &str| format!("{HEAD}{POOL}lint {{\n  {orders}\n}}\n");
    check(&lint("allow LB301 LB608 because=\"a lab\""), &[], &["LB301", "LB608"]);
    check(&lint("allow LB301 because=\"a lab\""), &["LB608 6"], &["LB301"]);
    let denied = load_text(&lint("deny LB608"));
    assert!(denied.model.is_none());
    // What is allowed where it stands is not denied.
    let line = POOL.replace("=none", "=none // lint-allow LB608: a lab");
    assert!(load_text(&format!("{HEAD}{line}lint {{ deny LB608; }}")).model.is_some());
}

#[test]
fn an_allowance_needs_a_reason_a_rule_and_something_to_silence() {
    let with = |comment: &str| format!("{HEAD}// {comment}\n{POOL}");
    check(&with("lint-allow LB301"), &["LB806 3", "LB608 7"], &["LB301"]);
    check(&with("lint-allow LB301:"), &["LB806 3", "LB608 7"], &["LB301"]);
    check(&with("lint-allow: because"), &["LB806 3", "LB301 4", "LB608 7"], &[]);
    check(&with("lint-allow LB3O1: a lab"), &["LB806 3", "LB301 4", "LB608 7"], &[]);
    check(&with("lint-allow LB204: a lab"), &["LB806 3", "LB301 4", "LB608 7"], &[]);
    check(&with("lint-allow LB103: a lab"), &["LB806 3", "LB301 4", "LB608 7"], &[]);
    check(&with("lint-allowance is a word"), &["LB301 4", "LB608 7"], &[]);
    // While there are errors nobody knows what is needed.
    let broken = format!("{}sever\n", with("lint-allow LB204: a lab"));
    assert_eq!(settled(&broken).0, ["LB301 4", "LB608 7", "LB101 9"]);
}

#[test]
fn what_silences_nothing_can_be_removed() {
    let removed = |text: &str| {
        let mut loaded = load_text(text);
        loaded.report.judge_allowances(&loaded.sources, true);
        let fixes = loaded.report.findings.iter().filter(|finding| finding.code == "LB806");
        let edit = fixes.flat_map(|finding| &finding.fixes).flat_map(|fix| &fix.edits).next().unwrap();
        format!("{}{}{}", &text[..edit.span.range().start], edit.text, &text[edit.span.range().end..])
    };
    let bare = format!("{HEAD}{POOL}");
    assert_eq!(removed(&format!("{HEAD}  // lint-allow LB204: a lab\n{POOL}")), bare);
    let trailing = POOL.replace("=none", "=none // lint-allow LB204: a lab");
    assert_eq!(removed(&format!("{HEAD}{trailing}")), bare);
    let two = format!("{HEAD}// lint-allow LB204 LB301: a lab\n{POOL}");
    assert_eq!(removed(&two), format!("{HEAD}// lint-allow LB301: a lab\n{POOL}"));
    let node = format!("{bare}lint {{\n  allow LB204 because=\"a lab\"\n}}\n");
    assert_eq!(removed(&node), format!("{bare}lint {{\n}}\n"));
    let inline = format!("{bare}lint {{ allow LB204 because=\"a lab\"; }}\n");
    assert_eq!(removed(&inline), format!("{bare}lint {{ }}\n"));
}
