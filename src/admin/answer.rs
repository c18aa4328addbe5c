//! One request of a status client, and its answer.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    HeaderName, REFERRER_POLICY, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Full, Limited, StreamBody};
use hyper::body::{Bytes, Incoming};
use lbctl::protocol::{Kind, PROBLEM_CONTENT_TYPE, Problem};
use serde_json::json;
use tracing::warn;

use super::feed::Feed;
use super::page::Page;
use super::{Format, StatusSource, host, operate};
use crate::control::Reply;

/// Where the page is, and its stream.
const PAGE: &str = "/";
const EVENTS: &str = "/events";
/// What the page asks lies below.
const CALLS: &str = "/v1";
/// The largest body of a call, and the time for it.
const BODY: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);
/// When a reader may come again that found no place.
const LATER: &str = "10";

const TEXT: &str = "text/plain; charset=utf-8";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Who answers.
pub(super) struct Endpoint {
    source: StatusSource,
    page: Page,
    feed: Rc<Feed>,
}

impl Endpoint {
    pub(super) fn new(source: StatusSource) -> Self {
        let feed = Feed::new(Rc::clone(&source.control));
        Self { source, page: Page::new(), feed }
    }

    /// Looks at what every pool counted.
    pub(super) fn sample(&self) {
        if self.source.settings.page {
            self.source.control.sample();
        }
    }

    /// Answers. A change needs the right to make it; all else is open to whom `allow-from` lets in.
    pub(super) async fn answer(self: Rc<Self>, request: Request<Incoming>, peer: IpAddr) -> Reply {
        let settings = &self.source.settings;
        let is_open =
            settings.allow_from.is_empty() || settings.allow_from.iter().any(|net| net.contains(&peer));
        let path = request.uri().path();
        let is_probe =
            [&settings.live, &settings.ready, &settings.metrics].iter().any(|known| ***known == *path);
        let is_call = settings.page && !is_probe && (path == CALLS || path.starts_with("/v1/"));
        let is_page = settings.page && !is_probe && (is_call || path == PAGE || path == EVENTS);
        if !is_open {
            text(StatusCode::FORBIDDEN, "forbidden\n")
        } else if is_page && !host::is_own(&request, &settings.hosts) {
            host::refusal()
        } else if is_call {
            self.call(request, peer).await
        } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            reply
        } else if is_probe {
            self.probe(path, request.headers())
        } else if settings.page && path == PAGE {
            self.page(request.headers())
        } else if settings.page && path == EVENTS {
            self.events(&request, peer)
        } else {
            let (live, ready, metrics) = (&settings.live, &settings.ready, &settings.metrics);
            let page = if settings.page { ", and a page at /" } else { "" };
            text(StatusCode::NOT_FOUND, format!("here are {live}, {ready} and {metrics}{page}\n"))
        }
    }

    fn probe(&self, path: &str, headers: &HeaderMap) -> Reply {
        let source = &self.source;
        if path == &*source.settings.live {
            text(StatusCode::OK, "live\n")
        } else if path == &*source.settings.ready {
            match source.ready.get() {
                true => text(StatusCode::OK, "ready\n"),
                false => text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
            }
        } else {
            let format = Format::accepted(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
            full(StatusCode::OK, format.content_type(), source.metrics.page(format))
        }
    }

    fn page(&self, headers: &HeaderMap) -> Reply {
        let takes_gzip = |accepted: &HeaderValue| {
            let coding = |part: &str| part.split(';').next().unwrap_or_default().trim().to_owned();
            accepted
                .to_str()
                .is_ok_and(|all| all.split(',').any(|part| coding(part) == "gzip" && !part.contains("q=0")))
        };
        let gzip = headers.get_all(ACCEPT_ENCODING).iter().any(takes_gzip);
        let body = if gzip { &self.page.gzip } else { &self.page.plain };
        let mut reply = full(StatusCode::OK, "text/html; charset=utf-8", body.clone());
        let headers = reply.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, self.page.policy.clone());
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        guarded(reply)
    }

    fn events(self: &Rc<Self>, request: &Request<Incoming>, peer: IpAddr) -> Reply {
        if let Err(problem) = same_site(request.headers()) {
            return refusal(&problem);
        }
        if request.method() == Method::HEAD {
            return guarded(full(StatusCode::OK, "text/event-stream", Bytes::new()));
        }
        let endpoint = Rc::clone(self);
        let about = move || {
            let StatusSource { settings, ready, .. } = &endpoint.source;
            json!({ "ready": ready.get(), "operate": operate::way(settings.operate.as_ref(), peer) })
                .to_string()
        };
        let Some(lines) = self.feed.read(about) else {
            let problem = Problem::new(Kind::TooManyClients, "too many pages are open");
            let mut reply = refusal(&problem);
            reply.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(LATER));
            return reply;
        };
        let mut reply = Response::new(Either::Right(StreamBody::new(lines)));
        reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        guarded(reply)
    }

    /// What the page asks of the handlers of the control socket.
    async fn call(&self, request: Request<Incoming>, peer: IpAddr) -> Reply {
        let (head, body) = request.into_parts();
        if let Err(problem) = same_site(&head.headers) {
            return refusal(&problem);
        }
        let role = match operate::role(self.source.settings.operate.as_ref(), peer, &head.headers) {
            Ok(role) => role,
            Err(problem) => {
                warn!(%peer, path = head.uri.path(), reason = problem.detail, "the page was refused");
                return refusal(&problem);
            }
        };
        let body = tokio::time::timeout(BODY_TIME, Limited::new(body, BODY).collect()).await;
        let Ok(Ok(body)) = body else {
            return refusal(&Problem::new(
                Kind::BadRequest,
                "the body is too large, or did not come in time",
            ));
        };
        guarded(self.source.control.call_within(&head, body.to_bytes(), role).await)
    }
}

/// Refuses what a browser sends for another site.
fn same_site(headers: &HeaderMap) -> Result<(), Box<Problem>> {
    match headers.get(FETCH_SITE).map(HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Problem::new(Kind::NotPermitted, "only lbd's own page may ask this").into()),
    }
}

fn refusal(problem: &Problem) -> Reply {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    guarded(full(status, PROBLEM_CONTENT_TYPE, serde_json::to_vec(problem).unwrap_or_default()))
}

/// Kept by nobody, taken for nothing else, and shown within no other page.
fn guarded(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    reply
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Reply {
    full(status, TEXT, body)
}

fn full(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Either::Left(Full::new(body.into())));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}
