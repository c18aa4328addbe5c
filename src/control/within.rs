//! What the page of the status endpoint asks, within the process: the same handlers and the same views as over the
//! socket, of which the page gets what it needs and no more.
//!
//! Whoever can open the page may look. The page is read over a network, so who only looks is not told the values that
//! conditions compare with, nor the lines of the configuration that a report quotes.

use super::call::{Call, pairs, segments};
use super::handlers::stream;
use super::reply::{self, Reply, json};
use super::role::{Caller, Role};
use super::{ControlContext, dispatch, view};
use http::Method;
use http::request::Parts;
use hyper::body::Bytes;
use lbctl::protocol::{Kind, Problem, Report, Route};
use std::rc::Rc;
use std::time::Instant;

/// How log and events name who changed something by the page.
const ACTOR: &str = "page";
/// Where the value begins that a condition compares with.
const COMPARISONS: [&str; 3] = [" = ", " begins with ", " matches "];

impl ControlContext {
    /// Answers one call of the page.
    pub async fn call_within(self: &Rc<Self>, head: &Parts, body: Bytes, role: Role) -> Reply {
        let answer = match call(head, body, role) {
            Ok(call) => self.answer_within(&call).await,
            Err(problem) => Err(problem),
        };
        answer.unwrap_or_else(|problem| reply::problem(&problem))
    }

    async fn answer_within(self: &Rc<Self>, call: &Call) -> reply::Outcome {
        let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
        if !is_for_the_page(&call.method, &path) {
            let detail = format!("{} /{} is for the control socket", call.method, path.join("/"));
            return Err(Problem::new(Kind::NotFound, detail).help("lbctl api").into());
        }
        match path.as_slice() {
            ["v1", "routes"] if call.caller.role == Role::Read => {
                let routes: Vec<Route> = self.world.routes().iter().map(view::route).map(shortened).collect();
                json(&routes)
            }
            ["v1", "config", "report"] if call.caller.role == Role::Read => {
                json(&Report { rendered: String::new(), ..view::report(&self.world.config().report) })
            }
            _ => dispatch::dispatch(self, call).await,
        }
    }

    /// Everything at this moment, as JSON.
    pub fn look(&self) -> Vec<u8> {
        as_json(&stream::look(self))
    }

    /// What happened after the event `seq`, at most so many, as a list in JSON, and the last event's number. `None`:
    /// nothing.
    pub fn news(&self, seq: u64, most: usize) -> Option<(Vec<u8>, u64)> {
        let news = self.events.since(seq);
        let last = news.last()?.seq;
        let skipped = news.len().saturating_sub(most);
        let events: Vec<_> = news.iter().skip(skipped).map(|event| view::event(event)).collect();
        Some((as_json(&events), last))
    }

    /// The last minutes of every pool, as a list in JSON.
    pub fn past(&self) -> Vec<u8> {
        let rates = self.rates.borrow();
        let pools = self.world.pools();
        let past = pools.iter().map(|pool| view::past(&pool.name, rates.past(&pool.name)));
        as_json(&past.collect::<Vec<_>>())
    }

    /// Looks at every pool's counts; to be called about once a second, by whoever is there.
    pub fn sample(&self) {
        self.rates.borrow_mut().sample(&self.world.pools(), Instant::now());
    }
}

fn call(head: &Parts, body: Bytes, role: Role) -> Result<Call, Box<Problem>> {
    let unreadable = || Problem::new(Kind::BadRequest, "the path or the query is not properly encoded");
    let uid = rustix::process::geteuid().as_raw();
    Ok(Call {
        method: head.method.clone(),
        path: segments(head.uri.path()).ok_or_else(unreadable)?,
        query: pairs(head.uri.query().unwrap_or_default()).ok_or_else(unreadable)?,
        body,
        caller: Caller { uid, pid: None, user: Some(ACTOR.to_owned()), role },
    })
}

/// What the page asks. Nothing here answers with a stream.
fn is_for_the_page(method: &Method, path: &[&str]) -> bool {
    matches!(
        (method.as_str(), path),
        (
            "GET",
            ["v1"]
                | ["v1", "status" | "servers" | "pools" | "routes" | "certificates" | "operations"]
                | ["v1", "pools", _]
                | ["v1", "pools", _, "servers", _]
                | ["v1", "operations", _]
                | ["v1", "config", "report" | "generations" | "diff"]
        ) | ("PUT", ["v1", "pools", _, "servers", _, "admin"])
            | ("POST", ["v1", "pools", _, "servers", _, "check"])
            | ("POST", ["v1", "operations", _, "pause" | "resume"])
    )
}

fn shortened(mut route: Route) -> Route {
    for words in &mut route.conditions {
        let cuts = COMPARISONS.iter().filter_map(|word| words.find(word).map(|at| at + word.len()));
        if let Some(cut) = cuts.min() {
            words.truncate(cut);
            words.push('…');
        }
    }
    route
}

fn as_json<T: serde::Serialize>(value: &T) -> Vec<u8> {
    // Strings, numbers and lists of them can always be written.
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_conditions_are_cut() {
        let check = |words: &str, short: &str| {
            let route = Route { conditions: vec![words.to_owned()], ..Route::default() };
            assert_eq!(shortened(route).conditions, [short]);
        };
        check("method GET, header x-key = k3y, cookie a = b", "method GET, header x-key = …");
        check("header a matches ^b = c", "header a matches …");
        check("query token begins with k", "query token begins with …");
        check("websocket, header upgrade", "websocket, header upgrade");
    }

    #[test]
    fn the_page_gets_what_it_needs_and_no_more() {
        let check = |method: &str, path: &str, expected: bool| {
            let path: Vec<&str> = path.split('/').collect();
            assert_eq!(is_for_the_page(&method.parse().unwrap(), &path), expected, "{method} {path:?}");
        };
        check("GET", "v1/routes", true);
        check("PUT", "v1/pools/a/servers/b/admin", true);
        check("POST", "v1/operations/op_1/pause", true);
        for path in ["v1/stream", "v1/events", "v1/config", "v1/log", "v1/connections", "v1/sticky/a/export"]
        {
            check("GET", path, false);
        }
        check("PUT", "v1/pools/a/servers/b/weight", false);
        for path in ["v1/shutdown", "v1/upgrade", "v1/config/apply", "v1/config/rollback", "v1/log"] {
            check("POST", path, false);
        }
    }
}
