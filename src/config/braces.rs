//! Which `{` has no `}`, and which `}` no `{`: the stack knows *that* one is missing, the indentation knows *where*.

use super::diagnostic::{Diagnostic, Span};
use super::hints::View;
use super::lexer::{Kind, Token, is_blank, is_newline};

/// How many characters before a brace are looked at for its line's indentation.
const LOOK_BACK: usize = 400;

/// An open block.
#[derive(Debug, Clone, Copy)]
struct Block {
    open: Token,
    /// Columns before the line that it was opened on.
    indent: usize,
}

/// The blocks open at one point of a walk over tokens.
#[derive(Debug, Default)]
pub struct Braces {
    open: Vec<Block>,
    /// The first block closed by a brace that stands further left than the block's line: probably another's brace.
    suspect: Option<Block>,
}

impl Braces {
    /// A `{`.
    pub fn open(&mut self, view: &View<'_>, token: Token) {
        self.open.push(Block { open: token, indent: indent_of(view.text, token.start).0 });
    }

    /// A `}`; a finding when there is nothing to close.
    pub fn close(&mut self, view: &View<'_>, token: Token) -> Option<Diagnostic> {
        let Some(block) = self.open.pop() else {
            return Some(
                Diagnostic::error("KDL009", view.span(token.range()), "this `}` closes nothing")
                    .label("no block is open here"),
            );
        };
        let (indent, first) = indent_of(view.text, token.start);
        let fits_another = self.open.iter().any(|outer| outer.indent == indent);
        if first && indent < block.indent && fits_another && self.suspect.is_none() {
            self.suspect = Some(block);
        }
        None
    }

    /// The end of the text: a finding for the block that was probably forgotten.
    pub fn end(&self, view: &View<'_>) -> Option<Diagnostic> {
        let last = self.open.last()?;
        let block = self.suspect.unwrap_or(*last);
        let span = view.span(block.open.range());
        let finding = Diagnostic::error("KDL008", span, "this block is never closed").label("opened here");
        Some(match likely_end(view, block) {
            Some(place) => finding.also(place, "a `}` is probably missing before this"),
            None => finding.help("add a `}` at its end"),
        })
    }
}

/// The first node behind the block's opening that stands no further right than the block's own line.
fn likely_end(view: &View<'_>, block: Block) -> Option<Span> {
    let from = super::lexer::at(view.tokens, block.open.end)?;
    let mut line_start = false;
    for token in &view.tokens[from..] {
        match token.kind {
            Kind::Newline => line_start = true,
            kind if kind.is_trivia() => {}
            kind => {
                let (indent, _) = indent_of(view.text, token.start);
                if line_start && indent <= block.indent {
                    let closes_outer = kind == Kind::Close && indent < block.indent;
                    return (kind != Kind::Close || closes_outer).then(|| view.span(token.range()));
                }
                line_start = false;
            }
        }
    }
    None
}

/// The columns of blank before the line of `at`, and whether nothing else stands before `at`. Looks back a
/// bounded way, so that a text of one long line is not looked through for each of its braces.
fn indent_of(text: &str, at: usize) -> (usize, bool) {
    let mut columns = 0;
    let mut first = true;
    for c in text[..at].chars().rev().take(LOOK_BACK) {
        match c {
            c if is_newline(c) => return (columns, first),
            '\t' => columns += 4,
            c if is_blank(c) => columns += 1,
            _ => {
                columns = 0;
                first = false;
            }
        }
    }
    (columns, first)
}
