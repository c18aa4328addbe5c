//! A part of the model as settings: paths like `drain close-rate count`, each with its value in words.
//!
//! Read off the pretty form of `derive(Debug)`, which every part of the model has: a setting that is added to
//! the model is in every difference from that day, and none can be forgotten here. What may hold a secret (the
//! value of a header, a body) is compared and never shown.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use crate::config::values::show_duration;

/// Fields that say where something was written, or whether it is shown.
const PLACES: [&str; 3] = ["place", "span", "secret"];
/// Fields whose values are compared and not shown: they may have been read from a secret's file.
const HIDDEN: [&str; 4] = ["value", "headers", "body", "token"];

/// A value: as it is shown, and as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text {
    pub(super) shown: String,
    exact: String,
}

/// What a setting is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    One(Text),
    /// In their order.
    Many(Vec<Text>),
}

impl Value {
    /// Whether it says that there is nothing.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::One(text) if text.shown == "none")
    }

    /// In one line; `None` for nothing.
    pub(super) fn shown(&self) -> Option<String> {
        match self {
            Self::One(text) => Some(text.shown.clone()),
            Self::Many(list) if list.is_empty() => None,
            Self::Many(list) => Some(Self::line(list)),
        }
    }

    /// A list in one line.
    pub(super) fn line(list: &[Text]) -> String {
        list.iter().map(|text| text.shown.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Settings by their paths.
pub(super) type Settings = BTreeMap<String, Value>;

/// The settings of `part`, without its fields of these names.
pub(super) fn settings(part: &impl Debug, without: &[&str]) -> Settings {
    let text = format!("{part:#?}");
    let mut lines = text.lines().map(|line| line.trim().trim_end_matches(','));
    let mut settings = Settings::new();
    if let Some(line) = lines.next() {
        let mut tree = parse(line, &mut lines);
        tree.fields.retain(|(label, _)| !without.contains(&label.as_str()));
        flatten(&tree, String::new(), &mut settings);
    }
    settings
}

/// One value of the pretty form: a leaf has neither fields nor an opening bracket.
struct Tree {
    /// The type's or variant's name, or the leaf as it stands.
    name: String,
    open: Option<char>,
    /// What is inside; without a label in tuples and lists.
    fields: Vec<(String, Tree)>,
}

/// Nesting is that of the model's types, which do not contain themselves.
fn parse<'t>(text: &str, rest: &mut impl Iterator<Item = &'t str>) -> Tree {
    let open = text.chars().next_back().filter(|last| matches!(last, '{' | '(' | '['));
    let Some(bracket) = open else { return Tree { name: text.to_owned(), open: None, fields: Vec::new() } };
    let name = text[..text.len() - bracket.len_utf8()].trim().to_owned();
    let mut fields = Vec::new();
    while let Some(line) = rest.next().filter(|line| !matches!(*line, "}" | ")" | "]")) {
        let (label, value) = label(line);
        fields.push((label.to_owned(), parse(value, rest)));
    }
    Tree { name, open, fields }
}

/// `field: value` or `"key": value`, taken apart.
fn label(line: &str) -> (&str, &str) {
    let is_label = |text: &str| {
        let quoted = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
        quoted
            || (!text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()))
    };
    match line.split_once(": ") {
        Some((label, value)) if is_label(label) => (label.trim_matches('"'), value),
        _ => ("", line),
    }
}

fn flatten(tree: &Tree, path: String, out: &mut Settings) {
    match (tree.open, tree.fields.as_slice()) {
        (Some('('), [(_, inner)]) if tree.name == "Some" => flatten(inner, path, out),
        // A variant around a struct is told by its name, and the struct's fields are its own.
        (Some('('), [(_, inner)]) if inner.open == Some('{') => {
            out.insert(path.clone(), Value::One(plain(kebab(&tree.name))));
            within(inner, &path, out);
        }
        (Some('{'), _) if !tree.name.is_empty() => {
            if !path.is_empty() {
                out.insert(path.clone(), Value::One(plain(kebab(&tree.name))));
            }
            within(tree, &path, out);
        }
        (Some('[' | '{'), fields) => {
            let element = |(label, inner): &(String, Tree)| {
                let text = compact(inner);
                if label.is_empty() { text } else { join(&[plain(label.clone()), text], " ") }
            };
            out.insert(path, Value::Many(fields.iter().map(element).collect()));
        }
        _ => drop(out.insert(path, Value::One(compact(tree)))),
    }
}

fn within(tree: &Tree, path: &str, out: &mut Settings) {
    for (label, inner) in tree.fields.iter().filter(|(label, _)| !PLACES.contains(&label.as_str())) {
        let name = kebab(label);
        let path = if path.is_empty() { name } else { format!("{path} {name}") };
        if HIDDEN.contains(&label.as_str()) {
            out.insert(path, Value::One(hidden(inner)));
        } else {
            flatten(inner, path, out);
        }
    }
}

