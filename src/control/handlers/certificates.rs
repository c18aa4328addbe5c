//! Certificates in use, and reading them again.

use crate::control::call::Call;
use crate::control::reply::{Outcome, json};
use crate::control::role::Role;
use crate::control::world::CertificateFacts;
use crate::control::{ControlContext, view};
use lbctl::protocol::{Certificate, Kind, Problem};
use serde_json::json;

pub(in crate::control) fn list(context: &ControlContext) -> Outcome {
    let all: Vec<Certificate> = context.world.certificates().iter().map(view::certificate).collect();
    json(&all)
}

/// By the name of the file or by a name that the certificate is for; several files can have one name.
pub(in crate::control) fn show(context: &ControlContext, name: &str) -> Outcome {
    let all = context.world.certificates();
    let is_meant = |one: &&CertificateFacts| {
        one.name == name || one.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    let found: Vec<Certificate> = all.iter().filter(is_meant).map(view::certificate).collect();
    if found.is_empty() {
        let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
        let problem = Problem::new(Kind::NotFound, format!("no certificate is named `{name}`"));
        let help =
            if names.is_empty() { "none is in use".into() } else { format!("in use: {}", names.join(", ")) };
        return Err(problem.help(help).into());
    }
    json(&found)
}

/// Certificates are read with everything else: what fits together is published together.
pub(in crate::control) async fn reload(context: &ControlContext, call: &Call) -> Outcome {
    call.need(Role::Admin)?;
    call.audit(context, "certificates.reload", "certificates", call.query("reason"), json!({}));
    super::config::read_again(context, call).await
}
