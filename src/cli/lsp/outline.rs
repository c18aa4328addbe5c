//! A text as an editor sees it: nodes with their places, also while it is half typed.
//!
//! Made of tokens alone, so that it never fails; what a node means comes from the schema by the nodes around it.

use std::ops::Range;

use crate::config::lexer::{self, Kind, Token};
use crate::config::schema::{self, ArgSpec, NodeSpec, PropSpec};

/// The nodes of one text, in order; parents come before their children.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) items: Vec<Item>,
}

/// One node.
#[derive(Debug)]
pub(super) struct Item {
    /// The node that it stands in.
    pub(super) parent: Option<usize>,
    pub(super) name: Range<usize>,
    pub(super) args: Vec<Range<usize>>,
    pub(super) props: Vec<Prop>,
    /// Between its braces; to the end of the text while they are open.
    pub(super) body: Option<Range<usize>>,
    /// From its name to its end.
    pub(super) whole: Range<usize>,
    /// What the schema says of it; a template may hold anything.
    pub(super) spec: Option<&'static NodeSpec>,
}

/// A property; the value is empty while it is not typed yet.
#[derive(Debug)]
pub(super) struct Prop {
    pub(super) key: Range<usize>,
    pub(super) value: Range<usize>,
}

/// What stands, or would be typed, at a place.
#[derive(Debug)]
pub(super) enum Spot<'a> {
    /// The name of a node inside this one (`None`: at the top level).
    Name(Option<&'a Item>),
    /// A property's name, or the next argument, of this node.
    Entry(&'a Item, Option<&'static ArgSpec>),
    /// A property's value.
    Value(Option<&'static PropSpec>),
}

impl Outline {
    pub(super) fn of(text: &str) -> Self {
        let mut reading = Reading { text, items: Vec::new(), open: Vec::new(), current: None };
        let mut tokens = lexer::lex(text).into_iter().filter(|token| token.kind != Kind::Space).peekable();
        while let Some(token) = tokens.next() {
            match token.kind {
                Kind::TypeOpen => {
                    while tokens.next_if(|t| t.kind != Kind::TypeClose && t.kind != Kind::Newline).is_some() {
                    }
                    tokens.next_if(|t| t.kind == Kind::TypeClose);
                }
                Kind::Newline | Kind::Semicolon => reading.end_node(token.start),
                Kind::Open => reading.open_body(token),
                Kind::Close => reading.close_body(token),
                kind if kind.is_value() => {
                    let key = tokens.next_if(|t| t.kind == Kind::Equals);
                    let value = key.map(|equals| {
                        tokens.next_if(|t| t.kind.is_value()).map_or(equals.end..equals.end, Token::range)
                    });
                    reading.word(token.range(), value);
                }
                _ => {}
            }
        }
        reading.end_node(text.len());
        for item in std::mem::take(&mut reading.open) {
            reading.items[item].whole.end = text.len();
        }
        Self { items: reading.items }
    }

    /// The innermost node whose text, from its name to its end, holds `at`.
    pub(super) fn item_at(&self, at: usize) -> Option<&Item> {
        self.items.iter().rev().find(|item| item.whole.start <= at && at <= item.whole.end)
    }

    /// What would be typed at `at`.
    pub(super) fn spot(&self, text: &str, at: usize) -> Option<Spot<'_>> {
        let tokens = lexer::lex(text);
        let inside = |token: &&Token| token.start < at && at < token.end;
        if tokens.iter().find(inside).is_some_and(|token| {
            token.kind.is_trivia() && !matches!(token.kind, Kind::Space | Kind::Newline | Kind::Continuation)
        }) {
            return None;
        }
        let holder = self
            .items
            .iter()
            .rev()
            .find(|item| item.body.as_ref().is_some_and(|body| body.start <= at && at <= body.end));
        // The node of this line, when the place is behind its name and before its block.
        let on_line = self.items.iter().rev().find(|item| {
            let end = item.body.as_ref().map_or(item.whole.end, |body| body.start.saturating_sub(1));
            item.name.start <= at
                && at <= end
                && holder.is_none_or(|holder| holder.whole.start < item.name.start)
        });
        let Some(item) = on_line.filter(|item| at > item.name.end) else {
            return Some(Spot::Name(holder));
        };
        if let Some(prop) = item.props.iter().find(|prop| prop.key.end < at && at <= prop.value.end) {
            let key = &text[prop.key.clone()];
            return Some(Spot::Value(item.spec.and_then(|spec| spec.prop(key))));
        }
        let before = item.args.iter().filter(|arg| arg.end < at).count();
        Some(Spot::Entry(item, item.spec.and_then(|spec| spec.arg(before))))
    }

    /// The name of a node's parent chain, outermost first: `pool platform`, `server tw1`.
    pub(super) fn title(&self, text: &str, item: &Item) -> String {
        let mut title = text[item.name.clone()].to_owned();
        for arg in &item.args {
            title.push(' ');
            title.push_str(bare(&text[arg.clone()]));
        }
        title
    }
}

