//! One text to a KDL document and *all* its syntax findings, not the first.
//!
//! First a walk over the tokens explains what it knows to be wrong and mends a copy of the same length; then
//! the copy is parsed, and whatever the parser still refuses is mended the same way, until it parses. The
//! document of a mended copy serves to find more mistakes; it is never applied.

use std::ops::Range;

use kdl::{KdlDiagnostic, KdlDocument};

use super::diagnostic::{Diagnostic, FileId, Span};
use super::hints::{self, View, With};
use super::lexer::{self, Kind, Token};
use super::walk::Walk;

/// How often the copy is mended and parsed again.
const MAX_ROUNDS: usize = 64;

/// With more findings than this the mended copy is not parsed: there is enough to do, and the parser's way over
/// what it cannot read recurses.
const MAX_FINDINGS: usize = 200;

/// What became of a text.
#[derive(Debug)]
pub struct Repaired {
    /// The document of the mended text; `None` when its structure could not be known.
    pub document: Option<KdlDocument>,
    /// The mended text, which the document's spans point into; as long as the original.
    pub text: String,
    /// Its tokens.
    pub tokens: Vec<Token>,
    /// Stretches that no longer say what was written, in order.
    pub poison: Vec<Range<usize>>,
    /// Everything found.
    pub findings: Vec<Diagnostic>,
}

/// Whether a stretch touches text that was replaced.
pub(super) fn is_poisoned(poison: &[Range<usize>], range: &Range<usize>) -> bool {
    let from = poison.partition_point(|poison| poison.end <= range.start);
    poison.get(from).is_some_and(|poison| poison.start < range.end)
}

/// Parses `text`, whose `tokens` passed [`super::guard`].
pub fn repair(file: FileId, text: &str, tokens: Vec<Token>) -> Repaired {
    let seen = Seen::of(&View { file, text, tokens: &tokens });
    parse(file, seen, tokens)
}

/// What the walk over a text's tokens says, before a parser is asked.
#[derive(Debug)]
pub(super) struct Seen {
    findings: Vec<Diagnostic>,
    mended: Copy,
    poison: Vec<Range<usize>>,
    /// The structure of the text is unknown.
    lost: bool,
}

impl Seen {
    pub(super) fn of(view: &View<'_>) -> Self {
        let Walk { mut findings, mended, poison, lost, .. } = Walk::over(*view);
        findings.extend(other_version(view));
        Self { findings, mended, poison, lost }
    }

    /// Nothing was found, and nothing mended.
    pub(super) fn is_clean(&self) -> bool {
        self.findings.is_empty() && !self.mended.changed && !self.lost
    }
}

/// Parses what was seen, and mends it until that succeeds.
pub(super) fn parse(file: FileId, seen: Seen, tokens: Vec<Token>) -> Repaired {
    let Seen { mut findings, mut mended, mut poison, lost } = seen;
    let mut document = None;
    let hopeless = lost || findings.len() > MAX_FINDINGS;
    for _ in 0..if hopeless { 0 } else { MAX_ROUNDS } {
        match KdlDocument::parse_v2(&mended.text) {
            Ok(parsed) => {
                document = Some(parsed);
                break;
            }
            Err(error) => {
                if !mend_refused(file, &error.diagnostics, &mut mended, &mut poison, &mut findings) {
                    break;
                }
            }
        }
    }
    poison.sort_by_key(|range| range.start);
    let tokens = if mended.changed { lexer::lex(&mended.text) } else { tokens };
    Repaired { document, text: mended.text, tokens, poison, findings }
}

