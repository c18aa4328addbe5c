//! What would become of a request that nobody sends: the stations of an exchange without its connection.
//!
//! The same code that serves requests decides here: head, route, rewrite, and the head that a server would get. What
//! lives is left out: no token is taken, no server is asked, nothing is drawn. Allocates: for people, not for traffic.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::attempt::Onward;
use super::routing::{Arrived, Lines, Path};
use super::{answer, fits, upgrade};
use crate::config::model::ServerHttp;
use crate::pool::{Acquired, Ask, Pool, Unavailable};
use crate::proxy::affinity::RequestFacts;
use crate::proxy::failure::Failure;
use crate::proxy::forwarded::{Client, Hop, HopLines};
use crate::proxy::head::{KnownSet, ParseError, RequestHead};
use crate::proxy::http1::{FramingLine, HeadLimits, Names, Status, parse_request};
use crate::proxy::request_id::RequestId;
use crate::router::{NormalPath, Verdict};
use crate::snapshot::{ActionSnap, ListenerSnap, RouteSnap, SiteSnap};

/// How a request would meet a listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meeting<'a> {
    /// The listener.
    pub(crate) listener: &'a ListenerSnap,
    /// Whether it ends TLS.
    pub(crate) tls: bool,
    /// Who connects.
    pub(crate) peer: SocketAddr,
    /// Where.
    pub(crate) local: SocketAddr,
}

/// A request that nobody sent, and what would become of it.
#[derive(Debug)]
pub(crate) struct Foreseen {
    head: RequestHead,
    /// Who the client is, behind trusted hops.
    pub(crate) client: IpAddr,
    /// Whether it is known to have come over https.
    pub(crate) https: bool,
    /// The host that was asked for, without port.
    pub(crate) host: String,
    /// Its site.
    pub(crate) site: Option<Arc<SiteSnap>>,
    /// The path as patterns see it.
    pub(crate) compared: Option<String>,
    /// Every route whose pattern matches, best first.
    pub(crate) candidates: Vec<Seen>,
    /// Path parameters of the route that won.
    pub(crate) params: Vec<(String, String)>,
    /// The route that won, as it was written.
    pub(crate) matched: Option<Arc<RouteSnap>>,
    /// Which of its `match` nodes hold, from 0.
    pub(crate) held: Vec<usize>,
    /// The same on the way that its split takes.
    pub(crate) route: Option<Arc<RouteSnap>>,
    /// Whether that way would be drawn: it is the one with the largest share.
    pub(crate) drawn: bool,
    /// Fields that the route adds to the answer.
    pub(crate) answer: Vec<(String, String)>,
    /// What comes of it.
    pub(crate) ending: Ending,
}

/// A route whose pattern matches.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) route: Arc<RouteSnap>,
    pub(crate) pattern: String,
    pub(crate) verdict: Verdict,
}

/// What comes of a request.
#[derive(Debug)]
pub(crate) enum Ending {
    /// A server would get this head.
    Forwarded { target: String, fields: Vec<(String, String)> },
    /// The client would be sent elsewhere.
    Redirected { status: u16, location: String },
    /// lbd would answer.
    Answered { status: u16 },
    /// lbd would refuse it.
    Refused { status: u16, why: String },
}

