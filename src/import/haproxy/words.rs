//! Lines and words of HAProxy's configuration: quotes, escapes, comments, variables of the environment.
//!
//! <https://docs.haproxy.org/2.6/configuration.html#2.2>. A variable becomes lbd's `${env:NAME}`, to be expanded when
//! lbd reads its file.

use super::super::kdl::ENV;

/// A line of the file that says something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    /// At least one.
    pub(super) words: Vec<String>,
    /// As written.
    pub(super) text: String,
    /// Where its quotes end in vain, or an escape does.
    pub(super) broken: Option<&'static str>,
}

impl Line {
    /// The word at a place, or nothing.
    pub(super) fn word(&self, at: usize) -> &str {
        self.words.get(at).map_or("", String::as_str)
    }

    /// The words from a place on.
    pub(super) fn from(&self, at: usize) -> &[String] {
        self.words.get(at..).unwrap_or_default()
    }
}

/// The most lines that are looked at.
pub(super) const MAX_LINES: usize = 100_000;

/// The lines that are neither empty nor comments.
pub(super) fn lines(text: &str) -> Vec<Line> {
    let mut found = Vec::new();
    for (index, text) in text.lines().enumerate().take(MAX_LINES) {
        let (words, broken, end) = words(text);
        if !words.is_empty() {
            // Blanks are those that part words: no other white space is nothing.
            let text = text[..end].trim_matches([' ', '\t', '\r']).to_owned();
            found.push(Line { number: index + 1, words, text, broken });
        }
    }
    found
}

/// The words of a line, what is broken in it, and where it ends or its comment begins.
fn words(text: &str) -> (Vec<String>, Option<&'static str>, usize) {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.char_indices().peekable();
    let mut quote: Option<char> = None;
    while let Some((at, c)) = rest.next() {
        match (c, quote) {
            (' ' | '\t' | '\r', None) => words.extend(word.take()),
            ('#', None) => {
                words.extend(word.take());
                return (words, None, at);
            }
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('"', Some('"')) | ('\'', Some('\'')) => quote = None,
            ('\\', None | Some('"')) => {
                let into = word.get_or_insert_default();
                let Some((_, next)) = rest.next() else {
                    into.push('\\');
                    return (finish(words, word), Some("a backslash ends the line"), text.len());
                };
                escape(into, next, quote.is_some(), &mut rest);
            }
            ('$', None | Some('"')) => variable(word.get_or_insert_default(), &text[at..], &mut rest, quote),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    (finish(words, word), quote.map(|_| "a quote is not closed"), text.len())
}

fn finish(mut words: Vec<String>, word: Option<String>) -> Vec<String> {
    words.extend(word);
    words
}

type Rest<'a> = std::iter::Peekable<std::str::CharIndices<'a>>;

/// What stands behind a backslash. In quotes only some characters can be escaped.
fn escape(into: &mut String, next: char, quoted: bool, rest: &mut Rest<'_>) {
    match next {
        'n' if !quoted => into.push('\n'),
        'r' if !quoted => into.push('\r'),
        't' if !quoted => into.push('\t'),
        'x' if !quoted => {
            let mut ahead = rest.clone();
            let digits: String = ahead.by_ref().take(2).map(|(_, c)| c).collect();
            match u8::from_str_radix(&digits, 16) {
                Ok(byte) if byte.is_ascii() && digits.len() == 2 => {
                    into.push(char::from(byte));
                    *rest = ahead;
                }
                _ => into.push_str("\\x"),
            }
        }
        ' ' | '#' | '\'' if !quoted => into.push(next),
        '\\' | '"' | '$' => into.push(next),
        other => {
            into.push('\\');
            into.push(other);
        }
    }
}

/// `${NAME}`, `${NAME-default}`, and in quotes also `$NAME`.
fn variable(into: &mut String, text: &str, rest: &mut Rest<'_>, quote: Option<char>) {
    let is_name = |text: &str| {
        !text.is_empty()
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let (inside, length) = match text[1..].strip_prefix('{') {
        Some(behind) => match behind.find('}') {
            Some(end) => (&behind[..end], end + 2),
            None => ("", 0),
        },
        None if quote.is_some() => {
            let behind = &text[1..];
            let end = behind.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(behind.len());
            (&behind[..end], end)
        }
        None => ("", 0),
    };
    let (name, default) = inside.split_once('-').map_or((inside, None), |(name, value)| (name, Some(value)));
    if !is_name(name) || default.is_some_and(|value| value.contains(['{', '}', '"', '\\'])) {
        into.push('$');
        return;
    }
    into.push(ENV);
    into.push_str("{env:");
    into.push_str(name);
    if let Some(default) = default {
        into.push_str(":-");
        into.push_str(default);
    }
    into.push('}');
    // What stands behind the `$` is ASCII here, save perhaps the default.
    let mut left = length;
    while left > 0 {
        let Some((_, c)) = rest.next() else { return };
        left = left.saturating_sub(c.len_utf8());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        assert_eq!(words(text).0, expected, "{text}");
    }

    #[test]
    fn words_are_split_as_haproxy_splits_them() {
        check("", &[]);
        check("  # all of it", &[]);
        check("bind *:80 # web", &["bind", "*:80"]);
        check("a\tb  c", &["a", "b", "c"]);
        check(r"log-format one\ two", &["log-format", "one two"]);
        check(r#"a "b c" 'd "e"' f"g h"i"#, &["a", "b c", "d \"e\"", "fg hi"]);
        check(r#"a "x\"y" \# ''"#, &["a", "x\"y", "#", ""]);
        check(r"re ^/v\d+ \x41", &["re", r"^/v\d+", "A"]);
        check(r#""^/v\d+""#, &[r"^/v\d+"]);
    }

    #[test]
    fn the_environment_stays_a_reference() {
        check("server ${HOST}:80", &["server", &format!("{ENV}{{env:HOST}}:80")]);
        check("a \"$X/é${Y-é}é\"", &["a", &format!("{ENV}{{env:X}}/é{ENV}{{env:Y:-é}}é")]);
        check("a $x '${Y}' ${ ${}", &["a", "$x", "${Y}", "${", "${}"]);
    }

    #[test]
    fn a_word_of_other_white_space_is_shown() {
        assert_eq!(lines(" \u{b}\t")[0].text, "\u{b}");
    }

    #[test]
    fn what_is_broken_is_named() {
        assert_eq!(lines("a \"b").first().map(|line| line.broken), Some(Some("a quote is not closed")));
        assert_eq!(lines("a b\\")[0].broken, Some("a backslash ends the line"));
        assert_eq!(
            lines("\n\n x y # z")[0],
            Line { number: 3, words: vec!["x".into(), "y".into()], text: "x y".into(), broken: None }
        );
    }
}
