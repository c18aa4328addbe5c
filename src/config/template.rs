//! `let`, `template`, `use` and `defaults`: what was written once, to every place where it counts.
//!
//! Splicing is hygienic: a template's body sees its own parameters and the `let`s, nothing of the place where it
//! is used. All nodes are delivered, each with its [`Origin`]; which of two single-valued ones counts is
//! decided where they are read.

use std::collections::BTreeMap;

use super::diagnostic::{Diagnostic, Report, Severity, Spanned};
use super::expand::{Expander, Scope};
use super::node::{Node, Origin, Scalar, Value};
use super::source::{Loader, Sources};
use super::suggest;

/// Most nodes that templates may make, over the whole file set.
const MAX_SPLICED: usize = 200_000;
/// Where `use` may stand.
const USERS: [&str; 5] = ["listen", "pool", "root", "route", "site"];
/// What `defaults` is about.
const DEFAULTED: [&str; 4] = ["listen", "pool", "route", "site"];
/// The root's name as a parent.
const ROOT: &str = "root";

/// Takes the nodes of all files, and gives those that mean something.
pub(super) fn splice(
    nodes: Vec<Node>,
    loader: &dyn Loader,
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<Node> {
    let mut splicer = Splicer {
        expander: Expander::new(loader, sources, report),
        templates: BTreeMap::new(),
        open: Vec::new(),
        spliced: 0,
    };
    let mut defaults = Vec::new();
    let mut rest = Vec::new();
    for node in nodes {
        match &*node.name.value {
            "let" => splicer.define_let(&node),
            "template" => splicer.define_template(node),
            "defaults" => defaults.push(node),
            _ => rest.push(node),
        }
    }
    let mut nodes = splicer.nodes(&rest, ROOT, Origin::Written);
    let defaults = splicer.defaults(&defaults);
    apply(&defaults, &mut nodes, ROOT);
    splicer.unused();
    nodes
}

/// A `template`.
#[derive(Debug)]
struct Template {
    name: Spanned<String>,
    /// Parameters; `Null` is one that has no default.
    params: Vec<(Spanned<String>, Value)>,
    body: Vec<Node>,
    used: bool,
}

impl Template {
    /// Whether a parameter is declared, or only spoken of in the body.
    fn knows(&self, param: &str) -> bool {
        let reference = format!("${{{param}}}");
        self.params.iter().any(|(key, _)| key.value == param) || mentions(&self.body, &reference)
    }
}

struct Splicer<'a> {
    expander: Expander<'a>,
    templates: BTreeMap<String, Template>,
    /// The templates being spliced, outermost first.
    open: Vec<String>,
    spliced: usize,
}

