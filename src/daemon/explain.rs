//! Where a request would go, told over a snapshot: the same routers, asked for every candidate.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::control::world::{CandidateFacts, ExplainAsk, Explained, RouteFacts};
use crate::explain::Url;
use crate::pool::{Ask, Foretold, Pool};
use crate::proxy::RequestFacts;
use crate::proxy::head::{RequestHead, Version};
use crate::router::{Conditions, Facts, NormalPath};
use crate::snapshot::{ActionSnap, ListenerSnap, RouteSnap, SiteSnap, Snapshot};

/// Every route once, though it may be on several listeners.
pub(super) fn routes(snapshot: &Snapshot) -> Vec<RouteFacts> {
    let mut seen = std::collections::BTreeSet::new();
    let mut routes = Vec::new();
    for listener in &snapshot.listeners {
        for site in listener.sites.iter() {
            for route in &site.list {
                if seen.insert((site.hosts.clone(), route.place.clone(), route.name.clone())) {
                    routes.push(facts(site, route));
                }
            }
        }
    }
    routes.sort_by_key(|route| place_key(&route.place));
    routes
}

/// `lbd.kdl:9` before `lbd.kdl:10`.
fn place_key(place: &str) -> (String, u64) {
    match place.rsplit_once(':') {
        Some((file, line)) => (file.to_owned(), line.parse().unwrap_or(0)),
        None => (place.to_owned(), 0),
    }
}

fn facts(site: &SiteSnap, route: &RouteSnap) -> RouteFacts {
    RouteFacts {
        name: route.name.to_string(),
        hosts: site.hosts.iter().map(ToString::to_string).collect(),
        patterns: route.patterns.iter().map(ToString::to_string).collect(),
        conditions: route.matches.iter().map(Conditions::to_string).collect(),
        action: route.action.to_string(),
        pool: match &route.action {
            ActionSnap::Pool(pool) => Some(pool.pool.name.clone()),
            _ => None,
        },
        place: route.place.to_string(),
    }
}

/// Where the request would go, and why.
pub(super) fn explain(snapshot: &Snapshot, ask: &ExplainAsk) -> Result<Explained, String> {
    let question = Question::read(ask)?;
    let listener = pick_listener(snapshot, ask, &question)?;
    let mut told = Explained { listener: Some(listener.name.to_string()), ..Explained::default() };
    let Some(site) = listener.sites.find(question.host.as_bytes()) else { return Ok(told) };
    told.site = Some(site.hosts.first().map_or_else(|| "default".to_owned(), ToString::to_string));
    let refused = |error| format!("the path would be answered with 400: {error}");
    let path = NormalPath::parse(question.path.as_bytes(), site.paths).map_err(refused)?;
    let found = site.routes.find_surely(&path, &question).map_err(refused)?;
    told.path = String::from_utf8_lossy(path.compared()).into_owned();
    for candidate in site.routes.candidates(&path, &question) {
        let wins = candidate.verdict == crate::router::Verdict::Chosen;
        if wins {
            told.route = Some(facts(site, candidate.value));
            if let ActionSnap::Pool(pool) = &candidate.value.action {
                foretell(&pool.pool, &question, &mut told)?;
            }
            told.pattern = Some(candidate.pattern.to_string());
        }
        told.candidates.push(CandidateFacts {
            route: candidate.value.name.to_string(),
            pattern: candidate.pattern.to_string(),
            wins,
            why: candidate.verdict.to_string(),
            place: candidate.value.place.to_string(),
        });
    }
    if let Some(found) = found {
        told.params = found
            .pattern
            .params()
            .filter_map(|name| Some((name.to_owned(), found.param(name, &path)?.into_owned())))
            .collect();
    }
    Ok(told)
}

