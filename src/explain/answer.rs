//! What is told of one request: plain data, from what was foreseen and what the model says beside it.

use serde::Serialize;

use super::question::Request;
use super::{Question, World, pool};
use crate::config::model::{self, HeaderEdit, Listener};
use crate::config::values::{show_duration, show_size};
use crate::proxy::foresee::{Ending, Foreseen};
use crate::router::{Conditions, Verdict};
use crate::snapshot::{ActionSnap, ListenerSnap, RouteSnap};

/// What would become of a request, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The method.
    pub method: String,
    /// The URL as it was asked.
    pub url: String,
    /// Who the client is, behind hops that are trusted.
    pub client_ip: String,
    /// Whether servers are told that it came over https.
    pub https: bool,
    /// The listener that takes it.
    pub listener: ListenerTold,
    /// The host without port, as it was asked.
    pub host: String,
    /// The site; none when no site answers to that host, or when the listener asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteTold>,
    /// The path; none when it could not be read, or when the listener asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathTold>,
    /// Every route whose pattern matches, best first.
    pub candidates: Vec<Candidate>,
    /// Path parameters of the route that won.
    pub params: Vec<Field>,
    /// The route that won.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteTold>,
    /// What comes of it.
    pub outcome: Outcome,
    /// The pool that gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolTold>,
    /// Fields that the route adds to the answer.
    pub answers: Vec<Field>,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListenerTold {
    /// Its name.
    pub name: String,
    /// `file:line`.
    pub place: String,
    /// Why it is this one, where the URL does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A site.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SiteTold {
    /// Its hosts; empty for the default site.
    pub hosts: Vec<String>,
    /// `file:line`
    pub place: String,
}

/// A path in its readings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PathTold {
    /// As it came.
    pub received: String,
    /// As patterns see it.
    pub compared: String,
    /// How it is compared, in words.
    pub how: Vec<String>,
}

/// A route whose pattern matches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// Its name.
    pub route: String,
    /// `file:line`
    pub place: String,
    /// The pattern that matches.
    pub pattern: String,
    /// Its conditions: one of these holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<String>,
    /// What it does.
    pub action: String,
    /// Whether it is the one.
    pub wins: bool,
    /// Why, or why not.
    pub why: String,
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "Shown")]
pub struct Field {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// Whether the value was read from a file or the environment, and is to be compared only.
    pub secret: bool,
}

impl Field {
    /// The value for whoever reads the answer.
    pub fn shown(&self) -> &str {
        if self.secret { "(not shown)" } else { &self.value }
    }
}

/// A field as it leaves the program.
#[derive(Serialize)]
struct Shown {
    name: String,
    value: String,
}

impl From<Field> for Shown {
    fn from(field: Field) -> Self {
        Self { value: field.shown().to_owned(), name: field.name }
    }
}

/// The route that won.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RouteTold {
    /// Its name.
    pub name: String,
    /// `file:line`
    pub place: String,
    /// What it does.
    pub action: String,
    /// Which of its `match` nodes hold, from 0.
    #[serde(skip)]
    pub held: Vec<usize>,
    /// The ways of its split with their shares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub split: Vec<Branch>,
    /// What else it asks and does, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

/// A way of a split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Branch {
    /// Its pool.
    pub pool: String,
    /// Its weight.
    pub weight: u32,
    /// Whether this request may go there.
    pub possible: bool,
}

/// What comes of a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Outcome {
    /// A server gets it.
    Forward {
        /// What the server is asked for: path and query.
        target: String,
        /// The `Host` that it is sent.
        host: String,
        /// The other fields that it is sent.
        fields: Vec<Field>,
    },
    /// The client is sent elsewhere.
    Redirect {
        /// With this status.
        status: u16,
        /// There.
        location: String,
    },
    /// lbd answers as the route says.
    Respond {
        /// With this status.
        status: u16,
    },
    /// lbd refuses it.
    Refuse {
        /// With this status.
        status: u16,
        /// Why.
        why: String,
    },
    /// The connection is passed on unread: what is asked in it is never seen.
    Pass,
}

/// A pool, and who of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PoolTold {
    /// Its name.
    pub name: String,
    /// `file:line`
    pub place: String,
    /// Its servers with their addresses.
    pub servers: Vec<String>,
    /// Who gets what is not sticky.
    pub balance: String,
    /// Ways to keep a client on its server, in words.
    pub sticky: Vec<String>,
    /// The server, where the file alone tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Why that one, or who decides.
    pub decision: String,
}

