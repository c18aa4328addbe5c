//! Files that name other files: one tree of `include`s to one list of nodes.
//!
//! A file set is a *set*: a file that several patterns name is read once, and the order of files means nothing.
//! Each file stands alone syntactically; what cannot be read is said where it was asked for.

use std::io;
use std::path::{Path, PathBuf};

use super::diagnostic::{Diagnostic, Report, Severity, Span};
use super::expand::Expander;
use super::node::{Node, Scalar, Value};
use super::source::{Loader, Sources, beside, is_glob};
use super::{guard, lexer, statements, suggest};

/// Longest chain of files that include one another; only a loop through symbolic links comes near.
const MAX_CHAIN: usize = 16;

/// Reads a file and all that it includes.
pub(super) struct Reader<'a> {
    pub(super) loader: &'a dyn Loader,
    pub(super) sources: Sources,
    pub(super) report: Report,
    /// The files being read, outermost first.
    chain: Vec<PathBuf>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(loader: &'a dyn Loader) -> Self {
        Self { loader, sources: Sources::default(), report: Report::default(), chain: Vec::new() }
    }

    /// The nodes of the main file, with those of every file that it includes.
    pub(super) fn main(&mut self, path: &Path) -> Vec<Node> {
        match self.sources.read(path, self.loader) {
            Ok(bytes) => self.file(path, bytes),
            Err(error) => {
                let message = format!("cannot read {}: {}", path.display(), reason(&error));
                self.report.push(Diagnostic::new("LB110", Severity::Error, None, message));
                self.sources.mark_incomplete();
                Vec::new()
            }
        }
    }

    fn file(&mut self, path: &Path, bytes: Vec<u8>) -> Vec<Node> {
        self.chain.push(path.to_owned());
        let written = self.parse(path, bytes);
        let mut nodes = Vec::with_capacity(written.len());
        for node in written {
            if node.name.value == "include" {
                self.include(path, &node, &mut nodes);
            } else {
                nodes.push(node);
            }
        }
        self.chain.pop();
        nodes
    }

    /// The nodes of one file's bytes.
    fn parse(&mut self, path: &Path, bytes: Vec<u8>) -> Vec<Node> {
        let size = bytes.len();
        let (text, bad) = match String::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                (String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned(), true)
            }
        };
        let end = text.len();
        let file = self.sources.add(path.to_owned(), text);
        let text = self.sources.file(file).map(|file| file.text().to_owned()).unwrap_or_default();
        if let Some(refused) = guard::size(file, size) {
            return self.refuse(refused);
        }
        if bad {
            let span = Span::new(file, end..end);
            let finding = Diagnostic::error("KDL019", span, "the file is not UTF-8 text from here on");
            return self
                .refuse(finding.help("save it as UTF-8, in an editor that says how a text is encoded"));
        }
        let tokens = lexer::lex(&text);
        if let Some(refused) = guard::depth(file, &tokens) {
            return self.refuse(refused);
        }
        let (nodes, mut findings) = statements::read(file, &text, tokens);
        self.report.findings.append(&mut findings);
        if nodes.is_none() {
            self.sources.mark_incomplete();
        }
        nodes.unwrap_or_default()
    }

    fn refuse(&mut self, finding: Diagnostic) -> Vec<Node> {
        self.report.push(finding);
        self.sources.mark_incomplete();
        Vec::new()
    }

    /// One `include` node.
    fn include(&mut self, from: &Path, node: &Node, into: &mut Vec<Node>) {
        let optional = self.is_optional(node);
        if node.args.is_empty() {
            let finding = Diagnostic::error("LB102", node.name.span, "`include` names no file");
            self.report.push(finding.label("a path is missing").help("write `include \"pools/*.kdl\"`"));
        }
        if let Some(child) = node.children.iter().flatten().next() {
            let finding = Diagnostic::error("LB101", child.name.span, "`include` has no block");
            self.report.push(finding.label("does not belong here"));
        }
        for arg in &node.args {
            let value = Expander::outside(self.loader, &mut self.sources, &mut self.report).value(arg);
            match &value.scalar {
                _ if value.poisoned => self.sources.mark_incomplete(),
                Scalar::String { text, .. } if !text.is_empty() => {
                    self.pattern(&beside(from, Path::new(text)), &value, optional, into);
                }
                _ => {
                    let finding = Diagnostic::error("LB102", value.span, "a path is due here");
                    self.report.push(finding.label("not a path"));
                    self.sources.mark_incomplete();
                }
            }
        }
    }

    fn is_optional(&mut self, node: &Node) -> bool {
        let mut optional = false;
        for (key, value) in &node.props {
            match (&*key.value, &value.scalar) {
                ("optional", Scalar::Bool(yes)) => optional = *yes,
                ("optional", _) if value.poisoned => {}
                ("optional", _) => {
                    let finding =
                        Diagnostic::error("LB102", value.span, "`optional` is either `#true` or `#false`");
                    self.report.push(finding.label("not a bool"));
                }
                (unknown, _) => {
                    let message = format!("unknown property `{unknown}` on `include`");
                    self.report.push(
                        Diagnostic::error("LB101", key.span, message)
                            .label("unknown property")
                            .help(suggest::help(unknown, "properties", ["optional"])),
                    );
                }
            }
        }
        optional
    }

    /// One path or pattern, seen from the working directory.
    fn pattern(&mut self, path: &Path, asked: &Value, optional: bool, into: &mut Vec<Node>) {
        let shown = path.display();
        if !path.to_str().is_some_and(is_glob) {
            return self.one(path, asked, optional, into);
        }
        match self.sources.glob(path, self.loader) {
            Ok(found) if found.is_empty() && !optional => {
                let finding = Diagnostic::error("LB110", asked.span, format!("no file matches `{shown}`"));
                let help = "write `optional=#true` behind it when that is as it should be";
                self.lost(finding.label("matches nothing").help(help));
            }
            Ok(found) if found.is_empty() => {
                let message = format!("no file matches `{shown}`");
                let finding = Diagnostic::new("LB109", Severity::Hint, Some(asked.span), message);
                self.report.push(finding.label("matches nothing now"));
            }
            Ok(found) => found.iter().for_each(|path| self.one(path, asked, false, into)),
            Err(error) => {
                let message = format!("cannot look for `{shown}`: {}", reason(&error));
                self.lost(Diagnostic::error("LB110", asked.span, message));
            }
        }
    }

    fn one(&mut self, path: &Path, asked: &Value, optional: bool, into: &mut Vec<Node>) {
        if self.chain.iter().any(|open| open == path) {
            return self.cycle(path, asked);
        }
        if self.sources.find(path).is_some() {
            return;
        }
        if self.chain.len() >= MAX_CHAIN {
            let message = format!("files include one another deeper than {MAX_CHAIN}");
            return self.lost(Diagnostic::error("LB110", asked.span, message));
        }
        match self.sources.read(path, self.loader) {
            Ok(bytes) => into.append(&mut self.file(path, bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && optional => {}
            Err(error) => {
                let message = format!("cannot read `{}`: {}", path.display(), reason(&error));
                self.lost(Diagnostic::error("LB110", asked.span, message).label("included here"));
            }
        }
    }

    fn cycle(&mut self, path: &Path, asked: &Value) {
        let from = self.chain.iter().position(|open| open == path).unwrap_or(0);
        let mut chain: Vec<String> =
            self.chain[from..].iter().map(|open| open.display().to_string()).collect();
        chain.push(path.display().to_string());
        let finding = Diagnostic::error("LB110", asked.span, "files include one another in a circle");
        self.lost(finding.label("closes the circle").help(chain.join(" → ")));
    }

    fn lost(&mut self, finding: Diagnostic) {
        self.report.push(finding);
        self.sources.mark_incomplete();
    }
}

/// Why a file could not be read, without numbers.
pub(super) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
