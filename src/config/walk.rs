//! One pass over the tokens of a text: where each stands in the grammar, and what is wrong with it there.
//!
//! [`super::hints`] judges words; this judges their order. It leaves the parser nothing but valid sequences of
//! tokens, for the parser's own way over bad ones recurses, and a stack that overflows ends the process.

use std::ops::Range;

use super::braces::Braces;
use super::diagnostic::Diagnostic;
use super::hints::{self, Hint, View, With};
use super::lexer::{self, Kind, Token};
use super::repair::Copy;

/// Where in a node the walk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a node's name.
    Name,
    /// Right behind a node's name, which ends at this byte.
    AfterName(usize),
    /// Among its values. `key`: the last one may be a property's name.
    Values { key: bool },
    /// Behind a `=`.
    Value,
    /// Behind its block.
    AfterBlock,
}

/// The pass, and what it found.
pub(super) struct Walk<'a> {
    view: View<'a>,
    at: At,
    /// Inside `(…)`.
    in_type: bool,
    /// Bytes before this one are explained already.
    done: usize,
    /// The last token that is not a blank, comment or line end.
    before: Option<Token>,
    braces: Braces,
    pub(super) mended: Copy,
    pub(super) poison: Vec<Range<usize>>,
    pub(super) findings: Vec<Diagnostic>,
    /// The structure of the text is unknown.
    pub(super) lost: bool,
    /// The node at hand is commented out by `/-`; those that it stands in, outermost first.
    slashdashed: bool,
    around: Vec<bool>,
}

impl<'a> Walk<'a> {
    /// Walks over all of a text.
    pub(super) fn over(view: View<'a>) -> Self {
        let mut walk = Self {
            view,
            at: At::Name,
            in_type: false,
            done: 0,
            before: None,
            braces: Braces::default(),
            mended: Copy::of(view.text),
            poison: Vec::new(),
            findings: Vec::new(),
            lost: false,
            slashdashed: false,
            around: Vec::new(),
        };
        for (index, token) in view.tokens.iter().enumerate() {
            if token.start >= walk.done {
                walk.token(index, *token);
            }
            if !token.kind.is_trivia() {
                walk.before = Some(*token);
            }
        }
        if let Some(unclosed) = walk.braces.end(&view) {
            walk.findings.push(unclosed);
            walk.lost = true;
        }
        walk
    }

