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

/// Whether it holds; what was expected and what there is, in words.
type Compared = (bool, String, String);

fn compare(answer: &Answer, want: &Want) -> Compared {
    let route = answer.route.as_ref();
    match want {
        Want::Nothing => {
            let refused = matches!(answer.outcome, Outcome::Refuse { status: 404, .. });
            let found = route.map_or_else(|| outcome(answer), |route| format!("route {}", route.name));
            (route.is_none() && refused, "no route".to_owned(), found)
        }
        Want::Pool(_) | Want::Server(_) | Want::Sticky(_) => compare_pool(answer, want),
        Want::Route(name) => exact(answer, "route", name, route.map(|route| route.name.as_str())),
        Want::Site(site) => {
            let hosts = answer.site.as_ref().map_or_else(Vec::new, |site| match site.hosts.is_empty() {
                true => vec!["default".to_owned()],
                false => site.hosts.clone(),
            });
            let found =
                if hosts.is_empty() { "no site".to_owned() } else { format!("site {}", hosts.join(" ")) };
            (hosts.contains(site), format!("site {site}"), found)
        }
        Want::Status(status) => {
            (answer.status() == Some(*status), format!("status {status}"), outcome(answer))
        }
        Want::Location(wanted) => {
            let found = match &answer.outcome {
                Outcome::Redirect { location, .. } => Some(location.as_str()),
                _ => None,
            };
            exact(answer, "location", wanted, found)
        }
        Want::Path(wanted) => exact(answer, "path", wanted, sent(answer).map(|(target, ..)| target)),
        Want::Host(wanted) => exact(answer, "host", wanted, sent(answer).map(|(_, host, _)| host)),
        Want::Sends(name, value) => match sent(answer) {
            Some((.., fields)) => field("sends", name, value.as_ref(), fields),
            None => (false, format!("sends {name}"), outcome(answer)),
        },
        Want::Drops(name) => {
            let expected = format!("does not send {name}");
            let Some((.., fields)) = sent(answer) else { return (false, expected, outcome(answer)) };
            let found: Vec<_> = named(name, fields).map(Field::shown).collect();
            (found.is_empty(), expected, format!("sends {name}: {}", found.join(", ")))
        }
        Want::Answers(name, value) => field("answers", name, value.as_ref(), &answer.answers),
    }
}

fn compare_pool(answer: &Answer, want: &Want) -> Compared {
    let Some(pool) = &answer.pool else {
        let expected = match want {
            Want::Pool(name) => format!("pool {name}"),
            Want::Server(name) => format!("server {name}"),
            _ => "a pool".to_owned(),
        };
        return (false, expected, outcome(answer));
    };
    match want {
        Want::Pool(name) => {
            let pools = answer.pools();
            (pools.contains(&name.as_str()), format!("pool {name}"), format!("pool {}", pools.join(" or ")))
        }
        Want::Server(name) => {
            let found =
                pool.server.as_ref().map_or_else(|| pool.decision.clone(), |found| format!("server {found}"));
            (pool.server.as_ref() == Some(name), format!("server {name}"), found)
        }
        _ => {
            let words = |sticky: bool| match sticky {
                true => "that clients stay on their server".to_owned(),
                false => "that clients may change servers".to_owned(),
            };
            let found = !pool.sticky.is_empty();
            (*want == Want::Sticky(found), words(!found), words(found))
        }
    }
}

fn exact(answer: &Answer, what: &str, wanted: &str, found: Option<&str>) -> Compared {
    let words = found.map_or_else(|| outcome(answer), |found| format!("{what} {found}"));
    (found == Some(wanted), format!("{what} {wanted}"), words)
}

/// The path and query, the host, and the fields that a server is sent.
fn sent(answer: &Answer) -> Option<(&str, &str, &[Field])> {
    match &answer.outcome {
        Outcome::Forward { target, host, fields } => Some((target, host, fields)),
        _ => None,
    }
}

fn named<'a>(name: &'a str, fields: &'a [Field]) -> impl Iterator<Item = &'a Field> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name))
}

fn field(verb: &str, name: &str, value: Option<&TextMatch>, fields: &[Field]) -> (bool, String, String) {
    let holds = named(name, fields).any(|found| value.is_none_or(|value| passes(value, &found.value)));
    let expected = match value {
        None => format!("{verb} {name}"),
        Some(TextMatch::Exact(text)) => format!("{verb} {name}: {text}"),
        Some(TextMatch::Prefix(text)) => format!("{verb} {name}: {text}…"),
        Some(TextMatch::Regex(text)) => format!("{verb} {name} matching {text}"),
    };
    let found: Vec<&str> = named(name, fields).map(Field::shown).collect();
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
