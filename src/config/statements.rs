//! A text to nodes: where nothing is wrong with it, one statement after the other. Plain ones are put together from their tokens;
//! those with anything else in them (an escape, a `/-`, a fraction, …) are read by the KDL crate, each by itself.
//!
//! The crate takes 164,000 instructions for a line like `route "/a" pool=web`, this 3,300: of 10,000 routes it was two
//! thirds of a start or reload. What is plain is chosen narrowly, so that there is no question what it means, and
//! tests compare what both make of it.

use std::ops::Range;

use kdl::KdlDocument;

use super::diagnostic::{Diagnostic, FileId, Span, Spanned};
use super::hints::View;
use super::lexer::{Kind, Token};
use super::node::{Node, Origin, Scalar, Value};
use super::repair::{self, Seen};
use super::tree::{self, Builder};

/// The nodes of a text, whose `tokens` passed [`super::guard`]; `None` when its structure could not be known. And
/// everything found.
pub(super) fn read(file: FileId, text: &str, tokens: Vec<Token>) -> (Option<Vec<Node>>, Vec<Diagnostic>) {
    let view = View { file, text, tokens: &tokens };
    let seen = Seen::of(&view);
    if seen.is_clean()
        && let Some((nodes, findings)) = one_by_one(view)
    {
        return (Some(nodes), findings);
    }
    tree::nodes(file, repair::parse(file, seen, tokens))
}

/// The nodes of a text that [`super::walk`] found nothing wrong with, and what is wrong with them; `None` where the
/// KDL crate refuses one of its statements.
fn one_by_one(view: View<'_>) -> Option<(Vec<Node>, Vec<Diagnostic>)> {
    let (mut nodes, mut findings) = (Vec::new(), Vec::new());
    for range in ranges(view.tokens) {
        let mut plain = Plain { view: View { tokens: &view.tokens[range], ..view }, at: 0 };
        match plain.node() {
            Some(node) if plain.is_done() => nodes.push(node),
            _ => nodes.append(&mut parsed(view, plain.view.tokens, &mut findings)?),
        }
    }
    Some((nodes, findings))
}

/// The tokens of each statement, without blanks around it.
fn ranges(tokens: &[Token]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let is_between = |token: &Token| token.kind.is_trivia() || token.kind == Kind::Semicolon;
        let start = at + tokens[at..].iter().position(|token| !is_between(token))?;
        let (mut depth, mut end) = (0_usize, start);
        at = tokens.len();
        for (index, token) in tokens.iter().enumerate().skip(start) {
            match token.kind {
                Kind::Open => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Newline | Kind::Semicolon if depth == 0 => {
                    at = index;
                    break;
                }
                _ => {}
            }
            if !token.kind.is_trivia() {
                end = index + 1;
            }
        }
        Some(start..end)
    })
}

/// What the KDL crate makes of one statement.
fn parsed(view: View<'_>, tokens: &[Token], findings: &mut Vec<Diagnostic>) -> Option<Vec<Node>> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    let document = KdlDocument::parse_v2(&view.text[first.start..last.end]).ok()?;
    let mut builder = Builder { view, base: first.start, poison: &[], findings: Vec::new() };
    let nodes = builder.nodes(&document);
    findings.append(&mut builder.findings);
    Some(nodes)
}

/// Reads a statement from its tokens. Each part is `None` where it is not plain.
struct Plain<'a> {
    view: View<'a>,
    at: usize,
}

