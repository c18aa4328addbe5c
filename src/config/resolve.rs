//! From what was written to what is meant: names become references, defaults are filled in, and
//! everything that contradicts something else is found, all of it and not only the first.

mod application_cookies;
mod limits;
mod listeners;
mod pools;
mod sites;
mod split_cookies;
mod tcp;
mod ties;

use super::ast::{self, lint::Lint, listen::Listen, pool::Pool, site::Site};
use super::diagnostic::{Diagnostic, FileId, Place, Report, Severity, Span};
use super::model::{Action, Control, ErrorPage, Log, Model, Reload, Resolver, Status, Trace};
use super::node::Node;
use super::reader::{Block, Cx};
use super::source::Sources;
use super::{lint, schema};

#[cfg(test)]
mod mutation_tests;
#[cfg(test)]
mod route_part_tests;
#[cfg(test)]
mod tests;

/// Turns a span into a place for people. Implemented by the set of sources, and by tests.
pub trait Places {
    /// The file, as the user named it, and the line where `span` starts.
    fn place(&self, span: Span) -> Place;
    /// Bytes of memory of the machine, where somebody knows.
    fn memory(&self) -> Option<u64> {
        None
    }
}

impl Places for Sources {
    fn place(&self, span: Span) -> Place {
        Sources::place(self, span)
    }

    fn memory(&self) -> Option<u64> {
        Sources::memory(self)
    }
}

/// Everything that was read, before it is tied together.
pub(crate) struct Written<'n> {
    /// `listen`
    pub(crate) listens: Vec<Listen<'n>>,
    /// `site`, and the default site
    pub(crate) sites: Vec<Site<'n>>,
    /// `pool`
    pub(crate) pools: Vec<Pool<'n>>,
    /// `error-page` at the top level
    pub(crate) error_pages: Vec<ErrorPage>,
    /// `status`
    pub(crate) status: Option<Status>,
    /// Where `status` stands.
    pub(crate) status_span: Option<Span>,
    /// `control`
    pub(crate) control: Control,
    /// `log`
    pub(crate) log: Log,
    /// `trace`
    pub(crate) trace: Option<Trace>,
    /// `reload`
    pub(crate) reload: Reload,
    /// `resolver`
    pub(crate) resolver: Resolver,
    /// `lint`
    pub(crate) lint: Lint,
}

/// The meaning of `nodes` (top level; no include, let, template, use or defaults left). `None` exactly
/// when `report` holds an error at the end, including those that were there before.
///
/// Call [`schema::check`] first: shape errors are reported there, only there, and readers stay silent
/// about what it refused.
pub fn model(nodes: &[Node], places: &dyn Places, report: &mut Report) -> Option<Model> {
    let cx = Cx::new(places, report);
    let root = Block::root(&cx, nodes);
    let written = Written::read(root);
    let model = assemble(&cx, root, &written);
    // What a name that nobody knows was meant to be may be what is missing.
    if !report.findings.iter().any(|finding| finding.code == "LB101") {
        nothing_to_do(root, &written);
    }
    // A node that is refused may have used what now looks unused.
    let complete =
        !report.findings.iter().any(|f| f.severity == Severity::Error) && !nodes.iter().any(is_assumed);
    lint::run(&cx, root, &written, &model, complete);
    report.ruling.orders.extend(written.lint.orders);
    report.findings.extend(cx.into_findings());
    report.settle();
    (!report.has_errors()).then_some(model)
}

/// Whether a value in the node is not known, without anybody having complained.
fn is_assumed(node: &Node) -> bool {
    let mut values = node.args.iter().chain(node.props.iter().map(|(_, value)| value));
    values.any(|value| value.poisoned) || node.children.iter().flatten().any(is_assumed)
}

/// Checks `nodes` and gives their meaning: [`schema::check`], then [`model`].
pub fn check_and_resolve(nodes: &[Node], places: &dyn Places, report: &mut Report) -> Option<Model> {
    schema::check(nodes, report);
    model(nodes, places, report)
}

impl<'n> Written<'n> {
    /// Reads every section.
    pub(crate) fn read(root: Block<'n>) -> Self {
        let resolver = ast::resolver::read(root);
        Self {
            listens: ast::listen::read(root),
            sites: ast::site::read(root),
            pools: ast::pool::read(root, &resolver),
            error_pages: ast::error_page::read(root),
            status: ast::status::read(root),
            status_span: root.one("status").map(|r| r.span()),
            control: ast::control::read(root),
            log: ast::log::read(root),
            trace: ast::trace::read(root),
            reload: ast::reload::read(root),
            resolver,
            lint: ast::lint::read(root),
        }
    }
}

fn assemble(cx: &Cx<'_>, root: Block<'_>, written: &Written<'_>) -> Model {
    let mut listeners = listeners::resolve(cx, written);
    let pools = pools::resolve(cx, written);
    split_cookies::check(cx, written, &pools);
    tcp::resolve(cx, root, written, &mut listeners, &pools);
    let sites = sites::resolve(cx, root, written, &listeners, &pools);
    Model {
        listeners,
        sites,
        pools,
        error_pages: written.error_pages.clone(),
        status: written.status.clone(),
        control: written.control.clone(),
        log: written.log.clone(),
        trace: written.trace.clone(),
        reload: written.reload,
        resolver: written.resolver.clone(),
        lint: written.lint.settings.clone(),
    }
}

/// LB801: an empty or half-written file is not a configuration.
fn nothing_to_do(root: Block<'_>, written: &Written<'_>) {
    let error = |message: &str, help: &str| {
        // What is missing stands nowhere: the beginning of the main file says which file it is missing from.
        let start = Span { file: FileId(0), start: 0, end: 0 };
        root.push(Diagnostic::error("LB801", start, message).help(help));
    };
    if !root.holds("listen") {
        error("there is nothing to listen on", "add `listen \":80\"`; an empty file is never applied");
    }
    let answers = |route: &ast::route::Route<'_>| {
        matches!(
            route.action.as_ref().map(|a| &a.value),
            Some(Action::Redirect { .. } | Action::Respond { .. })
        )
    };
    let redirects = written.listens.iter().any(|l| l.listener.redirect_to_https.is_some());
    if !root.holds("pool") && !redirects && !written.sites.iter().flat_map(|s| &s.routes).any(answers) {
        let help = "add `pool app { server \"10.0.0.1:8080\"; }` and `route \"/\" pool=app`";
        error("there is no pool, and no route that answers by itself", help);
    }
}
