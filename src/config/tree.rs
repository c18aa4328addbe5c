//! The KDL crate's document to [`Node`] trees: every part with its own exact span, and nothing of what was mended.
//!
//! Also the one rule of syntax that KDL leaves open: the same property twice is an error here (KDL018).

use std::ops::Range;

use kdl::{KdlDocument, KdlEntry, KdlIdentifier, KdlNode, KdlValue};

use super::diagnostic::{Diagnostic, FileId, Span, Spanned};
use super::lexer::{Kind, Token};
use super::node::{Node, Origin, Scalar, Value};
use super::repair::Repaired;

/// The nodes of a file's document; none when it has no document. Adds to the file's findings.
pub fn nodes(file: FileId, repaired: &mut Repaired) -> Vec<Node> {
    let Some(document) = repaired.document.take() else { return Vec::new() };
    let mut builder = Builder { file, repaired, findings: Vec::new() };
    let nodes = builder.nodes(&document);
    let Builder { mut findings, .. } = builder;
    repaired.findings.append(&mut findings);
    nodes
}

struct Builder<'a> {
    file: FileId,
    repaired: &'a Repaired,
    findings: Vec<Diagnostic>,
}

impl Builder<'_> {
    fn nodes(&mut self, document: &KdlDocument) -> Vec<Node> {
        document.nodes().iter().filter_map(|node| self.node(node)).collect()
    }

    /// `None` for a node whose name was mended: nobody knows which one it was.
    fn node(&mut self, node: &KdlNode) -> Option<Node> {
        let name = self.spanned(node.name());
        if self.repaired.is_poisoned(&name.span.range()) {
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
                    if self.repaired.is_poisoned(&key.span.range()) {
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
        let span = self.trimmed(node.span().offset(), node.span().len());
        Some(Node { name, args, props, children, span, origin: Origin::Written })
    }

    fn value(&self, entry: &KdlEntry) -> Value {
        let range = entry.span().offset()..entry.span().offset() + entry.span().len();
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
            poisoned: self.repaired.is_poisoned(&place),
            span: Span::new(self.file, place),
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
        let whole = node.entries().iter().map(|entry| entry.span());
        let whole = whole.map(|span| span.offset()..span.offset() + span.len());
        let Some(first) = whole.into_iter().find(|range| range.contains(&(first.start as usize))) else {
            return finding;
        };
        let before = self.repaired.text[..first.start].trim_end_matches([' ', '\t']).len();
        finding
            .help("in plain KDL the last one would win")
            .fix(Span::new(self.file, before..self.end_of(&first)), String::new())
    }

    fn spanned(&self, name: &KdlIdentifier) -> Spanned<String> {
        let start = name.span().offset();
        Spanned::new(name.value().to_owned(), self.trimmed(start, name.span().len()))
    }

    /// A span without the blanks, comments and line ends behind it.
    fn trimmed(&self, start: usize, len: usize) -> Span {
        let range = start..start + len;
        let end = self.end_of(&range);
        Span::new(self.file, start..end.max(start))
    }

    fn end_of(&self, range: &Range<usize>) -> usize {
        let last = self.tokens(range).iter().rev();
        last.into_iter()
            .find(|token| !token.kind.is_trivia() && token.kind != Kind::Semicolon)
            .map_or(range.end, |token| token.end)
    }

    /// The tokens wholly within a range.
    fn tokens(&self, range: &Range<usize>) -> &[Token] {
        let all = &self.repaired.tokens;
        let from = all.partition_point(|token| token.start < range.start);
        let to = all.partition_point(|token| token.end <= range.end);
        &all[from..to.max(from)]
    }
}

#[cfg(test)]
mod tests;