impl Plain<'_> {
    fn is_done(&self) -> bool {
        self.at == self.view.tokens.len()
    }

    fn peek(&self) -> Option<Kind> {
        self.view.tokens.get(self.at).map(|token| token.kind)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.view.tokens.get(self.at).copied()?;
        self.at += 1;
        Some(token)
    }

    /// Takes the next token if it is one of these; whether it was.
    fn took(&mut self, kinds: &[Kind]) -> bool {
        let is = self.peek().is_some_and(|kind| kinds.contains(&kind));
        self.at += usize::from(is);
        is
    }

    fn node(&mut self) -> Option<Node> {
        let name = self.next()?;
        let name = self.identifier(name)?;
        let (mut args, mut props, mut children) = (Vec::new(), Vec::new(), None);
        let mut end = name.span.end as usize;
        while self.took(&[Kind::Space]) {
            match self.peek() {
                Some(Kind::Open) => {
                    self.at += 1;
                    children = Some(self.block()?);
                    end = self.view.tokens[self.at - 1].end;
                    break;
                }
                Some(kind) if kind.is_value() => end = self.entry(&mut args, &mut props)?,
                _ => break,
            }
        }
        args.shrink_to_fit();
        props.shrink_to_fit();
        let span = Span::new(self.view.file, name.span.start as usize..end);
        Some(Node { name, args, props, children, span, origin: Origin::Written })
    }

    /// An argument, or a property that was not there before; where it ends.
    fn entry(&mut self, args: &mut Vec<Value>, props: &mut Vec<(Spanned<String>, Value)>) -> Option<usize> {
        let first = self.next()?;
        if !self.took(&[Kind::Equals]) {
            args.push(self.value(first)?);
            return Some(first.end);
        }
        let key = self.identifier(first)?;
        if props.iter().any(|(other, _)| other.value == key.value) {
            return None;
        }
        let value = self.next()?;
        props.push((key, self.value(value)?));
        Some(value.end)
    }

    /// The nodes of a block, whose `{` is taken; and takes its `}`.
    fn block(&mut self) -> Option<Vec<Node>> {
        let mut nodes = Vec::new();
        loop {
            while self.took(&[Kind::Space, Kind::Newline, Kind::LineComment, Kind::Semicolon]) {}
            if self.took(&[Kind::Close]) {
                return Some(nodes);
            }
            nodes.push(self.node()?);
            self.took(&[Kind::Space]);
            match self.peek()? {
                Kind::Newline | Kind::LineComment | Kind::Semicolon | Kind::Close => {}
                _ => return None,
            }
        }
    }

    fn value(&self, token: Token) -> Option<Value> {
        let text = self.view.of(token);
        let scalar = match token.kind {
            Kind::Word => match text {
                "#true" => Scalar::Bool(true),
                "#false" => Scalar::Bool(false),
                "#null" => Scalar::Null,
                _ if text.starts_with(|first: char| first.is_ascii_digit()) => {
                    Scalar::Integer(integer(text)?)
                }
                _ if is_identifier(text) => string(text, false),
                _ => return None,
            },
            Kind::Quoted { closed: true } if !text.contains('\\') => string(within(text, "\"", "\"")?, true),
            Kind::Raw { closed: true } => string(within(text, "#\"", "\"#")?, true),
            _ => return None,
        };
        let span = Span::new(self.view.file, token.range());
        Some(Value { scalar, ty: None, span, poisoned: false, secret: false, from_env: false })
    }

    fn identifier(&self, token: Token) -> Option<Spanned<String>> {
        let text = self.view.of(token);
        (token.kind == Kind::Word && is_identifier(text))
            .then(|| Spanned::new(text.to_owned(), Span::new(self.view.file, token.range())))
    }
}

fn string(text: &str, quoted: bool) -> Scalar {
    Scalar::String { text: text.to_owned(), quoted, expanded: false }
}

/// What stands between quotes, if it is one line of printable ASCII.
fn within<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let inner = text.strip_prefix(open)?.strip_suffix(close)?;
    inner.bytes().all(|byte| matches!(byte, b' '..=b'~')).then_some(inner)
}

/// A bare word that is a string for certain: KDL takes many more. (`true` and its like are mistakes, and found before.)
fn is_identifier(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
}

/// A number in plain decimal digits.
fn integer(text: &str) -> Option<i128> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
