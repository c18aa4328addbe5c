//! `status`: the plain-HTTP endpoint for the balancer above, with the page for people.

use sha2::{Digest as _, Sha256};

use super::super::diagnostic::Diagnostic;
use super::super::model::{Operate, Status};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;

/// Where the page is.
const PAGE: &str = "/";
/// A token of fewer characters could be guessed.
const SHORTEST: usize = 16;

/// What it says; `None` when there is none.
pub(crate) fn read(root: Block<'_>) -> Option<Status> {
    let r = root.one("status")?;
    let networks = r.block().one("allow-from").map(|a| a.plain_args(Typed::network));
    let hosts = r.block().one("host").map(|h| h.plain_args(Typed::text)).unwrap_or_default();
    let status = Status {
        live: r.value("live", Typed::text).into(),
        ready: r.value("ready", Typed::text).into(),
        metrics: r.value("metrics", Typed::text).into(),
        drain_delay: r.value("drain-delay", Typed::time),
        page: r.value("page", Typed::bool),
        allow_from: networks.unwrap_or_default(),
        hosts: hosts.into_iter().map(Into::into).collect(),
        operate: operate(r.block()),
        place: r.place(),
        address: r.arg(0, Typed::address)?.value,
    };
    let pairs = [("ready", &status.ready, &status.live), ("metrics", &status.metrics, &status.ready)];
    for (key, path, other) in pairs {
        if path == other || path == &status.live && key == "metrics" {
            let at = r.written(key).unwrap_or(r.span());
            let error = Diagnostic::error("LB105", at, format!("two paths of `status` are `{path}`"));
            r.cx.push(error.label("taken").help("live, ready and metrics have a path each"));
        }
    }
    for (key, path) in [("live", &status.live), ("ready", &status.ready), ("metrics", &status.metrics)] {
        if status.page && &**path == PAGE {
            let at = r.written(key).unwrap_or(r.span());
            let error =
                Diagnostic::error("LB105", at, format!("`{key}` of `status` is `/`, where the page is"));
            r.cx.push(error.label("taken").help("use another path, or `page=#false`"));
        }
    }
    if !status.page {
        for node in ["operate", "host"].into_iter().filter_map(|name| r.block().one(name)) {
            let message = format!("`{}` means nothing with `page=#false`", node.name());
            let error = Diagnostic::error("LB101", node.span(), message);
            r.cx.push(error.label("has no effect").help("remove one of them"));
        }
    }
    Some(status)
}

fn operate(block: Block<'_>) -> Option<Operate> {
    let r = block.one("operate")?;
    let token = token(r)?;
    Some(Operate { token: Sha256::digest(token).into() })
}

fn token(r: Reader<'_>) -> Option<String> {
    let Some(at) = r.written("token") else {
        let error = Diagnostic::error("LB102", r.span(), "`operate` needs `token=`");
        r.cx.push(error.label("incomplete").help("write `operate token=\"${file:page.token}\"`"));
        return None;
    };
    let token = r.get("token", Typed::text)?;
    if token.chars().count() < SHORTEST {
        let error = Diagnostic::error("LB102", at, format!("a token has at least {SHORTEST} characters"));
        r.cx.push(error.label("too short").help("make one: `openssl rand -hex 16 > page.token`"));
        return None;
    }
    Some(token)
}
