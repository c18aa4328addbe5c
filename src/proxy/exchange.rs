//! ONE REQUEST. Read this first.
//!
//! Its stations: find the route, check what the route admits, then answer here or forward to a pool
//! ([`forward`]). The first half is this file; every way out that is not the server's answer passes
//! [`Failure`]. One exchange sees one listener, and so one snapshot, to its end.

mod answer;
mod attempt;
mod compress;
mod deliver;
mod error_page;
pub(crate) mod foresee;
mod forward;
mod grpc;
mod hung;
mod limit;
mod mirror;
mod observed;
mod rewrite;
mod routing;
mod split;
mod stickiness;
mod traced;
mod upgrade;
mod waiting;

use std::time::{Duration, Instant};

use tracing::{debug, trace};

pub(crate) use answer::refuse;
pub(crate) use mirror::RequestCopy;
pub(crate) use upgrade::Upgraded;

use super::access_log::{Entry, Times};
use super::affinity::RequestFacts;
use super::connection::ClientConnection;
use super::decisions::Note;
use super::failure::Failure;
use super::forwarded::Client;
use super::head::{BodyFraming, Known, RequestHead, Version};
use super::request_id::RequestId;
use super::scratch::Scratch;
use super::trace_context::trace_of;
use crate::config::model::{AccessLog, Key};
use crate::observe::{Counters, Exchange};
use crate::pool::Affinity;
use crate::snapshot::{ActionSnap, RouteSnap};

/// What becomes of the client connection.
#[derive(Debug)]
pub(crate) enum Next {
    /// It waits for another request.
    KeepAlive,
    /// It ends.
    Close,
    /// It ends, and what the client still sends is thrown away.
    Linger,
    /// It is reset: an answer broke after it began.
    Abort,
    /// It became a tunnel.
    Upgraded(Box<upgrade::Accepted>),
    /// It goes on as HTTP/2, whose first bytes are at hand.
    Http2,
}

/// What is known of the exchange once it is over, for the access log and the counters.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) began: Instant,
    pub(crate) id: RequestId,
    pub(crate) client: Client,
    pub(crate) status: u16,
    pub(crate) route: Option<std::sync::Arc<RouteSnap>>,
    pub(crate) server: Option<std::sync::Arc<crate::pool::Server>>,
    pub(crate) how: &'static str,
    pub(crate) retries: u32,
    pub(crate) first_byte: Option<Duration>,
    /// How long it waited for a server with room.
    pub(crate) queued: Option<Duration>,
    /// How long the connection took that was opened for it.
    pub(crate) connect: Option<Duration>,
    /// How long after its beginning the server that answered had it.
    pub(crate) sent: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) failure: Option<Failure>,
    /// Overrides the failure's word: how a tunnel ended.
    pub(crate) reason: Option<&'static str>,
    /// Its place in a trace, where requests are traced.
    pub(crate) traced: Option<Box<traced::Traced>>,
}

impl Story {
    fn new(connection: &ClientConnection, scratch: &Scratch) -> Self {
        let client = Client::of(
            &scratch.request,
            connection.peer.ip(),
            connection.wire.is_tls(),
            &connection.listener.trust_forwarded,
        );
        Self {
            began: Instant::now(),
            id: RequestId::of(&scratch.request, client.trusted),
            client,
            status: 0,
            route: None,
            server: None,
            how: "lbd",
            retries: 0,
            first_byte: None,
            queued: None,
            connect: None,
            sent: Duration::ZERO,
            bytes_in: 0,
            bytes_out: 0,
            failure: None,
            reason: None,
            traced: connection
                .listener
                .trace
                .map(|trace| Box::new(traced::Traced::begin(trace, &scratch.request, client.trusted))),
        }
    }
}

impl Story {
    /// Where the time went.
    fn times(&self) -> Times {
        let server = self.first_byte.map(|first_byte| first_byte.saturating_sub(self.sent));
        Times { queue: self.queued, connect: self.connect, server, first_byte: self.first_byte }
    }

    /// The number of its trace.
    fn trace(&self, head: &RequestHead) -> Option<[u8; 32]> {
        self.traced.as_ref().map_or_else(|| trace_of(head), |traced| Some(traced.number()))
    }