/// Everything that an answer is made of.
pub(super) struct Telling<'a> {
    pub(super) world: &'a World,
    pub(super) question: &'a Question,
    pub(super) request: &'a Request,
    pub(super) listener: &'a Listener,
    pub(super) snap: &'a ListenerSnap,
    pub(super) seen: &'a Foreseen,
    pub(super) why: Option<String>,
}

impl Telling<'_> {
    pub(super) fn answer(self) -> Answer {
        let Self { question, seen, listener, .. } = self;
        let mut answer = Answer {
            method: question.method.clone(),
            url: question.url.clone(),
            client_ip: seen.client.to_string(),
            https: seen.https,
            listener: ListenerTold {
                name: listener.name.to_string(),
                place: listener.place.to_string(),
                why: self.why.clone(),
            },
            host: seen.host.clone(),
            site: self.site(),
            path: self.path(),
            candidates: seen
                .candidates
                .iter()
                .map(|one| candidate(&one.route, &one.pattern, &one.verdict))
                .collect(),
            params: fields(&seen.params, &[]),
            route: self.route(),
            outcome: self.outcome(),
            pool: seen.pool().and_then(|pool| pool::told(self.world, pool, seen)),
            answers: fields(&seen.answer, &self.secrets(|route| &route.response_headers)),
        };
        if let Some(tcp) = self.passed() {
            answer.outcome = Outcome::Pass;
            (answer.site, answer.path, answer.route) = (None, None, None);
            answer.candidates.clear();
            answer.pool = pool::told(self.world, tcp, seen);
        }
        answer
    }

    /// The pool of a `tcp` that takes the connection before any request is read.
    fn passed(&self) -> Option<&crate::pool::Pool> {
        let tcp = self.snap.tcp.as_ref().filter(|_| self.request.https == Some(true))?;
        tcp.find(Some(self.seen.host.as_bytes())).map(|route| &*route.pool.pool)
    }

    fn site(&self) -> Option<SiteTold> {
        let snap = self.seen.site.as_ref()?;
        let site = self.world.model.sites.iter().find(|site| site.hosts == snap.hosts);
        Some(SiteTold {
            hosts: snap.hosts.iter().map(ToString::to_string).collect(),
            place: site.map(|site| site.place.to_string()).unwrap_or_default(),
        })
    }

    fn path(&self) -> Option<PathTold> {
        let paths = self.seen.site.as_ref()?.paths;
        let how = [(paths.ignore_case, "in any case"), (paths.merge_slashes, "with // as /")];
        Some(PathTold {
            received: self.request.path.clone(),
            compared: self.seen.compared.clone()?,
            how: how.iter().filter(|(on, _)| *on).map(|(_, what)| (*what).to_owned()).collect(),
        })
    }

    fn route(&self) -> Option<RouteTold> {
        let route = self.seen.matched.as_ref()?;
        Some(RouteTold {
            name: route.name.to_string(),
            place: route.place.to_string(),
            action: route.action.to_string(),
            held: self.seen.held.clone(),
            split: self.branches(route),
            rules: self.written(route).map(rules).unwrap_or_default(),
        })
    }

    /// The route as the model has it.
    fn written(&self, route: &RouteSnap) -> Option<&model::Route> {
        let hosts = &self.seen.site.as_ref()?.hosts;
        let site = self.world.model.sites.iter().find(|site| site.hosts == *hosts)?;
        site.routes.iter().find(|one| one.name == route.name && one.place.to_string() == *route.place)
    }

    /// The fields that the route's edits fill from a file or the environment.
    fn secrets(&self, edits: impl Fn(&model::Route) -> &Vec<HeaderEdit>) -> Vec<&str> {
        let route = self.seen.matched.as_ref().and_then(|route| self.written(route));
        let mut names = Vec::new();
        for edit in route.into_iter().flat_map(edits) {
            if let HeaderEdit::Set { name, secret: true, .. } | HeaderEdit::Add { name, secret: true, .. } =
                edit
            {
                names.push(name.as_ref());
            }
        }
        names
    }

    fn branches(&self, route: &RouteSnap) -> Vec<Branch> {
        let ActionSnap::Split(split) = &route.action else { return Vec::new() };
        let taken = self.seen.pool().map(|pool| &pool.name);
        let branch = |branch: &crate::snapshot::BranchSnap| match &branch.route.action {
            ActionSnap::Pool(pool) => Some(Branch {
                pool: pool.pool.name.to_string(),
                weight: branch.weight,
                possible: if self.seen.drawn { branch.weight > 0 } else { taken == Some(&pool.pool.name) },
            }),
            _ => None,
        };
        split.branches().iter().filter_map(branch).collect()
    }

    fn outcome(&self) -> Outcome {
        match &self.seen.ending {
            Ending::Forwarded { target, fields } => {
                let (host, others): (Vec<_>, Vec<_>) =
                    fields.iter().partition(|(name, _)| name.eq_ignore_ascii_case("host"));
                let sent = |value: &String| self.question.headers.iter().any(|(_, sent)| sent == value);
                // A random one would say nothing, and never twice the same.
                let told = |(name, value): &(String, String)| {
                    let made = name.eq_ignore_ascii_case("x-request-id") && !sent(value);
                    let value = if made { "(new for each request)".to_owned() } else { value.clone() };
                    (name.clone(), value)
                };
                let others: Vec<_> = others.into_iter().map(told).collect();
                Outcome::Forward {
                    target: target.clone(),
                    host: host.first().map(|(_, value)| value.clone()).unwrap_or_default(),
                    fields: self::fields(&others, &self.secrets(|route| &route.request_headers)),
                }
            }
            Ending::Redirected { status, location } => {
                Outcome::Redirect { status: *status, location: location.clone() }
            }
            Ending::Answered { status } => Outcome::Respond { status: *status },
            Ending::Refused { status, why } => Outcome::Refuse { status: *status, why: why.clone() },
        }
    }
}