/// KDL000: a file that says `/- kdl-version 1`. KDL asks of a reader to believe that.
fn other_version(view: &View<'_>) -> Option<Diagnostic> {
    let mut tokens = view.tokens.iter().filter(|token| !token.kind.is_trivia());
    let marked = tokens.next()?.kind == Kind::Slashdash && view.of(*tokens.next()?) == "kdl-version";
    let version = *tokens.next().filter(|token| marked && token.kind == Kind::Word)?;
    (view.of(version) != "2").then(|| {
        let message = format!("this file says that it is KDL {}, and only KDL 2 is read", view.of(version));
        Diagnostic::error("KDL000", view.span(version.range()), message).label("not 2")
    })
}

/// Mends what the parser refused; false when there is nothing that could be mended.
fn mend_refused(
    file: FileId,
    refused: &[KdlDiagnostic],
    copy: &mut Copy,
    poison: &mut Vec<Range<usize>>,
    findings: &mut Vec<Diagnostic>,
) -> bool {
    let tokens = lexer::lex(&copy.text);
    let mut last: Option<usize> = None;
    let mut mended = false;
    for diagnostic in refused {
        let (start, len) = (diagnostic.span.offset(), diagnostic.span.len());
        let message = diagnostic.message.as_deref().unwrap_or("KDL cannot be read here");
        // The span of a bad property value begins at the first byte of the file; its end stands in the bad token.
        let at = if message == "Expected property value" { start + len } else { start };
        let Some(index) = lexer::at(&tokens, at.min(copy.text.len())) else { break };
        let index = (index..tokens.len()).find(|&index| is_mendable(copy, tokens[index])).unwrap_or(index);
        if last.replace(index) == Some(index) {
            continue;
        }
        let token = tokens[index];
        let text = &copy.text[token.range()];
        let first_line = text.split(lexer::is_newline).next().map_or(0, str::len);
        let shown = if first_line == 0 { token.end - token.start } else { first_line };
        let span = Span::new(file, token.start..token.start + shown);
        let known = poison.iter().any(|range| range.start < token.end && token.start < range.end);
        if !known {
            findings.push(refusal(span, message, diagnostic, &copy.text[token.range()]));
        }
        if is_mendable(copy, token) {
            let with = if token.kind.is_value() { With::Word } else { With::Blank };
            copy.mend(token.range(), with);
            poison.push(token.range());
            mended = true;
        }
    }
    mended
}

/// Whether replacing the token can help: braces stay, and so does what was replaced before.
fn is_mendable(copy: &Copy, token: Token) -> bool {
    let text = &copy.text[token.range()];
    match token.kind {
        Kind::Open | Kind::Close | Kind::Newline | Kind::Space | Kind::Semicolon | Kind::Bom => false,
        Kind::Continuation => false,
        Kind::LineComment | Kind::BlockComment { .. } => text.contains(hints::is_forbidden),
        _ => !text.bytes().all(|byte| byte == b'_'),
    }
}

fn refusal(span: Span, message: &str, diagnostic: &KdlDiagnostic, text: &str) -> Diagnostic {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| hints::is_forbidden(*c)) {
        let at = span.start as usize + at;
        return hints::forbidden(c, Span::new(span.file, at..at + c.len_utf8()));
    }
    let message = message.trim_end_matches('.');
    let lower = message.chars().next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    let rest = message.char_indices().nth(1).map_or("", |(at, _)| &message[at..]);
    let finding = Diagnostic::error("KDL000", span, format!("{lower}{rest}")).label("not understood");
    match &diagnostic.help {
        Some(help) => finding.help(help.clone()),
        None => finding,
    }
}

/// The copy that is mended.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) text: String,
    changed: bool,
}

impl Copy {
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), changed: false }
    }

    /// Writes over `range`, byte for byte.
    pub(super) fn mend(&mut self, range: Range<usize>, with: With) {
        let byte = match with {
            With::Blank => b' ',
            With::Word => b'_',
            With::Char(byte) => byte,
        };
        let filled = String::from_utf8(vec![byte; range.len()]).expect("every filler is ASCII");
        self.text.replace_range(range, &filled);
        self.changed = true;
    }
}

#[cfg(test)]
mod tests;
