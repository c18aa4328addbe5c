//! Version 1 of KDL into version 2: keywords, strings and names change, comments and blanks stay where they are.
//!
//! <https://kdl.dev/spec/#name-compatibility>. A text that is version 2 already is given back as it is, and so is what
//! both versions have in common. What comes out was parsed: it is version 2, or a report says why it is not.

use std::path::Path;

use super::diagnostic::{Diagnostic, FileId, Report};
use super::source::Sources;
use super::{guard, lexer, on_reader_thread, repair};

/// Migrates `text`, the whole of a file. The report says what could not be understood.
///
/// Recurses as deep as [`guard`] allows, on a thread of its own.
pub fn migrate(path: &Path, text: &str) -> Result<String, (Report, Sources)> {
    on_reader_thread(|| {
        let mut sources = Sources::default();
        let file = sources.add(path.to_owned(), text.to_owned());
        let Err(findings) = parses(file, text) else { return Ok(text.to_owned()) };
        let migrated =
            if findings.iter().any(|f| f.code == "KDL019") { text.to_owned() } else { rewrite(text) };
        let Err(findings) = parses(file, &migrated) else { return Ok(migrated) };
        // Places are those of the text that was tried.
        let mut sources = Sources::default();
        sources.add(path.to_owned(), migrated);
        let mut report = Report::default();
        findings.into_iter().for_each(|finding| report.push(finding));
        report.sort();
        Err((report, sources))
    })
}

/// Whether a text is version 2.
fn parses(file: FileId, text: &str) -> Result<(), Vec<Diagnostic>> {
    if let Some(refused) = guard::size(file, text.len()) {
        return Err(vec![refused]);
    }
    let tokens = lexer::lex(text);
    if let Some(refused) = guard::depth(file, &tokens) {
        return Err(vec![refused]);
    }
    let repaired = repair::repair(file, text, tokens);
    if repaired.document.is_some() && repaired.findings.is_empty() { Ok(()) } else { Err(repaired.findings) }
}

fn rewrite(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => {
                let length = quoted_length(rest);
                push_quoted(&mut out, &rest[..length]);
                rest = &rest[length..];
                continue;
            }
            _ if raw(rest).is_some() => {
                let (content, length) = raw(rest).unwrap_or_default();
                push_raw(&mut out, content);
                rest = &rest[length..];
                continue;
            }
            c if is_word(c) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                push_word(&mut out, &rest[..length]);
                rest = &rest[length..];
                continue;
            }
            c => c.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    marked(out)
}

/// The mark of the version, where one stands.
fn marked(text: String) -> String {
    let body = text.trim_start_matches('\u{feff}');
    match body.strip_prefix("/- kdl-version 1") {
        Some(after) if after.starts_with(['\n', '\r']) || after.is_empty() => {
            let bom = &text[..text.len() - body.len()];
            format!("{bom}/- kdl-version 2{after}")
        }
        _ => text,
    }
}

