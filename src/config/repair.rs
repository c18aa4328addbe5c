//! One text to a KDL document and *all* its syntax findings, not the first.
//!
//! First a walk over the tokens explains what it knows to be wrong and mends a copy of the same length; then
//! the copy is parsed, and whatever the parser still refuses is mended the same way, until it parses. The
//! document of a mended copy serves to find more mistakes; it is never applied.

use std::ops::Range;

use kdl::{KdlDiagnostic, KdlDocument};

use super::braces::Braces;
use super::diagnostic::{Diagnostic, FileId};
use super::hints::{self, Hint, View, With};
use super::lexer::{self, Kind, Token};

/// How often the copy is mended and parsed again.
const MAX_ROUNDS: usize = 64;

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

impl Repaired {
    /// Whether a stretch of the document touches text that was replaced.
    pub fn is_poisoned(&self, range: &Range<usize>) -> bool {
        let from = self.poison.partition_point(|poison| poison.end <= range.start);
        self.poison.get(from).is_some_and(|poison| poison.start < range.end)
    }
}

/// Parses `text`, whose `tokens` passed [`super::guard`].
pub fn repair(file: FileId, text: &str, tokens: Vec<Token>) -> Repaired {
    let view = View { file, text, tokens: &tokens };
    let mut walk = Walk::new(view);
    walk.run();
    let Walk { mut findings, mut mended, mut poison, lost, .. } = walk;
    let mut document = None;
    for _ in 0..if lost { 0 } else { MAX_ROUNDS } {
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
        let first_line = copy.text[token.range()].split(lexer::is_newline).next().map_or(0, str::len);
        let span = super::diagnostic::Span::new(file, token.start..token.start + first_line.max(1));
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

fn refusal(
    span: super::diagnostic::Span,
    message: &str,
    diagnostic: &KdlDiagnostic,
    text: &str,
) -> Diagnostic {
    if let Some(c) = text.chars().find(|&c| hints::is_forbidden(c)) {
        let message = format!("the character U+{:04X} may not stand in KDL", c as u32);
        return Diagnostic::error("KDL004", span, message).label("holds it");
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
struct Copy {
    text: String,
    changed: bool,
}

impl Copy {
    /// Writes over `range`, byte for byte.
    fn mend(&mut self, range: Range<usize>, with: With) {
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

/// Where in a node the walk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a node's name.
    Name,
    /// Right behind a node's name, which ends at this byte.
    AfterName(usize),
    /// Among its values.
    Values,
    /// Behind its block.
    AfterBlock,
}

/// One pass over the tokens.
struct Walk<'a> {
    view: View<'a>,
    at: At,
    /// Inside `(…)`.
    in_type: bool,
    /// Bytes before this one are explained already.
    done: usize,
    /// The last token that is not a blank, comment or line end.
    before: Option<Token>,
    braces: Braces,
    mended: Copy,
    poison: Vec<Range<usize>>,
    findings: Vec<Diagnostic>,
    /// The structure of the text is unknown.
    lost: bool,
}

impl<'a> Walk<'a> {
    fn new(view: View<'a>) -> Self {
        Self {
            view,
            at: At::Name,
            in_type: false,
            done: 0,
            before: None,
            braces: Braces::default(),
            mended: Copy { text: view.text.to_owned(), changed: false },
            poison: Vec::new(),
            findings: Vec::new(),
            lost: false,
        }
    }

    fn run(&mut self) {
        for index in 0..self.view.tokens.len() {
            let token = self.view.tokens[index];
            if token.start >= self.done {
                self.token(index, token);
            }
            if !token.kind.is_trivia() {
                self.before = Some(token);
            }
        }
        if let Some(unclosed) = self.braces.end(&self.view) {
            self.findings.push(unclosed);
            self.lost = true;
        }
    }

    fn token(&mut self, index: usize, token: Token) {
        match token.kind {
            Kind::Newline | Kind::Semicolon => self.at = At::Name,
            Kind::HashComment => self.take(hints::hash_comment(&self.view, token)),
            Kind::Open => self.open(token),
            Kind::Close => {
                if let Some(stray) = self.braces.close(&self.view, token) {
                    self.take(Hint::mended(stray, token.range(), With::Blank));
                }
                self.at = At::AfterBlock;
            }
            Kind::TypeOpen => self.in_type = true,
            Kind::TypeClose => self.in_type = false,
            Kind::Equals => self.equals(index, token),
            Kind::Bracket if self.is_blanked(token.start) => {}
            Kind::Bracket => self.take(hints::bracket(&self.view, index)),
            Kind::BlockComment { closed: false, .. } => {
                let begin = token.start..token.start + 2;
                let finding = Diagnostic::error("KDL009", self.view.span(begin), "this comment never ends");
                self.findings.push(finding.label("begins here").help("end it with `*/`"));
                self.lost = true;
            }
            kind if kind.is_value() => self.value(index, token),
            _ => {}
        }
    }

    /// Whether a value that comes now is a node's name.
    fn is_name(&self) -> bool {
        matches!(self.at, At::Name | At::AfterBlock) && !self.in_type
    }

    /// Whether a byte was mended away together with an earlier token.
    fn is_blanked(&self, at: usize) -> bool {
        self.mended.text.as_bytes()[at] == b' '
    }

    /// Whether a word's commas were mended away together with the brackets around it.
    fn in_list(&self, token: Token) -> bool {
        self.view.text[token.range()] != self.mended.text[token.range()]
    }

    /// Whether the value at `index` runs on from another. Commas, which have a finding of their own, keep apart.
    fn is_glued(&self, index: usize) -> bool {
        let token = self.view.tokens[index];
        let before = index.checked_sub(1).map(|before| self.view.tokens[before]);
        before.is_some_and(|before| before.kind.is_value() && !self.view.of(before).ends_with(','))
            && !self.view.of(token).starts_with(',')
    }

    fn value(&mut self, index: usize, token: Token) {
        let hints = match token.kind {
            Kind::Word => {
                let listed = self.in_list(token);
                let mut hints = hints::word(&self.view, index, self.is_name());
                hints.retain(|hint| !listed || hint.finding.code != "KDL011");
                hints
            }
            Kind::Quoted { closed: false } | Kind::Raw { closed: false } => vec![self.unclosed(token)],
            Kind::Quoted { closed: true } => hints::escapes(&self.view, token).into_iter().collect(),
            _ => Vec::new(),
        };
        if self.is_glued(index) {
            self.glued(token);
        } else {
            hints.into_iter().for_each(|hint| self.take(hint));
        }
        if !self.in_type && self.view.of(token).trim_matches(',') != "" {
            self.at = if self.is_name() { At::AfterName(token.end) } else { At::Values };
        }
    }

    /// KDL009: a string without its end.
    fn unclosed(&self, token: Token) -> Hint {
        let text = self.view.of(token);
        let line = text.split(lexer::is_newline).next().unwrap_or_default();
        let range = token.start..token.start + line.trim_end().len().max(1);
        let finding = Diagnostic::error("KDL009", self.view.span(range), "this string never ends")
            .label("its closing quote is missing");
        let mends = vec![(token.range(), With::Word)];
        Hint { finding, mends, poison: Some(token.range()), until: token.end }
    }

    /// KDL000: two values without a blank between them.
    fn glued(&mut self, token: Token) {
        let between = token.start..token.start;
        let finding = Diagnostic::error(
            "KDL000",
            self.view.span(token.range()),
            "a blank is missing between two values",
        )
        .label("runs on from the value before it")
        .fix(self.view.span(between), " ");
        self.take(Hint::mended(finding, token.range(), With::Blank));
    }

    /// KDL016, and a property without a value.
    fn equals(&mut self, index: usize, token: Token) {
        let next = self.view.tokens[index + 1..].iter().find(|next| {
            !matches!(next.kind, Kind::Space | Kind::Continuation | Kind::BlockComment { .. })
        });
        let value = next.filter(|next| next.kind.is_value() || next.kind == Kind::TypeOpen);
        let Some(value) = value.copied() else {
            let finding = Diagnostic::error("KDL000", self.view.span(token.range()), "no value follows this `=`");
            self.take(Hint::mended(finding.label("a value is missing"), token.range(), With::Blank));
            self.poison.extend(self.before.map(Token::range));
            return;
        };
        if let At::AfterName(end) = self.at {
            let finding = Diagnostic::error(
                "KDL016",
                self.view.span(token.range()),
                "a node's value follows its name without `=`",
            )
            .label("not needed")
            .fix(self.view.span(end..value.start), " ");
            self.take(Hint::mended(finding, token.range(), With::Blank));
        }
    }

    /// KDL007, and a block that belongs to nothing.
    fn open(&mut self, token: Token) {
        let owner = self.before.filter(|before| before.kind.is_value() || before.kind == Kind::TypeClose);
        if self.at == At::Name {
            match owner {
                Some(owner) => self.join(owner, token),
                None => {
                    let finding = Diagnostic::error(
                        "KDL007",
                        self.view.span(token.range()),
                        "this block belongs to no node",
                    );
                    self.findings.push(finding.label("a name is missing before it"));
                    self.lost = true;
                }
            }
        }
        self.braces.open(&self.view, token);
        self.at = At::Name;
    }

    /// KDL007: a block on the line after its node.
    fn join(&mut self, owner: Token, open: Token) {
        let between = owner.end..open.start;
        let only_blank = self.view.text[between.clone()].trim().is_empty();
        let mut finding =
            Diagnostic::error("KDL007", self.view.span(open.range()), "a block begins on its node's line")
                .label("stands alone")
                .also(self.view.span(owner.range()), "its node ends here");
        if only_blank {
            finding = finding.fix(self.view.span(between.clone()), " ");
        }
        self.take(Hint::mended(finding, between, With::Blank));
    }

    fn take(&mut self, hint: Hint) {
        self.done = self.done.max(hint.until);
        hint.mends.into_iter().for_each(|(range, with)| self.mended.mend(range, with));
        self.poison.extend(hint.poison);
        self.findings.push(hint.finding);
    }
}

#[cfg(test)]
mod tests;
