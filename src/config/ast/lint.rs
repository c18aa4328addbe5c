//! `lint`: which rules speak, and what they need to know.

use std::time::Duration;

use super::super::diagnostic::Spanned;
use super::super::model::LintSettings;
use super::super::reader::{Block, Reader};
use super::super::ruling::{Order, OrderPlace, Scope, Verdict};
use super::super::values::typed::Typed;

/// What `lint` says.
pub(crate) struct Lint {
    /// What also rules outside of this stage need.
    pub(crate) settings: LintSettings,
    /// What it allows and denies.
    pub(crate) orders: Vec<Order>,
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
        let reason = node.get("because", Typed::text).filter(|reason| !reason.is_empty());
        orders(node, Verdict::Allow(reason))
    });
    let denied = r.block().all("deny").into_iter().flat_map(|node| orders(node, Verdict::Deny));
    Lint {
        settings: LintSettings { cert_expiry: r.value("cert-expiry", Typed::time) },
        orders: allowed.chain(denied).collect(),
        websocket_ping: r.value("websocket-ping", Typed::time_off),
        session_idle: r.value("session-idle", Typed::time_off),
        error_tolerance: r.value("error-tolerance", Typed::time_off),
    }
}

/// One order for each rule that a node names.
fn orders(node: Reader<'_>, verdict: Verdict) -> Vec<Order> {
    let rules = node.args(Typed::text);
    let alone = rules.len() == 1;
    let order = |rule: Spanned<String>| Order {
        rule: rule.value,
        verdict: verdict.clone(),
        scope: Scope::Everywhere,
        place: Some(OrderPlace { rule: rule.span, whole: node.whole(), alone }),
    };
    rules.into_iter().map(order).collect()
}