    /// Why it ended without a server's answer, or how.
    fn reason(&self) -> Option<&'static str> {
        self.reason.or_else(|| self.failure.map(|failure| failure.verdict().reason))
    }

    /// Counts the answer that begins now: for the pool since the request came, for the server since it had it.
    fn count_answer(&self, pool: &Counters, server: &Counters, worker: usize) {
        let first_byte = self.first_byte.unwrap_or_default();
        pool.shard(worker).response(self.status, first_byte.as_micros() as u64);
        server.shard(worker).response(self.status, first_byte.saturating_sub(self.sent).as_micros() as u64);
    }
}

/// Serves the request whose head is in `scratch`.
pub(crate) async fn run(connection: &mut ClientConnection, scratch: &mut Scratch) -> Next {
    let mut story = Story::new(connection, scratch);
    let next = match stations(connection, scratch, &mut story).await {
        Ok(next) => next,
        Err(failure) => answer::fail(connection, scratch, &mut story, failure).await,
    };
    let took = story.began.elapsed();
    note(connection, &story, took);
    count(connection, &story, took);
    if !matches!(next, Next::Upgraded(_)) {
        tell(connection, scratch, &story, took);
    }
    traced::tell(connection, scratch, &story, took);
    match next {
        Next::Upgraded(mut accepted) => {
            accepted.remember(connection, scratch, story);
            Next::Upgraded(accepted)
        }
        Next::KeepAlive if connection.orphaned || connection.worker.is_draining() => Next::Close,
        next => next,
    }
}

async fn stations(
    connection: &mut ClientConnection,
    scratch: &mut Scratch,
    story: &mut Story,
) -> Result<Next, Failure> {
    if connection.shown.is_misdirected(&connection.listener, scratch.request.host().unwrap_or_default()) {
        return Err(Failure::Misdirected);
    }
    if let Some(redirect) = connection.listener.redirect_to_https {
        return answer::redirect_to_https(connection, scratch, story, redirect).await;
    }
    let found = routing::find(connection, scratch, story);
    routing::remember(connection, &scratch.request, story);
    let path = found?;
    let Some(route) = story.route.clone() else { return Err(Failure::NoRoute) };
    if !route.admits(story.client.ip) {
        return Err(Failure::Forbidden);
    }
    limit::check(&route, &RequestFacts { head: &scratch.request, client_ip: story.client.ip })?;
    if !fits(&route, &scratch.request) {
        return Err(Failure::BodyTooLarge);
    }
    match &route.action {
        ActionSnap::Pool(pool) => {
            let (upgrading, ends_at, body, copy) = (None, None, forward::Body::Fresh, None);
            let (route, movable) = (&route, false);
            forward::Forward {
                connection,
                scratch,
                story,
                route,
                pool,
                path,
                upgrading,
                ends_at,
                copy,
                body,
                movable,
            }
            .run()
            .await
        }
        // Routing took one of its ways.
        ActionSnap::Split(_) => Err(Failure::NoRoute),
        ActionSnap::Redirect { status, .. } => {
            answer::redirect(connection, scratch, story, *status, &path.location).await
        }
        ActionSnap::Respond { status, body, content_type } => {
            answer::respond(connection, scratch, story, *status, body, content_type).await
        }
    }
}

/// Whether the body is no larger than the route allows, as far as its head tells.
fn fits(route: &RouteSnap, request: &RequestHead) -> bool {
    match (route.body_limit, request.framing()) {
        (Some(limit), BodyFraming::Length(length)) => length <= limit,
        _ => true,
    }
}

/// Keeps what was decided, for whoever asks, and says so at the level `trace`.
fn note(connection: &ClientConnection, story: &Story, took: Duration) {
    let listener = &connection.listener;
    let note = Note {
        id: &story.id,
        began: story.began,
        client: story.client.ip,
        listener: &listener.name,
        generation: listener.generation,
        route: story.route.as_ref().map(|route| &*route.name),
        pool: pool_of(story),
        server: story.server.as_ref().map(|server| &*server.name),
        how: story.how,
        retries: story.retries,
        status: story.status,
        reason: story.reason(),
        first_byte: story.first_byte,
        took,
    };
    trace!(
        id = note.id.as_str(),
        client = %note.client,
        listener = note.listener,
        route = note.route,
        pool = note.pool,
        server = note.server,
        how = note.how,
        retries = note.retries,
        status = note.status,
        reason = note.reason,
        ?took,
        "request decided"
    );
    connection.worker.decisions.borrow_mut().note(&note);
}