struct Reading<'a> {
    text: &'a str,
    items: Vec<Item>,
    /// Nodes whose block is open, the innermost last.
    open: Vec<usize>,
    /// The node whose entries are read.
    current: Option<usize>,
}

impl Reading<'_> {
    fn word(&mut self, word: Range<usize>, value: Option<Range<usize>>) {
        match (self.current, value) {
            (None, _) => {
                let parent = self.open.last().copied();
                let spec = self.spec(parent, bare(&self.text[word.clone()]));
                let whole = word.clone();
                let (args, props) = (Vec::new(), Vec::new());
                self.items.push(Item { parent, name: word, args, props, body: None, whole, spec });
                self.current = Some(self.items.len() - 1);
            }
            (Some(item), Some(value)) => {
                self.items[item].whole.end = value.end;
                self.items[item].props.push(Prop { key: word, value });
            }
            (Some(item), None) => {
                self.items[item].whole.end = word.end;
                self.items[item].args.push(word);
            }
        }
    }

    fn spec(&self, parent: Option<usize>, name: &str) -> Option<&'static NodeSpec> {
        let Some(parent) = parent.map(|at| &self.items[at]) else { return schema::find(None, name) };
        match parent.spec {
            // What is spliced elsewhere is judged there.
            Some(spec) if matches!(spec.name, "template" | "defaults") => {
                schema::SCHEMA.iter().find(|spec| spec.name == name)
            }
            Some(spec) => schema::find(Some(spec), name),
            None => None,
        }
    }

    fn end_node(&mut self, at: usize) {
        if let Some(item) = self.current.take()
            && self.items[item].body.is_none()
        {
            self.items[item].whole.end = at;
        }
    }

    fn open_body(&mut self, brace: Token) {
        let Some(item) = self.current.take() else { return };
        self.items[item].body = Some(brace.end..self.text.len());
        self.items[item].whole.end = self.text.len();
        self.open.push(item);
    }

    fn close_body(&mut self, brace: Token) {
        self.end_node(brace.start);
        if let Some(item) = self.open.pop() {
            let item = &mut self.items[item];
            if let Some(body) = &mut item.body {
                body.end = brace.start;
            }
            item.whole.end = brace.end;
        }
    }
}

/// A value without the quotes around it. Names hold nothing that would be escaped.
pub(super) fn bare(text: &str) -> &str {
    text.trim_matches('#').trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "pool web {\n  server a \"127.0.0.1:1\" weight=5\n  balance \n  sticky cookie \
                        same-site=\n}\nroute \"/\" pool=we";

    fn spot(marker: &str) -> String {
        let at = TEXT.find(marker).unwrap() + marker.len();
        let outline = Outline::of(TEXT);
        let name = |item: &Item| TEXT[item.name.clone()].to_owned();
        match outline.spot(TEXT, at) {
            None => "nothing".into(),
            Some(Spot::Name(parent)) => format!("name in {}", parent.map_or("top".into(), name)),
            Some(Spot::Entry(item, arg)) => {
                format!("entry of {} {}", name(item), arg.map_or("-", |arg| arg.name))
            }
            Some(Spot::Value(prop)) => format!("value of {}", prop.map_or("-", |p| p.name)),
        }
    }

    #[test]
    fn a_place_is_known_while_its_line_is_half_typed() {
        assert_eq!(spot("po"), "name in top");
        assert_eq!(spot("web {\n  se"), "name in pool");
        assert_eq!(spot("weight="), "value of weight");
        assert_eq!(spot("  balance "), "entry of balance policy");
        assert_eq!(spot("same-site="), "value of same-site");
        assert_eq!(spot("pool=we"), "value of pool");
        assert_eq!(spot("sticky cookie "), "entry of sticky -");
    }

    #[test]
    fn no_text_is_too_broken() {
        for broken in
            ["{", "}}}", "pool {", "a=", "a =b", "(x", "/- {", "\"", "pool \"x\n {", "#", "=", ";;{};"]
        {
            let outline = Outline::of(broken);
            for at in 0..=broken.len() {
                let _ = outline.spot(broken, at);
                let _ = outline.item_at(at);
            }
        }
    }
}
