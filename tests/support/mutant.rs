//! A configuration in which one setting is left out, so that a test can be shown to notice it.
//!
//! With `LBD_IGNORE=KEY` in the environment every text that a test runs loses that setting; with `LBD_KEYS=DIR` the
//! settings that each test writes are noted there. A key is `pool/queue.size` for a property, `pool/queue` for a
//! node, `pool/balance=p2c` for one word of a choice (it becomes another one). What cannot be left out is heeded no
//! more in another way: `KEY:=VALUE` gives the property, or the node's last argument, that value; `KEY::NODE` puts
//! this node in the place of the node; `KEY::last` leaves out only the last of several nodes.

use std::collections::BTreeSet;
use std::io::Write as _;

use kdl::{KdlDocument, KdlEntry, KdlNode, KdlValue};
use lbd::config::schema::{self, NodeSpec, SCHEMA, Since, Type};
use lbd::config::{self, source::FsLoader};

/// What a test says it changed, on standard error.
pub(crate) const CHANGED: &str = "mutant: changed";
/// That the text without the setting is no configuration.
pub(crate) const REFUSED: &str = "mutant: refused";

/// The text as a test shall run it: as it is, unless a setting is to be ignored.
pub(crate) fn text(text: String) -> String {
    if let Some(folder) = std::env::var_os("LBD_KEYS") {
        note(&text, std::path::Path::new(&folder));
    }
    let Ok(key) = std::env::var("LBD_IGNORE") else { return text };
    // A text that is wrong on purpose stays as it is.
    let Ok(mut document) = KdlDocument::parse_v2(&text) else { return text };
    if !Mutant::new(&key).block(&mut document, Place::TOP) {
        return text;
    }
    let mutant = document.to_string();
    eprintln!("{CHANGED}");
    if loads(&text) && !loads(&mutant) {
        eprintln!("{REFUSED}");
    }
    mutant
}

fn loads(text: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lbd.kdl");
    std::fs::write(&path, text).unwrap();
    config::load(&path, &FsLoader).model.is_some()
}

fn note(text: &str, folder: &std::path::Path) {
    let Ok(document) = KdlDocument::parse_v2(text) else { return };
    let mut keys = BTreeSet::new();
    collect(&document, Place::TOP, &mut keys);
    let thread = std::thread::current();
    let file = folder.join(thread.name().unwrap_or("main"));
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(file).unwrap();
    for key in keys {
        writeln!(file, "{key}").unwrap();
    }
}

/// Where a node stands.
#[derive(Clone, Copy)]
struct Place {
    row: Option<&'static NodeSpec>,
    /// In a template, whose nodes may stand anywhere.
    anywhere: bool,
}

impl Place {
    const TOP: Self = Self { row: None, anywhere: false };

    fn row_of(self, node: &KdlNode) -> Option<&'static NodeSpec> {
        let name = node.name().value();
        let here = schema::find(self.row, name);
        here.or_else(|| SCHEMA.iter().find(|row| self.anywhere && row.name == name))
    }

    fn inside(self, row: &'static NodeSpec) -> Self {
        match row.name {
            "defaults" => Self::TOP,
            "template" => Self { row: None, anywhere: true },
            _ => Self { row: Some(row), anywhere: self.anywhere },
        }
    }

    /// `pool/queue`: the node of this row in this place.
    fn key(self, row: &NodeSpec) -> String {
        let outer = self.row.map_or("root", |outer| outer.name);
        let parent = row.parents.iter().find(|parent| parent.split('@').next() == Some(outer));
        format!("{}/{}", parent.unwrap_or(&row.parents[0]), row.name)
    }
}

/// A row's own name, whatever the place.
fn name(row: &NodeSpec) -> String {
    format!("{}/{}", row.parents[0], row.name)
}

/// Every key of the table that this version has.
pub(crate) fn keys() -> Vec<String> {
    let mut keys = Vec::new();
    for row in SCHEMA.iter().filter(|row| row.since == Since::Implemented) {
        keys.extend(row.parents.iter().map(|parent| format!("{parent}/{}", row.name)));
        for arg in row.args {
            keys.extend(words(arg.ty).iter().map(|word| format!("{}={word}", name(row))));
        }
        for prop in row.props.iter().filter(|prop| prop.since == Since::Implemented) {
            let key = format!("{}.{}", name(row), prop.name);
            keys.extend(words(prop.ty).iter().map(|word| format!("{key}={word}")));
            keys.push(key);
        }
    }
    keys
}

/// The words of a choice that leaves one.
fn words(ty: Type) -> &'static [&'static str] {
    match ty {
        Type::Choice { now, .. } if now.len() > 1 => now,
        _ => &[],
    }
}

fn collect(document: &KdlDocument, place: Place, keys: &mut BTreeSet<String>) {
    for node in document.nodes() {
        let Some(row) = place.row_of(node) else { continue };
        keys.insert(place.key(row));
        for entry in node.entries() {
            let word = written(entry);
            match entry.name() {
                Some(key) => {
                    keys.insert(format!("{}.{}", name(row), key.value()));
                    keys.insert(format!("{}.{}={word}", name(row), key.value()));
                }
                None => drop(keys.insert(format!("{}={word}", name(row)))),
            }
        }
        if let Some(inner) = node.children() {
            collect(inner, place.inside(row), keys);
        }
    }
}