/// Counts it for its listener and its route. An exchange that became a tunnel is over here.
fn count(connection: &ClientConnection, story: &Story, took: Duration) {
    let (live, worker) = (&connection.listener.live, connection.worker.index);
    let (status, micros) = (story.status, took.as_micros() as u64);
    let exchange = Exchange { status, micros, bytes: (story.bytes_in, story.bytes_out) };
    live.exchanges.count(worker, &exchange);
    if let Some(route) = &story.route {
        route.exchanges.count(worker, &exchange);
    }
    if let Some(failure) = story.failure {
        live.failures.add(failure.verdict().reason);
    }
}

fn pool_of(story: &Story) -> Option<&str> {
    story.route.as_ref().and_then(|route| match &route.action {
        ActionSnap::Pool(pool) => Some(&*pool.pool.name),
        _ => None,
    })
}

/// Tells the access log.
fn tell(connection: &ClientConnection, scratch: &Scratch, story: &Story, took: Duration) {
    if let Some(failure) = story.failure {
        debug!(
            client = %story.client.ip,
            listener = %connection.listener.name,
            status = story.status,
            reason = failure.verdict().reason,
            blame = ?failure.verdict().blame,
            "request failed"
        );
    }
    let Some(settings) = &connection.listener.access_log else { return };
    let head = &scratch.request;
    let facts = RequestFacts { head, client_ip: story.client.ip };
    let captures = captures(settings, &facts);
    let trace = story.trace(head);
    connection.worker.access_log.record(
        settings,
        &Entry {
            id: story.id.as_str(),
            client: story.client.ip,
            listener: &connection.listener.name,
            protocol: protocol(head),
            tls: connection.shown.tls_version(),
            trace: trace.as_ref().map(|trace| &trace[..]),
            method: head.method(),
            host: head.authority().unwrap_or_default(),
            target: head.target(),
            status: story.status,
            route: story.route.as_ref().map(|route| &*route.name),
            pool: pool_of(story),
            server: story.server.as_ref().map(|server| &*server.name),
            how: story.how,
            retries: story.retries,
            times: story.times(),
            took,
            bytes_in: story.bytes_in,
            bytes_out: story.bytes_out,
            reason: story.reason(),
            carried: None,
            user_agent: head.get_known(Known::UserAgent).unwrap_or_default(),
            referer: head.get_known(Known::Referer).unwrap_or_default(),
            generation: connection.listener.generation,
            captures: &captures,
        },
    );
}

/// The version of HTTP, as access logs write it.
fn protocol(head: &RequestHead) -> &'static str {
    match head.version() {
        Version::Http10 => "HTTP/1.0",
        Version::Http11 => "HTTP/1.1",
        Version::Http2 => "HTTP/2.0",
    }
}

fn captures(settings: &AccessLog, facts: &RequestFacts<'_>) -> Vec<(String, Vec<u8>)> {
    settings
        .captures
        .iter()
        .filter_map(|capture| {
            let (name, value) = captured(&capture.key, facts)?;
            let value = if capture.hash {
                format!("{:016x}", crate::pool::balance::hash(&value)).into_bytes()
            } else {
                value
            };
            Some((name, value))
        })
        .collect()
}

fn captured(key: &Key, facts: &RequestFacts<'_>) -> Option<(String, Vec<u8>)> {
    let mut value = None;
    let mut take = |bytes: &[u8]| {
        value = Some(bytes.to_vec());
        true
    };
    let name = match key {
        Key::Header(name) => facts.head.any(name, &mut take).then(|| format!("header:{name}")),
        Key::Cookie(name) => Affinity::any_cookie(facts, name, &mut take).then(|| format!("cookie:{name}")),
        Key::Query(name) => super::affinity::query_value(facts.head.query(), name.as_bytes())
            .is_some_and(&mut take)
            .then(|| format!("query:{name}")),
        Key::SourceIp => take(facts.client_ip.to_string().as_bytes()).then(|| "source-ip".to_owned()),
        Key::Path => take(facts.head.path()).then(|| "path".to_owned()),
        Key::Host => facts.head.host().is_some_and(take).then(|| "host".to_owned()),
    }?;
    Some((name, value?))
}
