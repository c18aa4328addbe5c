//! What people write when they mean KDL: a token that KDL refuses (or reads as something else) and the words
//! that say so. One function for each row of the table; whoever walks the text asks them token by token.
//!
//! A [`Hint`] also says how to mend a *copy* of the text, byte for byte the same length, so that one mistake
//! does not hide the next; what stands in the copy is never applied.

use std::ops::Range;

use super::diagnostic::{Diagnostic, Edit, FileId, Fix, Severity, Span};
use super::lexer::{Kind, Token};

/// A text and its tokens.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The file.
    pub file: FileId,
    /// Its text.
    pub text: &'a str,
    /// The tokens of that text.
    pub tokens: &'a [Token],
}

/// A finding and how to go on behind it.
#[derive(Debug)]
pub struct Hint {
    /// What to say.
    pub finding: Diagnostic,
    /// How to mend the copy.
    pub mends: Vec<(Range<usize>, With)>,
    /// What in the copy no longer says what the user wrote.
    pub poison: Option<Range<usize>>,
    /// The byte at which the walk goes on.
    pub until: usize,
}

/// What to write over a stretch of the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// Blanks.
    Blank,
    /// A word of underscores, which can stand for any name or value.
    Word,
    /// This one character.
    Char(u8),
}

impl<'a> View<'a> {
    /// The text of a token.
    pub fn of(&self, token: Token) -> &'a str {
        &self.text[token.range()]
    }

    /// A span of this file.
    pub fn span(&self, range: Range<usize>) -> Span {
        Span::new(self.file, range)
    }

    /// The token that begins right where token `index` ends.
    pub fn after(&self, index: usize) -> Option<Token> {
        self.tokens.get(index + 1).copied()
    }

    /// The end of all that runs on from token `index` without a blank: `${HOST}:80`, `[::]:80`.
    fn run_end(&self, index: usize) -> usize {
        let mut blocks = 0;
        let mut end = self.tokens[index].end;
        for token in &self.tokens[index + 1..] {
            match token.kind {
                Kind::Open => blocks += 1,
                Kind::Close if blocks > 0 => blocks -= 1,
                Kind::Bracket => {}
                kind if kind.is_value() => {}
                _ => break,
            }
            end = token.end;
        }
        end
    }

    /// What says that `range` must stand in quotes, and does it.
    fn quote(&self, code: &'static str, range: Range<usize>, message: &str, label: &str) -> Hint {
        let quoted = in_quotes(&self.text[range.clone()]);
        let finding = Diagnostic::error(code, self.span(range.clone()), message)
            .label(label)
            .help(format!("write {quoted}"))
            .fix(self.span(range.clone()), quoted);
        Hint::replaced(finding, range)
    }
}

impl Hint {
    /// A finding whose text is replaced by a word that means nothing.
    pub fn replaced(finding: Diagnostic, range: Range<usize>) -> Self {
        let mends = vec![(range.clone(), With::Word)];
        Self { finding, mends, until: range.end, poison: Some(range) }
    }

    /// A finding that is mended by writing something over `range`, and then means what was meant.
    pub fn mended(finding: Diagnostic, range: Range<usize>, with: With) -> Self {
        Self { finding, until: range.end, mends: vec![(range, with)], poison: None }
    }
}

/// All that is wrong with the word at `index`. `is_key`: a property's name may stand there.
pub fn word(view: &View<'_>, index: usize, is_key: bool) -> Vec<Hint> {
    let token = view.tokens[index];
    let whole = view.of(token);
    if let Some(hint) = single_quotes(view, index).or_else(|| expansion(view, index)) {
        return vec![hint];
    }
    let word = whole.trim_matches(',');
    let start = token.start + (whole.len() - whole.trim_start_matches(',').len());
    let mut hints = Vec::new();
    if whole.starts_with(',') {
        hints.push(comma(view, token.start..start.min(token.end)));
    }
    if !word.is_empty() {
        let range = start..start + word.len();
        if let Some(hint) = raw_prefix(view, index).or_else(|| colon(view, index, word, is_key)) {
            hints.push(hint);
            return hints;
        }
        hints.extend(plain(view, word, range.clone()));
        if range.end < token.end {
            hints.push(comma(view, range.end..token.end));
        }
    }
    hints
}