/// What the pool would do with it; nothing of the pool is touched.
fn foretell(pool: &Pool, question: &Question, told: &mut Explained) -> Result<(), String> {
    let head = question.head()?;
    let facts = RequestFacts { head: &head, client_ip: question.client_ip };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let ask = Ask { client_ip: question.client_ip, affinity: &facts, tried: &[], now, worker: 0 };
    let Foretold { sticky, server, decision, servers } = pool.foretell(&ask);
    (told.sticky, told.goes_to) = (sticky, server);
    told.server = std::iter::once(decision).chain(servers).collect();
    Ok(())
}

fn pick_listener<'s>(
    snapshot: &'s Snapshot,
    ask: &ExplainAsk,
    question: &Question,
) -> Result<&'s ListenerSnap, String> {
    let serving = || snapshot.listeners.iter().filter(|listener| listener.redirect_to_https.is_none());
    let found = match &ask.listener {
        Some(name) => snapshot.listeners.iter().find(|listener| *listener.name == **name),
        None => {
            let fits = |l: &&Arc<ListenerSnap>| l.tls.is_some() == question.https;
            let there = || serving().filter(|l| question.port == Some(l.address.port));
            // What is in front of lbd may have another port than lbd.
            there()
                .find(fits)
                .or_else(|| there().next())
                .or_else(|| serving().find(fits))
                .or_else(|| serving().next())
        }
    };
    found.map(|listener| &**listener).ok_or_else(|| match &ask.listener {
        Some(name) => format!("no listener is named `{name}`"),
        None => "no listener serves routes".to_owned(),
    })
}

/// A request that nobody sent.
struct Question {
    method: String,
    host: String,
    path: String,
    query: Option<String>,
    https: bool,
    port: Option<u16>,
    headers: Vec<(String, String)>,
    client_ip: IpAddr,
}

impl Question {
    fn read(ask: &ExplainAsk) -> Result<Self, String> {
        let mut headers: Vec<(String, String)> =
            ask.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let url = Url::read(&ask.url).map_err(|wrong| match wrong.help {
            Some(help) => format!("{}; {help}", wrong.what),
            None => wrong.what,
        })?;
        if url.websocket && !headers.iter().any(|(name, _)| name == "upgrade") {
            let handshake = [("connection", "Upgrade"), ("upgrade", "websocket")];
            headers.extend(handshake.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        let named = headers.iter().find(|(name, _)| name == "host").map(|(_, value)| value.clone());
        Ok(Self {
            method: ask.method.clone(),
            host: named.unwrap_or_else(|| url.authority.unwrap_or_default().to_owned()),
            path: url.path().to_owned(),
            query: url.target.split_once('?').map(|(_, query)| query.to_owned()),
            https: url.https.unwrap_or_default(),
            port: url.port,
            headers,
            client_ip: ask.client_ip,
        })
    }

    /// As a worker would see it.
    fn head(&self) -> Result<RequestHead, String> {
        let mut head = RequestHead::new();
        let target = match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        };
        head.set_line(self.method.as_bytes(), target.as_bytes(), Version::Http11);
        if self.values("host").next().is_none() {
            head.push(b"host", self.host.as_bytes());
        }
        self.headers.iter().for_each(|(name, value)| head.push(name.as_bytes(), value.as_bytes()));
        head.seal().map_err(|error| format!("the request would be answered with 400: {error}"))?;
        Ok(head)
    }

    fn values(&self, wanted: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(name, _)| name == wanted).map(|(_, value)| value.as_str())
    }
}

impl Facts for Question {
    fn method(&self) -> &str {
        &self.method
    }

    fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.values(name).any(|value| test(value.as_bytes()))
    }

    fn any_cookie(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        let pairs = self.values("cookie").flat_map(|value| value.split(';'));
        pairs
            .filter_map(|pair| pair.trim().split_once('='))
            .any(|(key, value)| key == name && test(value.as_bytes()))
    }

    fn query(&self) -> Option<&[u8]> {
        self.query.as_deref().map(str::as_bytes)
    }

    fn client_ip(&self) -> IpAddr {
        self.client_ip
    }

    fn is_websocket(&self) -> bool {
        self.values("upgrade").any(|value| value.eq_ignore_ascii_case("websocket"))
    }
}
