//! Every node against its row of the table: names, arguments, properties, types, blocks, repetition.
//!
//! All errors of shape are given here and only here; the readers stay silent about them.

use std::collections::BTreeMap;

use super::super::diagnostic::{Diagnostic, Report, Severity, Span, Spanned};
use super::super::node::{Node, Origin, Scalar, Value};
use super::super::values::typed::{Typed, convert, describe, plain};
use super::super::{foreign, suggest};
use super::{NodeSpec, RESERVED, SCHEMA, Since, children_in, find_in};

/// Checks every node against the table of the language.
pub fn check(nodes: &[Node], report: &mut Report) {
    check_in(SCHEMA, nodes, report);
}

/// Checks every node against a table.
pub fn check_in(table: &'static [NodeSpec], nodes: &[Node], report: &mut Report) {
    Check { table, report, parent: None, subject: String::new() }.block(nodes);
}

struct Check<'a> {
    table: &'static [NodeSpec],
    report: &'a mut Report,
    parent: Option<&'static NodeSpec>,
    subject: String,
}

impl Check<'_> {
    fn block(&mut self, nodes: &[Node]) {
        let mut seen: BTreeMap<(&str, Origin), Span> = BTreeMap::new();
        for node in nodes {
            let Some(spec) = find_in(self.table, self.parent, &node.name.value) else {
                let finding = self.unknown_node(node);
                self.push(finding);
                continue;
            };
            if spec.since == Since::NotYet {
                self.push(not_yet(node.name.span, &format!("`{}`", spec.name)));
                continue;
            }
            let first = *seen.entry((spec.name, node.origin)).or_insert(node.name.span);
            if !spec.many && first != node.name.span {
                let twice = format!("`{}` is given twice {}", spec.name, self.inside());
                let finding = Diagnostic::error("LB105", node.name.span, twice).label("again here");
                self.push(finding.also(first, "first here").help("keep one of them"));
            }
            self.node(node, spec);
        }
    }

    fn node(&mut self, node: &Node, spec: &'static NodeSpec) {
        let outer = self.subject.len();
        if outer > 0 {
            self.subject.push('/');
        }
        self.subject.push_str(spec.name);
        if let (true, Some(Value { scalar: Scalar::String { text, .. }, secret: false, .. })) =
            (spec.many, node.args.first())
        {
            self.subject.push('/');
            self.subject.push_str(text);
        }
        self.args(node, spec);
        self.props(node, spec);
        if let Some(inner) = &node.children {
            if children_in(self.table, Some(spec)).next().is_some() {
                let Self { table, report, subject, .. } = self;
                Check { table, report, parent: Some(spec), subject: subject.clone() }.block(inner);
            } else if let Some(first) = inner.first() {
                let message = format!("`{}` has no block", spec.name);
                self.push(
                    Diagnostic::error("LB101", first.name.span, message).label("nothing may stand here"),
                );
            }
        }
        self.subject.truncate(outer);
    }

    fn args(&mut self, node: &Node, spec: &'static NodeSpec) {
        for (index, value) in node.args.iter().enumerate() {
            let neighbour = self.names_a_neighbour(value);
            let Some(arg) = spec.arg(index) else {
                let finding = with_separator(too_many(self.table, value, spec), neighbour, value);
                self.push(finding);
                break;
            };
            if value.poisoned {
                continue;
            }
            match convert(value, arg.ty, &format!("`{}`", spec.name)) {
                Err(finding) if self.is_foreign(spec, value) => {
                    let told = foreign::word(spec.name, &plain(&value.scalar)).unwrap_or_default();
                    self.push(Diagnostic {
                        help: vec![told.to_owned()],
                        fixes: Vec::new(),
                        label: None,
                        ..*finding
                    });
                }
                Err(finding) if index > 0 => self.push(with_separator(*finding, neighbour, value)),
                Err(finding) => self.push(*finding),
                // A word of a choice is surely meant: `retry connect timeout`.
                Ok(Typed::Word(_)) => {}
                Ok(_) => {
                    if let (Some(name), true) = (neighbour, index > 0) {
                        let message = format!("`{name}` is also the name of a setting {}", self.inside());
                        let finding = Diagnostic::warning("KDL012", value.span, message)
                            .label(format!("read as a value of `{}`", spec.name))
                            .help("if it is meant as a value, put it in quotes");
                        self.push(with_separator(finding, Some(name), value));
                    }
                }
            }
        }
        let due = spec.args.iter().filter(|arg| !arg.optional).count();
        if let Some(missing) = spec.args.get(node.args.len()).filter(|_| node.args.len() < due) {
            let message = format!("`{}` needs {}: {}", spec.name, missing.name, describe(missing.ty));
            self.push(Diagnostic::error("LB102", node.name.span, message).label("nothing follows"));
        }
    }

    fn props(&mut self, node: &Node, spec: &'static NodeSpec) {
        for (key, value) in &node.props {
            match spec.prop(&key.value) {
                None => {
                    let finding = unknown_prop(self.table, node, spec, key);
                    self.push(finding);
                }
                Some(prop) if prop.since == Since::NotYet => {
                    self.push(not_yet(key.span, &format!("`{}=` on `{}`", prop.name, spec.name)));
                }
                Some(_) if value.poisoned => {}
                Some(prop) => {
                    if let Err(finding) =
                        convert(value, prop.ty, &format!("`{}` of `{}`", prop.name, spec.name))
                    {
                        self.push(*finding);
                    }
                }
            }
        }
    }

    fn unknown_node(&self, node: &Node) -> Diagnostic {
        let name = node.name.value.as_str();
        if self.parent.is_none() && std::ptr::eq(self.table, SCHEMA) && RESERVED.contains(&name) {
            return not_yet(node.name.span, &format!("`{name}`"));
        }
        let error =
            Diagnostic::error("LB101", node.name.span, format!("unknown node `{name}` {}", self.inside()))
                .label("unknown node");
        let here: Vec<&str> = children_in(self.table, self.parent).map(|s| s.name).collect();
        if let Some(parent) = self.parent.filter(|parent| parent.prop(name).is_some()) {
            let value = node.args.first().and_then(|value| match &value.scalar {
                Scalar::String { text, .. } if !value.secret => Some(text.as_str()),
                _ => None,
            });
            let value = value.unwrap_or("…");
            return error.help(format!("`{name}` is a property of `{}`: `{name}={value}`", parent.name));
        }
        if let Some(near) = suggest::closest(name, here.iter().copied()) {
            return error.help(format!("did you mean `{near}`?")).fix(node.name.span, near);
        }
        let homes: Vec<_> = self.table.iter().filter(|s| s.name == name).flat_map(|s| s.parents).collect();
        if homes.is_empty() {
            let Some(told) = foreign::node(name) else {
                return error.help(suggest::help(name, "known here", here));
            };
            let whole = "`lbd import haproxy.cfg` makes a configuration of a whole file";
            return match self.parent.is_none() && foreign::is_haproxy(name) {
                true => error.help(told).help(whole),
                false => error.help(told),
            };
        }
        let homes: Vec<_> = homes
            .iter()
            .map(|home| match **home {
                "root" => "at the top level".to_owned(),
                home => format!("in `{}`", home.split('@').next().unwrap_or(home)),
            })
            .collect();
        error.help(format!("`{name}` stands {}", homes.join(" or ")))
    }

    /// A bare word that is the name of a node allowed beside this one: two settings that ran together.
    fn names_a_neighbour(&self, value: &Value) -> Option<&'static str> {
        match &value.scalar {
            Scalar::String { text, quoted: false, .. } => {
                find_in(self.table, self.parent, text).map(|s| s.name)
            }
            _ => None,
        }
    }

    /// Whether a value is a word that another balancer has in this place.
    fn is_foreign(&self, spec: &NodeSpec, value: &Value) -> bool {
        foreign::word(spec.name, &plain(&value.scalar)).is_some()
    }

    fn inside(&self) -> String {
        self.parent.map_or_else(|| "at the top level".into(), |p| format!("in `{}`", p.name))
    }

    fn push(&mut self, finding: Diagnostic) {
        // What `defaults` and templates give stands in many blocks: it is one mistake, said once.
        let same =
            |f: &Diagnostic| f.span == finding.span && f.code == finding.code && f.message == finding.message;
        if self.report.findings.iter().any(same) {
            return;
        }
        // Of a value in the wrong quotes nothing else is wrong; but so it cannot stay.
        let mut known = self.report.findings.iter_mut();
        if let Some(quotes) = known.find(|f| f.span == finding.span && f.code == "KDL014") {
            quotes.severity = Severity::Error;
            return;
        }
        let subject = (!self.subject.is_empty()).then(|| self.subject.clone());
        self.report.push(Diagnostic { subject: finding.subject.clone().or(subject), ..finding });
    }
}