/// KDL001, KDL002, KDL004: words that KDL refuses as they stand.
fn plain(view: &View<'_>, word: &str, range: Range<usize>) -> Option<Hint> {
    let after_sign = word.trim_start_matches(['+', '-']).trim_start_matches('.');
    let like_number = after_sign.starts_with(|c: char| c.is_ascii_digit())
        && word.len() - after_sign.len() <= 2
        && !is_number(word);
    if like_number {
        let message = "a value that starts with a digit but is not a number needs quotes";
        return Some(view.quote("KDL001", range, message, "not a number"));
    }
    if word.starts_with('#') || keyword(word) == Some(word) {
        return keyword_hint(view, word, range);
    }
    if word.starts_with('/') {
        return Some(view.quote("KDL004", range, "a path needs quotes", "not in quotes"));
    }
    if let Some((at, c)) = word.char_indices().find(|(_, c)| is_forbidden(*c)) {
        let at = range.start + at..range.start + at + c.len_utf8();
        return Some(Hint::replaced(forbidden(c, view.span(at.clone())).fix(view.span(at), ""), range));
    }
    let message = match word.chars().find(|c| matches!(c, '/' | '\\' | '#'))? {
        _ if word.contains("://") => "a URL needs quotes".to_owned(),
        c => format!("a value with `{c}` needs quotes"),
    };
    Some(view.quote("KDL004", range, &message, "not in quotes"))
}

/// KDL002: `true`, `#True`, `#yes`. (A bare `True` or `yes` is a string: only who wants a bool knows better.)
fn keyword_hint(view: &View<'_>, word: &str, range: Range<usize>) -> Option<Hint> {
    let bare = word.trim_start_matches('#').to_ascii_lowercase();
    let Some(meant) = keyword(&bare).map(|meant| format!("#{meant}")) else {
        let message = format!("`{word}` is no keyword");
        return Some(view.quote("KDL002", range, &message, "not `#true`, `#false` or `#null`"));
    };
    if word == meant {
        return None;
    }
    let message = format!("`{word}` is written `{meant}` in KDL v2");
    let finding = Diagnostic::error("KDL002", view.span(range.clone()), message)
        .label(format!("needs `{meant}`"))
        .fix(view.span(range.clone()), meant);
    Some(Hint::replaced(finding, range))
}

/// KDL003: `r"…"`, `r#"…"#`.
fn raw_prefix(view: &View<'_>, index: usize) -> Option<Hint> {
    let token = view.tokens[index];
    let string = view.after(index).filter(|_| view.of(token) == "r")?;
    let finding = |range: Range<usize>| {
        Diagnostic::error("KDL003", view.span(range), "raw strings are written `#\"…\"#` in KDL v2")
    };
    match string.kind {
        Kind::Raw { closed: true } => {
            let finding =
                finding(token.range()).label("no `r` in front").fix(view.span(token.range()), String::new());
            Some(Hint { until: string.end, ..Hint::mended(finding, token.range(), With::Blank) })
        }
        Kind::Quoted { closed: true } => {
            let range = token.start..string.end;
            let raw = as_raw(view.of(string).trim_matches('"'));
            let finding = finding(range.clone())
                .label("KDL v1 spelling")
                .help(format!("write {raw}"))
                .fix(view.span(range.clone()), raw);
            Some(Hint::replaced(finding, range))
        }
        _ => None,
    }
}

