//! What is known of a server, for a process that takes over from this one: its health, its addresses, an ejection.
//!
//! Not what operators want of it, which is kept elsewhere, and nothing that only this process can know: counts,
//! queues, latencies.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::{Machine, Server, State};

/// One server, as another process knew it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its pool.
    pub pool: String,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub host: String,
    /// And its port.
    pub port: u16,
    /// Whether new clients came to it.
    pub takes_clients: bool,
    up: Option<bool>,
    wants_drain: bool,
    counts: (u32, u32),
    /// Milliseconds since 1970.
    since: u64,
    reason: Option<String>,
    addresses: Vec<IpAddr>,
    /// Milliseconds that it is still ejected, and why.
    ejected: Option<(u64, String)>,
}

impl Server {
    /// What is known of it now.
    pub fn known(&self) -> Known {
        let health = self.health();
        let since = health.since.duration_since(UNIX_EPOCH).unwrap_or_default();
        Known {
            pool: self.pool.to_string(),
            name: self.name.to_string(),
            host: self.host.to_string(),
            port: self.port,
            takes_clients: self.eligibility() == super::Eligibility::Ready,
            up: match health.state {
                State::Unknown => None,
                State::Up => Some(true),
                State::Down => Some(false),
            },
            wants_drain: health.wants_drain,
            counts: (health.good, health.bad),
            since: since.as_millis() as u64,
            reason: health.reason,
            addresses: if self.needs_resolving() { self.addresses() } else { Vec::new() },
            ejected: self.ejected().map(|(left, reason)| (left.as_millis() as u64, reason)),
        }
    }

    /// Begins with what another process knew, as far as nothing is known here; checks go on from there. A server
    /// that has no check here, or is elsewhere, learns nothing from it. Says whether it took anything.
    pub fn take_up(&self, known: &Known) -> bool {
        let is_it = *known.pool == *self.pool
            && *known.name == *self.name
            && *known.host == *self.host
            && known.port == self.port;
        if !is_it {
            return false;
        }
        if self.needs_resolving() && self.addresses().is_empty() {
            self.set_resolved(known.addresses.iter().map(|ip| SocketAddr::new(*ip, 0)).collect());
        }
        if let Some((left, reason)) = &known.ejected {
            self.passive.restore(Duration::from_millis(*left), reason);
        }
        let mut health = self.lock();
        let is_new = health.machine.state == State::Unknown && health.last.is_none();
        let Some(up) = known.up.filter(|_| is_new && health.spec.is_some()) else { return false };
        let state = if up { State::Up } else { State::Down };
        health.machine = Machine {
            good: known.counts.0,
            bad: known.counts.1,
            wants_drain: known.wants_drain,
            ..Machine::new(state, Instant::now())
        };
        let since = UNIX_EPOCH.checked_add(Duration::from_millis(known.since));
        health.changed = since.unwrap_or_else(SystemTime::now);
        health.reason.clone_from(&known.reason);
        self.gate.store(health.gate(), std::sync::atomic::Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::pool::testing::{self, settings};
    use crate::pool::{Eligibility, Outcome, Pool, Why};

    fn pool() -> Pool {
        let mut settings = settings(&["a", "b"]);
        settings.check = Some(Arc::new(testing::check_spec()));
        Pool::new(settings, None, 1)
    }

    fn server<'p>(pool: &'p Pool, name: &str) -> &'p Arc<Server> {
        &pool.member(name).expect("a server of the test").server
    }

    #[test]
    fn a_process_that_takes_over_begins_with_what_was_known() {
        let (before, after) = (pool(), pool());
        let took = Duration::from_millis(3);
        server(&before, "a").observe(&Outcome::CheckPassed { took }, Instant::now());
        let failed = Outcome::CheckFailed { reason: "connect refused".into(), took };
        server(&before, "b").observe(&failed, Instant::now());
        for name in ["a", "b"] {
            let text = serde_json::to_string(&server(&before, name).known()).unwrap();
            let known: Known = serde_json::from_str(&text).unwrap();
            assert_eq!(server(&after, name).eligibility(), Eligibility::No(Why::Unchecked));
            assert!(server(&after, name).take_up(&known));
            assert_eq!(server(&after, name).eligibility(), server(&before, name).eligibility());
            let (was, is) = (server(&before, name).health(), server(&after, name).health());
            assert_eq!((was.state, was.reason, was.bad), (is.state, is.reason, is.bad));
            assert!(!server(&after, name).take_up(&known), "its own checks know better now");
        }
        let known = server(&before, "a").known();
        assert!(known.takes_clients && !server(&before, "b").known().takes_clients);
        let elsewhere = Known { port: known.port + 1, ..known };
        assert!(!server(&pool(), "a").take_up(&elsewhere), "another server of that name");
    }

    #[test]
    fn an_ejection_goes_on() {
        let (before, after) = (pool(), pool());
        server(&before, "a").passive.restore(Duration::from_secs(50), "5 failures");
        server(&after, "a").take_up(&server(&before, "a").known());
        let (left, reason) = server(&after, "a").ejected().expect("it is out");
        assert!(left <= Duration::from_secs(50) && left > Duration::from_secs(40), "{left:?}");
        assert_eq!(reason, "5 failures");
    }
}
