//! An expectation held against an answer: what is not as expected, in words, and where that was written.

use super::{Answer, Field, Outcome, Question, STRANGER, Unanswerable, World};
use crate::config::diagnostic::{Span, Spanned};
use crate::config::expectations::{Expectation, Want, passes};
use crate::config::model::TextMatch;

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Where it was expected.
    pub span: Span,
    /// What was expected: `pool flow`.
    pub expected: String,
    /// What there is instead.
    pub found: String,
}

impl From<&Expectation> for Question {
    fn from(expectation: &Expectation) -> Self {
        Self {
            method: expectation.method.clone(),
            url: expectation.url.value.clone(),
            headers: expectation.headers.clone(),
            client_ip: expectation.client_ip.unwrap_or(STRANGER),
            listener: expectation.on.clone(),
            websocket: expectation.websocket,
        }
    }
}

/// Asks, and compares. Every mismatch is told, not the first only.
pub fn verify(world: &World, expectation: &Expectation) -> Result<(Answer, Vec<Mismatch>), Unanswerable> {
    let answer = world.ask(&Question::from(expectation))?;
    let mismatches = expectation.wants.iter().filter_map(|want| mismatch(&answer, want)).collect();
    Ok((answer, mismatches))
}

fn mismatch(answer: &Answer, want: &Spanned<Want>) -> Option<Mismatch> {
    let (holds, expected, found) = compare(answer, &want.value);
    (!holds).then_some(Mismatch { span: want.span, expected, found })
}

fn compare(answer: &Answer, want: &Want) -> (bool, String, String) {
    let nothing = || "none".to_owned();
    let exact = |what: &str, wanted: &str, found: Option<&str>| {
        (
            found == Some(wanted),
            format!("{what} {wanted}"),
            found.map_or_else(|| outcome(answer), |found| format!("{what} {found}")),
        )
    };
    match want {
        Want::Nothing => {
            let taken =
                answer.route.is_some() || !matches!(answer.outcome, Outcome::Refuse { status: 404, .. });
            (
                !taken,
                "no route".to_owned(),
                answer
                    .route
                    .as_ref()
                    .map_or_else(|| outcome(answer), |route| format!("route {}", route.name)),
            )
        }
        Want::Pool(pool) => {
            let pools = answer.pools();
            let found =
                if pools.is_empty() { outcome(answer) } else { format!("pool {}", pools.join(" or ")) };
            (pools.contains(&pool.as_str()), format!("pool {pool}"), found)
        }
        Want::Server(server) => {
            let pool = answer.pool.as_ref();
            let found = match pool.and_then(|pool| pool.server.as_ref()) {
                Some(found) => format!("server {found}"),
                None => pool.map_or_else(|| outcome(answer), |pool| pool.decision.clone()),
            };
            (found == format!("server {server}"), format!("server {server}"), found)
        }
        Want::Sticky(wanted) => {
            let found = answer.pool.as_ref().is_some_and(|pool| !pool.sticky.is_empty());
            let words = |sticky: bool| {
                if sticky { "clients stay on their server" } else { "clients may change servers" }
            };
            (
                found == *wanted,
                words(*wanted).to_owned(),
                answer.pool.as_ref().map_or_else(|| outcome(answer), |_| words(found).to_owned()),
            )
        }
        Want::Route(route) => exact("route", route, answer.route.as_ref().map(|route| route.name.as_str())),
        Want::Site(site) => {
            let hosts = answer.site.as_ref().map(|site| match site.hosts.is_empty() {
                true => vec!["default".to_owned()],
                false => site.hosts.clone(),
            });
            let found = hosts.as_ref().map_or_else(nothing, |hosts| hosts.join(" "));
            (hosts.is_some_and(|hosts| hosts.contains(site)), format!("site {site}"), format!("site {found}"))
        }
        Want::Status(status) => {
            (answer.status() == Some(*status), format!("status {status}"), outcome(answer))
        }
        Want::Location(wanted) => {
            let found = match &answer.outcome {
                Outcome::Redirect { location, .. } => Some(location.as_str()),
                _ => None,
            };
            exact("location", wanted, found)
        }
        Want::Path(wanted) => exact("path", wanted, sent(answer).map(|(target, ..)| target)),
        Want::Host(wanted) => exact("host", wanted, sent(answer).map(|(_, host, _)| host)),
        Want::Sends(name, value) => match sent(answer) {
            Some((.., fields)) => field("sends", name, value.as_ref(), fields),
            None => (false, format!("sends {name}"), outcome(answer)),
        },
        Want::Drops(name) => match sent(answer) {
            Some((.., fields)) => {
                let found: Vec<_> = values(name, fields).collect();
                (
                    found.is_empty(),
                    format!("does not send {name}"),
                    format!("sends {name}: {}", found.join(", ")),
                )
            }
            None => (false, format!("does not send {name}"), outcome(answer)),
        },
        Want::Answers(name, value) => field("answers", name, value.as_ref(), &answer.answers),
    }
}

/// The path and query, the host, and the fields that a server is sent.
fn sent(answer: &Answer) -> Option<(&str, &str, &[Field])> {
    match &answer.outcome {
        Outcome::Forward { target, host, fields } => Some((target, host, fields)),
        _ => None,
    }
}

fn values<'a>(name: &'a str, fields: &'a [Field]) -> impl Iterator<Item = &'a str> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.as_str())
}

fn field(verb: &str, name: &str, value: Option<&TextMatch>, fields: &[Field]) -> (bool, String, String) {
    let found: Vec<&str> = values(name, fields).collect();
    let holds = found.iter().any(|found| value.is_none_or(|value| passes(value, found)));
    let expected = match value {
        None => format!("{verb} {name}"),
        Some(TextMatch::Exact(text)) => format!("{verb} {name}: {text}"),
        Some(TextMatch::Prefix(text)) => format!("{verb} {name}: {text}…"),
        Some(TextMatch::Regex(text)) => format!("{verb} {name} matching {text}"),
    };
    let found = if found.is_empty() { format!("no {name}") } else { format!("{name}: {}", found.join(", ")) };
    (holds, expected, found)
}

/// What comes of the request, in a few words.
fn outcome(answer: &Answer) -> String {
    match &answer.outcome {
        Outcome::Forward { .. } => format!("pool {}", answer.pools().join(" or ")),
        Outcome::Pass => format!("passed on unread to pool {}", answer.pools().join(" or ")),
        Outcome::Redirect { status, location } => format!("status {status} to {location}"),
        Outcome::Respond { status } => format!("status {status}"),
        Outcome::Refuse { status, why } => format!("status {status}: {why}"),
    }
}
