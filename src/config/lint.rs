//! Warnings about meaning: what loads, and will probably disappoint. One file per group of rules.
//!
//! Rules see what was written (for places) and what it means. `lint { allow … }` silences a rule,
//! `lint { deny … }` makes it an error; both are applied after all rules ran.

mod exposure;
mod mirrors;
mod overload;
mod passing;
mod pools;
mod routes;
mod splits;
mod stickiness;
#[cfg(test)]
mod tests;
mod tls;

use super::diagnostic::Diagnostic;
use super::model::Model;
use super::reader::{Block, Cx};
use super::resolve::Written;

/// What rules look at.
struct Subject<'a> {
    cx: &'a Cx<'a>,
    root: Block<'a>,
    written: &'a Written<'a>,
    model: &'a Model,
    /// Whether everything written is in the model: nothing was refused.
    complete: bool,
}

impl Subject<'_> {
    fn push(&self, finding: Diagnostic) {
        self.cx.push(finding);
    }
}

/// Runs every rule.
pub(crate) fn run<'a>(
    cx: &'a Cx<'a>,
    root: Block<'a>,
    written: &'a Written<'a>,
    model: &'a Model,
    complete: bool,
) {
    let subject = Subject { cx, root, written, model, complete };
    routes::run(&subject);
    splits::run(&subject);
    mirrors::run(&subject);
    pools::run(&subject);
    overload::run(&subject);
    stickiness::run(&subject);
    tls::run(&subject);
    passing::run(&subject);
    exposure::run(&subject);
}
