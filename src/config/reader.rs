//! Typed reading of one node: a reader asks for what the table says a node has, and gets it as the
//! type that the table gives it.
//!
//! A value that the check refused is reported already, so it reads as absent here; should the check
//! ever have missed one, the reader reports it itself. In tests every key asked for is noted, so that a
//! row of the table that nobody reads is found.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::diagnostic::{Diagnostic, FileId, Place, Report, Severity, Span, Spanned};
use super::model::{Key, ListenAddress, StatusSet, TextMatch};
use super::node::{Node, Origin, Scalar, Value};
use super::resolve::Places;
use super::schema::{self, NodeSpec, Type};
use super::values::typed::{Typed, convert, plain};
use super::values::{ConnectAddress, Rate};

/// What readers share: places, and the findings of this stage.
pub(crate) struct Cx<'a> {
    table: &'static [NodeSpec],
    places: &'a dyn Places,
    known: HashSet<Span>,
    /// Of these, errors.
    refused: Vec<Span>,
    report: RefCell<Report>,
    /// Keys asked for: (row, key); the key is empty for the node itself.
    #[cfg(test)]
    pub(crate) touched: RefCell<HashSet<(*const NodeSpec, &'static str)>>,
}

impl<'a> Cx<'a> {
    /// A context in which nothing was found yet besides what `before` holds.
    pub(crate) fn new(places: &'a dyn Places, before: &Report) -> Self {
        Self::over(schema::SCHEMA, places, before)
    }

    /// The same for nodes of another table.
    pub(crate) fn over(table: &'static [NodeSpec], places: &'a dyn Places, before: &Report) -> Self {
        Self {
            table,
            places,
            known: before.findings.iter().filter_map(|f| f.span).collect(),
            refused: errors(before).collect(),
            report: RefCell::default(),
            #[cfg(test)]
            touched: RefCell::default(),
        }
    }

    /// Adds a finding.
    pub(crate) fn push(&self, finding: Diagnostic) {
        self.report.borrow_mut().push(finding);
    }

    /// Adds a finding, should there be one.
    pub(crate) fn extend(&self, finding: Option<Diagnostic>) {
        self.report.borrow_mut().findings.extend(finding);
    }

    /// Whether this stage found an error.
    pub(crate) fn has_errors(&self) -> bool {
        self.report.borrow().has_errors()
    }

    /// Whether something was found at exactly this place.
    pub(crate) fn is_told(&self, span: Span) -> bool {
        self.known.contains(&span) || self.report.borrow().findings.iter().any(|f| f.span == Some(span))
    }

    /// Whether something within this place was refused.
    pub(crate) fn is_refused_within(&self, outer: Span) -> bool {
        let within = |s: Span| s.file == outer.file && outer.start <= s.start && s.end <= outer.end;
        self.refused.iter().copied().any(within) || errors(&self.report.borrow()).any(within)
    }

    /// Where `span` is, for people.
    pub(crate) fn place(&self, span: Span) -> Place {
        self.places.place(span)
    }

    /// Bytes of memory of the machine, where somebody knows.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.places.memory()
    }

    /// A file named in the file of `span`: relative names start at that file's directory.
    pub(crate) fn file(&self, name: &str, span: Span) -> PathBuf {
        let from = self.places.place(span).file;
        from.parent().map_or_else(|| PathBuf::from(name), |directory| directory.join(name))
    }

    /// The findings of this stage, in the order they were made.
    pub(crate) fn into_findings(self) -> Vec<Diagnostic> {
        self.report.into_inner().findings
    }

    fn typed(&self, value: &Value, ty: Type, on: impl FnOnce() -> String) -> Option<Typed> {
        if value.poisoned {
            return None;
        }
        match convert(value, ty, &on()) {
            Ok(typed) => Some(typed),
            Err(finding) => {
                if finding.span.is_none_or(|span| !self.known.contains(&span)) {
                    self.push(*finding);
                }
                None
            }
        }
    }

    fn touch(&self, spec: &'static NodeSpec, key: &'static str) {
        #[cfg(test)]
        self.touched.borrow_mut().insert((std::ptr::from_ref(spec), key));
        #[cfg(not(test))]
        let _ = (spec, key);
    }
}

