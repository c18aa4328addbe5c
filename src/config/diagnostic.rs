//! What is wrong with a text, where, and how to mend it: values, never strings already drawn.
//!
//! A [`Report`] holds every finding of one file set. Rendering lives in [`super::render`].

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::ruling::Ruling;

/// A file of the set, by its place in [`super::source::Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// A stretch of bytes in one file of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The span of `range` in `file`.
    pub fn new(file: FileId, range: Range<usize>) -> Self {
        Self { file, start: range.start as u32, end: range.end as u32 }
    }

    /// The bytes covered.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `value`, written at `span`.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    /// The same place, another value.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned { value: f(self.value), span: self.span }
    }
}

/// How bad a finding is. Only an error keeps a configuration from loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Hint,
    /// Loads, and will probably disappoint.
    Warning,
    /// Does not load.
    Error,
}

/// A second place that explains a finding ("first defined here").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// A change of text that mends a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fix {
    /// True when the meaning that was surely intended is kept.
    pub safe: bool,
    /// The replacements, not overlapping.
    pub edits: Vec<Edit>,
    /// Those in files that the configuration names and that are none of its texts.
    pub files: Vec<FileEdit>,
}

/// One replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub text: String,
}

/// One replacement in a file that a configuration names, such as a chain of certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// The file.
    pub path: PathBuf,
    /// Which bytes are replaced.
    pub range: Range<usize>,
    /// What stood there when the finding was made.
    pub old: String,
    /// By what. Nothing secret: it is shown.
    pub new: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// `KDL001`, `LB103`: stable, documented.
    pub code: &'static str,
    /// How bad.
    pub severity: Severity,
    /// One sentence, lower case, no full stop.
    pub message: String,
    /// Where; none when the finding is about a file as a whole that could not be read.
    pub span: Option<Span>,
    /// A few words under the caret.
    pub label: Option<String>,
    /// Other places, in any file.
    pub labels: Vec<Label>,
    /// How to mend it, a sentence each.
    pub help: Vec<String>,
    /// Changes that mend it.
    pub fixes: Vec<Fix>,
    /// What it is about (`pool/platform/server/tw1`), stable over edits elsewhere.
    pub subject: Option<String>,
}

impl Diagnostic {
    /// An error at `span`.
    pub fn error(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, Some(span), message)
    }

    /// A warning at `span`.
    pub fn warning(code: &'static str, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, Some(span), message)
    }

    /// A finding of any severity, with or without a place.
    pub fn new(
        code: &'static str,
        severity: Severity,
        span: Option<Span>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            span,
            label: None,
            labels: Vec::new(),
            help: Vec::new(),
            fixes: Vec::new(),
            subject: None,
        }
    }

    /// With a few words under the caret.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = Some(text.into());
        self
    }

    /// With a second place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// With a sentence on how to mend it.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// With a change that surely mends it.
    #[must_use]
    pub fn fix(self, span: Span, text: impl Into<String>) -> Self {
        self.fix_with(Fix { safe: true, edits: vec![Edit { span, text: text.into() }], ..Fix::default() })
    }

    /// With a change that mends it, if what it removes or decides is what was meant.
    #[must_use]
    pub fn unsafe_fix(self, span: Span, text: impl Into<String>) -> Self {
        self.fix_with(Fix { safe: false, edits: vec![Edit { span, text: text.into() }], ..Fix::default() })
    }

    /// With a change of several places.
    #[must_use]
    pub fn fix_with(mut self, fix: Fix) -> Self {
        self.fixes.push(fix);
        self
    }

    /// With what it is about.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }
}

/// Where something of the model was written, for people: `lbd.kdl:14`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file, as the user named it.
    pub file: Arc<PathBuf>,
    /// The line, from 1.
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// Every finding of one file set, in reading order once [`Report::sort`] ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The findings.
    pub findings: Vec<Diagnostic>,
    /// Which findings are allowed or denied, and which were silenced for it. Boxed, as most reports have none.
    pub ruling: Box<Ruling>,
}

impl Report {
    /// Adds a finding.
    pub fn push(&mut self, finding: Diagnostic) {
        self.findings.push(finding);
    }

    /// Whether the configuration must not load.
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    /// How many findings of one severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|f| f.severity == severity).count()
    }

    /// Reading order: by file, by place; what has no place comes first.
    pub fn sort(&mut self) {
        self.findings.sort_by(|a, b| a.span.cmp(&b.span).then(b.severity.cmp(&a.severity)));
        self.findings.dedup();
    }
}
