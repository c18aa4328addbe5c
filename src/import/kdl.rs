//! Writing KDL: values, and blocks of lines. The formatter puts the blanks in order afterwards.

use std::fmt::Write as _;

/// Stands for the `$` of an `${env:NAME}` that lbd is to expand; any other `${` in a text is text.
pub(super) const ENV: char = '\u{f8ff}';

/// A string in quotes.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' if chars.peek() == Some(&'{') => out.push_str("$$"),
            ENV => out.push('$'),
            c if is_forbidden(c) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A string that nothing is expanded in, for regular expressions.
pub(super) fn raw(text: &str) -> String {
    if text.contains(['\n', '\r', ENV]) || text.chars().any(is_forbidden) || text.contains("\"##") {
        return quoted(text);
    }
    match text {
        _ if !text.contains(['"', '\\']) && !text.contains("${") => format!("\"{text}\""),
        _ if text.contains("\"#") => format!("##\"{text}\"##"),
        _ => format!("#\"{text}\"#"),
    }
}

/// Characters that no KDL text may hold as they are: controls, marks of direction, the mark of byte order.
fn is_forbidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// A text as part of a comment's line.
pub(super) fn comment(text: &str) -> String {
    text.chars().map(|c| if is_forbidden(c) || c == ENV { ' ' } else { c }).collect()
}

/// A name as lbd has them: lower-case letters, digits and `. _ -`.
pub(super) fn name(text: &str) -> String {
    let good =
        |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c.to_ascii_lowercase() } else { '-' };
    let name: String = text.chars().map(good).take(100).collect();
    match name.trim_start_matches(['.', '_', '-']) {
        "" => "x".to_owned(),
        name => name.to_owned(),
    }
}

/// A word that may stand without quotes where a name is due, else a string.
pub(super) fn word(text: &str) -> String {
    let bare = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        && !matches!(text, "true" | "false" | "null" | "inf" | "nan");
    if bare { text.to_owned() } else { quoted(text) }
}

/// Lines of a file, blocks among them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Block {
    out: String,
}

impl Block {
    /// A line as it is.
    pub(super) fn line(&mut self, text: impl AsRef<str>) {
        self.out.push_str(text.as_ref());
        self.out.push('\n');
    }

    /// A line that is only for people.
    pub(super) fn comment(&mut self, text: &str) {
        for line in text.lines() {
            self.line(format!("// {}", comment(line)));
        }
    }

    /// A node with children, or without braces when there are none.
    pub(super) fn node(&mut self, head: &str, children: &Block) {
        if children.out.is_empty() {
            self.line(head);
        } else {
            self.line(format!("{head} {{"));
            self.out.push_str(&children.out);
            self.line("}");
        }
    }

    /// Appends another one.
    pub(super) fn append(&mut self, other: &Block) {
        self.out.push_str(&other.out);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    pub(super) fn as_str(&self) -> &str {
        &self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_say_what_they_were_given() {
        for text in ["", "a\"b", "c:\\x", "a\nb", "\u{1}", "#\"x\"#", "$1 {x}", "^/v\\d+\"#$"] {
            for written in [quoted(text), raw(text)] {
                let document = ::kdl::KdlDocument::parse_v2(&format!("n {written}")).expect(&written);
                let value = document.nodes()[0].entries()[0].value().as_string().expect("a string");
                assert_eq!(value, text, "{written}");
            }
        }
        assert_eq!(quoted("${A}"), "\"$${A}\"");
        assert_eq!(quoted(&format!("{ENV}{{env:A}}")), "\"${env:A}\"");
        assert_eq!(name("My Backend!"), "my-backend-");
        assert_eq!(name("_"), "x");
    }
}