/// Where the errors of a report are.
fn errors(report: &Report) -> impl Iterator<Item = Span> {
    report.findings.iter().filter(|f| f.severity == Severity::Error).filter_map(|f| f.span)
}

/// Stands for a node that is not written: everything about it is the default.
static NOTHING: Node = Node {
    name: Spanned { value: String::new(), span: Span { file: FileId(0), start: 0, end: 0 } },
    args: Vec::new(),
    props: Vec::new(),
    children: None,
    span: Span { file: FileId(0), start: 0, end: 0 },
    origin: Origin::Defaults,
};

/// A list of nodes in one block.
#[derive(Clone, Copy)]
pub(crate) struct Block<'n> {
    cx: &'n Cx<'n>,
    parent: Option<&'static NodeSpec>,
    nodes: &'n [Node],
}

impl<'n> Block<'n> {
    /// The top level.
    pub(crate) fn root(cx: &'n Cx<'n>, nodes: &'n [Node]) -> Self {
        Self { cx, parent: None, nodes }
    }

    /// An empty block of a top-level node: everything in it is the default.
    pub(crate) fn empty_in(cx: &'n Cx<'n>, node: &str) -> Self {
        Self { cx, parent: schema::find_in(cx.table, None, node), nodes: &[] }
    }

    /// Adds a finding.
    pub(crate) fn push(self, finding: Diagnostic) {
        self.cx.push(finding);
    }

    /// The nodes as they are.
    pub(crate) fn nodes(self) -> &'n [Node] {
        self.nodes
    }

    /// Whether a node of that name stands here, whatever it says.
    pub(crate) fn holds(self, name: &str) -> bool {
        self.nodes.iter().any(|node| node.name.value == name)
    }

    /// Whether a node here that was refused (its name or its first argument is wrong) may have been meant to
    /// define `name` as a `kind`: then a reference to it is no second mistake.
    pub(crate) fn may_define(self, kind: &str, name: &str) -> bool {
        self.nodes.iter().any(|node| {
            let first = node.args.first();
            let named = || {
                let by_property =
                    node.props.iter().filter(|(key, _)| key.value == "name").map(|(_, value)| value);
                by_property.chain(first).any(|value| plain(&value.scalar) == name)
            };
            match schema::find_in(self.cx.table, self.parent, &node.name.value) {
                None => named(),
                Some(spec) if spec.name == kind => {
                    let unreadable =
                        |value: &Value| spec.arg(0).is_none_or(|a| convert(value, a.ty, "").is_err());
                    first.is_none_or(|value| value.poisoned || unreadable(value))
                }
                Some(_) => false,
            }
        })
    }

    /// Every node of that name, weaker origins first, else in order.
    pub(crate) fn all(self, name: &'static str) -> Vec<Reader<'n>> {
        // Of thousands of routes most hold nothing: then the table is asked only where it is watched whether what is
        // asked for stands there. To read 10,000 of them costs 6 % less.
        if self.nodes.is_empty() && !cfg!(debug_assertions) {
            return Vec::new();
        }
        let Some(spec) = schema::find_in(self.cx.table, self.parent, name) else {
            debug_assert!(false, "`{name}` is asked for where the table does not have it");
            return Vec::new();
        };
        self.cx.touch(spec, "");
        let mut found: Vec<_> = self.nodes.iter().filter(|n| n.name.value == name).collect();
        found.sort_by_key(|n| n.origin);
        found.into_iter().map(|node| Reader { cx: self.cx, spec, node }).collect()
    }

    /// The node of that name from the strongest origin (the first, should there be several).
    pub(crate) fn one(self, name: &'static str) -> Option<Reader<'n>> {
        self.strongest(name).into_iter().next()
    }

    /// The node of that name from the strongest origin, or one about which everything is the default.
    pub(crate) fn one_or_defaults(self, name: &'static str) -> Reader<'n> {
        self.one(name).unwrap_or_else(|| {
            let spec = schema::find_in(self.cx.table, self.parent, name)
                .expect("readers ask for nodes of the table");
            Reader { cx: self.cx, spec, node: &NOTHING }
        })
    }

    /// The nodes of that name from the strongest origin that has any.
    pub(crate) fn strongest(self, name: &'static str) -> Vec<Reader<'n>> {
        let mut all = self.all(name);
        let best = all.last().map_or(Origin::Defaults, |r| r.node.origin);
        all.retain(|r| r.node.origin == best);
        all
    }

    /// Every node, whatever its name, with the row that it has here; weaker origins first.
    pub(crate) fn any(self) -> Vec<Reader<'n>> {
        let row = |node: &'n Node| {
            let spec = schema::find_in(self.cx.table, self.parent, &node.name.value)?;
            self.cx.touch(spec, "");
            Some(Reader { cx: self.cx, spec, node })
        };
        let mut found: Vec<_> = self.nodes.iter().filter_map(row).collect();
        found.sort_by_key(|r| r.node.origin);
        found
    }
}

/// One node with its row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'n> {
    pub(crate) cx: &'n Cx<'n>,
    spec: &'static NodeSpec,
    node: &'n Node,
}

