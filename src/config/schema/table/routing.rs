//! Sites, routes, and what happens to a request on its way.

use super::super::{NodeSpec, Type};
use super::{COUNT, FILE, PERCENT, REDIRECTS, TIME, TIME_OFF, arg, int, node, one_of, prop};

#[rustfmt::skip] // one row, one property to a line
pub(super) const ROUTING: &[NodeSpec] = &[
    node("site", &["root"], "Routes for one or more hosts (exact or *.suffix; port ignored).")
        .many().args(&[arg("host", Type::Host).rep()]),
    node("on", &["site", "route"], "Only on these listeners (default: every HTTP listener).")
        .args(&[arg("listener", Type::Listener).rep()]),
    node("paths", &["root", "site"], "How request paths are compared. A site takes what it does not say from the top level.")
        .props(&[
            prop("ignore-case", Type::Bool, "#false"),
            prop("merge-slashes", Type::Bool, "#false"),
            prop("encoded-slash", one_of(&["keep", "reject"]), "keep"),
        ]),
    node("route", &["root", "site"], "Send requests whose path matches (prefix by whole segments) to exactly one action.")
        .many().args(&[arg("pattern", Type::Pattern).rep()])
        .props(&[
            prop("pool", Type::Pool, ""),
            prop("name", Type::Name, "first pattern"),
            prop("priority", int(i32::MIN as i64, i32::MAX as i64), "0"),
            prop("ignore-case", Type::Bool, "as paths"),
        ]),
    node("match", &["route"], "Extra conditions. All inside one match must hold; several match nodes are alternatives.")
        .many(),
    node("method", &["match"], "One of these methods.")
        .args(&[arg("method", one_of(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"])).rep()]),
    node("header", &["match"], "Header present, or equal to / matching a value.")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::Match).opt()]),
    node("cookie", &["match"], "Cookie present / equal.")
        .many().args(&[arg("name", Type::Token), arg("value", Type::Match).opt()]),
    node("query", &["match"], "Query parameter present / equal.")
        .many().args(&[arg("name", Type::Text), arg("value", Type::Match).opt()]),
    node("client-ip", &["match"], "Source address in one of these networks.")
        .args(&[arg("network", Type::Cidr).rep()]),
    node("websocket", &["match"], "Only (not) WebSocket upgrades.")
        .args(&[arg("value", Type::Bool).opt()]),
    node("split", &["route"], "Weighted choice among pools.")
        .props(&[
            prop("by", one_of(&["request", "source-ip", "cookie"]), "request").doc("who is drawn: each request, each address, or each client by a cookie of lbd's own"),
            prop("cookie", Type::Token, "").doc("with by=cookie: its name; no server sees it"),
            prop("max-age", TIME, "7d").doc("with by=cookie: how long a client stays on its side"),
        ]),
    node("to", &["split"], "One branch.")
        .many().args(&[arg("pool", Type::Pool)])
        .props(&[
            prop("weight", int(0, COUNT), "1").doc("share of the sum of all weights; 0 takes nobody"),
        ]),
    node("redirect", &["route"], "Answer with a redirect; {host} {path} {query} and {param}s are filled in.")
        .args(&[arg("location", Type::HeaderValue)])
        .props(&[
            prop("status", REDIRECTS, "308"),
        ]),
    node("respond", &["route"], "Answer directly.")
        .args(&[arg("status", int(200, 599))])
        .props(&[
            prop("body", Type::Text, ""),
            prop("content-type", Type::HeaderValue, "text/plain"),
        ]),
    node("rewrite", &["route"], "Change the request before it is forwarded.")
        .props(&[
            prop("strip-prefix", Type::Path, "").doc("leading segments that the path loses"),
            prop("path", Type::Text, "").doc("the new path, with {param}s; the query stays"),
            prop("host", Type::Text, "").doc("the new Host, with {param}s; X-Forwarded-Host keeps the client's"),
        ]),
    node("request-headers", &["route", "site"], "Edit request headers."),
    node("response-headers", &["route", "site"], "Edit response headers."),
    node("set", &["request-headers", "response-headers"], "Replace.")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::HeaderValue)]),
    node("add", &["request-headers", "response-headers"], "Append.")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::HeaderValue)]),
    node("remove", &["request-headers", "response-headers"], "Delete.")
        .many().args(&[arg("name", Type::HeaderName).rep()]),
    node("timeout", &["route", "pool"], "Server-side clocks. An upgraded stream obeys only tunnel-*. A route takes what it does not say from its pool.")
        .props(&[
            prop("connect", TIME, "5s"),
            prop("response", TIME, "60s").doc("first byte of the answer"),
            prop("idle", TIME, "60s"),
            prop("request", TIME_OFF, "off").doc("whole exchange"),
            prop("tunnel-idle", TIME_OFF, "1h"),
            prop("tunnel-max", TIME_OFF, "off"),
        ]),
    node("retry", &["route"], "When another server is tried (without this node: connect reset). Only before any byte reached the client; only idempotent methods unless all=#true.")
        .args(&[arg("on", one_of(&["connect", "reset", "timeout", "502", "503", "504"])).rep()])
        .props(&[
            prop("attempts", int(0, 16), "1"),
            prop("budget", PERCENT, "20%"),
            prop("all", Type::Bool, "#false"),
        ]),
    node("body-limit", &["route", "site"], "Largest request body; larger gets 413.")
        .args(&[arg("size", Type::Size { off: true })]),
    node("rate-limit", &["route", "site"], "Token bucket; excess gets 429 with Retry-After.")
        .many().args(&[arg("rate", Type::Rate)])
        .props(&[
            prop("burst", int(1, COUNT), "= rate").doc("requests at once"),
            prop("key", Type::Key, "source-ip").doc("a bucket for each value (of an IPv6 address: its /64); who sends none is counted by address"),
            prop("name", Type::Name, "").doc("limits of one name share their buckets; without one they belong to the site or route"),
        ]),
    node("allow-from", &["route", "site"], "Only these networks; others get 403.")
        .args(&[arg("network", Type::Cidr).rep()]),
    node("deny-from", &["route", "site"], "Not these networks.")
        .args(&[arg("network", Type::Cidr).rep()]),
    node("compress", &["route", "site"], "Compress answers whose Content-Type is some text, by the algorithm that the client likes best, among equals the first. Without a word: zstd, br, gzip. A route's own node replaces its site's; off turns it off.")
        .args(&[arg("algorithm", one_of(&["zstd", "br", "gzip", "off"])).rep().opt()])
        .props(&[
            prop("min-size", Type::Size { off: false }, "1KiB")
                .doc("smaller answers stay as they are; those of unknown length are compressed"),
        ]),
    node("mirror", &["route"], "Copy requests to another pool, answers dropped.")
        .later()
        .props(&[
            prop("pool", Type::Pool, ""),
            prop("fraction", PERCENT, "100%"),
        ]),
    node("error-page", &["root", "site", "route"], "Body for an answer lbd itself makes.")
        .many().args(&[arg("status", Type::Status).rep()])
        .props(&[
            prop("file", FILE, "").doc("up to 1 MiB; its ending gives the content type"),
        ]),
];
