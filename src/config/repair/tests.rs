//! Codes, spans and the mended copy; what the findings look like is in the golden files.

use super::super::guard;
use super::*;

fn repaired(text: &str) -> Repaired {
    let tokens = lexer::lex(text);
    assert!(guard::depth(FileId(0), &tokens).is_none());
    repair(FileId(0), text, tokens)
}

/// Code and spanned text of each finding, in reading order.
fn findings(text: &str) -> Vec<String> {
    let mut findings = repaired(text).findings;
    findings.sort_by_key(|finding| finding.span);
    let show = |finding: &Diagnostic| format!("{} {}", finding.code, &text[finding.span.unwrap().range()]);
    findings.iter().map(show).collect()
}

fn check(text: &str, expected: &[&str]) {
    assert_eq!(findings(text), expected, "{text:?}");
}

#[test]
fn what_is_right_has_no_finding_and_is_not_touched() {
    for text in [
        "",
        "// only a comment",
        "\u{feff}listen \":80\"\r\npool a { server \"x:1\"; }\r\n",
        "a 1 -2.5 0x1f 0b01 1_000 1e-3 #true #null #inf #-inf #nan + - -- -a .a a.b a-b a:b",
        "route (regex)#\"^/\\d\"# (exact)\"/\" name=x",
        "a \"b\\n\\t\\\"\\\\\\s\\u{e9}\" \"\"\"\n  text\n  \"\"\"",
        "/-a { b 5s_is_ok_when_bare_x }\n".replace("5s_is_ok_when_bare_x", "c").as_str(),
        "a /-b c /-d=1 { e } /-{ f }",
        "a {}\nb{c;d}\n",
        "a \\\n  b \\ // why\n c\n",
        "a\u{3000}b; \"quoted name\" 1",
        "price $ 5",
    ] {
        let repaired = repaired(text);
        assert_eq!(findings(text), Vec::<String>::new(), "{text:?}");
        assert!(repaired.document.is_some(), "{text:?}");
        assert_eq!(repaired.text, text);
    }
}

#[test]
fn each_mistake_has_its_code_and_its_place() {
    check("a 5s", &["KDL001 5s"]);
    check("a b=5s c=10.0.0.1:80", &["KDL001 5s", "KDL001 10.0.0.1:80"]);
    check("a 0xzz 1.2.3 1e 1. +5x", &["KDL001 0xzz", "KDL001 1.2.3", "KDL001 1e", "KDL001 1.", "KDL001 +5x"]);
    check("a true b=false null", &["KDL002 true", "KDL002 false", "KDL002 null"]);
    check("a #on", &["KDL002 #on"]);
    check("a r\"b\"", &["KDL003 r\"b\""]);
    check("a r#\"b\"#", &["KDL003 r"]);
    check("a /b /", &["KDL004 /b", "KDL004 /"]);
    check("a [1, 2]", &["KDL005 [1, 2]"]);
    check("a x=[ \"b\" ]", &["KDL005 [ \"b\" ]"]);
    check("a [5s, true]", &["KDL005 [5s, true]", "KDL001 5s", "KDL002 true"]);
    check("a ]", &["KDL005 ]"]);
    check("a b # c { \" /*", &["KDL006 #"]);
    check("a\n\n{ b }", &["KDL007 {"]);
    check("a { b", &["KDL008 {"]);
    check("a }", &["KDL009 }"]);
    check("a \"b\nc \"d", &["KDL009 \"b", "KDL009 \"d"]);
    check("a #\"b\nc", &["KDL009 #\"b"]);
    check("a /* b", &["KDL009 /*"]);
    check("a ${B} b=$C", &["KDL010 ${B}", "KDL010 $C"]);
    check("a x-${B}/c d", &["KDL010 x-${B}/c"]);
    check("a b, c", &["KDL011 ,"]);
    check("a \"b\" , 5s, 1", &["KDL011 ,", "KDL001 5s", "KDL011 ,"]);
    check("a: b", &["KDL013 :"]);
    check("a b: 1 c:", &["KDL013 :", "KDL013 :"]);
    check("a 'b' 'c d'", &["KDL014 'b'", "KDL014 'c d'"]);
    check("a = b", &["KDL016 ="]);
    check("a \"\\d\\n\"", &["KDL017 \\d"]);
    check("a \"\\u{110000}\"", &["KDL017 \\u{110000}"]);
    check("a b=\nc", &["KDL000 ="]);
    check("a \"b\"c", &["KDL000 c"]);
    check("// v\n/- kdl-version 1\na", &["KDL000 1"]);
    check("/- kdl-version 2\n/- kdl-version 1", &[]);
    check("a {} b", &["KDL000 b"]);
    check("a (b c", &["KDL000 ("]);
    check("a \"\"\"b\"\"\"", &["KDL000 \"\"\"b\"\"\""]);
    check("/-a; b; /-c d {e}; f", &[]);
    check("5 a", &["KDL000 5"]);
}