impl<'n> Reader<'n> {
    /// The node's name.
    pub(crate) fn name(self) -> &'static str {
        self.spec.name
    }

    /// The name's place: what findings about the node as a whole point at.
    pub(crate) fn span(self) -> Span {
        self.node.name.span
    }

    /// The place of all of it, its block included.
    pub(crate) fn whole(self) -> Span {
        self.node.span
    }

    /// The node as it is.
    pub(crate) fn node(self) -> &'n Node {
        self.node
    }

    /// The place for people.
    pub(crate) fn place(self) -> Place {
        self.cx.place(self.node.name.span)
    }

    /// Whether it stands in the block itself, not in a template or `defaults`.
    pub(crate) fn is_written(self) -> bool {
        self.node.origin == Origin::Written
    }

    /// How it came here.
    pub(crate) fn origin(self) -> Origin {
        self.node.origin
    }

    /// Its block.
    pub(crate) fn block(self) -> Block<'n> {
        let nodes = self.node.children.as_deref().unwrap_or_default();
        Block { cx: self.cx, parent: Some(self.spec), nodes }
    }

    /// Whether a property is written; where its value stands.
    pub(crate) fn written(self, key: &str) -> Option<Span> {
        self.node.props.iter().find(|(k, _)| k.value == key).map(|(_, value)| value.span)
    }

    /// A property, when it is written and good.
    pub(crate) fn get<T>(self, key: &'static str, pick: fn(Typed) -> Option<T>) -> Option<T> {
        let Some(prop) = self.spec.prop(key) else {
            debug_assert!(false, "`{key}` of `{}` is asked for, the table does not have it", self.spec.name);
            return None;
        };
        self.cx.touch(self.spec, prop.name);
        let value = self.raw(key)?;
        let typed = self.cx.typed(value, prop.ty, || format!("`{key}` of `{}`", self.spec.name))?;
        let picked = pick(typed);
        debug_assert!(
            picked.is_some(),
            "`{key}` of `{}` is read as another type than the table's",
            self.spec.name
        );
        picked
    }

    /// A property: as written, else the default that the table gives it.
    pub(crate) fn value<T>(self, key: &'static str, pick: fn(Typed) -> Option<T>) -> T {
        self.get(key, pick).or_else(|| default_value(self.spec, key).and_then(pick)).expect(DEFAULTS)
    }

    /// A property that is a file, relative to the file that names it.
    pub(crate) fn file(self, key: &'static str) -> Option<Option<PathBuf>> {
        let span = self.written(key);
        let name = self.get(key, Typed::text_off)?;
        Some(name.zip(span).map(|(name, span)| self.cx.file(&name, span)))
    }

    /// The argument at `index`.
    pub(crate) fn arg<T>(self, index: usize, pick: fn(Typed) -> Option<T>) -> Option<Spanned<T>> {
        let arg = self.spec.arg(index)?;
        self.cx.touch(self.spec, arg.name);
        let value = self.node.args.get(index)?;
        let typed = self.cx.typed(value, arg.ty, || format!("`{}`", self.spec.name))?;
        Some(Spanned::new(pick(typed)?, value.span))
    }

    /// Every argument.
    pub(crate) fn args<T>(self, pick: fn(Typed) -> Option<T>) -> Vec<Spanned<T>> {
        (0..self.node.args.len().max(1)).filter_map(|index| self.arg(index, pick)).collect()
    }

    /// Every argument, without its place.
    pub(crate) fn plain_args<T>(self, pick: fn(Typed) -> Option<T>) -> Vec<T> {
        self.args(pick).into_iter().map(|arg| arg.value).collect()
    }

    /// The annotation of the argument at `index`.
    pub(crate) fn annotation(self, index: usize) -> Option<&'n str> {
        self.node.args.get(index)?.ty.as_ref().map(|ty| ty.value.as_str())
    }

    /// The text of the argument at `index`, as it was given.
    pub(crate) fn arg_text(self, index: usize) -> String {
        self.node.args.get(index).map_or_else(String::new, |value| plain(&value.scalar))
    }

    /// Whether its block holds a node of that name, also one that this version refuses.
    pub(crate) fn holds(self, name: &str) -> bool {
        self.node.children.iter().flatten().any(|child| child.name.value == name)
    }

    /// How many arguments are written, good or bad.
    pub(crate) fn arg_count(self) -> usize {
        self.node.args.len()
    }

    /// Refuses properties that mean nothing beside the choice made by `because`.
    pub(crate) fn refuse(self, keys: &[&str], because: &str) {
        for (key, _) in self.node.props.iter().filter(|(key, _)| keys.contains(&key.value.as_str())) {
            let message = format!("`{}` means nothing with {because}", key.value);
            self.cx
                .push(Diagnostic::error("LB101", key.span, message).label("has no effect").help("remove it"));
        }
    }

    fn raw(self, key: &str) -> Option<&'n Value> {
        self.node.props.iter().find(|(k, _)| k.value == key).map(|(_, value)| value)
    }
}

