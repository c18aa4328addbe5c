//! An answer: who does the job, and for how long that holds. What it makes of a pool is computed here, purely.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::dns::MOST;
use crate::config::model::DiscoverKind;
use crate::pool::{Origin, ServerLimits, ServerSettings};

/// One address that does the job.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Target {
    /// Where.
    pub(super) ip: IpAddr,
    /// Whose address it is.
    pub(super) host: Arc<str>,
    /// What the SRV record says.
    pub(super) service: Option<Service>,
}

/// What an SRV record says beside the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Service {
    /// Lowest first.
    pub(super) priority: u16,
    /// Port.
    pub(super) port: u16,
    /// Share among those of one priority.
    pub(super) weight: u16,
}

/// All of them, sorted and bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    /// They.
    pub(super) targets: Vec<Target>,
    /// For how long.
    pub(super) ttl: Duration,
    /// How many there were beyond the bound.
    pub(super) dropped: usize,
}

impl Answer {
    /// Sorts and bounds: an answer's order means nothing, and which ones are left must not change with it.
    pub(super) fn new(mut targets: Vec<Target>, ttl: Duration) -> Self {
        targets.sort_unstable_by(|a, b| (a.priority(), a).cmp(&(b.priority(), b)));
        targets.dedup();
        let dropped = targets.len().saturating_sub(MOST);
        targets.truncate(MOST);
        Self { targets, ttl, dropped }
    }
}

impl Target {
    fn priority(&self) -> u16 {
        self.service.map_or(0, |service| service.priority)
    }
}

/// Servers out of targets, named by address and port. Of SRV those of the lowest priority come first, and others are
/// backups. A weight of 0 is a very small share there (RFC 2782), where in a pool it is none: it becomes 1.
pub(super) fn servers(targets: &[Target], kind: DiscoverKind, source: &Arc<str>) -> Vec<ServerSettings> {
    let lowest = targets.iter().map(Target::priority).min().unwrap_or_default();
    let server = |target: &Target| {
        let (port, weight) = match (kind, target.service) {
            (DiscoverKind::Address { port }, _) => (port, 1),
            (DiscoverKind::Service, service) => {
                service.map_or((0, 1), |service| (service.port, u32::from(service.weight).max(1)))
            }
        };
        ServerSettings {
            name: SocketAddr::new(target.ip, port).to_string().into(),
            host: target.ip.to_string().into(),
            port,
            weight,
            backup: target.priority() > lowest,
            health_port: None,
            limits: ServerLimits::default(),
            origin: Some(Arc::new(Origin {
                source: Arc::clone(source),
                host: Arc::clone(&target.host),
                unnamed: false,
            })),
        }
    };
    targets.iter().map(server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(ip: &str, service: Option<(u16, u16, u16)>) -> Target {
        let service = service.map(|(priority, weight, port)| Service { priority, port, weight });
        Target { ip: ip.parse().unwrap(), host: "app.test".into(), service }
    }

    fn check(targets: Vec<Target>, kind: DiscoverKind, expected: &[(&str, u32, bool)]) {
        let answer = Answer::new(targets, Duration::ZERO);
        let servers = servers(&answer.targets, kind, &"it".into());
        let found: Vec<_> = servers.iter().map(|s| (&*s.name, s.weight, s.backup)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn addresses_are_servers_named_by_address_and_port() {
        let targets = ["10.0.0.2", "10.0.0.1", "2001:db8::1", "10.0.0.2"].map(|ip| target(ip, None));
        let expected = [("10.0.0.1:80", 1, false), ("10.0.0.2:80", 1, false), ("[2001:db8::1]:80", 1, false)];
        check(targets.into(), DiscoverKind::Address { port: 80 }, &expected);
    }

    #[test]
    fn the_lowest_priority_serves_and_others_are_backups() {
        let targets = vec![
            target("10.0.0.3", Some((20, 5, 81))),
            target("10.0.0.2", Some((10, 0, 80))),
            target("10.0.0.1", Some((10, 60, 80))),
            target("10.0.0.1", Some((10, 40, 90))),
        ];
        let expected = [
            ("10.0.0.1:80", 60, false),
            ("10.0.0.1:90", 40, false),
            ("10.0.0.2:80", 1, false),
            ("10.0.0.3:81", 5, true),
        ];
        check(targets, DiscoverKind::Service, &expected);
    }

    #[test]
    fn an_answer_is_bounded_and_what_is_left_does_not_depend_on_its_order() {
        let ip = |i: usize| target(&format!("10.0.{}.{}", i / 250, i % 250 + 1), None);
        let all: Vec<_> = (0..300).map(ip).collect();
        let answer = Answer::new(all.iter().rev().cloned().collect(), Duration::ZERO);
        assert_eq!((answer.targets.len(), answer.dropped), (MOST, 300 - MOST));
        assert_eq!(answer, Answer::new(all, Duration::ZERO));
    }
}
