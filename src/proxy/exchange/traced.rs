//! The spans of one exchange: that of the request, and one for each attempt at a server, whose number the server gets
//! in `traceparent`.
//!
//! Names and facts are those of OpenTelemetry's conventions for HTTP; what they have no word for begins with `lbd.`.
//! The query of a request is in none of them: it may hold secrets. A tunnel's span ends when the tunnel begins.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Story, pool_of};
use crate::config::model::Follow;
use crate::observe::{Fact, Span, SpanKind};
use crate::pool::Server;
use crate::proxy::connection::ClientConnection;
use crate::proxy::failure::Failure;
use crate::proxy::head::{Known, KnownSet, RequestHead, Version};
use crate::proxy::http1::Names;
use crate::proxy::scratch::Scratch;
use crate::proxy::trace_context::TraceContext;
use crate::snapshot::TraceSnap;

/// The longest text that a client may put into a span.
const LONGEST: usize = 1024;
/// Attempts that are told of, at most; a request has fewer.
const MOST_ATTEMPTS: usize = 16;
/// Methods that may be in a span's name; any other is `_OTHER`, so that no client makes up names.
const METHODS: [&str; 10] =
    ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"];

/// The trace of one exchange.
#[derive(Debug)]
pub(crate) struct Traced {
    /// Its own span.
    own: TraceContext,
    /// What the sender said.
    parent: Option<TraceContext>,
    began: SystemTime,
    attempts: Vec<Attempt>,
}

/// One attempt at one server.
#[derive(Debug)]
struct Attempt {
    span: [u8; 8],
    server: Arc<Server>,
    how: &'static str,
    began: Duration,
    /// When it was over, and with which status or for which reason; an attempt that is not ends with the exchange.
    over: Option<(Duration, u16, Option<&'static str>)>,
}

impl Traced {
    /// The trace that the sender began, or one that begins here; and whether it is sampled.
    pub(super) fn begin(trace: TraceSnap, head: &RequestHead, trusted: bool) -> Self {
        let parent = TraceContext::of(head);
        let number = parent.map_or_else(|| fastrand::u128(1..).to_be_bytes(), |parent| parent.trace);
        let followed = match trace.follow {
            Follow::All => true,
            Follow::Trusted => trusted,
            Follow::None => false,
        };
        let decided = parent.filter(|_| followed).map(|parent| parent.sampled);
        let sampled = decided.unwrap_or_else(|| trace.draws(&number));
        let own = TraceContext { trace: number, span: new_span(), sampled };
        Self { own, parent, began: SystemTime::now(), attempts: Vec::new() }
    }

    /// The trace's number, as it is written.
    pub(super) fn number(&self) -> [u8; 32] {
        self.own.trace_digits()
    }

    /// What a server is told: the attempt that it is asked by.
    fn onward(&self) -> TraceContext {
        let span = self.attempts.last().map_or(self.own.span, |attempt| attempt.span);
        TraceContext { span, ..self.own }
    }
}

fn new_span() -> [u8; 8] {
    fastrand::u64(1..).to_be_bytes()
}

/// An attempt at a server begins.
pub(super) fn attempt(story: &mut Story, server: &Arc<Server>, how: &'static str) {
    let Some(traced) = &mut story.traced else { return };
    if traced.own.sampled && traced.attempts.len() < MOST_ATTEMPTS {
        let (server, began) = (Arc::clone(server), story.began.elapsed());
        traced.attempts.push(Attempt { span: new_span(), server, how, began, over: None });
    }
}

/// It is over, and another one follows.
pub(super) fn attempt_over(story: &mut Story, status: u16, failure: Option<Failure>) {
    let Some(attempt) = story.traced.as_mut().and_then(|traced| traced.attempts.last_mut()) else { return };
    let reason = failure.map(|failure| failure.verdict().reason);
    attempt.over = Some((story.began.elapsed(), if failure.is_some() { 0 } else { status }, reason));
}

/// Appends the line for the server, unless the route says what it gets.
pub(super) fn write_line(story: &Story, edited: Names<'_>, out: &mut Vec<u8>) {
    if let Some(traced) = &story.traced
        && !edited.any(|name| name == "traceparent")
    {
        traced.onward().write_line(out);
    }
}

/// The fields that this line replaces.
pub(super) fn replaced(story: &Story) -> KnownSet {
    let Some(traced) = &story.traced else { return KnownSet::EMPTY };
    // What belongs to a trace that is not gone on with belongs to none.
    let with_state = KnownSet::of(&[Known::Traceparent, Known::Tracestate]);
    let alone = KnownSet::of(&[Known::Traceparent]);
    if traced.parent.is_some() { alone } else { with_state }
}

/// The exchange is over: its spans go to the worker's parcel.
pub(super) fn tell(connection: &ClientConnection, scratch: &Scratch, story: &Story, took: Duration) {
    let Some(traced) = story.traced.as_ref().filter(|traced| traced.own.sampled) else { return };
    let head = &scratch.request;
    let state = traced.parent.and_then(|_| head.get_known(Known::Tracestate)).map(text).unwrap_or_default();
    let method = METHODS.into_iter().find(|known| *known == head.method());
    let spans = &connection.worker.spans;
    spans.push(Span {
        trace: traced.own.trace,
        id: traced.own.span,
        parent: traced.parent.map(|parent| parent.span),
        remote_parent: traced.parent.is_some(),
        state: state.clone(),
        kind: SpanKind::Server,
        name: name(method, story),
        began: traced.began,
        took,
        facts: facts(connection, head, story, method),
        failed: is_failed(story),
    });
    // Without its first byte the status is lbd's.
    let answered = story.first_byte.map_or(0, |_| story.status);
    for (resend, attempt) in traced.attempts.iter().enumerate() {
        let (over, status, reason) = attempt.over.unwrap_or((took, answered, story.reason()));
        spans.push(Span {
            trace: traced.own.trace,
            id: attempt.span,
            parent: Some(traced.own.span),
            remote_parent: false,
            state: state.clone(),
            kind: SpanKind::Client,
            name: method.unwrap_or("HTTP").to_owned(),
            began: traced.began + attempt.began,
            took: over.saturating_sub(attempt.began),
            facts: attempt.facts(method, resend, status, reason),
            failed: reason.is_some() || status >= 400,
        });
    }
}

/// `GET /shop`: the method, and the pattern that took the request.
fn name(method: Option<&str>, story: &Story) -> String {
    let method = method.unwrap_or("HTTP");
    match story.route.as_ref().and_then(|route| route.patterns.first()) {
        Some(pattern) => format!("{method} {pattern}"),
        None => method.to_owned(),
    }
}

type Facts = Vec<(&'static str, Fact)>;

fn fact(text: impl Into<Cow<'static, str>>) -> Fact {
    Fact::Text(text.into())
}

/// What a client sent, as text and not too long.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]).into_owned()
}

fn number(number: impl Into<i64>) -> Fact {
    Fact::Number(number.into())
}

/// An error of the client's is none of a server (semantic conventions for HTTP, "Status").
fn is_failed(story: &Story) -> bool {
    story.status >= 500 || story.status == 0
}

fn version(head: &RequestHead) -> &'static str {
    match head.version() {
        Version::Http10 => "1.0",
        Version::Http11 => "1.1",
        Version::Http2 => "2",
    }
}

