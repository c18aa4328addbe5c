//! `${NAME}`, `${env:NAME}`, `${env:NAME:-default}`, `${file:PATH}` and `$${`, inside quoted strings and nowhere else.
//!
//! A name is a template's parameter first, then a `let`. What cannot be expanded has a finding and is marked
//! poisoned, so that nobody complains about it a second time; what came from a file is marked secret, what
//! came from the environment is marked as such.

use std::collections::BTreeMap;
use std::path::Path;

use super::diagnostic::{Diagnostic, Report, Span, Spanned};
use super::include::reason;
use super::node::{Scalar, Value};
use super::source::{Loader, Sources, beside};
use super::suggest;

/// Longest text that an expansion may make.
const MAX_TEXT: usize = 64 << 10;

/// What a template's body sees besides the `let`s.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Parameters, expanded already.
    pub(super) params: BTreeMap<String, Value>,
    /// The template and where it is used.
    pub(super) used: Option<Spanned<String>>,
}

/// A `let`.
#[derive(Debug)]
struct Let {
    name: Span,
    value: Value,
    /// The value after expansion, once asked for.
    done: Option<Value>,
    used: bool,
}

/// Fills strings in.
pub(super) struct Expander<'a> {
    loader: &'a dyn Loader,
    pub(super) sources: &'a mut Sources,
    pub(super) report: &'a mut Report,
    lets: BTreeMap<String, Let>,
    /// False where `let`s are not known yet: in an `include`.
    inside: bool,
    /// The `let`s being expanded, outermost first.
    open: Vec<String>,
    scope: Scope,
}

impl<'a> Expander<'a> {
    /// For the file set's nodes.
    pub(super) fn new(loader: &'a dyn Loader, sources: &'a mut Sources, report: &'a mut Report) -> Self {
        let (lets, scope) = (BTreeMap::new(), Scope::default());
        Self { loader, sources, report, lets, inside: true, open: Vec::new(), scope }
    }

    /// For paths of files that are not read yet: only what comes from outside is known.
    pub(super) fn outside(loader: &'a dyn Loader, sources: &'a mut Sources, report: &'a mut Report) -> Self {
        Self { inside: false, ..Self::new(loader, sources, report) }
    }

    /// Adds a `let`; the one of the same name before it, when there is one.
    pub(super) fn define(&mut self, name: &Spanned<String>, value: Value) -> Option<Span> {
        if let Some(first) = self.lets.get(&name.value) {
            return Some(first.name);
        }
        self.lets.insert(name.value.clone(), Let { name: name.span, value, done: None, used: false });
        None
    }

    /// Enters a template's scope; the one before it, to be put back.
    pub(super) fn enter(&mut self, scope: Scope) -> Scope {
        std::mem::replace(&mut self.scope, scope)
    }

    /// Expands every `let`, so that a mistake in one is found though nobody uses it. Names those nobody used.
    pub(super) fn finish(&mut self) -> Vec<Spanned<String>> {
        let names: Vec<String> = self.lets.keys().cloned().collect();
        names.iter().for_each(|name| drop(self.resolve(name)));
        let unused = self.lets.iter().filter(|(_, constant)| !constant.used);
        unused.map(|(name, constant)| Spanned::new(name.clone(), constant.name)).collect()
    }

    /// The value with everything filled in.
    pub(super) fn value(&mut self, value: &Value) -> Value {
        let Scalar::String { text, quoted: true, .. } = &value.scalar else { return value.clone() };
        if value.poisoned || !text.contains('$') || self.sources.text(value.span).starts_with('#') {
            return value.clone();
        }
        let mut filled = Filled::default();
        self.fill(text, value.span, &mut filled);
        if filled.text.len() > MAX_TEXT {
            let message = format!("this value becomes longer than {} KiB", MAX_TEXT >> 10);
            self.report.push(Diagnostic::error("LB111", value.span, message).label("too long"));
            filled.failed = true;
        }
        if filled.failed {
            return Value { poisoned: true, ..value.clone() };
        }
        let expanded = filled.expanded;
        Value {
            scalar: Scalar::String { text: filled.text, quoted: true, expanded },
            secret: filled.secret,
            from_env: filled.from_env,
            ..value.clone()
        }
    }

