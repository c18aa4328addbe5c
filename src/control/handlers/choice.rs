//! Which streams a call means: in the query of a list, in the body of a drain.

use crate::control::ControlContext;
use crate::control::call::{bad, span};
use crate::pool::Choice;
use ipnet::IpNet;
use lbctl::protocol::{self as wire, Problem};
use std::net::IpAddr;

/// The streams that are meant. A route that nobody knows is a mistake; one that is gone has streams still.
pub(super) fn read(context: &ControlContext, said: &wire::Choice) -> Result<Choice, Box<Problem>> {
    let time = |name: &str, text: &Option<String>| text.as_deref().map(|text| span(name, text)).transpose();
    let network = |text: &String| {
        let net = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        net.map_err(|_| {
            bad(format!("from: `{text}` is not a network; write it like 10.0.0.0/8 or 203.0.113.9"))
        })
    };
    if let Some(name) = &said.route {
        known(context, name)?;
    }
    Ok(Choice {
        from: said.from.as_ref().map(network).transpose()?,
        route: said.route.clone(),
        older: time("older", &said.older)?,
        idle: time("idle", &said.idle)?,
    })
}

fn known(context: &ControlContext, name: &str) -> Result<(), Box<Problem>> {
    let routes = context.world.routes();
    let open = super::connections::servers(context);
    let has_stream = || {
        let mut all = open.iter().flat_map(|server| server.sessions.list());
        all.any(|session| session.route() == Some(name))
    };
    if routes.iter().any(|route| route.name == name) || has_stream() {
        return Ok(());
    }
    Err((*bad(format!("no route is named `{name}`"))).help("lbctl route list").into())
}