impl Splicer<'_> {
    fn define_let(&mut self, node: &Node) {
        let Some(name) = self.identity(node, "let NAME \"value\"") else { return };
        let [_, value] = &node.args[..] else {
            let finding = match node.args.get(2) {
                Some(extra) => Diagnostic::error("LB101", extra.span, "`let` takes one value")
                    .label("one value too many"),
                None => Diagnostic::error("LB102", node.span, format!("`let {}` has no value", name.value))
                    .label("a value is missing"),
            };
            return self.push(finding.help("write `let NAME \"value\"`"));
        };
        self.refuse_props(node);
        self.refuse_block(node);
        self.refuse_type(value);
        if let Some(first) = self.expander.define(&name, value.clone()) {
            let finding =
                Diagnostic::error("LB105", name.span, format!("`let {}` is given twice", name.value));
            self.push(finding.label("given again").also(first, "first given here"));
        }
    }

    fn define_template(&mut self, node: Node) {
        let Some(name) = self.identity(&node, "template NAME { … }") else { return };
        if let Some(extra) = node.args.get(1) {
            let finding = Diagnostic::error("LB101", extra.span, "`template` takes one name");
            self.push(
                finding.label("one too many").help("parameters are properties: `template NAME port=\"80\"`"),
            );
        }
        node.props.iter().for_each(|(_, value)| self.refuse_type(value));
        if let Some(first) = self.templates.get(&name.value) {
            let message = format!("template `{}` is defined twice", name.value);
            let finding = Diagnostic::error("LB105", name.span, message).label("defined again");
            let first = first.name.span;
            return self.push(finding.also(first, "first defined here"));
        }
        let body = node.children.unwrap_or_default();
        let template = Template { name: name.clone(), params: node.props, body, used: false };
        self.templates.insert(name.value, template);
    }

    /// The name that is a node's first argument.
    fn identity(&mut self, node: &Node, how: &str) -> Option<Spanned<String>> {
        let what = &node.name.value;
        match node.args.first() {
            Some(Value { poisoned: true, .. }) => None,
            Some(Value { scalar: Scalar::String { text, .. }, span, .. }) if is_name(text) => {
                Some(Spanned::new(text.clone(), *span))
            }
            Some(other) => {
                let message =
                    format!("the name of a `{what}` is a word of letters, digits, `-`, `_` and `.`");
                self.push(Diagnostic::error("LB102", other.span, message).label("not a name"));
                None
            }
            None => {
                let finding = Diagnostic::error("LB102", node.name.span, format!("`{what}` has no name"));
                self.push(finding.label("a name is missing").help(format!("write `{how}`")));
                None
            }
        }
    }

    /// Expands nodes and splices what they use.
    fn nodes(&mut self, nodes: &[Node], parent: &str, origin: Origin) -> Vec<Node> {
        let mut out = Vec::with_capacity(nodes.len());
        for node in nodes {
            match &*node.name.value {
                "use" => self.splice_use(node, parent, origin, &mut out),
                "include" | "let" | "template" | "defaults" => {
                    let message = format!("`{}` stands at the top level only", node.name.value);
                    self.push(Diagnostic::error("LB101", node.name.span, message).label("not in a block"));
                }
                _ => out.push(self.node(node, origin)),
            }
        }
        out
    }

    fn node(&mut self, node: &Node, origin: Origin) -> Node {
        let args = node.args.iter().map(|value| self.expander.value(value)).collect();
        let props = node.props.iter().map(|(key, value)| (key.clone(), self.expander.value(value))).collect();
        let children = node.children.as_ref().map(|children| self.nodes(children, &node.name.value, origin));
        self.spliced += usize::from(origin != Origin::Written);
        Node { name: node.name.clone(), args, props, children, span: node.span, origin }
    }

    /// One `use` node.
    fn splice_use(&mut self, node: &Node, parent: &str, origin: Origin, out: &mut Vec<Node>) {
        if !USERS.contains(&parent) {
            let finding =
                Diagnostic::error("LB101", node.name.span, format!("`use` does not stand in `{parent}`"));
            let help = "it may stand at the top level, and in listen, site, route and pool";
            return self.push(finding.label("not here").help(help));
        }
        self.refuse_block(node);
        let Some(name) = self.identity(node, "use NAME") else { return };
        if let Some(extra) = node.args.get(1) {
            let finding = Diagnostic::error("LB101", extra.span, "`use` takes one template's name");
            let help = format!("parameters are properties: `use {} port=\"80\"`", name.value);
            self.push(finding.label("one too many").help(help));
        }
        let Some(template) = self.templates.get_mut(&name.value) else {
            let known = self.templates.keys().map(String::as_str);
            let finding =
                Diagnostic::error("LB103", name.span, format!("no template is named `{}`", name.value))
                    .label("unknown template")
                    .help(suggest::help(&name.value, "templates", known));
            return self.push(finding);
        };
        template.used = true;
        let body = template.body.clone();
        if let Some(finding) = self.endless(&name) {
            return self.push(finding);
        }
        let scope = self.bind(&name, node);
        let outer = self.expander.enter(scope);
        self.open.push(name.value);
        out.append(&mut self.nodes(&body, parent, origin.min(Origin::Template)));
        self.open.pop();
        self.expander.enter(outer);
    }

    /// Refuses a template within itself, and growth without end.
    fn endless(&self, name: &Spanned<String>) -> Option<Diagnostic> {
        if self.open.contains(&name.value) {
            let finding =
                Diagnostic::error("LB111", name.span, format!("template `{}` uses itself", name.value));
            let chain = self.open.iter().chain([&name.value]).map(String::as_str).collect::<Vec<_>>();
            return Some(finding.label("closes the circle").help(chain.join(" → ")));
        }
        (self.spliced > MAX_SPLICED).then(|| {
            let message = format!("templates make more than {MAX_SPLICED} nodes");
            Diagnostic::error("KDL019", name.span, message).label("refused from here on")
        })
    }

    /// The scope of a template's body, as one `use` sets it.
    fn bind(&mut self, name: &Spanned<String>, node: &Node) -> Scope {
        let given: Vec<(Spanned<String>, Value)> =
            node.props.iter().map(|(key, value)| (key.clone(), self.expander.value(value))).collect();
        node.props.iter().for_each(|(_, value)| self.refuse_type(value));
        let template = &self.templates[&name.value];
        let mut findings = Vec::new();
        let mut params = BTreeMap::new();
        for (key, value) in given {
            if !template.knows(&key.value) {
                let message = format!("template `{}` has no parameter `{}`", name.value, key.value);
                let known = template.params.iter().map(|(key, _)| key.value.as_str());
                findings.push(
                    Diagnostic::error("LB101", key.span, message)
                        .label("unknown parameter")
                        .also(template.name.span, "the template")
                        .help(suggest::help(&key.value, "parameters", known)),
                );
            }
            params.insert(key.value, value);
        }
        let missing = template.params.iter().filter(|(key, _)| !params.contains_key(&key.value));
        let mut defaults = Vec::new();
        for (key, default) in missing {
            if default.scalar == Scalar::Null {
                let message = format!("template `{}` needs `{}`", name.value, key.value);
                findings.push(
                    Diagnostic::error("LB111", name.span, message)
                        .label("a parameter is missing")
                        .also(key.span, "it has no default")
                        .help(format!("write `use {} {}=\"…\"`", name.value, key.value)),
                );
            }
            defaults.push((key.value.clone(), default.clone()));
        }
        // A default is written beside the template: it sees the `let`s, not what surrounds the `use`.
        let outer = self.expander.enter(Scope::default());
        for (key, default) in defaults {
            let value = Value { poisoned: default.scalar == Scalar::Null, ..self.expander.value(&default) };
            params.insert(key, value);
        }
        self.expander.enter(outer);
        findings.into_iter().for_each(|finding| self.push(finding));
        Scope { params, used: Some(name.clone()) }
    }

    /// The children that every block of a kind begins with, by kind.
    fn defaults(&mut self, written: &[Node]) -> BTreeMap<String, Vec<Node>> {
        let mut all: BTreeMap<String, Vec<Node>> = BTreeMap::new();
        if let [first, others @ ..] = written {
            for other in others {
                let finding = Diagnostic::error("LB105", other.name.span, "`defaults` is given twice");
                self.push(finding.label("given again").also(first.name.span, "first given here"));
            }
        }
        for node in written {
            self.refuse_values(node);
            for kind in node.children.iter().flatten() {
                if !DEFAULTED.contains(&&*kind.name.value) {
                    let message = format!("`defaults` has no block `{}`", kind.name.value);
                    let help = suggest::help(&kind.name.value, "blocks", DEFAULTED);
                    self.push(
                        Diagnostic::error("LB101", kind.name.span, message).label("unknown").help(help),
                    );
                    continue;
                }
                self.refuse_values(kind);
                let children = kind.children.as_deref().unwrap_or_default();
                let mut children = self.nodes(children, &kind.name.value, Origin::Defaults);
                children.retain(|child| self.may_be_default(child));
                all.entry(kind.name.value.clone()).or_default().append(&mut children);
            }
        }
        all
    }

    fn may_be_default(&mut self, child: &Node) -> bool {
        let is_server = matches!(&*child.name.value, "server" | "discover");
        if is_server {
            let finding = Diagnostic::error("LB101", child.name.span, "servers have no defaults");
            self.push(finding.label("belongs in a pool of its own"));
        }
        !is_server
    }

    /// Warns of what nobody used. Says nothing while there are errors: the use may be hidden by one.
    fn unused(&mut self) {
        let lets = self.expander.finish();
        if self.expander.report.has_errors() {
            return;
        }
        let unused = self.templates.values().filter(|template| !template.used);
        let templates: Vec<_> = unused.map(|template| ("template", template.name.clone())).collect();
        for (what, name) in lets.into_iter().map(|name| ("let", name)).chain(templates) {
            let message = format!("{what} `{}` is never used", name.value);
            let finding = Diagnostic::new("LB109", Severity::Warning, Some(name.span), message);
            self.push(finding.label("not used").subject(format!("{what}/{}", name.value)));
        }
    }

    fn refuse_values(&mut self, node: &Node) {
        if let Some(arg) = node.args.first() {
            let message = format!("`{}` takes no value here", node.name.value);
            self.push(Diagnostic::error("LB101", arg.span, message).label("does not belong here"));
        }
        self.refuse_props(node);
    }

    fn refuse_props(&mut self, node: &Node) {
        for (key, _) in &node.props {
            let message = format!("unknown property `{}` on `{}`", key.value, node.name.value);
            self.push(Diagnostic::error("LB101", key.span, message).label("unknown property"));
        }
    }

    fn refuse_block(&mut self, node: &Node) {
        if let Some(child) = node.children.iter().flatten().next() {
            let message = format!("`{}` has no block", node.name.value);
            self.push(Diagnostic::error("LB101", child.name.span, message).label("does not belong here"));
        }
    }

    fn refuse_type(&mut self, value: &Value) {
        if let Some(ty) = &value.ty {
            let finding = Diagnostic::error("LB101", ty.span, "a type annotation means nothing here");
            self.push(finding.label("write it where the value is used"));
        }
    }

    fn push(&mut self, finding: Diagnostic) {
        self.expander.report.push(finding);
    }
}