/// A word, which may look like a number: `301`, `1.2`.
fn written(entry: &KdlEntry) -> String {
    let value = entry.value();
    value.as_string().map_or_else(|| value.to_string(), str::to_owned)
}

/// One setting, to be ignored.
struct Mutant<'k> {
    node: &'k str,
    property: Option<&'k str>,
    word: Option<&'k str>,
    instead: Instead<'k>,
}

/// What is there instead of it.
enum Instead<'k> {
    Nothing,
    Value(&'k str),
    Node(Box<KdlNode>),
    /// All but the last of several nodes.
    AllButOne,
}

impl<'k> Instead<'k> {
    fn split(key: &'k str) -> (&'k str, Self) {
        if let Some((key, value)) = key.split_once(":=") {
            return (key, Self::Value(value));
        }
        match key.split_once("::") {
            None => (key, Self::Nothing),
            Some((key, "last")) => (key, Self::AllButOne),
            Some((key, node)) => {
                let parsed = KdlDocument::parse_v2(&format!("{node}\n")).expect("what stands instead is KDL");
                (key, Self::Node(Box::new(parsed.nodes()[0].clone())))
            }
        }
    }
}

impl<'k> Mutant<'k> {
    fn new(key: &'k str) -> Self {
        let (key, instead) = Instead::split(key);
        let (key, word) = key.split_once('=').map_or((key, None), |(key, word)| (key, Some(word)));
        let (node, property) =
            key.split_once('.').map_or((key, None), |(node, property)| (node, Some(property)));
        Self { node, property, word, instead }
    }

    /// Whether anything was changed.
    fn block(&self, document: &mut KdlDocument, place: Place) -> bool {
        let mut changed = self.nodes(document, place);
        for node in document.nodes_mut() {
            let Some(row) = place.row_of(node) else { continue };
            let by_value = !self.is_whole() || matches!(self.instead, Instead::Value(_));
            if by_value && !matches!(self.instead, Instead::Node(_)) && self.means(place, row) {
                changed |= self.entries(node, row);
            }
            if let Some(inner) = node.children_mut() {
                changed |= self.block(inner, place.inside(row));
            }
        }
        changed
    }

    fn is_whole(&self) -> bool {
        self.property.is_none() && self.word.is_none()
    }

    fn means(&self, place: Place, row: &NodeSpec) -> bool {
        self.node == if self.is_whole() { place.key(row) } else { name(row) }
    }

    /// Leaves nodes out, or puts another in their place.
    fn nodes(&self, document: &mut KdlDocument, place: Place) -> bool {
        let is_it = |node: &KdlNode| {
            let means = place.row_of(node).is_some_and(|row| self.means(place, row));
            means && (self.is_whole() || self.entry(node).is_some())
        };
        let nodes = document.nodes_mut();
        let found: Vec<usize> = (0..nodes.len()).filter(|at| is_it(&nodes[*at])).collect();
        let gone = match &self.instead {
            Instead::Nothing if self.is_whole() => &found[..],
            Instead::AllButOne if found.len() > 1 => &found[found.len() - 1..],
            Instead::Node(other) => {
                for at in &found {
                    nodes[*at] = KdlNode::clone(other);
                }
                return !found.is_empty();
            }
            _ => return false,
        };
        for at in gone.iter().rev() {
            nodes.remove(*at);
        }
        !gone.is_empty()
    }

    /// The entry that the key names: the property, the word, or the last argument.
    fn entry(&self, node: &KdlNode) -> Option<usize> {
        node.entries().iter().rposition(|entry| {
            entry.name().map(|name| name.value()) == self.property
                && self.word.is_none_or(|word| written(entry) == word)
        })
    }

    fn entries(&self, node: &mut KdlNode, row: &NodeSpec) -> bool {
        let taken: Vec<String> = node.entries().iter().map(written).collect();
        let Some(at) = self.entry(node) else { return false };
        let other = match (&self.instead, self.word) {
            (Instead::Value(value), _) => Some(*value),
            (_, Some(word)) => other_word(row, self.property, word, &taken),
            (_, None) => None,
        };
        let Some(other) = other else {
            node.entries_mut().remove(at);
            return true;
        };
        let entry = &mut node.entries_mut()[at];
        entry.set_value(match (other, other.parse::<i128>()) {
            ("#true" | "#false", _) => KdlValue::Bool(other == "#true"),
            (_, Ok(number)) => KdlValue::Integer(number),
            _ => KdlValue::String(other.to_owned()),
        });
        entry.clear_format();
        true
    }
}

/// What stands for `word` when that is ignored: the default, or else another word that is not there yet.
fn other_word(row: &NodeSpec, property: Option<&str>, word: &str, taken: &[String]) -> Option<&'static str> {
    let (now, default) = match property.and_then(|name| row.prop(name)) {
        Some(prop) => (words(prop.ty), prop.default),
        None => (words(row.args[0].ty), ""),
    };
    let free = |other: &&&str| **other != word && !taken.iter().any(|taken| taken == **other);
    let of_default = now.iter().find(|other| **other == default && **other != word);
    of_default.or_else(|| now.iter().find(free)).copied()
}
