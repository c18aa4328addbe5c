//! Findings, drawn: for a person in a terminal, or as one line of a log.
//!
//! The only place where a finding becomes text. What is shown of a file is what was *written* there, so nothing
//! that an expansion brought in can come to light here.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet, normalize_untrusted_str};

use super::diagnostic::{Diagnostic, Edit, FileId, Report, Severity, Span};
use super::source::{File, Sources};

/// Findings drawn at most; nobody mends more in one go.
const MAX_DRAWN: usize = 100;

/// Every finding as a person in a terminal wants it: the line, a caret, help, and the fix as a diff.
pub fn human(report: &Report, sources: &Sources, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Unicode);
    let mut out = String::new();
    for finding in report.findings.iter().take(MAX_DRAWN) {
        out.push_str(&renderer.render(&groups(finding, sources)));
        out.push('\n');
    }
    let more = report.findings.len().saturating_sub(MAX_DRAWN);
    if more > 0 {
        out.push_str(&format!("… and {more} more\n"));
    }
    out
}

/// One finding on one line, for logs and `lbctl status`: `lbd.kdl:7:10 message (KDL001)`.
pub fn line(finding: &Diagnostic, sources: &Sources) -> String {
    match finding.span {
        Some(span) => {
            let (line, column) = sources.line_column(span);
            let path = sources.file(span.file).map(File::path).unwrap_or(std::path::Path::new(""));
            format!("{}:{line}:{column} {} ({})", path.display(), finding.message, finding.code)
        }
        None => format!("{} ({})", finding.message, finding.code),
    }
}

/// The parts of one finding, in the order drawn.
fn groups<'a>(finding: &'a Diagnostic, sources: &'a Sources) -> Vec<Group<'a>> {
    let title = level(finding.severity).primary_title(finding.message.as_str()).id(finding.code);
    let mut first = Group::with_title(title);
    for file in files_of(finding) {
        first = first.elements(annotated(finding, file, sources));
    }
    let mut groups = vec![first];
    let mut help = finding.help.iter();
    if let Some(fix) = finding.fixes.first() {
        let title = help.next().map_or("like this", String::as_str);
        groups.push(help_group(title).elements(patched(&fix.edits, sources)));
    }
    groups.extend(help.map(|text| help_group(text)));
    groups
}

fn help_group(text: &str) -> Group<'_> {
    Group::with_title(Level::HELP.secondary_title(normalize_untrusted_str(text)))
}

fn level(severity: Severity) -> Level<'static> {
    match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Hint => Level::NOTE.with_name(Some("hint")),
    }
}

/// The files that a finding points into, its own first.
fn files_of(finding: &Diagnostic) -> Vec<FileId> {
    let mut files: Vec<FileId> = finding.span.iter().map(|span| span.file).collect();
    for label in &finding.labels {
        if !files.contains(&label.span.file) {
            files.push(label.span.file);
        }
    }
    files
}

/// What a finding says in one file.
fn annotated<'a>(
    finding: &'a Diagnostic,
    id: FileId,
    sources: &'a Sources,
) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
    let primary = finding.span.iter().map(|span| (*span, finding.label.as_deref(), AnnotationKind::Primary));
    let others =
        finding.labels.iter().map(|label| (label.span, Some(label.text.as_str()), AnnotationKind::Context));
    let here: Vec<_> = primary.chain(others).filter(|(span, ..)| span.file == id).collect();
    let file = sources.file(id)?;
    let window = Window::around(file, here.iter().map(|(span, ..)| span.range()))?;
    let annotated =
        |(span, label, kind): (Span, _, AnnotationKind)| kind.span(window.inside(span.range())).label(label);
    let annotations: Vec<_> = here.into_iter().map(annotated).collect();
    let snippet = Snippet::source(window.text).line_start(window.line).path(path(file));
    Some(snippet.annotations(annotations))
}

/// A fix in each file that it changes.
fn patched<'a>(edits: &'a [Edit], sources: &'a Sources) -> Vec<Snippet<'a, Patch<'a>>> {
    let mut files: Vec<FileId> = edits.iter().map(|edit| edit.span.file).collect();
    files.sort_unstable();
    files.dedup();
    let snippet = |id: FileId| {
        let file = sources.file(id)?;
        let (range, text) = merged(edits.iter().filter(|edit| edit.span.file == id), file.text())?;
        let window = Window::around(file, std::iter::once(range.clone()))?;
        let patch = Patch::new(window.inside(range), text);
        Some(Snippet::source(window.text).line_start(window.line).path(path(file)).patch(patch))
    };
    files.into_iter().filter_map(snippet).collect()
}

/// Several edits of one text as one. (Drawing several across lines trips over its own arithmetic.)
fn merged<'a>(edits: impl Iterator<Item = &'a Edit>, text: &str) -> Option<(Range<usize>, String)> {
    let mut edits: Vec<&Edit> = edits.collect();
    edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
    let start = edits.first()?.span.range().start;
    let mut end = start;
    let mut replacement = String::new();
    for edit in edits {
        let range = edit.span.range();
        if range.start >= end {
            replacement.push_str(text.get(end..range.start)?);
            replacement.push_str(&edit.text);
            end = range.end;
        }
    }
    Some((start..end, replacement))
}

fn path(file: &File) -> String {
    file.path().display().to_string()
}

/// The lines of a file that matter, so that drawing costs what is drawn and not what the file holds.
struct Window<'a> {
    text: Cow<'a, str>,
    /// The first line's number.
    line: usize,
    start: usize,
}

impl<'a> Window<'a> {
    fn around(file: &'a File, spans: impl Iterator<Item = Range<usize>>) -> Option<Self> {
        let text = file.text();
        let (from, to) =
            spans.fold((usize::MAX, 0), |(from, to), span| (from.min(span.start), to.max(span.end)));
        if from == usize::MAX {
            return None;
        }
        let to = to.min(text.len());
        let end = memchr::memchr(b'\n', &text.as_bytes()[to..]).map_or(text.len(), |len| to + len);
        let (line, from) = file.line(from);
        let lines = text[from..end].trim_end_matches('\r');
        // A `\r` would be drawn as a letter; one byte for another keeps the spans.
        let text = match lines.contains('\r') {
            true => Cow::Owned(lines.replace("\r\n", " \n")),
            false => Cow::Borrowed(lines),
        };
        Some(Self { text, line, start: from })
    }

    fn inside(&self, range: Range<usize>) -> Range<usize> {
        let most = self.text.len();
        range.start.saturating_sub(self.start).min(most)..range.end.saturating_sub(self.start).min(most)
    }
}

#[cfg(test)]
mod tests;