/// What the table's default for `key` says, as its type.
pub(crate) fn default_value(spec: &NodeSpec, key: &str) -> Option<Typed> {
    let prop = spec.prop(key)?;
    let scalar = Scalar::String { text: prop.default.into(), quoted: true, expanded: true };
    let value =
        Value { scalar, ty: None, span: NOTHING.span, poisoned: false, secret: false, from_env: false };
    convert(&value, prop.ty, key).ok()
}

/// The invariant behind [`Reader::value`], kept by a test of the table.
const DEFAULTS: &str = "a default that is read has the type of its row";

macro_rules! pick {
    ($(#[$doc:meta] $name:ident: $variant:ident => $type:ty;)*) => {
        $(#[$doc] pub(crate) fn $name(self) -> Option<$type> {
            match self { Typed::$variant(value) => Some(value), _ => None }
        })*
    };
}

/// What readers ask a value to be.
impl Typed {
    pick! {
        /// A boolean.
        bool: Bool => bool;
        /// A duration or `off`.
        time_off: Duration => Option<Duration>;
        /// A size or `off`.
        size_off: Size => Option<u64>;
        /// A share or `off`.
        percent_off: Percent => Option<f64>;
        /// Statuses.
        statuses: Status => StatusSet;
        /// A rate.
        rate: Rate => Rate;
        /// A network.
        network: Cidr => IpNet;
        /// An address to listen on.
        address: Address => ListenAddress;
        /// An address to connect to.
        upstream: Upstream => ConnectAddress;
        /// A key.
        key: Key => Key;
        /// A file mode.
        mode: Mode => u32;
        /// A text to compare with.
        text_match: Match => TextMatch;
        /// A word of a choice.
        word: Word => &'static str;
        /// A string or `off`.
        text_off: Text => Option<String>;
    }

    /// A string.
    pub(crate) fn text(self) -> Option<String> {
        self.text_off().flatten()
    }

    /// A duration.
    pub(crate) fn time(self) -> Option<Duration> {
        self.time_off().flatten()
    }

    /// A share in percent.
    pub(crate) fn percent(self) -> Option<f64> {
        self.percent_off().flatten()
    }

    /// A whole number; the table's bounds keep it within `T`.
    pub(crate) fn int<T: TryFrom<i64>>(self) -> Option<T> {
        self.int_off().flatten()
    }

    /// A whole number or `off`.
    pub(crate) fn int_off<T: TryFrom<i64>>(self) -> Option<Option<T>> {
        match self {
            Typed::Int(None) => Some(None),
            Typed::Int(Some(n)) => T::try_from(n).ok().map(Some),
            _ => None,
        }
    }
}