#[test]
fn one_mistake_does_not_hide_the_next() {
    let text = "a x=5s\nb x=5s\nc {\n  d x=true\n}\ne /p\nf [1,2]\n";
    let expected = ["KDL001 5s", "KDL001 5s", "KDL002 true", "KDL004 /p", "KDL005 [1,2]"];
    check(text, &expected);
    let many = "server \"x\" weight=5s\n".repeat(1000);
    assert_eq!(findings(&many).len(), 1000);
}

#[test]
fn the_mended_copy_keeps_every_byte_in_its_place() {
    let check = |text: &str, expected: &str| assert_eq!(repaired(text).text, expected);
    check("a 5s b", "a __ b");
    check("m [GET, PUT]", "m  GET  PUT ");
    check("a b: 1", "a b= 1");
    check("a\n{ b }", "a { b }");
    check("a = 1", "a   1");
    check("# é\nb", "    \nb");
}

#[test]
fn what_was_replaced_is_poisoned_and_what_was_only_tidied_is_not() {
    let repaired = repaired("a 5s [b, c] d: 1 \"\\d\"");
    assert!(is_poisoned(&repaired.poison, &(2..4)));
    assert!(!is_poisoned(&repaired.poison, &(0..1)));
    assert!(!is_poisoned(&repaired.poison, &(5..16)));
    assert!(is_poisoned(&repaired.poison, &(17..21)));
}

#[test]
fn what_no_rule_explains_is_still_pointed_at() {
    for text in ["a (b", "a \"\"\"b\"\"\"", "a (5)b", "a b=c=d", "(a)", "a } b {"] {
        assert!(!findings(text).is_empty(), "{text:?}");
    }
}

#[test]
fn a_missing_brace_is_sought_by_indentation() {
    let place = |text: &str| {
        let findings = repaired(text).findings;
        let found = findings.iter().find(|finding| finding.code == "KDL008").unwrap().clone();
        (found.span.unwrap().start, found.labels.first().map(|label| label.span.start))
    };
    assert_eq!(place("a {\n  b\nc {\n}\n"), (2, Some(8)));
    assert_eq!(place("a {\n  b {\n    c\n  d\n}\n"), (8, Some(18)));
    assert_eq!(place("a {\n  b {\n    c\n}\n"), (8, Some(16)));
    assert_eq!(place("a {"), (2, None));
}

#[test]
fn a_large_file_with_a_mistake_takes_a_moment_only() {
    let mut text =
        "pool a { server \"10.0.0.1:80\" weight=1; health \"/x\" interval=\"5s\" }\n".repeat(2_000);
    text.push_str("pool b {\n  x 5s\n}\n");
    assert_eq!(findings(&text), ["KDL001 5s"]);
    let one_line = "a{b}".repeat(20_000);
    assert!(findings(&one_line).len() < 70_000);
}

#[test]
fn no_pair_of_tokens_however_often_repeated_needs_a_deep_stack() {
    let parts = [
        "a", "5", "\"", "\"b\"", "\"\"\"", "'", "$", "{", "}", "(", ")", "[", "]", "=", ";", ",", ":", "/-",
        "#", "\\", " ", "\n",
    ];
    let on_small_stack = |text: String| {
        let tokens = lexer::lex(&text);
        if guard::depth(FileId(0), &tokens).is_none() {
            let repaired = move || repair(FileId(0), &text, tokens).findings.len();
            std::thread::Builder::new().stack_size(1 << 20).spawn(repaired).unwrap().join().unwrap();
        }
    };
    for first in parts {
        for second in parts {
            on_small_stack(format!("{first}{second}").repeat(500));
        }
    }
}