    fn token(&mut self, index: usize, token: Token) {
        match token.kind {
            Kind::Newline => self.at = At::Name,
            Kind::Semicolon => self.semicolon(token),
            Kind::HashComment => self.take(hints::hash_comment(&self.view, token)),
            Kind::Open => self.open(token),
            Kind::Close => {
                if let Some(stray) = self.braces.close(&self.view, token) {
                    self.take(Hint::mended(stray, token.range(), With::Blank));
                } else {
                    self.at = At::AfterBlock;
                    self.slashdashed = self.around.pop().unwrap_or_default();
                }
            }
            Kind::TypeOpen => self.type_open(index, token),
            Kind::TypeClose if self.in_type => self.in_type = false,
            Kind::TypeClose => self.misplaced(token, "this `)` closes nothing"),
            Kind::Equals => self.equals(index, token),
            Kind::Slashdash => self.slashdash(index, token),
            Kind::Bracket if self.is_blanked(token.start) => {}
            Kind::Bracket => {
                self.next_node(token);
                self.take(hints::bracket(&self.view, index));
                self.bracketed(token);
            }
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

    fn value(&mut self, index: usize, token: Token) {
        if self.in_type {
            let hints = self.hints(index, token);
            return hints.into_iter().for_each(|hint| self.take(hint));
        }
        self.next_node(token);
        let is_name = self.at == At::Name;
        if is_name {
            self.slashdashed = self.before.is_some_and(|before| before.kind == Kind::Slashdash);
        }
        let hints = self.hints(index, token);
        let untouched = hints.is_empty();
        if self.is_glued(index) {
            return self.take(self.glued(token));
        }
        hints.into_iter().for_each(|hint| self.take(hint));
        if self.view.of(token).trim_matches(',').is_empty() {
            return self.unslash();
        }
        let string = !hints::is_number(self.view.of(token)) && !self.view.of(token).starts_with('#')
            || matches!(token.kind, Kind::Raw { .. });
        if is_name && !string && untouched {
            let finding = Diagnostic::error(
                "KDL000",
                self.view.span(token.range()),
                "a node begins with its name, and this is a value",
            );
            self.take(Hint::replaced(finding.label("not a name"), token.range()));
        }
        let typed = self.before.is_some_and(|before| before.kind == Kind::TypeClose);
        self.at = match self.at {
            At::Name => At::AfterName(token.end),
            At::Value => At::Values { key: false },
            _ if self.mended.text.as_bytes()[token.end - 1] == b'=' => At::Value,
            _ => At::Values { key: (string || !untouched) && !typed },
        };
    }

    /// What is wrong with a value by itself.
    fn hints(&self, index: usize, token: Token) -> Vec<Hint> {
        match token.kind {
            Kind::Word => {
                // The commas of a list were mended away together with its brackets.
                let listed = self.view.of(token) != &self.mended.text[token.range()];
                if listed && self.view.of(token).trim_matches(',').contains(',') {
                    return Vec::new();
                }
                let is_key = !self.in_type && matches!(self.at, At::AfterName(_) | At::Values { .. });
                let mut hints = hints::word(&self.view, index, is_key);
                hints.retain(|hint| !listed || hint.finding.code != "KDL011");
                hints
            }
            Kind::Quoted { closed: false } | Kind::Raw { closed: false } => vec![self.unclosed(token)],
            Kind::Quoted { closed: true } => {
                let hint = hints::escapes(&self.view, token);
                hint.or_else(|| hints::multiline(&self.view, token)).into_iter().collect()
            }
            _ => hints::multiline(&self.view, token).into_iter().collect(),
        }
    }

    /// Whether a byte was mended away together with an earlier token.
    fn is_blanked(&self, at: usize) -> bool {
        self.mended.text.as_bytes()[at] == b' '
    }

    /// Whether the value at `index` runs on from another. Commas, which have a finding of their own, keep apart.
    fn is_glued(&self, index: usize) -> bool {
        let token = self.view.tokens[index];
        let before = index.checked_sub(1).map(|before| self.view.tokens[before]);
        before.is_some_and(|before| before.kind.is_value() && !self.view.of(before).ends_with(','))
            && !self.view.of(token).starts_with(',')
    }

    /// KDL000: a node that begins behind another's block without a `;` or a line end.
    fn next_node(&mut self, token: Token) {
        if self.at != At::AfterBlock {
            return;
        }
        let finding = Diagnostic::error(
            "KDL000",
            self.view.span(token.range()),
            "a `;` or a new line is missing before this",
        )
        .label("another node begins here")
        .fix(self.view.span(token.start..token.start), "; ");
        self.at = At::Name;
        if token.start > 0 && matches!(self.view.text.as_bytes()[token.start - 1], b' ' | b'\t') {
            let blank = token.start - 1..token.start;
            let until = self.done;
            self.take(Hint { until, ..Hint::mended(finding, blank, With::Char(b';')) });
        } else {
            self.findings.push(finding);
            self.lost = true;
        }
    }

    /// Goes on behind a bracket: what it encloses are values.
    fn bracketed(&mut self, token: Token) {
        self.at = match self.at {
            At::Name => At::Name,
            At::AfterName(_) => At::AfterName(token.end),
            At::Value => At::Value,
            _ => At::Values { key: false },
        };
    }

    /// KDL009: a string without its end.
    fn unclosed(&self, token: Token) -> Hint {
        let text = self.view.of(token);
        let line = text.split(lexer::is_newline).next().unwrap_or_default();
        let range = token.start..token.start + line.trim_end().len().max(1);
        let finding = Diagnostic::error("KDL009", self.view.span(range), "this string never ends")
            .label("its closing quote is missing");
        Hint::replaced(finding, token.range())
    }

    /// KDL000: two values without a blank between them.
    fn glued(&self, token: Token) -> Hint {
        let span = self.view.span(token.range());
        let finding = Diagnostic::error("KDL000", span, "a blank is missing between two values")
            .label("runs on from the value before it")
            .fix(self.view.span(token.start..token.start), " ");
        Hint::mended(finding, token.range(), With::Blank)
    }

    /// KDL000: a token that has nothing to do where it stands.
    fn misplaced(&mut self, token: Token, message: &str) {
        let finding = Diagnostic::error("KDL000", self.view.span(token.range()), message);
        self.take(Hint::mended(finding.label("not needed here"), token.range(), With::Blank));
    }

    /// Takes away a `/-` in front of what was taken away.
    fn unslash(&mut self) {
        if let Some(slashdash) = self.before.filter(|before| before.kind == Kind::Slashdash) {
            self.mended.mend(slashdash.range(), With::Blank);
        }
    }

    fn semicolon(&mut self, token: Token) {
        match self.at {
            At::Name => self.misplaced(token, "this `;` ends nothing"),
            // The parser takes no `;` behind a node that is commented out, though KDL does.
            _ if self.slashdashed => {
                self.mended.mend(token.range(), With::Char(b'\n'));
                self.at = At::Name;
            }
            _ => self.at = At::Name,
        }
    }

    /// KDL016, and a `=` without a name or a value.
    fn equals(&mut self, index: usize, token: Token) {
        let value = self.next_of(index).filter(|next| next.kind.is_value() || next.kind == Kind::TypeOpen);
        let value = value.or_else(|| self.next_of(index).filter(|next| next.kind == Kind::Bracket));
        let span = self.view.span(token.range());
        match (self.at, value) {
            (At::AfterName(_) | At::Values { key: true }, None) => {
                let finding = Diagnostic::error("KDL000", span, "no value follows this `=`");
                self.take(Hint::mended(finding.label("a value is missing"), token.range(), With::Blank));
                self.poison.extend(self.before.map(Token::range));
                self.at = At::Values { key: false };
            }
            (At::AfterName(end), Some(value)) => {
                let finding =
                    Diagnostic::error("KDL016", span, "a node's value follows its name without `=`")
                        .label("not needed")
                        .fix(self.view.span(end..value.start), " ");
                self.take(Hint::mended(finding, token.range(), With::Blank));
                self.at = At::Values { key: false };
            }
            (At::Values { key: true }, Some(_)) => self.at = At::Value,
            _ => self.misplaced(token, "no name stands before this `=`"),
        }
    }

    /// The next token of the line that is not a blank.
    fn next_of(&self, index: usize) -> Option<Token> {
        let mut rest = self.view.tokens[index + 1..].iter();
        let blank = |kind| matches!(kind, Kind::Space | Kind::Continuation | Kind::BlockComment { .. });
        rest.find(|next| !blank(next.kind)).copied()
    }

    /// `(word)` in front of a value or a name, and nothing else in parentheses.
    fn type_open(&mut self, index: usize, token: Token) {
        self.next_node(token);
        let mut rest = self.view.tokens[index + 1..].iter().filter(|next| next.kind != Kind::Space);
        let kinds = [rest.next(), rest.next(), rest.next()].map(|next| next.map(|token| token.kind));
        let word = kinds[0].is_some_and(Kind::is_value);
        let value = kinds[2].is_some_and(Kind::is_value);
        let apart = self.before.is_none_or(|before| before.end < token.start || !before.kind.is_value());
        let twice = self.before.is_some_and(|before| before.kind == Kind::TypeClose);
        if word && kinds[1] == Some(Kind::TypeClose) && value && apart && !twice {
            self.in_type = true;
            return;
        }
        let line = self.view.tokens[index..].iter();
        let ends =
            |kind| matches!(kind, Kind::Newline | Kind::Open | Kind::Close | Kind::Semicolon | Kind::Equals);
        let mut line = line.take_while(|next| !ends(next.kind));
        let close = line.find(|next| next.kind == Kind::TypeClose);
        let range = token.start..close.map_or(token.end, |close| close.end);
        let finding = Diagnostic::error(
            "KDL000",
            self.view.span(range.clone()),
            "parentheses hold one word, and stand before a value",
        )
        .label("not a type annotation");
        self.unslash();
        self.take(Hint::mended(finding, range, With::Blank));
    }

    /// `/-` comments out what follows; something must.
    fn slashdash(&mut self, index: usize, token: Token) {
        let mut rest = self.view.tokens[index + 1..].iter();
        let next = rest.find(|next| !next.kind.is_trivia()).map(|next| next.kind);
        let something =
            next.is_some_and(|kind| kind.is_value() || matches!(kind, Kind::Open | Kind::TypeOpen));
        let glued = index > 0 && self.view.tokens[index - 1].kind.is_value();
        let block_at_name = self.at == At::Name && next == Some(Kind::Open);
        if !something || glued || self.at == At::Value || block_at_name {
            self.misplaced(token, "`/-` stands before a node, a value or a block");
        } else if self.at == At::AfterBlock && next != Some(Kind::Open) {
            self.next_node(token);
        }
    }

    /// KDL007, and a block that belongs to nothing.
    fn open(&mut self, token: Token) {
        let before = self.before.map(|before| before.kind);
        let slashdashed = before == Some(Kind::Slashdash) && !self.is_blanked(token.start.saturating_sub(1));
        match self.at {
            At::Name => {
                let ends_node = before
                    .is_some_and(|kind| kind.is_value() || matches!(kind, Kind::TypeClose | Kind::Bracket));
                match self.before.filter(|_| ends_node) {
                    Some(owner) => self.join(owner, token),
                    None => {
                        self.nameless(token, "this block belongs to no node", "a name is missing before it")
                    }
                }
            }
            At::AfterBlock if before == Some(Kind::Close) => {
                self.nameless(token, "a node has one block", "a second one");
            }
            At::Value if !slashdashed => self.misplaced(token, "a property has no block"),
            _ => {}
        }
        self.braces.open(&self.view, token);
        self.around.push(self.slashdashed);
        self.at = At::Name;
    }

    fn nameless(&mut self, token: Token, message: &str, label: &str) {
        self.findings.push(Diagnostic::error("KDL007", self.view.span(token.range()), message).label(label));
        self.lost = true;
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