/// KDL005: `[a, b]`, or an IPv6 address out of quotes.
pub fn bracket(view: &View<'_>, index: usize) -> Hint {
    let token = view.tokens[index];
    let run = token.start..view.run_end(index);
    let address = &view.text[run.clone()];
    if address.starts_with('[') && address.contains("::") && !address.contains(',') {
        return view.quote("KDL005", run, "an IPv6 address needs quotes", "brackets out of quotes");
    }
    let ends =
        |token: &&Token| matches!(token.kind, Kind::Newline | Kind::Open | Kind::Close | Kind::Semicolon);
    let line = view.tokens[index..].iter().take_while(|token| !ends(token));
    let mut edits = Vec::new();
    let mut end = token.end;
    for part in line {
        let text = view.of(*part);
        match part.kind {
            Kind::Bracket => edits.push(part.range()),
            Kind::Word => {
                edits.extend(text.match_indices(',').map(|(at, _)| part.start + at..part.start + at + 1))
            }
            _ => {}
        }
        end = part.end;
        if text == "]" {
            break;
        }
    }
    let list = token.start..end;
    let apart = |end: usize| matches!(view.text.as_bytes().get(end), Some(b' ' | b'\t' | b']' | b',') | None);
    let edit = |range: &Range<usize>| {
        let comma = &view.text[range.clone()] == ",";
        let text = if comma && !apart(range.end) { " " } else { "" };
        Edit { span: view.span(range.clone()), text: text.to_owned() }
    };
    let spans: Vec<Edit> = edits.iter().map(edit).collect();
    let mut finding = Diagnostic::error("KDL005", view.span(list.clone()), "KDL has no lists in brackets")
        .label("write the values one after another");
    finding.fixes.push(Fix { safe: true, edits: spans, ..Fix::default() });
    let mends = edits.into_iter().map(|range| (range, With::Blank)).collect();
    Hint { finding, mends, poison: None, until: token.end }
}

/// KDL006: `# …`.
pub fn hash_comment(view: &View<'_>, token: Token) -> Hint {
    let hashes = view.of(token).len() - view.of(token).trim_start_matches('#').len();
    let range = token.start..token.start + hashes;
    let finding = Diagnostic::error("KDL006", view.span(range.clone()), "a comment begins with `//`")
        .label("not a comment in KDL")
        .fix(view.span(range), "//");
    Hint::mended(finding, token.range(), With::Blank)
}

/// KDL010: `$X`, `${X}` out of quotes. KDL would read the second as the argument `$` and a block.
fn expansion(view: &View<'_>, index: usize) -> Option<Hint> {
    let token = view.tokens[index];
    let word = view.of(token);
    let block = word.ends_with('$') && view.after(index).is_some_and(|next| next.kind == Kind::Open);
    let bare = word.strip_prefix('$').is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic()));
    if !block && !bare {
        return None;
    }
    let range = token.start..if block { view.run_end(index) } else { token.end };
    let text = view.text[range.clone()].trim_end_matches(',');
    let range = range.start..range.start + text.len();
    let quoted = if block { in_quotes(text) } else { format!("\"${{{}}}\"", text.trim_start_matches('$')) };
    let finding = Diagnostic::error(
        "KDL010",
        view.span(range.clone()),
        format!("`{text}` is only replaced by its value inside quotes"),
    )
    .label("out of quotes")
    .help(format!("write {quoted}"))
    .fix(view.span(range.clone()), quoted);
    Some(Hint::replaced(finding, range))
}

/// KDL011: a comma.
fn comma(view: &View<'_>, range: Range<usize>) -> Hint {
    let next = view.text.as_bytes().get(range.end).copied().unwrap_or(b'\n');
    let blank = if next.is_ascii_whitespace() || matches!(next, b';' | b'}') { "" } else { " " };
    let finding = Diagnostic::error("KDL011", view.span(range.clone()), "KDL puts no commas between values")
        .label("not needed")
        .fix(view.span(range.clone()), blank);
    Hint::mended(finding, range, With::Blank)
}