/// A value in one line.
fn compact(tree: &Tree) -> Text {
    let inside = || -> Vec<Text> {
        let shown = tree.fields.iter().filter(|(label, inner)| {
            !PLACES.contains(&label.as_str()) && (inner.open.is_some() || inner.name != "None")
        });
        shown
            .map(|(label, inner)| match label.as_str() {
                "" | "name" => compact(inner),
                hides if HIDDEN.contains(&hides) => hidden(inner),
                label => join(&[plain(kebab(label)), compact(inner)], " "),
            })
            .collect()
    };
    match tree.open {
        None => plain(word(&tree.name)),
        Some('[') => join(&inside(), ","),
        Some('(') if matches!(tree.name.as_str(), "Some" | "") => join(&inside(), " "),
        Some(_) => {
            let mut parts = inside();
            if !tree.name.is_empty() {
                parts.insert(0, plain(kebab(&tree.name)));
            }
            join(&parts, " ")
        }
    }
}

fn hidden(tree: &Tree) -> Text {
    fn exact(tree: &Tree, out: &mut String) {
        out.push_str(&tree.name);
        out.extend(tree.open);
        tree.fields.iter().for_each(|(label, inner)| {
            out.push_str(label);
            exact(inner, out);
            out.push(',');
        });
    }
    let mut text = Text { shown: "(not shown)".to_owned(), exact: String::new() };
    exact(tree, &mut text.exact);
    text
}

fn plain(text: String) -> Text {
    Text { exact: text.clone(), shown: text }
}

fn join(parts: &[Text], by: &str) -> Text {
    let all = |of: fn(&Text) -> &str| parts.iter().map(of).collect::<Vec<_>>().join(by);
    Text { shown: all(|text| &text.shown), exact: all(|text| &text.exact) }
}

/// A leaf as the file would say it.
fn word(leaf: &str) -> String {
    if let Some(text) = leaf.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return text.replace("\\\"", "\"").replace("\\\\", "\\");
    }
    if let Some(time) = time(leaf) {
        return show_duration(time);
    }
    let is_name = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    match leaf.strip_suffix(')').and_then(|leaf| leaf.split_once('(')) {
        // How a pattern is told: the common kind without its name.
        Some(("Prefix", text)) => text.to_owned(),
        Some((kind, text)) if is_name(kind) => format!("({}){text}", kebab(kind)),
        _ if is_name(leaf) => kebab(leaf),
        _ => leaf.to_owned(),
    }
}

/// `1.5s`, as `Duration` tells itself.
fn time(leaf: &str) -> Option<Duration> {
    let (number, unit) = leaf.split_at(leaf.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let seconds: f64 = number.parse().ok()?;
    match unit {
        "s" => Duration::try_from_secs_f64(seconds).ok(),
        "ms" => Duration::try_from_secs_f64(seconds / 1000.0).ok(),
        _ => None,
    }
}

/// `LeastRequests` and `close_rate` as the file writes them.
fn kebab(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for (at, letter) in name.chars().enumerate() {
        if letter == '_' {
            out.push('-');
        } else {
            if letter.is_ascii_uppercase() && at > 0 {
                out.push('-');
            }
            out.push(letter.to_ascii_lowercase());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    #[allow(dead_code, reason = "read through their debug form")]
    enum Kind {
        Plain,
        Named(&'static str),
        Edit { name: &'static str, value: Vec<&'static str> },
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "read through their debug form")]
    struct Inner {
        close_rate: u32,
        span: u32,
    }

    #[derive(Debug)]
    #[allow(dead_code, reason = "read through their debug form")]
    struct Outer {
        name: &'static str,
        kind: Kind,
        time: Duration,
        none: Option<u32>,
        some: Option<Inner>,
        list: Vec<Kind>,
        map: BTreeMap<&'static str, Kind>,
        text: &'static str,
    }

    #[test]
    fn every_shape_has_a_path_and_words() {
        let outer = Outer {
            name: "x",
            kind: Kind::Plain,
            time: Duration::from_millis(90_500),
            none: None,
            some: Some(Inner { close_rate: 5, span: 7 }),
            list: vec![Kind::Named("b: {"), Kind::Edit { name: "x-key", value: vec!["secret"] }],
            map: [("ann", Kind::Plain)].into(),
            text: "a \"word\" and {",
        };
        let all = settings(&outer, &["name"]);
        let shown = |path: &str| match &all[path] {
            Value::One(text) => text.shown.clone(),
            Value::Many(list) => list.iter().map(|text| text.shown.as_str()).collect::<Vec<_>>().join(" | "),
        };
        assert_eq!(shown("kind"), "plain");
        assert_eq!(shown("time"), "1m30s500ms");
        assert_eq!(shown("none"), "none");
        assert_eq!((shown("some"), shown("some close-rate")), ("inner".into(), "5".into()));
        assert_eq!(shown("list"), "named b: { | edit x-key (not shown)");
        assert_eq!(shown("map"), "ann plain");
        assert_eq!(shown("text"), "a \"word\" and {");
        assert_eq!(all.len(), 8, "{all:?}");
        assert!(!all.contains_key("name") && !all.contains_key("some span"));
    }

    #[test]
    fn what_is_hidden_is_compared() {
        let edit = |value| settings(&vec![Kind::Edit { name: "a", value: vec![value] }], &[]);
        assert_ne!(edit("one"), edit("two"));
        assert!(!format!("{:?}", edit("one")[""]).contains("shown: \"edit a one"));
    }
}
