//! Which long-lived streams an operator means: part of a drain's terms, so it is saved with them, and what lists of
//! streams are cut down by.

use std::time::{Duration, SystemTime};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::sessions::Session;

/// Which streams are meant. All that is said must hold; where nothing is said, all are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Clients of this network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpNet>,
    /// Those that came by the route of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Open for so long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<Duration>,
    /// Silent for so long, to the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
}

impl Choice {
    /// Whether nothing is said.
    pub fn is_everybody(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it is one of them at `now`.
    pub fn takes(&self, session: &Session, now: SystemTime) -> bool {
        let since = |at: SystemTime| now.duration_since(at).unwrap_or_default();
        let active = SystemTime::UNIX_EPOCH + Duration::from_secs(session.last_active());
        self.from.is_none_or(|net| net.contains(&session.client.ip().to_canonical()))
            && self.route.as_ref().is_none_or(|route| session.route() == Some(route.as_str()))
            && self.older.is_none_or(|older| since(session.since) >= older)
            && self.idle.is_none_or(|idle| since(active) >= idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{SessionKind, Traffic, testing};

    #[test]
    fn all_that_is_said_must_hold() {
        let server = testing::server("a");
        let client = "[::ffff:10.1.2.3]:4711".parse().unwrap();
        let lease = server.begin().into_session(SessionKind::WebSocket, client).by_route(&"chat".into());
        let session = lease.session();
        let began = session.since;
        let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        lease.note(Traffic { now: seconds(began) + 100, ..Traffic::default() });
        let check = |choice: Choice, after: u64, taken: bool| {
            let now = began + Duration::from_secs(after);
            assert_eq!(choice.takes(session, now), taken, "{choice:?} after {after} s");
        };
        let span = |seconds| Some(Duration::from_secs(seconds));
        let from = |net: &str| Choice { from: Some(net.parse().unwrap()), ..Choice::default() };
        let route = |name: &str| Choice { route: Some(name.into()), ..Choice::default() };
        check(Choice::default(), 0, true);
        check(from("10.0.0.0/8"), 0, true);
        check(from("10.1.2.4/32"), 0, false);
        check(from("::/0"), 0, false);
        check(route("chat"), 0, true);
        check(route("cha"), 0, false);
        check(Choice { older: span(60), ..Choice::default() }, 59, false);
        check(Choice { older: span(60), ..Choice::default() }, 60, true);
        check(Choice { idle: span(60), ..Choice::default() }, 158, false);
        check(Choice { idle: span(60), ..Choice::default() }, 161, true);
        check(Choice { idle: span(60), ..from("11.0.0.0/8") }, 161, false);
    }

    #[test]
    fn what_is_not_said_is_not_written() {
        assert_eq!(serde_json::to_string(&Choice::default()).unwrap(), "{}");
        let choice = Choice {
            from: Some("10.0.0.0/8".parse().unwrap()),
            route: Some("chat".into()),
            older: Some(Duration::from_secs(3600)),
            idle: None,
        };
        let text = serde_json::to_string(&choice).unwrap();
        assert_eq!(serde_json::from_str::<Choice>(&text).unwrap(), choice, "{text}");
    }
}
