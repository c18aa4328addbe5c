//! A lossless lexer for KDL v2: the tokens of any text, put together again, are the text.
//!
//! It never fails. What KDL would refuse is a token too (a word like `10.0.0.1:80`, a string that never
//! ends), so that [`super::hints`] can say what it was meant to be. Whether words are *allowed* is not decided here.

use std::ops::Range;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// U+FEFF at the beginning.
    Bom,
    /// Blanks within a line.
    Space,
    /// One line end, `\r\n` included.
    Newline,
    /// `// …`, its line end not included.
    LineComment,
    /// `/* … */`, with the comments inside it.
    BlockComment {
        /// How deep comments nest; 1 is a plain one.
        depth: u32,
        /// False when the text ends first.
        closed: bool,
    },
    /// `# …`, a comment in other languages: a `#` at the beginning of a line, or with a blank after it.
    HashComment,
    /// `/-`.
    Slashdash,
    /// `\` at the end of a line, with the line end.
    Continuation,
    /// `;`.
    Semicolon,
    /// `{`.
    Open,
    /// `}`.
    Close,
    /// `(`.
    TypeOpen,
    /// `)`.
    TypeClose,
    /// `=`.
    Equals,
    /// `[` or `]`, which KDL has no use for.
    Bracket,
    /// A bare word, number, `#keyword`, or anything else that runs together like one.
    Word,
    /// `"…"` or `"""…"""`.
    Quoted {
        /// False when the line (of a `"`) or the text (of a `"""`) ends first.
        closed: bool,
    },
    /// `#"…"#` and its kin.
    Raw {
        /// False when the line or the text ends first.
        closed: bool,
    },
}

impl Kind {
    /// Whether the token can be a value or a name.
    pub fn is_value(self) -> bool {
        matches!(self, Self::Word | Self::Quoted { .. } | Self::Raw { .. })
    }

    /// Blanks, comments and line ends: nothing that a parser would keep.
    pub fn is_trivia(self) -> bool {
        matches!(
            self,
            Self::Bom
                | Self::Space
                | Self::Newline
                | Self::LineComment
                | Self::HashComment
                | Self::BlockComment { .. }
                | Self::Continuation
        )
    }
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Token {
    /// The bytes covered.
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// All tokens of `text`, in order, without gaps.
pub fn lex(text: &str) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len() / 4);
    let mut at = 0;
    let mut line_start = true;
    while let Some(first) = text[at..].chars().next() {
        let (kind, len) = match first {
            '\u{feff}' if at == 0 => (Kind::Bom, first.len_utf8()),
            '#' => hash(&text[at..], line_start),
            _ => next(&text[at..], first),
        };
        tokens.push(Token { kind, start: at, end: at + len });
        at += len;
        line_start = matches!(kind, Kind::Bom | Kind::Newline) || (line_start && kind == Kind::Space);
    }
    tokens
}

/// The token that covers byte `at`, or the last one.
pub fn at(tokens: &[Token], at: usize) -> Option<usize> {
    let index = tokens.partition_point(|token| token.end <= at);
    if index < tokens.len() { Some(index) } else { tokens.len().checked_sub(1) }
}

/// Whether KDL ends a line at this character.
pub fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{b}' | '\u{c}' | '\u{2028}' | '\u{2029}')
}

/// Whether KDL takes this character for a blank.
pub fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\t' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

