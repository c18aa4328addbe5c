//! From a text to its meaning in one call, for tests in all modules.

use std::path::Path;

use super::diagnostic::{Report, Severity};
use super::model::Model;
use super::source::MemLoader;
use super::{Loaded, load};

/// What a text says when it is the file `lbd.kdl`; `errors/5xx.html` is there too.
pub(crate) fn load_text(text: &str) -> Loaded {
    load(Path::new("lbd.kdl"), &MemLoader::new().file("lbd.kdl", text).file("errors/5xx.html", "<p>soon"))
}

/// The meaning of a text, and everything found in it.
pub(crate) fn model_text(text: &str) -> (Option<Model>, Report) {
    let loaded = load_text(text);
    (loaded.model, loaded.report)
}

/// The meaning of a text that must have one.
pub(crate) fn good(text: &str) -> Model {
    let loaded = load_text(text);
    let drawn = super::render::human(&loaded.report, &loaded.sources, false);
    loaded.model.unwrap_or_else(|| panic!("{drawn}"))
}

/// The findings of a text as `CODE line`, in reading order; `CODE` alone for one without a place.
pub(crate) fn findings(text: &str, severity: Severity) -> Vec<String> {
    let loaded = load_text(text);
    let of = loaded.report.findings.iter().filter(|f| f.severity == severity);
    of.map(|f| match f.span {
        Some(span) => format!("{} {}", f.code, loaded.sources.place(span).line),
        None => f.code.to_owned(),
    })
    .collect()
}

/// A listener, a pool `app` with a check, and a route to it: what a test adds its own part to.
pub(crate) const BASE: &str =
    "listen \":80\"\npool app { server \"10.0.0.1:8080\"; health tcp; }\nroute \"/\" pool=app\n";

/// Asserts that `extra`, from line 4 on, gives exactly these errors.
#[track_caller]
pub(crate) fn errors(extra: &str, expected: &[&str]) {
    assert_eq!(findings(&format!("{BASE}{extra}"), Severity::Error), expected, "{extra}");
}

/// Asserts that `extra`, from line 4 on, is without errors and gives exactly these warnings.
#[track_caller]
pub(crate) fn warnings(extra: &str, expected: &[&str]) {
    let text = format!("{BASE}{extra}");
    assert_eq!(findings(&text, Severity::Error), [""; 0], "{extra}");
    assert_eq!(findings(&text, Severity::Warning), expected, "{extra}");
}