/// KDL013: `name: "x"`.
fn colon(view: &View<'_>, index: usize, word: &str, is_key: bool) -> Option<Hint> {
    let token = view.tokens[index];
    let name = word.strip_suffix(':').filter(|name| !name.is_empty() && !name.contains([':', '/']))?;
    let range = token.end - 1..token.end;
    let value = view.tokens[index + 1..].iter().find(|next| next.kind != Kind::Space);
    let value = value.filter(|value| is_key && value.kind.is_value() && !view.of(**value).ends_with(':'));
    let finding =
        Diagnostic::error("KDL013", view.span(range.clone()), "no colon stands after a name in KDL");
    Some(match value {
        Some(value) => {
            let written = format!("{name}={}", view.of(*value));
            let finding =
                finding.label(format!("write `{written}`")).fix(view.span(range.start..value.start), "=");
            Hint::mended(finding, range, With::Char(b'='))
        }
        None => {
            let finding = finding.label("not needed").fix(view.span(range.clone()), String::new());
            Hint::mended(finding, range, With::Blank)
        }
    })
}

/// What begins like a quoted text, and what may end it.
const QUOTES: [(char, &str); 6] =
    [('\'', "'"), ('‘', "’‘"), ('‚', "‘’"), ('“', "”“"), ('„', "“”"), ('«', "»")];

/// KDL014: `'x'`, `“x”`. A warning where KDL takes the quotes for letters, an error where it takes nothing.
fn single_quotes(view: &View<'_>, index: usize) -> Option<Hint> {
    let token = view.tokens[index];
    let begin = view.of(token).chars().next()?;
    let ends = QUOTES.iter().find(|(open, _)| *open == begin).map(|(_, close)| *close)?;
    let line = view.text[token.start..].split(super::lexer::is_newline).next().unwrap_or_default();
    let (at, last) = line.char_indices().skip(1).find(|(_, c)| ends.contains(*c))?;
    let end = token.start + at + last.len_utf8();
    let range = token.start..end;
    let inner = &view.text[range.start + begin.len_utf8()..token.start + at];
    let one_word = end == token.end && !inner.contains(['/', '\\', '#']) && !inner.contains(is_forbidden);
    let quoted = in_quotes(inner);
    let severity = if one_word { Severity::Warning } else { Severity::Error };
    let finding = Diagnostic::new(
        "KDL014",
        severity,
        Some(view.span(range.clone())),
        if begin == '\'' {
            "single quotes are ordinary letters in KDL"
        } else {
            "curly quotes are ordinary letters in KDL"
        },
    )
    .label("use `\"`")
    .help(format!("write {quoted}"))
    .fix(view.span(range.clone()), quoted);
    Some(if one_word {
        Hint { finding, mends: Vec::new(), poison: None, until: end }
    } else {
        Hint::replaced(finding, range)
    })
}

/// KDL017: `"\d"`.
pub fn escapes(view: &View<'_>, token: Token) -> Option<Hint> {
    let text = view.of(token);
    let escapes: Vec<(usize, &str)> = escapes_of(text).collect();
    let (at, bad) = *escapes.iter().find(|(_, escape)| !is_escape(escape))?;
    let plain = escapes.iter().all(|(_, escape)| !is_escape(escape) || *escape == "\\\\");
    let multiline = text.starts_with("\"\"\"");
    let range = token.start + at..token.start + at + bad.len();
    let finding =
        Diagnostic::error("KDL017", view.span(range.clone()), format!("`{bad}` is not an escape of KDL"))
            .label("unknown escape");
    let finding = if plain && !multiline && !text.contains("${") {
        let raw = as_raw(&text[1..text.len() - 1]);
        finding.help(format!("a raw string keeps its backslashes: {raw}")).fix(view.span(token.range()), raw)
    } else {
        let mut finding = finding.help("a backslash is written `\\\\`");
        let double = |(at, _): &(usize, &str)| Edit {
            span: view.span(token.start + at..token.start + at),
            text: "\\".to_owned(),
        };
        let edits = escapes.iter().filter(|(_, escape)| !is_escape(escape)).map(double).collect();
        finding.fixes.push(Fix { safe: true, edits, ..Fix::default() });
        finding
    };
    Some(Hint::replaced(finding, token.range()))
}