    /// Fills `text`, which stands at `span`.
    fn fill(&mut self, text: &str, span: Span, filled: &mut Filled) {
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            filled.text.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(tail) = rest.strip_prefix("$${") {
                filled.text.push_str("${");
                rest = tail;
            } else if let Some(tail) = rest.strip_prefix("${") {
                let place =
                    self.place(span, text, text.len() - rest.len(), rest.find('}').map(|end| end + 1));
                let Some(end) = tail.find('}') else {
                    self.fail(
                        Diagnostic::error("LB111", place, "`${` has no `}`")
                            .label("begins here")
                            .help("a `${` that is meant as text is written `$${`"),
                        filled,
                    );
                    return;
                };
                self.reference(&tail[..end], place, filled);
                rest = &tail[end + 1..];
            } else {
                filled.text.push('$');
                rest = &rest[1..];
            }
            if filled.text.len() > MAX_TEXT {
                return;
            }
        }
        filled.text.push_str(rest);
    }

    /// One reference, without its braces.
    fn reference(&mut self, reference: &str, place: Span, filled: &mut Filled) {
        filled.expanded = true;
        match reference.split_once(':') {
            Some(("env", rest)) => self.env(rest, place, filled),
            Some(("file", path)) => self.file(path, place, filled),
            Some((other, _)) => {
                let finding =
                    Diagnostic::error("LB111", place, format!("nothing can be taken from `{other}:`"));
                self.fail(finding.label("unknown").help(FORMS), filled);
            }
            None => self.name(reference, place, filled),
        }
    }

    fn env(&mut self, rest: &str, place: Span, filled: &mut Filled) {
        let (name, default) = match rest.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (rest, None),
        };
        if name.is_empty() || default.is_some_and(|default| default.contains("${")) {
            let finding = Diagnostic::error("LB111", place, "this is not the name of a variable");
            return self.fail(finding.label("not understood").help(FORMS), filled);
        }
        match self.loader.env(name).or_else(|| default.map(str::to_owned)) {
            Some(value) => {
                filled.from_env = true;
                filled.text.push_str(&value);
            }
            // Nobody complains about a value that is marked as failed.
            None if self.inside && self.loader.assumes_env() => {
                self.sources.mark_assumed();
                filled.failed = true;
            }
            None => {
                let finding = Diagnostic::error(
                    "LB111",
                    place,
                    format!("the environment variable `{name}` is not set"),
                )
                .label("no value, no default")
                .help(format!("give it a default: `${{env:{name}:-…}}`"));
                self.fail(finding, filled);
            }
        }
    }

    fn file(&mut self, path: &str, place: Span, filled: &mut Filled) {
        let from = self.sources.file(place.file).map(|file| file.path().to_owned()).unwrap_or_default();
        let path = beside(&from, Path::new(path));
        let why = match self.sources.read(&path, self.loader) {
            Ok(bytes) if bytes.len() > MAX_TEXT => format!("it is larger than {} KiB", MAX_TEXT >> 10),
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => {
                    filled.secret = true;
                    filled.text.push_str(text.trim());
                    return;
                }
                Err(_) => "it is not UTF-8 text".to_owned(),
            },
            Err(error) => reason(&error),
        };
        let finding = Diagnostic::error("LB111", place, format!("cannot read `{}`: {why}", path.display()));
        self.fail(finding.label("its content is due here"), filled);
    }

    /// A parameter or a `let`.
    fn name(&mut self, name: &str, place: Span, filled: &mut Filled) {
        if let Some(param) = self.scope.params.get(name) {
            return filled.push(&param.clone());
        }
        if self.open.iter().any(|open| open == name) {
            let chain = self.open.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(" → ");
            let finding = Diagnostic::error("LB111", place, format!("`{name}` is made of itself"));
            return self.fail(finding.label("closes the circle").help(chain), filled);
        }
        if let Some(constant) = self.lets.get_mut(name) {
            constant.used = true;
            let value = self.resolve(name);
            return value.iter().for_each(|value| filled.push(value));
        }
        let finding = self.unknown(name, place);
        self.fail(finding, filled);
    }

    fn unknown(&self, name: &str, place: Span) -> Diagnostic {
        let finding = Diagnostic::error("LB111", place, format!("`${{{name}}}` has no value"));
        if !self.inside {
            return finding.label("not known here").help("an `include` knows `${env:NAME}` only");
        }
        let known = self.scope.params.keys().chain(self.lets.keys()).map(String::as_str);
        let near = suggest::closest(name, known);
        let finding = match near {
            Some(near) => finding.label("not defined").help(format!("did you mean `${{{near}}}`?")),
            None => finding.label("not defined").help(format!("define it: `let {name} \"…\"`")),
        };
        match &self.scope.used {
            Some(used) => {
                let how = format!("or give it here: `use {} {name}=\"…\"`", used.value);
                finding.also(used.span, "used here").help(how)
            }
            None => finding,
        }
    }

    /// The value of a `let`, expanded in no scope but its own.
    fn resolve(&mut self, name: &str) -> Option<Value> {
        let constant = self.lets.get(name)?;
        if let Some(done) = &constant.done {
            return Some(done.clone());
        }
        let written = constant.value.clone();
        self.open.push(name.to_owned());
        let outer = self.enter(Scope::default());
        let done = self.value(&written);
        self.enter(outer);
        self.open.pop();
        self.lets.get_mut(name)?.done = Some(done.clone());
        Some(done)
    }

    fn fail(&mut self, finding: Diagnostic, filled: &mut Filled) {
        filled.failed = true;
        self.report.push(finding);
    }

    /// Where a reference stands: exactly, when the string is written as it reads.
    fn place(&self, span: Span, text: &str, at: usize, len: Option<usize>) -> Span {
        let written = self.sources.text(span);
        let plain = written.len() == text.len() + 2 && !written.contains('\\');
        match plain {
            true => {
                let start = span.start as usize + 1 + at;
                Span::new(span.file, start..start + len.unwrap_or(2))
            }
            false => span,
        }
    }
}

/// What may stand in `${}`.
const FORMS: &str = "write `${NAME}`, `${env:NAME}`, `${env:NAME:-default}` or `${file:PATH}`";

/// A text in the making.
#[derive(Debug, Default)]
struct Filled {
    text: String,
    secret: bool,
    from_env: bool,
    expanded: bool,
    failed: bool,
}

impl Filled {
    fn push(&mut self, value: &Value) {
        self.secret |= value.secret;
        self.from_env |= value.from_env;
        self.failed |= value.poisoned;
        match &value.scalar {
            Scalar::String { text, .. } => self.text.push_str(text),
            Scalar::Integer(number) => self.text.push_str(&number.to_string()),
            Scalar::Decimal(number) => self.text.push_str(&number.to_string()),
            Scalar::Bool(value) => self.text.push_str(if *value { "#true" } else { "#false" }),
            Scalar::Null => self.text.push_str("#null"),
        }
    }
}

#[cfg(test)]
mod tests;
