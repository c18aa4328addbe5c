//! One request of a control client, taken apart.

use super::ControlContext;
use super::role::{Caller, Role};
use crate::pool::{Member, Pool};
use http::Method;
use hyper::body::Bytes;
use lbctl::protocol::units::parse_duration;
use lbctl::protocol::{Kind, Problem};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tracing::info;

/// A request.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The path's segments, decoded.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) caller: Caller,
}

impl Call {
    /// The body as `T`.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Box<Problem>> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(body)
            .map_err(|error| bad(format!("the body is not what is expected here: {error}")))
    }

    /// A query parameter.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter that is a number.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Box<Problem>> {
        let parse = |text: &str| text.parse().map_err(|_| bad(format!("`{name}={text}` is not a number")));
        self.query(name).map(parse).transpose()
    }

    /// A query parameter that is a span of time.
    pub(super) fn span(&self, name: &str) -> Result<Option<Duration>, Box<Problem>> {
        self.query(name).map(|text| span(name, text)).transpose()
    }

    /// A query parameter that is `true` or `false`.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, Box<Problem>> {
        match self.query(name) {
            None => Ok(None),
            Some("" | "true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(text) => Err(bad(format!("`{name}={text}` is neither true nor false"))),
        }
    }

    /// Refuses a caller of a lower role.
    pub(super) fn need(&self, role: Role) -> Result<(), Box<Problem>> {
        if self.caller.role >= role {
            return Ok(());
        }
        let detail = format!(
            "{} has the role {}, this needs {}",
            self.caller.actor(),
            self.caller.role.as_str(),
            role.as_str()
        );
        Err(Problem::new(Kind::NotPermitted, detail).into())
    }

    /// Leaves a change in the log and among the events.
    pub(super) fn audit(
        &self,
        context: &ControlContext,
        kind: &'static str,
        subject: &str,
        reason: Option<&str>,
        facts: Value,
    ) {
        let (uid, pid, actor) = (self.caller.uid, self.caller.pid, self.caller.actor());
        info!(kind, subject, uid, pid, actor, reason, "changed by an operator");
        let mut facts = facts;
        if let Some(facts) = facts.as_object_mut() {
            facts.insert("uid".into(), uid.into());
            facts.insert("pid".into(), pid.into());
            facts.insert("reason".into(), reason.into());
        }
        context.events.emit(kind, subject, facts, Some(actor));
    }
}

/// A request that makes no sense.
pub(super) fn bad(detail: impl Into<String>) -> Box<Problem> {
    Problem::new(Kind::BadRequest, detail).into()
}

/// A span of time in a body or a query.
pub(super) fn span(name: &str, text: &str) -> Result<Duration, Box<Problem>> {
    parse_duration(text).map_err(|error| bad(format!("{name}: {error}")))
}

/// The pool of this name.
pub(super) fn pool(context: &ControlContext, name: &str) -> Result<Arc<Pool>, Box<Problem>> {
    let pools = context.world.pools();
    let found = pools.iter().find(|pool| *pool.name == *name).cloned();
    found.ok_or_else(|| {
        let names: Vec<&str> = pools.iter().map(|pool| &*pool.name).collect();
        let problem = Problem::new(Kind::NotFound, format!("no pool is named `{name}`")).about(name);
        if names.is_empty() {
            problem.into()
        } else {
            problem.help(format!("pools: {}", names.join(", "))).into()
        }
    })
}

/// The server of this name.
pub(super) fn member<'a>(pool: &'a Pool, name: &str) -> Result<&'a Member, Box<Problem>> {
    pool.member(name).ok_or_else(|| {
        let names: Vec<&str> = pool.members.iter().map(|member| &*member.server.name).collect();
        let problem = Problem::new(Kind::NotFound, format!("no server of {} is named `{name}`", pool.name));
        problem.about(format!("{}/{name}", pool.name)).help(format!("servers: {}", names.join(", "))).into()
    })
}

/// Takes a path apart; `None` when it is not properly encoded.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
}

/// Takes a query apart; `None` when it is not properly encoded.
pub(super) fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let parts = query.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(name)?, decode(&value.replace('+', " "))?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
            out.push((high * 16 + low) as u8);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_queries_are_decoded() {
        assert_eq!(segments("/v1/pools/a%2Fb//x").unwrap(), ["v1", "pools", "a/b", "x"]);
        assert_eq!(segments("/v1/%zz"), None);
        assert_eq!(segments("/v1/%ff"), None);
        assert_eq!(segments("/v1/%f"), None);
        let query = pairs("kind=a%2Cb&follow&x=1+2").unwrap();
        let expected = [("kind", "a,b"), ("follow", ""), ("x", "1 2")];
        assert_eq!(query, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