/// Adds the defaults of its kind to each block, behind what it has.
fn apply(defaults: &BTreeMap<String, Vec<Node>>, nodes: &mut [Node], parent: &str) {
    if defaults.is_empty() {
        return;
    }
    for node in nodes {
        let kind = node.name.value.clone();
        let counts = parent == ROOT || (parent == "site" && kind == "route");
        let Some(own) = defaults.get(&kind).filter(|own| counts && !own.is_empty()) else {
            if let (ROOT, "site", Some(children)) = (parent, &*kind, &mut node.children) {
                apply(defaults, children, "site");
            }
            continue;
        };
        let children = node.children.get_or_insert_default();
        children.extend(own.iter().cloned());
        if kind == "site" {
            apply(defaults, children, "site");
        }
    }
}

/// Whether any string of these nodes holds `reference`.
fn mentions(nodes: &[Node], reference: &str) -> bool {
    let holds =
        |value: &Value| matches!(&value.scalar, Scalar::String { text, .. } if text.contains(reference));
    nodes.iter().any(|node| {
        node.args.iter().any(holds)
            || node.props.iter().any(|(_, value)| holds(value))
            || node.children.as_ref().is_some_and(|children| mentions(children, reference))
    })
}

/// Whether a text can be the name of a `let` or a template.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests;