impl Answer {
    /// What lbd answers by itself.
    pub fn status(&self) -> Option<u16> {
        match &self.outcome {
            Outcome::Redirect { status, .. }
            | Outcome::Respond { status }
            | Outcome::Refuse { status, .. } => Some(*status),
            Outcome::Forward { .. } | Outcome::Pass => None,
        }
    }

    /// The pools that may get it: several where a split draws.
    pub fn pools(&self) -> Vec<&str> {
        let ways = self.route.iter().flat_map(|route| &route.split);
        let possible: Vec<&str> = ways.filter(|way| way.possible).map(|way| way.pool.as_str()).collect();
        match &self.pool {
            Some(pool) if possible.is_empty() => vec![&pool.name],
            Some(_) => possible,
            None => Vec::new(),
        }
    }
}

fn candidate(route: &RouteSnap, pattern: &str, verdict: &Verdict) -> Candidate {
    Candidate {
        route: route.name.to_string(),
        place: route.place.to_string(),
        pattern: pattern.to_owned(),
        conditions: route.matches.iter().map(Conditions::to_string).collect(),
        action: route.action.to_string(),
        wins: *verdict == Verdict::Chosen,
        why: verdict.to_string(),
    }
}

/// Fields, of which those named in `secrets` are not shown.
fn fields(pairs: &[(String, String)], secrets: &[&str]) -> Vec<Field> {
    let field = |(name, value): &(String, String)| Field {
        name: name.clone(),
        value: value.clone(),
        secret: secrets.iter().any(|secret| secret.eq_ignore_ascii_case(name)),
    };
    pairs.iter().map(field).collect()
}

/// What a route asks and does beside its action, a sentence each.
fn rules(route: &model::Route) -> Vec<String> {
    let mut told = Vec::new();
    let list =
        |networks: &[ipnet::IpNet]| networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    told.extend(route.allow_from.iter().map(|networks| format!("only from {}", list(networks))));
    if !route.deny_from.is_empty() {
        told.push(format!("not from {}", list(&route.deny_from)));
    }
    for limit in &route.rate_limits {
        told.push(format!(
            "at most {} in {} for each {}, {} at once ({})",
            limit.count,
            show_duration(limit.per),
            pool::key(&limit.key),
            limit.burst,
            limit.name
        ));
    }
    told.extend(route.body_limit.map(|limit| format!("bodies up to {}", show_size(limit))));
    if let Some(mirror) = &route.mirror {
        told.push(format!("{} % are copied to pool {}", mirror.fraction_percent, mirror.pool));
    }
    if let Some(compress) = &route.compress {
        let codings: Vec<_> = compress.codings.iter().map(|coding| coding.name()).collect();
        told.push(format!("answers are compressed by {}", codings.join(", ")));
    }
    told
}