fn block_comment(text: &str) -> usize {
    let (mut at, mut depth) = (0, 0_u32);
    while at < text.len() {
        let here = &text[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

fn is_word(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !"\\/(){}<>;[]=,\"\u{feff}".contains(c)
}

/// A string with its quotes, or what is left when it does not end.
fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// `\/` is `/`, and a line end is written `\n`.
fn push_quoted(out: &mut String, text: &str) {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('/') => out.push('/'),
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
}

/// The content of `r"…"`, `r#"…"#`, or of a raw string that is version 2 already, and the length of it all.
fn raw(text: &str) -> Option<(&str, usize)> {
    let marked = text.strip_prefix('r');
    let hashed = marked.unwrap_or(text);
    let hashes = hashed.bytes().take_while(|b| *b == b'#').count();
    if marked.is_none() && hashes == 0 {
        return None;
    }
    let content = hashed[hashes..].strip_prefix('"')?;
    // What version 2 writes over several lines is left to it.
    let end = format!("\"{}", "#".repeat(hashes));
    let length = content.find(&end)?;
    let before = text.len() - content.len();
    Some((&content[..length], before + length + end.len()))
}

fn push_raw(out: &mut String, content: &str) {
    let mut hashes = 1;
    while content.contains(&format!("\"{}", "#".repeat(hashes))) {
        hashes += 1;
    }
    let hashes = "#".repeat(hashes);
    let (open, close) = match content.contains(['\n', '\r']) {
        true => ("\"\"\"\n", "\n\"\"\""),
        false => ("\"", "\""),
    };
    for part in [&hashes, open, content, close, &hashes] {
        out.push_str(part);
    }
}

/// Keywords have a `#`, and names that version 2 has other plans for stand in quotes.
fn push_word(out: &mut String, word: &str) {
    let keyword = matches!(word, "#true" | "#false" | "#null" | "#inf" | "#-inf" | "#nan");
    match word {
        "true" | "false" | "null" => {
            out.push('#');
            out.push_str(word);
        }
        "inf" | "-inf" | "nan" => out.push_str(&format!("\"{word}\"")),
        _ if word.contains('#') && !keyword => out.push_str(&format!("\"{word}\"")),
        _ => out.push_str(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, after: &str) {
        let migrated = migrate(Path::new("a.kdl"), before).map_err(|(report, _)| report.findings);
        assert_eq!(migrated.as_deref(), Ok(after), "{before}");
    }

    #[test]
    fn keywords_strings_and_names_change() {
        check("a true false null", "a #true #false #null");
        check("a b=true { c null; }", "a b=#true { c #null; }");
        check(r###"a r"\d+" r#"x"y"#"###, r###"a #"\d+"# #"x"y"#"###);
        check(r#"a "http:\/\/x\n""#, r#"a "http://x\n""#);
        check("a \"x\ny\" true", "a \"x\\ny\" #true");
        check("a r\"x\n  y\"", "a #\"\"\"\nx\n  y\n\"\"\"#");
        check("x#y true", "\"x#y\" #true");
        check("inf true", "\"inf\" #true");
        check("/- kdl-version 1\na true\n", "/- kdl-version 2\na #true\n");
        check("\u{feff}a true", "\u{feff}a #true");
    }

    #[test]
    fn comments_and_blanks_stay() {
        let before = "// true \"\\/\"\n\n  /* null /* r\"x\" */ */ a   true  \\\n  false // r\"\n/- b null\n";
        let after =
            "// true \"\\/\"\n\n  /* null /* r\"x\" */ */ a   #true  \\\n  #false // r\"\n/- b #null\n";
        check(before, after);
    }

    #[test]
    fn what_is_version_2_is_left_alone_and_what_is_neither_is_reported() {
        for text in ["", "a #true", "a #\"x\"#", "node bare \"true\"", "a \"\"\"\n  x\n  \"\"\""] {
            check(text, text);
        }
        check("a true\nb #true #\"r\"#", "a #true\nb #true #\"r\"#");
        let (report, _) = migrate(Path::new("a.kdl"), "a true {").expect_err("a block that is not closed");
        assert!(report.has_errors());
    }

    #[test]
    fn any_text_is_migrated_or_refused_and_a_second_time_changes_nothing() {
        let check = |text: String| {
            if let Ok(once) = migrate(Path::new("a.kdl"), &text) {
                let twice = migrate(Path::new("a.kdl"), &once).map_err(|(report, _)| report.findings);
                assert_eq!(twice.as_deref(), Ok(once.as_str()), "{text:?}");
            }
        };
        let parts = [
            "true", " ", "\"", "r\"", "#", "\\", "/", "\n", "{", "}", "r#\"", "é", "=", "*", "a", ";",
            "\"\"\"",
        ];
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..3000 {
            check((0..rng.usize(0..14)).map(|_| parts[rng.usize(0..parts.len())]).collect());
        }
    }
}