impl Meeting<'_> {
    /// What would become of the request with this head, as it would come over the wire in HTTP/1.1.
    pub(crate) fn foresee(&self, bytes: &[u8]) -> Foreseen {
        let mut head = RequestHead::new();
        let read = match parse_request(bytes, &HeadLimits::of(&self.listener.limits), &mut head) {
            Ok(Status::Complete(length)) if length == bytes.len() => Ok(()),
            Ok(_) => Err(Failure::BadRequest(ParseError::BadRequestLine)),
            Err(error) => Err(Failure::BadRequest(error)),
        };
        let client = Client::of(&head, self.peer.ip(), self.tls, &self.listener.trust_forwarded);
        let mut seen = Foreseen {
            client: client.ip,
            https: client.https,
            host: lossy(head.host().unwrap_or_default()),
            head,
            site: None,
            compared: None,
            candidates: Vec::new(),
            params: Vec::new(),
            matched: None,
            held: Vec::new(),
            route: None,
            drawn: false,
            answer: Vec::new(),
            ending: Ending::Answered { status: 0 },
        };
        let ended = read.and_then(|()| self.stations(client, &mut seen));
        seen.ending = ended.unwrap_or_else(|failure| seen.refused(failure));
        seen
    }

    fn stations(&self, client: Client, seen: &mut Foreseen) -> Result<Ending, Failure> {
        let head = std::mem::take(&mut seen.head);
        let arrived = Arrived { listener: self.listener, request: &head, client };
        let ended = self.pass(&arrived, seen);
        seen.head = head;
        ended
    }

    fn pass(&self, arrived: &Arrived<'_>, seen: &mut Foreseen) -> Result<Ending, Failure> {
        if let Some(redirect) = self.listener.redirect_to_https {
            let location = answer::https_location(arrived.request, redirect)?;
            return Ok(Ending::Redirected { status: redirect.status, location: lossy(&location) });
        }
        look(arrived, seen);
        let (mut request_lines, mut answer_lines) = (Vec::new(), Vec::new());
        let lines = Lines { request: &mut request_lines, response: &mut answer_lines };
        let (mut matched, mut drawn, mut taken) = (None, false, None);
        let way = |route: &Arc<RouteSnap>, _: &mut Vec<u8>| {
            matched = Some(Arc::clone(route));
            let (way, chance) = likely(route, &arrived.facts());
            drawn = chance;
            way
        };
        let path = arrived.take_route(way, lines, &mut taken);
        seen.drawn = drawn;
        seen.matched = matched;
        seen.route.clone_from(&taken);
        seen.answer = fields(&answer_lines);
        let path = path?;
        let Some(route) = taken else { return Err(Failure::NoRoute) };
        if !route.admits(arrived.client.ip) {
            return Err(Failure::Forbidden);
        }
        if !fits(&route, arrived.request) {
            return Err(Failure::BodyTooLarge);
        }
        match &route.action {
            ActionSnap::Pool(pool) => {
                let upgrading = upgrade::asked(arrived.request).is_some();
                if upgrading && pool.connect.http == ServerHttp::Http2 {
                    return Err(Failure::UpgradeOverHttp2);
                }
                Ok(self.onward(arrived, &route, &path, upgrading, request_lines))
            }
            ActionSnap::Split(_) => Err(Failure::NoRoute),
            ActionSnap::Redirect { status, .. } => {
                Ok(Ending::Redirected { status: *status, location: lossy(&path.location) })
            }
            ActionSnap::Respond { status, .. } => Ok(Ending::Answered { status: *status }),
        }
    }

    /// The head that a server would get.
    fn onward(
        &self,
        arrived: &Arrived<'_>,
        route: &RouteSnap,
        path: &Path,
        upgrading: bool,
        mut lines: Vec<u8>,
    ) -> Ending {
        let Arrived { request, client, .. } = *arrived;
        let edited = Names::Shared(&route.request_drop);
        let hop = Hop { peer: self.peer, local: self.local, tls: self.tls, lines: &HopLines::default() };
        client.write_lines(request, &hop, edited, &mut lines);
        if !edited.any(|name| name == "x-request-id") {
            RequestId::of(request, client.trusted).write_line(&mut lines);
        }
        let framing = FramingLine::from(request.framing());
        let onward = Onward { arrived, route, path, local: self.local, upgrading, framing };
        let mut out = Vec::new();
        onward.write(KnownSet::EMPTY, |out| out.extend_from_slice(&lines), &mut out);
        let end = memchr::memchr(b'\n', &out).map_or(out.len(), |at| at + 1);
        let target = out[..end].split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        Ending::Forwarded { target: lossy(target), fields: fields(&out[end..]) }
    }
}