fn of_method(method: Option<&'static str>) -> (&'static str, Fact) {
    ("http.request.method", fact(method.unwrap_or("_OTHER")))
}

fn of_status(status: u16, reason: Option<&'static str>, least: u16, facts: &mut Facts) {
    if status != 0 {
        facts.push(("http.response.status_code", number(status)));
    }
    match reason {
        Some(reason) => facts.push(("error.type", fact(reason))),
        None if status >= least => facts.push(("error.type", fact(status.to_string()))),
        None => {}
    }
}

fn facts(
    connection: &ClientConnection,
    head: &RequestHead,
    story: &Story,
    method: Option<&'static str>,
) -> Facts {
    let listener = &connection.listener;
    let mut facts = vec![
        of_method(method),
        ("url.scheme", fact(if story.client.https { "https" } else { "http" })),
        ("url.path", fact(text(head.path()))),
        ("client.address", fact(story.client.ip.to_string())),
        ("network.peer.address", fact(connection.peer.ip().to_canonical().to_string())),
        ("network.protocol.version", fact(version(head))),
        ("lbd.listener", fact(listener.name.to_string())),
        ("lbd.generation", number(i64::try_from(listener.generation).unwrap_or(i64::MAX))),
        ("lbd.request.id", fact(story.id.as_str().to_owned())),
        ("lbd.why", fact(story.how)),
        ("lbd.retries", number(story.retries)),
    ];
    let failed = is_failed(story);
    of_status(story.status, story.reason().filter(|_| failed), 500, &mut facts);
    facts.extend(story.reason().map(|reason| ("lbd.reason", fact(reason))));
    if let Some(host) = head.host() {
        facts.push(("server.address", fact(text(host))));
    }
    if let Some(agent) = head.get_known(Known::UserAgent) {
        facts.push(("user_agent.original", fact(text(agent))));
    }
    if let Some(route) = &story.route {
        facts.extend(route.patterns.first().map(|pattern| ("http.route", fact(pattern.to_string()))));
        facts.push(("lbd.route", fact(route.name.to_string())));
    }
    facts.extend(pool_of(story).map(|pool| ("lbd.pool", fact(pool.to_owned()))));
    facts.extend(story.server.as_ref().map(|server| ("lbd.server", fact(server.name.to_string()))));
    facts.extend(story.queued.map(|queued| ("lbd.queued_ms", number(queued.as_millis() as i64))));
    facts
}

impl Attempt {
    fn facts(
        &self,
        method: Option<&'static str>,
        resend: usize,
        status: u16,
        reason: Option<&'static str>,
    ) -> Facts {
        let mut facts = vec![
            of_method(method),
            ("server.address", fact(self.server.host.to_string())),
            ("server.port", number(self.server.port)),
            ("lbd.pool", fact(self.server.pool.to_string())),
            ("lbd.server", fact(self.server.name.to_string())),
            ("lbd.why", fact(self.how)),
        ];
        of_status(status, reason, 400, &mut facts);
        if resend > 0 {
            facts.push(("http.request.resend_count", number(resend as i64)));
        }
        facts
    }
}