/// Kind and length of the token at the beginning of `rest`, which is not empty.
fn next(rest: &str, first: char) -> (Kind, usize) {
    let one = first.len_utf8();
    match first {
        '\r' if rest.starts_with("\r\n") => (Kind::Newline, 2),
        c if is_newline(c) => (Kind::Newline, one),
        c if is_blank(c) => (Kind::Space, rest.find(|c| !is_blank(c)).unwrap_or(rest.len())),
        ';' => (Kind::Semicolon, one),
        '{' => (Kind::Open, one),
        '}' => (Kind::Close, one),
        '(' => (Kind::TypeOpen, one),
        ')' => (Kind::TypeClose, one),
        '=' => (Kind::Equals, one),
        '[' | ']' => (Kind::Bracket, one),
        '"' => quoted(rest),
        '/' if rest.starts_with("//") => (Kind::LineComment, rest.find(is_newline).unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => block_comment(rest),
        '/' if rest.starts_with("/-") => (Kind::Slashdash, 2),
        '\\' => match continuation(rest) {
            Some(len) => (Kind::Continuation, len),
            None => (Kind::Word, word(rest)),
        },
        _ => (Kind::Word, word(rest)),
    }
}

/// Everything up to what surely ends a word. `/`, `\` and `#` may stand inside: KDL refuses them there, and the
/// whole of `10.0.0.0/8` is the mistake, not its tail. So is a URL, though KDL sees a comment in it.
fn word(rest: &str) -> usize {
    let mut chars = rest.char_indices().peekable();
    let mut before = chars.next().map(|(_, c)| c);
    while let Some((at, c)) = chars.next() {
        let ends = is_newline(c)
            || is_blank(c)
            || matches!(c, ';' | '{' | '}' | '(' | ')' | '=' | '[' | ']' | '"')
            || (c == '/' && before != Some(':') && matches!(chars.peek(), Some((_, '/' | '*'))))
            || (c == '\\' && continuation(&rest[at..]).is_some())
            || (c == '#' && before != Some('#') && raw(&rest[at..]).is_some());
        if ends {
            return at;
        }
        before = Some(c);
    }
    rest.len()
}

/// What begins with `#`: a raw string, a keyword, or a comment of another language.
fn hash(rest: &str, line_start: bool) -> (Kind, usize) {
    if let Some(raw) = raw(rest) {
        return raw;
    }
    let bare = rest.trim_start_matches('#').chars().next().is_none_or(|c| is_blank(c) || is_newline(c));
    if line_start || bare {
        (Kind::HashComment, rest.find(is_newline).unwrap_or(rest.len()))
    } else {
        (Kind::Word, word(rest))
    }
}

fn quoted(rest: &str) -> (Kind, usize) {
    let multiline = rest.starts_with("\"\"\"");
    let mut chars = rest.char_indices().skip(if multiline { 3 } else { 1 });
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if multiline => drop(chars.next()),
            '\\' => match escaped_blank(&rest[at + 1..]) {
                0 => match chars.next() {
                    Some(_) => {}
                    None => break,
                },
                blank => chars_skip(&mut chars, &rest[at + 1..], blank),
            },
            '"' if !multiline => return (Kind::Quoted { closed: true }, at + 1),
            '"' if rest[at..].starts_with("\"\"\"") => return (Kind::Quoted { closed: true }, at + 3),
            c if !multiline && is_newline(c) => return (Kind::Quoted { closed: false }, at),
            _ => {}
        }
    }
    (Kind::Quoted { closed: false }, rest.len())
}

/// Length of the blanks and line ends that a `\` in a quoted string swallows.
fn escaped_blank(rest: &str) -> usize {
    rest.find(|c| !is_blank(c) && !is_newline(c)).unwrap_or(rest.len())
}

fn chars_skip(chars: &mut impl Iterator, rest: &str, bytes: usize) {
    for _ in rest[..bytes].chars() {
        chars.next();
    }
}

/// `#"…"#`, `##"""…"""##`; `None` when no quote follows the hashes.
fn raw(rest: &str) -> Option<(Kind, usize)> {
    let hashes = rest.find(|c| c != '#')?;
    let quotes = if rest[hashes..].starts_with("\"\"\"") {
        3
    } else if rest[hashes..].starts_with('"') {
        1
    } else {
        return None;
    };
    let end = format!("{}{}", &rest[hashes..hashes + quotes], &rest[..hashes]);
    let body = &rest[hashes + quotes..];
    let most = if quotes == 1 { body.find(is_newline).unwrap_or(body.len()) } else { body.len() };
    Some(match body[..most].find(&end) {
        Some(at) => (Kind::Raw { closed: true }, hashes + quotes + at + end.len()),
        None => (Kind::Raw { closed: false }, hashes + quotes + most),
    })
}

fn block_comment(rest: &str) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let (mut open, mut depth, mut at) = (0u32, 0u32, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => {
                open += 1;
                depth = depth.max(open);
                at += 2;
            }
            Some(b"*/") => {
                open -= 1;
                at += 2;
                if open == 0 {
                    return (Kind::BlockComment { depth, closed: true }, at);
                }
            }
            _ => at += 1,
        }
    }
    (Kind::BlockComment { depth, closed: false }, rest.len())
}

/// Length of a `\` that continues the line: blanks and comments may stand before the line end.
fn continuation(rest: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        let tail = &rest[at..];
        let Some(first) = tail.chars().next() else { return Some(at) };
        match next_in_continuation(tail, first)? {
            (Kind::Newline, len) => return Some(at + len),
            (_, len) => at += len,
        }
    }
}

fn next_in_continuation(tail: &str, first: char) -> Option<(Kind, usize)> {
    if is_blank(first) || is_newline(first) || tail.starts_with("//") || tail.starts_with("/*") {
        Some(next(tail, first))
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
