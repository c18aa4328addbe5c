//! From a head to its route: site by host, route by path and conditions. Renders what the route's texts
//! take from the request while the match is at hand.

use std::borrow::Cow;

use super::{Story, split};
use crate::config::model::{HeaderEdit, LocationPart};
use crate::proxy::affinity::RequestFacts;
use crate::proxy::connection::ClientConnection;
use crate::proxy::failure::Failure;
use crate::proxy::forwarded::Client;
use crate::proxy::head::RequestHead;
use crate::proxy::recent::Seen;
use crate::proxy::scratch::Scratch;
use crate::router::{Found, NormalPath};
use crate::snapshot::{ActionSnap, ListenerSnap, RouteSnap};
use std::sync::Arc;

/// What routing found, besides the route.
#[derive(Debug, Default)]
pub(super) struct Path {
    /// The path to forward, where it is not the one received.
    pub(super) rewritten: Option<Vec<u8>>,
    /// The host to forward, where it is not the one received.
    pub(super) host: Option<Vec<u8>>,
    /// A redirect's location.
    pub(super) location: Vec<u8>,
}

/// A request at a listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub(super) listener: &'a ListenerSnap,
    pub(super) request: &'a RequestHead,
    pub(super) client: Client,
}

/// Lines that a route adds to the request and to the answer.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    pub(super) request: &'a mut Vec<u8>,
    pub(super) response: &'a mut Vec<u8>,
}

/// Finds the route of the request into `story`.
pub(super) fn find(
    connection: &ClientConnection,
    scratch: &mut Scratch,
    story: &mut Story,
) -> Result<Path, Failure> {
    let Scratch { request, request_lines, response_lines, .. } = scratch;
    let arrived = Arrived { listener: &connection.listener, request, client: story.client };
    let lines = Lines { request: request_lines, response: response_lines };
    let way = |route: &Arc<RouteSnap>, lines: &mut Vec<u8>| {
        Arc::clone(split::way(route, &arrived.facts(), story.client.https, lines))
    };
    arrived.take_route(way, lines, &mut story.route)
}

impl Arrived<'_> {
    /// What rules may ask of it.
    pub(super) fn facts(&self) -> RequestFacts<'_> {
        RequestFacts { head: self.request, client_ip: self.client.ip }
    }

    /// Finds the route into `taken`; `way` says which one is taken where it splits.
    pub(super) fn take_route(
        &self,
        way: impl FnOnce(&Arc<RouteSnap>, &mut Vec<u8>) -> Arc<RouteSnap>,
        lines: Lines<'_>,
        taken: &mut Option<Arc<RouteSnap>>,
    ) -> Result<Path, Failure> {
        let Self { listener, request, .. } = *self;
        let facts = self.facts();
        let site = listener.sites.find(request.host().unwrap_or_default()).ok_or(Failure::NoRoute)?;
        if request.path() == b"*" {
            // OPTIONS * is about the server as a whole: the site's root stands for it.
            let root = NormalPath::parse(b"/", site.paths).map_err(Failure::BadPath)?;
            let found = site.routes.find(&root, &facts).ok_or(Failure::NoRoute)?;
            *taken = Some(way(found.value, lines.response));
            return Ok(Path::default());
        }
        let path = NormalPath::parse(request.path(), site.paths).map_err(Failure::BadPath)?;
        let found =
            site.routes.find_surely(&path, &facts).map_err(Failure::BadPath)?.ok_or(Failure::NoRoute)?;
        // Known before anything can fail: its pages are for its errors.
        let route = &**taken.insert(way(found.value, lines.response));
        let text = Texts { head: request, path: &path, found: &found };
        text.lines(&route.request_headers, lines.request);
        text.lines(&route.response_headers, lines.response);
        let mut result = Path::default();
        if let ActionSnap::Redirect { location, .. } = &route.action {
            text.fill(location, &mut result.location);
        }
        if path.forwarded() != request.path() {
            result.rewritten = Some(path.forwarded().to_vec());
        }
        if let Some(rewrite) = &route.rewrite {
            text.rewrite(rewrite, &mut result)?;
        }
        Ok(result)
    }
}

/// Keeps by what the request was routed, for plans that route it again.
pub(super) fn remember(connection: &ClientConnection, request: &RequestHead, story: &Story) {
    if !connection.listener.remembers {
        return;
    }
    connection.worker.recent.borrow_mut().note(&Seen {
        at: connection.worker.unix_seconds(),
        listener: &connection.listener.name,
        method: request.method_bytes(),
        host: request.host().unwrap_or_default(),
        path: request.path(),
        websocket: request.is_websocket(),
        client: story.client.ip,
        route: story.route.as_ref().map(|route| &*route.name),
    });
}

/// The holes of a route's texts, filled from one request.
pub(super) struct Texts<'a, 'r> {
    head: &'a RequestHead,
    pub(super) path: &'a NormalPath<'a>,
    found: &'a Found<'r, Arc<RouteSnap>>,
}

impl Texts<'_, '_> {
    /// Appends the lines that edits set or add.
    fn lines(&self, edits: &[HeaderEdit], out: &mut Vec<u8>) {
        for edit in edits {
            if let HeaderEdit::Set { name, value, .. } | HeaderEdit::Add { name, value, .. } = edit {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b": ");
                self.fill(value, out);
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// Appends a text. What comes from the request cannot end the line: control bytes are left out.
    pub(super) fn fill(&self, parts: &[LocationPart], out: &mut Vec<u8>) {
        for part in parts {
            match part {
                LocationPart::Text(text) => out.extend_from_slice(text.as_bytes()),
                LocationPart::Host => clean(self.head.host().unwrap_or_default(), out),
                LocationPart::Path => clean(self.path.forwarded(), out),
                LocationPart::Query => {
                    if let Some(query) = self.head.query() {
                        out.push(b'?');
                        clean(query, out);
                    }
                }
                LocationPart::Param(name) => {
                    let value = self.found.param(name, self.path).unwrap_or(Cow::Borrowed(""));
                    clean(value.as_bytes(), out);
                }
            }
        }
    }
}

fn clean(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().filter(|b| !b.is_ascii_control()));
}