/// KDL000: a `"""` string whose text does not stand on lines of its own, as deep as its end.
pub fn multiline(view: &View<'_>, token: Token) -> Option<Hint> {
    let text = view.of(token).trim_matches('#');
    let body = text.strip_prefix("\"\"\"")?.strip_suffix("\"\"\"").unwrap_or("x");
    let mut lines: Vec<&str> = body.split('\n').collect();
    let last = lines.pop().unwrap_or_default();
    let first = lines.first().copied();
    let continued = |index: usize| index > 0 && lines[index - 1].trim_end().ends_with('\\');
    let shallow = lines
        .iter()
        .enumerate()
        .skip(1)
        .find(|(index, line)| !line.trim().is_empty() && !line.starts_with(last) && !continued(*index));
    let message = if first.is_none_or(|first| !first.trim_end_matches('\r').is_empty()) {
        "the text of a `\"\"\"` string begins on the next line"
    } else if !last.chars().all(super::lexer::is_blank) {
        "the end of a `\"\"\"` string stands on a line of its own"
    } else if shallow.is_some() {
        "the lines of a `\"\"\"` string are indented at least as deep as its end"
    } else {
        return None;
    };
    let line = text.split(super::lexer::is_newline).next().map_or(3, str::len);
    let shown = token.start..(token.start + line.max(3)).min(token.end);
    let finding = Diagnostic::error("KDL000", view.span(shown), message).label("this string");
    Some(Hint::replaced(finding, token.range()))
}

/// Each `\…` of a quoted string: where it begins, and its text.
fn escapes_of(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find('\\')?;
        let escaped = text[start + 1..].chars().next()?;
        let len = match text[start + 1..].strip_prefix("u{").and_then(|hex| hex.find('}')) {
            Some(close) => 4 + close,
            None => 1 + escaped.len_utf8(),
        };
        at = start + len;
        Some((start, &text[start..at]))
    })
}

fn is_escape(escape: &str) -> bool {
    if let Some(hex) = escape.strip_prefix("\\u{") {
        let hex = hex.trim_end_matches('}');
        return (1..=6).contains(&hex.len())
            && u32::from_str_radix(hex, 16).ok().and_then(char::from_u32).is_some();
    }
    let escaped = escape.chars().nth(1);
    escaped
        .is_some_and(|c| "nrt\\\"bfs".contains(c) || super::lexer::is_blank(c) || super::lexer::is_newline(c))
}

/// `text` as a quoted string, its own quotes and backslashes escaped.
fn in_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `text` as a raw string with as many `#` as it takes.
fn as_raw(text: &str) -> String {
    let mut hashes = "#".to_owned();
    while text.contains(&format!("\"{hashes}")) {
        hashes.push('#');
    }
    format!("{hashes}\"{text}\"{hashes}")
}

/// The keyword that a word is, or stands for in other languages, without its `#`.
fn keyword(word: &str) -> Option<&str> {
    match word {
        "true" | "false" | "null" | "inf" | "-inf" | "nan" => Some(word),
        "yes" | "on" => Some("true"),
        "no" | "off" => Some("false"),
        _ => None,
    }
}

/// The finding for a character that KDL allows nowhere.
pub fn forbidden(c: char, span: Span) -> Diagnostic {
    Diagnostic::error("KDL004", span, format!("the character U+{:04X} may not stand in KDL", c as u32))
        .label("here")
}

/// Characters that KDL allows nowhere, not even in a comment.
pub fn is_forbidden(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Whether KDL reads this word as a number.
pub fn is_number(word: &str) -> bool {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    let digits = |text: &str, radix: u32| {
        text.starts_with(|c: char| c.is_digit(radix)) && text.chars().all(|c| c == '_' || c.is_digit(radix))
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = unsigned.strip_prefix(prefix) {
            return digits(rest, radix);
        }
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole, 10) && fraction.is_none_or(|f| digits(f, 10)) && exponent.is_none_or(|e| digits(e, 10))
}
