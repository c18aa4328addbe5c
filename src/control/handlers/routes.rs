//! Routes, and where a request would go.

use crate::control::call::{Call, bad};
use crate::control::reply::{Outcome, json};
use crate::control::world::ExplainAsk;
use crate::control::{ControlContext, view};
use lbctl::protocol::{Explain, Kind, Problem, Route};
use std::net::{IpAddr, Ipv4Addr};

pub(in crate::control) fn list(context: &ControlContext) -> Outcome {
    let routes: Vec<Route> = context.world.routes().iter().map(view::route).collect();
    json(&routes)
}

pub(in crate::control) fn explain(context: &ControlContext, call: &Call) -> Outcome {
    let ask: Explain = call.json()?;
    let client_ip = match &ask.client_ip {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(text) => text.parse().map_err(|_| bad(format!("`{text}` is not an IP address")))?,
    };
    let method = ask.method.unwrap_or_else(|| "GET".to_owned()).to_ascii_uppercase();
    let headers = ask.headers.into_iter().map(|field| (field.name, field.value)).collect();
    let ask = ExplainAsk { method, url: ask.url, headers, client_ip, listener: ask.listener };
    let explained = context.world.explain(&ask).map_err(bad)?;
    json(&view::explanation(&ask.method, &explained))
}

/// What became of a request, by its id.
pub(in crate::control) async fn decision(context: &ControlContext, call: &Call, id: &str) -> Outcome {
    let facts = context.world.decision(id).await.ok_or_else(|| {
        Problem::new(Kind::NotFound, format!("no request `{id}` is remembered"))
            .about(id)
            .help("each worker remembers its last 2 048 requests; older ones are in the access log")
    })?;
    json(&view::decision(&facts, call.caller.role))
}
