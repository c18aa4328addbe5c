//! The formatter: a text with its blanks put in order, and nothing else touched.
//!
//! It indents by the depth of the blocks (two blanks a level, one level more behind a `\`), leaves one blank between
//! tokens, at most one empty line between lines and none at the edges of a block. Comments, quoting, the spelling of
//! numbers, `;` and what is on one line stay as they were written. A result whose tokens or whose meaning differ
//! from the original's is never given out.

use kdl::KdlDocument;

use super::diagnostic::{Diagnostic, FileId, Report, Span};
use super::lexer::{self, Kind, Token};
use super::source::Sources;
use super::{guard, repair};

/// Formats `text`, the whole of a file. The report says why it cannot be.
///
/// Recurses as deep as [`guard`] allows, on a thread of its own.
pub fn format(path: &std::path::Path, text: &str) -> Result<String, (Report, Sources)> {
    super::on_reader_thread(|| {
        let mut sources = Sources::default();
        let file = sources.add(path.to_owned(), text.to_owned());
        checked(file, text).map_err(|findings| {
            let mut report = Report::default();
            findings.into_iter().for_each(|finding| report.push(finding));
            report.sort();
            (report, sources)
        })
    })
}

fn checked(file: FileId, text: &str) -> Result<String, Vec<Diagnostic>> {
    if let Some(refused) = guard::size(file, text.len()) {
        return Err(vec![refused]);
    }
    let tokens = lexer::lex(text);
    if let Some(refused) = guard::depth(file, &tokens) {
        return Err(vec![refused]);
    }
    let repaired = repair::repair(file, text, tokens.clone());
    let (Some(before), true) = (repaired.document, repaired.findings.is_empty()) else {
        return Err(repaired.findings);
    };
    let formatted = Printer::new(text).print(&tokens);
    if let Some(at) = first_difference(text, &tokens, &formatted) {
        return Err(vec![unsure(file, at)]);
    }
    let after = KdlDocument::parse_v2(&formatted).ok().map(bare);
    if after == Some(bare(before)) { Ok(formatted) } else { Err(vec![unsure(file, 0..0)]) }
}

/// What is refused rather than risked.
fn unsure(file: FileId, at: std::ops::Range<usize>) -> Diagnostic {
    Diagnostic::error("KDL020", Span::new(file, at), "this cannot be formatted without changing what it says")
        .label("the formatter is not sure of its blanks here")
        .help("write it in a simpler way, a comment on a line of its own for example; the file is left as it is")
}

/// A document as it is, whatever its blanks.
fn bare(mut document: KdlDocument) -> KdlDocument {
    document.clear_format_recursive();
    document
}

/// Where the tokens of both texts begin to differ, in the first of them.
fn first_difference(text: &str, tokens: &[Token], formatted: &str) -> Option<std::ops::Range<usize>> {
    let after = lexer::lex(formatted);
    let mut after = after.iter().filter(|token| !is_blank(token.kind));
    let mut before = tokens.iter().filter(|token| !is_blank(token.kind));
    loop {
        match (before.next(), after.next()) {
            (None, None) => return None,
            (Some(a), Some(b))
                if a.kind == b.kind && same(a.kind, &text[a.range()], &formatted[b.range()]) => {}
            (Some(a), _) => return Some(a.range()),
            (None, Some(_)) => return Some(text.len()..text.len()),
        }
    }
}

fn same(kind: Kind, a: &str, b: &str) -> bool {
    if matches!(kind, Kind::Continuation | Kind::LineComment | Kind::HashComment) {
        a.split_whitespace().flat_map(str::chars).eq(b.split_whitespace().flat_map(str::chars))
    } else {
        a == b
    }
}

fn is_blank(kind: Kind) -> bool {
    matches!(kind, Kind::Space | Kind::Newline)
}

/// Blanks of one level.
const INDENT: &str = "  ";

/// Writes tokens with the blanks that belong between them.
struct Printer<'a> {
    text: &'a str,
    out: String,
    depth: usize,
    /// The token before on this line.
    before: Option<Kind>,
    /// Blanks stood between it and the next one.
    gap: bool,
    /// The line goes on one that ended in `\`.
    continued: bool,
    /// Line ends since the last token.
    line_ends: usize,
    /// The last token of all opened a block.
    opened: bool,
}

impl<'a> Printer<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            out: String::with_capacity(text.len()),
            depth: 0,
            before: None,
            gap: false,
            continued: false,
            line_ends: 0,
            opened: true,
        }
    }

    fn print(mut self, tokens: &[Token]) -> String {
        for token in tokens {
            match token.kind {
                Kind::Bom => self.out.push_str(&self.text[token.range()]),
                Kind::Space => self.gap = true,
                Kind::Newline => self.end_line(),
                Kind::Continuation => self.continuation(*token),
                _ => self.token(*token),
            }
        }
        if self.before.is_some() {
            self.out.push('\n');
        }
        self.out
    }

    fn end_line(&mut self) {
        // An empty line behind a `\` is what ends the node.
        if self.before.take().is_some() || std::mem::take(&mut self.continued) {
            self.out.push('\n');
            self.continued = false;
        }
        self.line_ends += 1;
        self.gap = false;
    }

    fn token(&mut self, token: Token) {
        let closes = token.kind == Kind::Close;
        if closes {
            self.depth = self.depth.saturating_sub(1);
        }
        match self.before {
            None => self.begin_line(closes),
            Some(before) if parted(before, token.kind, self.gap) => self.out.push(' '),
            Some(_) => {}
        }
        let text = &self.text[token.range()];
        let comment = matches!(token.kind, Kind::LineComment | Kind::HashComment);
        self.out.push_str(if comment { text.trim_end() } else { text });
        self.opened = token.kind == Kind::Open;
        self.depth += usize::from(self.opened);
        self.before = Some(token.kind);
        (self.gap, self.line_ends) = (false, 0);
    }

    fn begin_line(&mut self, closes: bool) {
        if self.line_ends > 1 && !self.opened && !closes && !self.continued {
            self.out.push('\n');
        }
        let levels = self.depth + usize::from(self.continued);
        self.out.extend(std::iter::repeat_n(INDENT, levels));
    }

    /// `\`, the comments behind it, and the line end.
    fn continuation(&mut self, token: Token) {
        match self.before {
            None => self.begin_line(false),
            Some(_) => self.out.push(' '),
        }
        self.out.push('\\');
        let behind = &self.text[token.start + 1..token.end];
        for inner in lexer::lex(behind).into_iter().filter(|inner| !is_blank(inner.kind)) {
            self.out.push(' ');
            self.out.push_str(behind[inner.range()].trim_end());
        }
        self.out.push('\n');
        (self.before, self.gap, self.continued, self.line_ends, self.opened) = (None, false, true, 0, false);
    }
}

/// Whether one blank stands between two tokens of a line; `gap` when some did.
fn parted(before: Kind, next: Kind, gap: bool) -> bool {
    match (before, next) {
        (Kind::Equals | Kind::TypeOpen | Kind::TypeClose, _) => false,
        (_, Kind::Equals | Kind::TypeClose | Kind::Semicolon) => false,
        (Kind::Open, Kind::Close) => false,
        (Kind::Slashdash, _) => gap,
        (Kind::Open | Kind::Close | Kind::Semicolon, _) | (_, Kind::Open | Kind::Close) => true,
        (_, Kind::LineComment) => true,
        _ => gap,
    }
}

#[cfg(test)]
mod tests;
