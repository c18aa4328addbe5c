//! Which text makes which tokens.

use proptest::prelude::*;

use super::*;

/// One letter a token, the text after a colon.
fn show(text: &str) -> String {
    let show = |token: &Token| {
        let kind = match token.kind {
            Kind::Bom => "bom",
            Kind::Space => return "_".to_owned(),
            Kind::Newline => return "nl".to_owned(),
            Kind::LineComment => "line",
            Kind::HashComment => "hash",
            Kind::BlockComment { closed: true, .. } => "block",
            Kind::BlockComment { closed: false, .. } => "block!",
            Kind::Slashdash | Kind::Semicolon | Kind::Open | Kind::Close | Kind::TypeOpen => "",
            Kind::TypeClose | Kind::Equals | Kind::Bracket => "",
            Kind::Continuation => return "cont".to_owned(),
            Kind::Word => "w",
            Kind::Quoted { closed: true } => "q",
            Kind::Quoted { closed: false } => "q!",
            Kind::Raw { closed: true } => "r",
            Kind::Raw { closed: false } => "r!",
        };
        if kind.is_empty() {
            text[token.range()].to_owned()
        } else {
            format!("{kind}:{}", &text[token.range()])
        }
    };
    lex(text).iter().map(show).collect::<Vec<_>>().join(" ")
}

fn check(text: &str, expected: &str) {
    assert_eq!(show(text), expected, "{text:?}");
}

#[test]
fn what_kdl_knows() {
    check("a b=1;c", "w:a _ w:b = w:1 ; w:c");
    check("a {\n\tb\r\n}", "w:a _ { nl _ w:b nl }");
    check("(regex)#\"^/\\d\"#", "( w:regex ) r:#\"^/\\d\"#");
    check("a #true #\"x\"#", "w:a _ w:#true _ r:#\"x\"#");
    check("##\"a\"#b\"##", "r:##\"a\"#b\"##");
    check("a \"b\\\"c\" d", "w:a _ q:\"b\\\"c\" _ w:d");
    check("\"\"\"\n a \"b\"\n \"\"\" c", "q:\"\"\"\n a \"b\"\n \"\"\" _ w:c");
    check("\u{feff}a", "bom:\u{feff} w:a");
    check("/-a /- {b}", "/- w:a _ /- _ { w:b }");
    check("a // b\nc", "w:a _ line:// b nl w:c");
    check("a/* b /* c */ */d", "w:a block:/* b /* c */ */ w:d");
    check("a \\\n b", "w:a _ cont _ w:b");
    check("a \\ // why\n b", "w:a _ cont _ w:b");
    check("\"a \\\n   b\"", "q:\"a \\\n   b\"");
}

#[test]
fn a_mistake_is_one_whole_token() {
    check("10.0.0.0/8 b", "w:10.0.0.0/8 _ w:b");
    check("/api/x;b", "w:/api/x ; w:b");
    check("C:\\new dir", "w:C:\\new _ w:dir");
    check("http://x }", "w:http://x _ }");
    check("${HOST}:80", "w:$ { w:HOST } w::80");
    check("[a, b]", "[ w:a, _ w:b ]");
    check("r\"a\"", "w:r q:\"a\"");
    check("r#\"a\"#", "w:r r:#\"a\"#");
    check("# don't {\na", "hash:# don't { nl w:a");
    check("  ## a\n#b", "_ hash:## a nl hash:#b");
    check("a b # c", "w:a _ w:b _ hash:# c");
    check("a \\\n #true", "w:a _ cont _ w:#true");
    check("\"abc\ndef", "q!:\"abc nl w:def");
    check("#\"abc\ndef", "r!:#\"abc nl w:def");
    check("a /* b", "w:a _ block!:/* b");
    check("\"a\\", "q!:\"a\\");
    check("\"\"\"a\nb", "q!:\"\"\"a\nb");
}

#[test]
fn the_depth_of_a_comment_is_counted() {
    let depth = |text: &str| match lex(text)[0].kind {
        Kind::BlockComment { depth, .. } => depth,
        other => panic!("{other:?}"),
    };
    assert_eq!(depth("/* a */"), 1);
    assert_eq!(depth("/* /* */ /* /* */ */ */"), 3);
}

proptest! {
    #[test]
    fn tokens_put_together_are_the_text(text in "([ -~\\n\\r\\t\u{feff}\u{85}é€😀]|/\\*|\\*/|\"\"\"|#\"|\"#|\\\\\\n){0,60}") {
        let tokens = lex(&text);
        let mut end = 0;
        for token in &tokens {
            prop_assert_eq!(token.start, end);
            prop_assert!(token.end > token.start);
            prop_assert!(text.is_char_boundary(token.end));
            end = token.end;
        }
        prop_assert_eq!(end, text.len());
    }
}
