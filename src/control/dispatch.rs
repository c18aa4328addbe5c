//! Which handler answers which path.

use super::ControlContext;
use super::call::Call;
use super::handlers::{
    certificates, changes, config, connections, daemon, events, operations, pools, routes, servers, sticky,
    stream,
};
use super::reply::Outcome;
use lbctl::protocol::{Kind, Problem};
use std::rc::Rc;

/// The table of the protocol, version 1.
pub(super) async fn dispatch(context: &Rc<ControlContext>, call: &Call) -> Outcome {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let Some(("v1", path)) = path.split_first().map(|(first, rest)| (*first, rest)) else {
        return Err(missing(call));
    };
    match (call.method.as_str(), path) {
        ("GET", []) => daemon::api(context, call),
        ("GET", ["status"]) => daemon::status(context),
        ("GET", ["metrics"]) => daemon::metrics(context),
        ("GET", ["log"]) => daemon::log(context),
        ("PUT", ["log"]) => daemon::set_log(context, call),
        ("POST", ["shutdown"]) => daemon::shutdown(context, call),
        ("POST", ["upgrade"]) => daemon::upgrade(context, call).await,
        ("GET", ["pools"]) => pools::list(context),
        ("GET", ["pools", pool]) => pools::show(context, pool),
        ("GET", ["servers"]) => servers::list(context),
        ("GET", ["pools", pool, "servers", server]) => servers::show(context, call, pool, server),
        ("PUT", ["pools", pool, "servers", server, "admin"]) => {
            servers::set_admin(context, call, pool, server)
        }
        ("PUT", ["pools", pool, "servers", server, "weight"]) => {
            servers::set_weight(context, call, pool, server)
        }
        ("DELETE", ["pools", pool, "servers", server, "weight"]) => {
            servers::reset_weight(context, call, pool, server)
        }
        ("POST", ["pools", pool, "servers", server, "check"]) => {
            servers::check(context, call, pool, server).await
        }
        ("GET", ["operations"]) => operations::list(context),
        ("GET", ["operations", id]) => operations::show(context, call, id).await,
        ("DELETE", ["operations", id]) => operations::cancel(context, call, id),
        ("GET", ["operations", id, "events"]) => operations::follow(context, id),
        ("POST", ["operations", id, "pause"]) => operations::pause(context, call, id, true),
        ("POST", ["operations", id, "resume"]) => operations::pause(context, call, id, false),
        ("GET", ["connections"]) => connections::list(context, call),
        ("GET", ["connections", id]) => connections::show(context, call, id),
        ("DELETE", ["connections", id]) => connections::close(context, call, id),
        ("POST", ["pools", pool, "rebalance"]) => connections::rebalance(context, call, pool),
        ("GET", ["routes"]) => routes::list(context),
        ("POST", ["routes", "explain"]) => routes::explain(context, call),
        ("GET", ["requests", id]) => routes::decision(context, call, id).await,
        ("GET", ["sticky"]) => sticky::list(context),
        ("GET", ["sticky", pool]) => sticky::show(context, call, pool).await,
        ("DELETE", ["sticky", pool]) => sticky::clear(context, call, pool).await,
        ("GET", ["sticky", pool, "export"]) => sticky::export(context, call, pool).await,
        ("POST", ["sticky", pool, "import"]) => sticky::import(context, call, pool).await,
        ("POST", ["sticky", pool, "move"]) => sticky::shift(context, call, pool).await,
        (method, ["config", rest @ ..]) => configuration(context, call, method, rest).await,
        ("GET", ["certificates"]) => certificates::list(context),
        ("GET", ["certificates", name]) => certificates::show(context, name),
        ("POST", ["certificates", "reload"]) => certificates::reload(context, call).await,
        ("GET", ["stream"]) => stream::watch(context, call),
        ("GET", ["events"]) => events::follow(context, call),
        (_, path) => Err(unanswered(call, path)),
    }
}

/// What lies below `config`.
async fn configuration(context: &Rc<ControlContext>, call: &Call, method: &str, path: &[&str]) -> Outcome {
    match (method, path) {
        ("GET", []) => config::show(context, call),
        ("GET", ["report"]) => config::report(context),
        ("GET", ["generations"]) => config::generations(context),
        ("GET", ["generations", number]) => config::generation(context, number),
        ("GET", ["generations", number, "files"]) => changes::files(context, call, number).await,
        ("GET", ["expanded"]) => changes::expanded(context, call).await,
        ("GET", ["model"]) => changes::model(context, call).await,
        ("GET", ["diff"]) => changes::diff(context, call).await,
        ("POST", ["plan"]) => changes::plan(context, call).await,
        ("POST", ["apply"]) => changes::apply(context, call).await,
        ("POST", ["confirm"]) => changes::confirm(context, call).await,
        ("POST", ["rollback"]) => changes::rollback(context, call).await,
        ("POST", ["pin"]) => changes::pin(context, call).await,
        ("POST", ["unpin"]) => changes::unpin(context, call).await,
        ("POST", ["reload"]) => config::reload(context, call).await,
        (_, path) => Err(unanswered(call, &[&["config"][..], path].concat())),
    }
}

/// A path that does not exist, or not with this method.
fn unanswered(call: &Call, path: &[&str]) -> Box<Problem> {
    match allowed(path) {
        Some(methods) => {
            let detail = format!("{} is not possible here", call.method);
            Problem::new(Kind::MethodNotAllowed, detail).help(methods).into()
        }
        None => missing(call),
    }
}

/// The methods of a path that exists.
fn allowed(path: &[&str]) -> Option<&'static str> {
    match path {
        ["pools", _, "servers", _, "admin"] => Some("PUT"),
        ["log"] => Some("GET, PUT"),
        ["pools", _, "servers", _, "weight"] => Some("PUT, DELETE"),
        ["pools", _, "servers", _, "check"]
        | ["operations", _, "pause" | "resume"]
        | ["pools", _, "rebalance"]
        | ["shutdown"]
        | ["routes", "explain"]
        | ["sticky", _, "import" | "move"]
        | ["config", "plan" | "apply" | "confirm" | "rollback" | "pin" | "unpin"]
        | ["config" | "certificates", "reload"] => Some("POST"),
        ["operations" | "connections" | "sticky", _] => Some("GET, DELETE"),
        []
        | [
            "status" | "metrics" | "connections" | "pools" | "servers" | "operations" | "routes" | "sticky"
            | "config" | "certificates" | "events" | "stream",
        ]
        | ["certificates" | "requests", _]
        | ["pools", _]
        | ["pools", _, "servers", _]
        | ["operations", _, "events"]
        | ["sticky", _, "export"]
        | ["config", "report" | "generations" | "diff" | "expanded" | "model"]
        | ["config", "generations", _]
        | ["config", "generations", _, "files"] => Some("GET"),
        _ => None,
    }
}

fn missing(call: &Call) -> Box<Problem> {
    Problem::new(Kind::NotFound, format!("there is no /{}", call.path.join("/"))).into()
}
