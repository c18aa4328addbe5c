//! `site`, and the default site that the top-level routes make.

use super::super::diagnostic::{Diagnostic, Span, Spanned};
use super::super::model::Certificate;
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;
use super::headers::{check_holes, value_of};
use super::listen::certificates;
use super::policy::{self, Policy};
use super::route::{self, Route};
use crate::router::PathOptions;

/// A site as written.
pub(crate) struct Site<'n> {
    /// Hosts, lower-case; empty for the default site.
    pub(crate) hosts: Vec<Spanned<String>>,
    /// How paths are compared.
    pub(crate) paths: PathOptions,
    /// Certificates of its own.
    pub(crate) certificates: Vec<Certificate>,
    /// Listeners by name.
    pub(crate) on: Option<Vec<Spanned<String>>>,
    /// What its routes take over.
    pub(crate) policy: Policy,
    /// Its routes.
    pub(crate) routes: Vec<Route<'n>>,
    /// Where it begins.
    pub(crate) span: Span,
}

/// Every `site`, then the default site when there are top-level routes.
pub(crate) fn read(root: Block<'_>) -> Vec<Site<'_>> {
    let base = paths(root, PathOptions::default());
    let mut sites: Vec<_> = root.all("site").into_iter().map(|reader| site(reader, base)).collect();
    let routes = route::read(root);
    if let Some(first) = routes.first() {
        let span = first.reader.span();
        let policy = Policy::none();
        sites.push(Site {
            hosts: Vec::new(),
            paths: base,
            certificates: Vec::new(),
            on: None,
            policy,
            routes,
            span,
        });
    }
    sites
}

fn site(reader: Reader<'_>, base: PathOptions) -> Site<'_> {
    let block = reader.block();
    let policy = policy::read(block);
    for edit in policy.request_headers.iter().chain(&policy.response_headers) {
        if let Some(finding) = check_holes(value_of(&edit.value), &[], edit.span) {
            reader.cx.push(finding.help("parameters belong to a route: move this there"));
        }
    }
    let routes = route::read(block);
    if routes.is_empty() {
        let error = Diagnostic::warning(
            "LB204",
            reader.span(),
            "this site has no route: it answers 404 to everything",
        );
        reader.cx.push(
            error
                .label("no route")
                .help("add `route \"/\" pool=…`, or say it: `route \"/\" { respond 404 }`"),
        );
    }
    Site {
        hosts: reader.args(Typed::text),
        paths: paths(block, base),
        certificates: certificates(block),
        on: block.one("on").map(|r| r.args(Typed::text)),
        policy,
        routes,
        span: reader.span(),
    }
}

fn paths(block: Block<'_>, base: PathOptions) -> PathOptions {
    let Some(r) = block.one("paths") else { return base };
    PathOptions {
        ignore_case: r.get("ignore-case", Typed::bool).unwrap_or(base.ignore_case),
        merge_slashes: r.get("merge-slashes", Typed::bool).unwrap_or(base.merge_slashes),
        reject_encoded_slash: r
            .get("encoded-slash", Typed::word)
            .map_or(base.reject_encoded_slash, |word| word == "reject"),
    }
}