fn not_yet(span: Span, what: &str) -> Diagnostic {
    Diagnostic::error("LB100", span, format!("{what} is not in this version of lbd"))
        .label("not in this version")
        .help("remove it, or turn it off with `/-` in front")
}

fn unknown_prop(
    table: &'static [NodeSpec],
    node: &Node,
    spec: &NodeSpec,
    key: &Spanned<String>,
) -> Diagnostic {
    let (key, span) = (key.value.as_str(), key.span);
    let error = Diagnostic::error("LB101", span, format!("unknown property `{key}` on `{}`", spec.name))
        .label("unknown property");
    if let Some(told) = foreign::word(spec.name, key) {
        return error.help(told);
    }
    let known: Vec<&str> = spec.props.iter().map(|p| p.name).collect();
    let free = known.iter().copied().filter(|name| !node.props.iter().any(|(k, _)| k.value == *name));
    if let Some(near) = suggest::closest(key, free) {
        return error.help(format!("did you mean `{near}`?")).fix(span, near);
    }
    if find_in(table, Some(spec), key).is_some() {
        return error.help(format!("`{key}` is a node of its own: write it inside `{} {{ }}`", spec.name));
    }
    match known.is_empty() {
        true => error.help(format!("`{}` has no properties", spec.name)),
        false => error.help(suggest::help(key, "properties", known)),
    }
}

fn too_many(table: &'static [NodeSpec], value: &Value, spec: &'static NodeSpec) -> Diagnostic {
    let takes = match spec.args.len() {
        0 => "no argument".to_owned(),
        1 => "one argument".to_owned(),
        n => format!("at most {n} arguments"),
    };
    let finding = Diagnostic::error("LB101", value.span, format!("`{}` takes {takes}", spec.name));
    let finding = finding.label("one too many");
    match &value.scalar {
        Scalar::String { text, .. } if find_in(table, Some(spec), text).is_some() => {
            finding.help(format!("`{text}` stands in its block: `{} {{ {text} …; }}`", spec.name))
        }
        _ => finding,
    }
}

fn with_separator(finding: Diagnostic, neighbour: Option<&str>, value: &Value) -> Diagnostic {
    match neighbour {
        None => finding,
        Some(name) => finding
            .help(format!("`{name}` is a setting of its own: put `;` or a line break before it"))
            .fix(value.span, format!("; {name}")),
    }
}
