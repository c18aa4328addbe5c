//! The stages from a path to nodes, one after another: files and includes, then templates and expansion.
//!
//! What comes out has no `include`, `let`, `template`, `use` or `defaults` left in it. Nodes are given even when
//! there are errors, so that what they mean can be checked in the same run.

use std::path::Path;

use super::diagnostic::Report;
use super::include::Reader;
use super::node::Node;
use super::source::{Loader, Sources};
use super::{ruling, template};

/// Reads the file set that begins at `path`: all nodes, included, expanded and spliced, and all findings in
/// reading order. When [`Sources::complete`] is false, what is missing among the nodes means nothing.
///
/// Recurses as deep as [`super::guard`] allows; [`super::load_nodes`] calls it on a thread with stack for that.
pub fn read(path: &Path, loader: &dyn Loader) -> (Vec<Node>, Report, Sources) {
    let mut reader = Reader::new(loader);
    let written = reader.main(path);
    let Reader { mut sources, mut report, .. } = reader;
    let nodes = template::splice(written, loader, &mut sources, &mut report);
    ruling::comments(&sources, &mut report);
    report.sort();
    (nodes, report, sources)
}

#[cfg(test)]
mod tests;