impl Foreseen {
    /// The route's pool.
    pub(crate) fn pool(&self) -> Option<&Arc<Pool>> {
        match self.route.as_ref().map(|route| &route.action) {
            Some(ActionSnap::Pool(pool)) => Some(&pool.pool),
            _ => None,
        }
    }

    /// Asks a pool for a server, as the request would. Leaves its traces in tables and counts: for pools that serve
    /// nobody.
    pub(crate) fn acquire(&self, pool: &Pool, now: u64) -> Result<Acquired, Unavailable> {
        let affinity = &RequestFacts { head: &self.head, client_ip: self.client };
        pool.acquire(&Ask { client_ip: self.client, affinity, tried: &[], now, worker: 0 })
    }

    fn refused(&self, failure: Failure) -> Ending {
        let why = match failure {
            Failure::BadRequest(error) => error.reason().to_owned(),
            Failure::BadPath(error) => error.to_string(),
            Failure::NoRoute if self.site.is_none() => "no site answers to this host".to_owned(),
            Failure::NoRoute if self.candidates.is_empty() => {
                "no route's pattern matches this path".to_owned()
            }
            Failure::NoRoute => "no route whose pattern matches has its conditions met".to_owned(),
            Failure::Forbidden => format!("`allow-from` or `deny-from` keeps {} out", self.client),
            Failure::BodyTooLarge => "the body is larger than `body-limit`".to_owned(),
            Failure::UpgradeOverHttp2 => {
                "the request asks for an upgrade, and the pool speaks HTTP/2 to its servers".to_owned()
            }
            other => other.verdict().reason.to_owned(),
        };
        Ending::Refused { status: failure.verdict().status, why }
    }
}

/// Site, path and candidates.
fn look(arrived: &Arrived<'_>, seen: &mut Foreseen) {
    let request = arrived.request;
    let Some(site) = arrived.listener.sites.find(request.host().unwrap_or_default()) else { return };
    seen.site = Some(Arc::clone(site));
    let asked = if request.path() == b"*" { b"/" } else { request.path() };
    let Ok(path) = NormalPath::parse(asked, site.paths) else { return };
    let facts = arrived.facts();
    seen.compared = Some(lossy(path.compared()));
    let candidates = site.routes.candidates(&path, &facts);
    seen.candidates = candidates
        .into_iter()
        .map(|one| Seen {
            route: Arc::clone(one.value),
            pattern: one.pattern.to_string(),
            verdict: one.verdict,
        })
        .collect();
    if let Some(found) = site.routes.find(&path, &facts) {
        let alternatives = found.value.matches.iter().enumerate();
        seen.held = alternatives.filter(|(_, one)| one.hold(&facts)).map(|(at, _)| at).collect();
        let value = |name: &str| Some((name.to_owned(), found.param(name, &path)?.into_owned()));
        seen.params = found.pattern.params().filter_map(value).collect();
    }
}

/// The way of a split that the request surely takes, else that with the largest share; and whether it is by chance.
fn likely(route: &Arc<RouteSnap>, facts: &RequestFacts<'_>) -> (Arc<RouteSnap>, bool) {
    let ActionSnap::Split(split) = &route.action else { return (Arc::clone(route), false) };
    if let Some(branch) = split.settled(facts.client_ip, |name, test| facts.head.any_cookie(name, test)) {
        return (Arc::clone(&branch.route), false);
    }
    let largest = split.branches().iter().rev().max_by_key(|branch| branch.weight);
    let others = split.branches().iter().filter(|branch| branch.weight > 0).count() > 1;
    largest.map_or_else(|| (Arc::clone(route), false), |branch| (Arc::clone(&branch.route), others))
}

/// Field lines as names and values.
fn fields(lines: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(lines);
    let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    text.split("\r\n").filter_map(field).collect()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
