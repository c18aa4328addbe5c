//! Which servers a command means: `POOL/SERVER`, `POOL/*`, `*/SERVER`, `@ADDRESS`, or a bare name.
//!
//! A bare name is a pool where pools are asked for. Where servers are asked for it is the one server of that
//! name; a pool's name is refused there, so that nobody drains a whole pool by leaving out half a word.

use crate::protocol::Server;
use std::fmt;

/// A target as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A bare name.
    Name(String),
    /// `POOL/SERVER`; `None` is `*`.
    Path(Option<String>, Option<String>),
    /// `@ADDRESS`: every server at that host, or at that host and port.
    Address(String),
}

/// Why a target means nothing, or too much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unresolved {
    /// What is wrong.
    pub message: String,
    /// What could have been meant.
    pub candidates: Vec<String>,
    /// Whether several things match, rather than none.
    pub ambiguous: bool,
}

impl Target {
    /// Reads a target.
    pub fn parse(text: &str) -> Result<Self, String> {
        let part = |text: &str| match text {
            "" => Err("a target is POOL/SERVER, POOL/*, */SERVER or @ADDRESS".to_owned()),
            "*" => Ok(None),
            name => Ok(Some(name.to_owned())),
        };
        if let Some(address) = text.strip_prefix('@') {
            return part(address).map(|_| Self::Address(address.to_owned()));
        }
        match text.split_once('/') {
            Some((pool, server)) => Ok(Self::Path(part(pool)?, part(server)?)),
            None => part(text).map(|name| name.map_or(Self::Path(None, None), Self::Name)),
        }
    }

    /// The servers meant, for a command that changes servers. Never empty.
    pub fn servers<'a>(&self, all: &'a [Server]) -> Result<Vec<&'a Server>, Unresolved> {
        let chosen: Vec<&Server> = all.iter().filter(|server| self.matches(server)).collect();
        match (self, chosen.len()) {
            (Self::Name(name), _) if all.iter().any(|server| server.pool == *name) => {
                let members: Vec<&Server> = all.iter().filter(|server| server.pool == *name).collect();
                Err(Unresolved {
                    message: format!("`{name}` is a pool; name one of its servers, or {name}/* for all"),
                    candidates: paths(&members),
                    ambiguous: true,
                })
            }
            (_, 0) => Err(Unresolved {
                message: format!("no server is `{self}`"),
                candidates: self.nearest(all),
                ambiguous: false,
            }),
            (Self::Name(name), count) if count > 1 => Err(Unresolved {
                message: format!("`{name}` is the name of {count} servers; name one, or */{name} for all"),
                candidates: paths(&chosen),
                ambiguous: true,
            }),
            _ => Ok(chosen),
        }
    }

    /// The servers meant, for a command that only looks: a pool's name means all its servers.
    pub fn shown<'a>(&self, all: &'a [Server]) -> Result<Vec<&'a Server>, Unresolved> {
        match self {
            Self::Name(name) if all.iter().any(|server| server.pool == *name) => {
                Ok(all.iter().filter(|server| server.pool == *name).collect())
            }
            _ => self.servers(all),
        }
    }

    fn matches(&self, server: &Server) -> bool {
        match self {
            Self::Name(name) => server.name == *name,
            Self::Path(pool, name) => {
                pool.as_ref().is_none_or(|pool| server.pool == *pool)
                    && name.as_ref().is_none_or(|name| server.name == *name)
            }
            Self::Address(address) => [Some(&server.address), server.endpoint.as_ref()]
                .into_iter()
                .flatten()
                .any(|known| known == address || host_of(known) == address),
        }
    }

    /// Servers of the same pool, else all: what the writer may have meant.
    fn nearest(&self, all: &[Server]) -> Vec<String> {
        let same_pool: Vec<&Server> = match self {
            Self::Path(Some(pool), _) => all.iter().filter(|server| server.pool == *pool).collect(),
            _ => Vec::new(),
        };
        if same_pool.is_empty() { paths(&all.iter().collect::<Vec<_>>()) } else { paths(&same_pool) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = |part: &Option<String>| part.clone().unwrap_or_else(|| "*".to_owned());
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Path(pool, server) => write!(f, "{}/{}", star(pool), star(server)),
            Self::Address(address) => write!(f, "@{address}"),
        }
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn paths(servers: &[&Server]) -> Vec<String> {
    servers.iter().map(|server| format!("{}/{}", server.pool, server.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Admin, Health};

    fn server(pool: &str, name: &str, address: &str) -> Server {
        Server {
            pool: pool.into(),
            name: name.into(),
            address: address.into(),
            endpoint: None,
            origin: None,
            unnamed: false,
            admin: Admin::default(),
            health: Health::default(),
            eligible: "ready".into(),
            why: None,
            ejected_ms: None,
            ejected_reason: None,
            starting_percent: None,
            weight: 1,
            file_weight: 1,
            backup: false,
            in_flight: 0,
            sessions: 0,
            idle_connections: 0,
            requests: 0,
            errors_5xx: 0,
            failures: 0,
            p99_us: None,
            streams: Vec::new(),
            history: Vec::new(),
        }
    }

    fn world() -> Vec<Server> {
        vec![
            server("platform", "tw1", "10.0.0.1:8080"),
            server("platform", "tw2", "10.0.0.2:8080"),
            server("flow", "tw1", "10.0.0.1:9000"),
            server("flow", "f6", "[fd00::1]:9000"),
        ]
    }

    #[test]
    fn targets_choose_servers() {
        let check = |text: &str, expected: &[&str]| {
            let all = world();
            let chosen = Target::parse(text).unwrap().servers(&all).map(|servers| paths(&servers));
            assert_eq!(chosen, Ok(expected.iter().map(|path| (*path).to_owned()).collect()), "{text}");
        };
        check("platform/tw2", &["platform/tw2"]);
        check("platform/*", &["platform/tw1", "platform/tw2"]);
        check("*/tw1", &["platform/tw1", "flow/tw1"]);
        check("@10.0.0.1", &["platform/tw1", "flow/tw1"]);
        check("@10.0.0.1:9000", &["flow/tw1"]);
        check("@fd00::1", &["flow/f6"]);
        check("f6", &["flow/f6"]);
        check("*/*", &["platform/tw1", "platform/tw2", "flow/tw1", "flow/f6"]);
    }

    #[test]
    fn what_is_not_clear_is_refused_with_candidates() {
        let check = |text: &str, ambiguous: bool, candidates: &[&str]| {
            let unresolved = Target::parse(text).unwrap().servers(&world()).unwrap_err();
            assert_eq!(unresolved.ambiguous, ambiguous, "{text}: {unresolved}");
            assert_eq!(unresolved.candidates, candidates, "{text}");
        };
        check("tw1", true, &["platform/tw1", "flow/tw1"]);
        check("platform", true, &["platform/tw1", "platform/tw2"]);
        check("flow/tw9", false, &["flow/tw1", "flow/f6"]);
        check("@10.0.0.9", false, &["platform/tw1", "platform/tw2", "flow/tw1", "flow/f6"]);
        for bad in ["", "/", "platform/", "/tw1", "@"] {
            assert!(Target::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn looking_at_a_pool_shows_its_servers() {
        let all = world();
        let shown = Target::parse("platform").unwrap().shown(&all).unwrap();
        assert_eq!(paths(&shown), ["platform/tw1", "platform/tw2"]);
    }
}
