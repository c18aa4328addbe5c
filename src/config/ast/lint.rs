//! `lint`: which rules speak, and what they need to know.

use std::time::Duration;

use super::super::diagnostic::{Diagnostic, Severity, Span};
use super::super::model::LintSettings;
use super::super::reader::Block;
use super::super::values::typed::Typed;

/// What `lint` says.
pub(crate) struct Lint {
    /// What also rules outside of this stage need.
    pub(crate) settings: LintSettings,
    /// How often clients of WebSockets are known to ping.
    pub(crate) websocket_ping: Option<Duration>,
    /// How long a failed server may get requests.
    pub(crate) error_tolerance: Option<Duration>,
}

/// What it says, or the defaults.
pub(crate) fn read(root: Block<'_>) -> Lint {
    let r = root.one_or_defaults("lint");
    let allowed = r.block().all("allow").into_iter().flat_map(|node| {
        let rules = node.plain_args(Typed::text);
        if node.get("because", Typed::text).is_none_or(|reason| reason.trim().is_empty()) {
            node.cx.push(unexplained(node.span(), &rules));
        }
        rules
    });
    let denied = r.block().all("deny").into_iter().flat_map(|node| node.plain_args(Typed::text));
    Lint {
        settings: LintSettings {
            cert_expiry: r.value("cert-expiry", Typed::time),
            allow: allowed.map(Into::into).collect(),
            deny: denied.map(Into::into).collect(),
        },
        websocket_ping: r.value("websocket-ping", Typed::time_off),
        error_tolerance: r.value("error-tolerance", Typed::time_off),
    }
}

/// LB806: whoever reads the file later cannot tell whether the rule may speak again.
fn unexplained(span: Span, rules: &[String]) -> Diagnostic {
    let message = format!("no reason is given for allowing {}", rules.join(", "));
    let finding = Diagnostic::new("LB806", Severity::Warning, Some(span), message);
    finding.label("allowed here").help("say why: `because=\"...\"`")
}

impl Lint {
    /// Applies `allow` and `deny` to warnings and hints; errors cannot be silenced.
    pub(crate) fn apply(&self, findings: &mut Vec<Diagnostic>) {
        *findings = self.settings.applied(std::mem::take(findings));
    }
}
