//! The KDL crate's document to [`Node`] trees: every part with its own exact span, and nothing of what was mended.
//!
//! Also the one rule of syntax that KDL leaves open: the same property twice is an error here (KDL018).

use std::ops::Range;

use kdl::{KdlDocument, KdlEntry, KdlIdentifier, KdlNode, KdlValue};

use super::diagnostic::{Diagnostic, FileId, Span, Spanned};
use super::hints::View;
use super::lexer::{Kind, Token};
use super::node::{Node, Origin, Scalar, Value};
use super::repair::{self, Repaired};

/// The nodes of a file's document, none when it has no document; and everything found.
pub(super) fn nodes(file: FileId, repaired: Repaired) -> (Option<Vec<Node>>, Vec<Diagnostic>) {
    let Repaired { document, text, tokens, poison, mut findings } = repaired;
    let view = View { file, text: &text, tokens: &tokens };
    let mut builder = Builder { view, base: 0, poison: &poison, findings: Vec::new() };
    let nodes = document.map(|document| builder.nodes(&document));
    findings.append(&mut builder.findings);
    (nodes, findings)
}

/// Makes nodes of documents.
pub(super) struct Builder<'a> {
    /// The text that documents are of, or parts of.
    pub(super) view: View<'a>,
    /// Where in the text the document begins.
    pub(super) base: usize,
    /// Stretches that no longer say what was written, in order.
    pub(super) poison: &'a [Range<usize>],
    pub(super) findings: Vec<Diagnostic>,
}

impl Builder<'_> {
    pub(super) fn nodes(&mut self, document: &KdlDocument) -> Vec<Node> {
        document.nodes().iter().filter_map(|node| self.node(node)).collect()
    }

    /// `None` for a node whose name was mended: nobody knows which one it was.
    fn node(&mut self, node: &KdlNode) -> Option<Node> {
        let name = self.spanned(node.name());
        if self.is_poisoned(&name.span.range()) {
            return None;
        }
        if let Some(ty) = node.ty() {
            let span = self.spanned(ty).span;
            self.findings.push(
                Diagnostic::error("LB101", span, format!("`{}` takes no type annotation", name.value))
                    .label("means nothing here"),
            );
        }
        // Just as much room as there is to keep: a list that grows has four places for the one that most nodes need.
        let named = node.entries().iter().filter(|entry| entry.name().is_some()).count();
        let mut args = Vec::with_capacity(node.entries().len() - named);
        let mut props: Vec<(Spanned<String>, Value)> = Vec::with_capacity(named);
        for entry in node.entries() {
            let value = self.value(entry);
            match entry.name() {
                None => args.push(value),
                Some(key) => {
                    let key = self.spanned(key);
                    if self.is_poisoned(&key.span.range()) {
                        continue;
                    }
                    if let Some((first, _)) = props.iter().rev().find(|(other, _)| other.value == key.value) {
                        let finding = self.twice(&key, first.span, node);
                        self.findings.push(finding);
                    }
                    props.push((key, value));
                }
            }
        }
        let children = node.children().map(|children| self.nodes(children));
        let span = self.trimmed(self.place(node.span().offset(), node.span().len()));
        Some(Node { name, args, props, children, span, origin: Origin::Written })
    }

    fn value(&self, entry: &KdlEntry) -> Value {
        let range = self.place(entry.span().offset(), entry.span().len());
        let token = self.tokens(&range).iter().rev().find(|token| token.kind.is_value());
        let place = token.map_or(range, |token| token.range());
        let quoted = token.is_some_and(|token| token.kind != Kind::Word);
        Value {
            scalar: match entry.value() {
                KdlValue::String(text) => Scalar::String { text: text.clone(), quoted, expanded: false },
                KdlValue::Integer(number) => Scalar::Integer(*number),
                KdlValue::Float(number) => Scalar::Decimal(*number),
                KdlValue::Bool(value) => Scalar::Bool(*value),
                KdlValue::Null => Scalar::Null,
            },
            ty: entry.ty().map(|ty| self.spanned(ty)),
            poisoned: self.is_poisoned(&place),
            span: Span::new(self.view.file, place),
            secret: false,
            from_env: false,
        }
    }

    /// KDL018. `first` is where the key stood first.
    fn twice(&self, key: &Spanned<String>, first: Span, node: &KdlNode) -> Diagnostic {
        let finding =
            Diagnostic::error("KDL018", key.span, format!("the property `{}` is given twice", key.value))
                .label("given again")
                .also(first, "first given here");
        let mut whole =
            node.entries().iter().map(|entry| self.place(entry.span().offset(), entry.span().len()));
        let Some(first) = whole.find(|range| range.contains(&(first.start as usize))) else {
            return finding;
        };
        let before = self.view.text[..first.start].trim_end_matches([' ', '\t']).len();
        finding
            .help("in plain KDL the last one would win")
            .fix(Span::new(self.view.file, before..self.end_of(&first)), String::new())
    }

    fn spanned(&self, name: &KdlIdentifier) -> Spanned<String> {
        Spanned::new(
            name.value().to_owned(),
            self.trimmed(self.place(name.span().offset(), name.span().len())),
        )
    }

    /// Where in the text a part of the document stands.
    fn place(&self, offset: usize, len: usize) -> Range<usize> {
        let start = self.base + offset;
        start..start + len
    }

    fn is_poisoned(&self, range: &Range<usize>) -> bool {
        repair::is_poisoned(self.poison, range)
    }

    /// A stretch without the blanks, comments and line ends behind it.
    fn trimmed(&self, range: Range<usize>) -> Span {
        let end = self.end_of(&range);
        Span::new(self.view.file, range.start..end.max(range.start))
    }

    fn end_of(&self, range: &Range<usize>) -> usize {
        let last = self.tokens(range).iter().rev();
        last.into_iter()
            .find(|token| !token.kind.is_trivia() && token.kind != Kind::Semicolon)
            .map_or(range.end, |token| token.end)
    }

    /// The tokens wholly within a range.
    fn tokens(&self, range: &Range<usize>) -> &[Token] {
        let all = self.view.tokens;
        let from = all.partition_point(|token| token.start < range.start);
        let to = all.partition_point(|token| token.end <= range.end);
        &all[from..to.max(from)]
    }
}

#[cfg(test)]
mod tests;
