//! `lint`: which rules speak, and what they need to know.

use std::time::Duration;

use super::super::diagnostic::Diagnostic;
use super::super::model::{LintSettings, Name};
use super::super::reader::Block;
use super::super::values::typed::Typed;

/// What `lint` says.
pub(crate) struct Lint {
    /// What also rules outside of this stage need.
    pub(crate) settings: LintSettings,
    /// How often clients of WebSockets are known to ping.
    pub(crate) websocket_ping: Option<Duration>,
    /// How long sessions of applications live without a request.
    pub(crate) session_idle: Option<Duration>,
    /// How long a failed server may get requests.
    pub(crate) error_tolerance: Option<Duration>,
}

/// What it says, or the defaults.
pub(crate) fn read(root: Block<'_>) -> Lint {
    let r = root.one_or_defaults("lint");
    let allowed = r.block().all("allow").into_iter().flat_map(|node| {
        // The reason is for people; asking for it keeps its type checked.
        node.get("because", Typed::text);
        node.plain_args(Typed::text)
    });
    let denied = r.block().all("deny").into_iter().flat_map(|node| node.plain_args(Typed::text));
    Lint {
        settings: LintSettings {
            cert_expiry: r.value("cert-expiry", Typed::time),
            allow: sorted(allowed),
            deny: sorted(denied),
        },
        websocket_ping: r.value("websocket-ping", Typed::time_off),
        session_idle: r.value("session-idle", Typed::time_off),
        error_tolerance: r.value("error-tolerance", Typed::time_off),
    }
}

/// The order in which rules are named means nothing.
fn sorted(rules: impl Iterator<Item = String>) -> Vec<Name> {
    let mut rules: Vec<Name> = rules.map(Into::into).collect();
    rules.sort();
    rules
}

impl Lint {
    /// Applies `allow` and `deny` to warnings and hints; errors cannot be silenced.
    pub(crate) fn apply(&self, findings: &mut Vec<Diagnostic>) {
        *findings = self.settings.applied(std::mem::take(findings));
    }
}
