//! `error-page`: which file is the body of which answers that lbd makes. The files are read later
//! ([`super::super::pages`]).

use super::super::diagnostic::{Diagnostic, Span, Spanned};
use super::super::model::{ErrorPage, StatusSet};
use super::super::node::Origin;
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;

/// The pages of a block: those of a stronger origin first, else by status.
pub(crate) fn read(block: Block<'_>) -> Vec<ErrorPage> {
    let mut pages: Vec<(Origin, ErrorPage)> = Vec::new();
    for r in block.all("error-page") {
        let Some(page) = page(r) else { continue };
        // Two origins may speak of one status, and the stronger wins; two nodes of one origin contradict each other.
        for (_, other) in pages.iter().filter(|(origin, _)| *origin == r.origin()) {
            if let Some(status) = both(&page.statuses, &other.statuses) {
                let error = Diagnostic::error("LB105", r.span(), format!("{status} has two error pages"));
                r.cx.push(error.label("again here").also(other.span, "first here").help("keep one of them"));
            }
        }
        pages.push((r.origin(), page));
    }
    pages.sort_by(|(a_origin, a), (b_origin, b)| {
        b_origin.cmp(a_origin).then_with(|| a.statuses.0.cmp(&b.statuses.0))
    });
    pages.into_iter().map(|(_, page)| page).collect()
}

fn page(r: Reader<'_>) -> Option<ErrorPage> {
    let statuses = r.args(Typed::statuses);
    for status in statuses.iter().filter(|set| set.value.0.iter().any(|&(from, _)| from < 400)) {
        let error = Diagnostic::error("LB102", status.span, "an error page is for statuses from 400 to 599");
        r.cx.push(error.label("no error"));
    }
    let Some(file) = r.file("file").flatten() else {
        if r.written("file").is_none() {
            let error = Diagnostic::error("LB102", r.span(), "`error-page` needs `file=`");
            r.cx.push(error.label("which page?").help("write `error-page 503 file=\"errors/503.html\"`"));
        }
        return None;
    };
    let ending = file.extension().unwrap_or_default().to_string_lossy();
    let content_type = content_type(&ending);
    let set = StatusSet(merged(statuses));
    Some(ErrorPage { statuses: set, content_type, body: [].into(), span: at(r), file })
}

fn merged(sets: Vec<Spanned<StatusSet>>) -> Vec<(u16, u16)> {
    let mut ranges: Vec<_> = sets.into_iter().flat_map(|set| set.value.0).collect();
    ranges.sort_unstable();
    ranges
}

fn at(r: Reader<'_>) -> Span {
    r.written("file").unwrap_or(r.span())
}

/// A status that is in both sets.
fn both(a: &StatusSet, b: &StatusSet) -> Option<u16> {
    (400..=599).find(|&status| a.contains(status) && b.contains(status))
}

/// The content type of a file with this ending.
fn content_type(ending: &str) -> &'static str {
    match &*ending.to_ascii_lowercase() {
        "html" | "htm" => "text/html; charset=utf-8",
        "xhtml" => "application/xhtml+xml",
        "json" => "application/json",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "md" => "text/markdown; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    }
}
