//! Plain statements mean what the KDL crate says they mean.

use proptest::prelude::*;

use super::super::{guard, lexer};
use super::*;

fn view<'a>(text: &'a str, tokens: &'a [Token]) -> View<'a> {
    View { file: FileId(0), text, tokens }
}

/// The nodes and findings of the whole text by the crate, where it is one without mistakes.
fn by_crate(text: &str, tokens: &[Token]) -> Option<(Vec<Node>, Vec<Diagnostic>)> {
    let document = KdlDocument::parse_v2(text).ok()?;
    let mut builder = Builder { view: view(text, tokens), base: 0, poison: &[], findings: Vec::new() };
    let nodes = builder.nodes(&document);
    Some((nodes, builder.findings))
}

/// Compares both ways; whether there was anything to compare.
fn compare(text: &str) -> bool {
    let tokens = lexer::lex(text);
    let view = view(text, &tokens);
    if guard::depth(FileId(0), &tokens).is_some() || !Seen::of(&view).is_clean() {
        return false;
    }
    let read = one_by_one(view);
    if let Some(read) = &read {
        assert_eq!(Some(read), by_crate(text, &tokens).as_ref(), "{text:?}");
    }
    read.is_some()
}

/// How many of the statements are plain.
fn plain(text: &str) -> usize {
    let tokens = lexer::lex(text);
    let is_plain = |range: &Range<usize>| {
        let mut plain = Plain { view: view(text, &tokens[range.clone()]), at: 0 };
        plain.node().is_some() && plain.is_done()
    };
    ranges(&tokens).filter(is_plain).count()
}

#[test]
fn what_files_consist_of_is_plain() {
    for text in [
        "route \"/api\" pool=web",
        "listen \":443\" name=secure {\n  tls { certificate \"a.pem\" key=\"a.key\"; }\n} // why",
        "route host=a.example { when header=X-A is=\"1\" }",
        "server one \"10.0.0.1:80\" weight=10 backup=#true",
        "route path=#\"^/\\d+$\"#",
        "a {}",
        "a {\n  // nothing\n}",
    ] {
        assert_eq!(plain(text), 1, "{text:?}");
        assert!(compare(text), "{text:?}");
    }
}

#[test]
fn what_is_not_plain_is_read_by_the_crate_alone() {
    for text in [
        "a \"b\\n\"",
        "a 1.5",
        "a -1",
        "a 0x1f",
        "/-a b",
        "a (x)b",
        "a \"\"\"\n  b\n  \"\"\"",
        "a \\\n  b",
        "a /* b */ c",
        "a b = c",
        "a \"é\"",
        "a b=1 b=2",
        "(x)a",
        "a 1_000",
        "a +b",
        "a ##\"b\"##",
        "a { b \"\\t\" }",
    ] {
        assert_eq!(plain(text), 0, "{text:?}");
        let among = format!("first x=1\n{text}\nlast {{ y; }}\n");
        assert_eq!(plain(&among), 2, "{among:?}");
        assert!(compare(&among), "{among:?}");
    }
}

#[test]
fn what_one_statement_cannot_say_alone_is_left_to_the_whole() {
    let text = "/-\na b\nc";
    let tokens = lexer::lex(text);
    assert_eq!(one_by_one(view(text, &tokens)), None);
    let (nodes, findings) = read(FileId(0), text, tokens);
    assert_eq!((nodes.unwrap().len(), findings), (1, vec![]), "the first is commented out");
}

#[test]
fn every_example_means_the_same() {
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let (mut compared, mut folders) = (0, vec![examples]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "kdl") {
                compared += usize::from(compare(&std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(compared > 10, "{compared}");
}

/// Pieces of statements, plain and not, put together by chance.
fn text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "a",
        "route",
        "b-c",
        "x.y:1",
        "true",
        "inf",
        "#true",
        "#null",
        "#inf",
        "0",
        "12",
        "007",
        "1.5",
        "-3",
        "1e3",
        "0x1f",
        "99999999999999999999",
        "\"q\"",
        "\"\"",
        "\"a\\tb\"",
        "\"é\"",
        "#\"r\\d\"#",
        "##\"r\"#\"##",
        "\"\"\"\n  m\n  \"\"\"",
        "k=1",
        "k=v",
        "\"k\"=v",
        "k =v",
        "k=\"v\"",
        "(t)",
        "/-",
        "/- ",
        "\\\n",
        "/* c */",
        "// c\n",
        "{",
        "}",
        "{}",
        "{ ",
        " }",
        ";",
        "\n",
        "\r\n",
        "\n\n",
        "\t",
        " ",
        "  ",
        "\u{feff}",
        "\u{a0}",
        "kdl-version 2",
        "*",
        "\"\"\"x\"\"\"",
        "#\"\"\"x\"\"\"#",
        "#\"a\"b\"#",
        "$",
        "_",
        ".",
        "-",
        "+",
    ];
    let piece = prop_oneof![3 => Just(" "), 4 => prop::sample::select(PIECES)];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Statements that are likely to be right, with blocks in them.
fn statement() -> impl Strategy<Value = String> {
    let value = || {
        prop::sample::select(vec![
            "a",
            "b-c",
            "x:1",
            "#true",
            "#false",
            "12",
            "0",
            "1.5",
            "-3",
            "\"q r\"",
            "\"/a\"",
            "\"t\\t\"",
            "#\"\\d\"#",
            "nan",
            "\"~\"",
            "\"\u{7f}\"",
        ])
    };
    let key = prop::sample::select(vec!["", "k=", "l=", "m-n=", "\"k\"=", "k = "]);
    let entry = (key, value()).prop_map(|(key, value)| format!("{key}{value}"));
    let gap = prop::sample::select(vec![" ", "  ", "\t", " \\\n "]);
    let line = (value(), prop::collection::vec((gap, entry), 0..4)).prop_map(|(name, entries)| {
        entries.into_iter().fold(name.to_owned(), |line, (gap, entry)| line + gap + &entry)
    });
    line.prop_recursive(3, 24, 4, |inner| {
        let end = prop::sample::select(vec!["\n", ";", " ; ", "\n\n", " // c\n", "\r\n", " /* c */\n"]);
        let open = prop::sample::select(vec![" {", "{", " { ", " {\n  ", " { // c\n"]);
        (
            inner.clone(),
            open,
            prop::collection::vec((inner, end), 0..4),
            prop::sample::select(vec!["}", " }", "\n}", "/-x\n}"]),
        )
            .prop_map(|(head, open, lines, close)| {
                let block: String = lines.into_iter().map(|(line, end)| line + end).collect();
                format!("{head}{open}{block}{close}")
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn any_text_means_the_same(text in text()) {
        compare(&text);
    }

    #[test]
    fn statements_mean_the_same(lines in prop::collection::vec(statement(), 1..4)) {
        compare(&lines.join("\n"));
    }
}
