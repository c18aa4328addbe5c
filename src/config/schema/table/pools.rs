//! Pools, their servers, and how connections to them are used.

use super::super::{NodeSpec, Type};
use super::{
    COUNT, FILE, PERCENT, PORT, TIME, TIME_0, TIME_OFF, TLS_VERSIONS, arg, int, int_off, node, one_of,
    one_of_some, prop,
};

#[rustfmt::skip] // one row, one property to a line
pub(super) const POOL: &[NodeSpec] = &[
    node("pool", &["root"], "A named group of servers and how to use them.")
        .many().args(&[arg("name", Type::Name)]),
    node("server", &["pool"], "One server. The name is its identity for cookies, drains, tables; default: the address.")
        .many().args(&[arg("name or address", Type::ServerName), arg("address", Type::Upstream).opt()])
        .props(&[
            prop("weight", int(0, 1_000_000), "1"),
            prop("backup", Type::Bool, "#false"),
            prop("max-requests", int_off(1, COUNT), "off").doc("requests in flight; a sticky client whose server is full waits for it"),
            prop("max-connections", int_off(1, COUNT), "off").doc("connections in use, long-lived streams included"),
            prop("health-port", PORT, ""),
            prop("zone", Type::Name, "").doc("preferred by an lbd that runs with the same --zone"),
        ]),
    node("discover", &["pool"], "Take servers from DNS (A/AAAA or SRV), named by address.")
        .later().many().args(&[arg("source", Type::Upstream)])
        .props(&[
            prop("kind", one_of(&["a", "srv"]), "a"),
            prop("refresh", TIME, "30s"),
            prop("on-failure", one_of(&["keep-last", "empty"]), "keep-last"),
        ]),
    node("balance", &["pool"], "Which server gets a request that is not sticky.")
        .args(&[arg("policy", one_of(&["round-robin", "least-requests", "least-connections", "p2c", "ewma", "random", "hash"]))])
        .props(&[
            prop("key", Type::Key, "").doc("with hash: source-ip, header:NAME, cookie:NAME, query:NAME, path or host"),
            prop("headroom", Type::Percent { off: true }, "off").doc("with hash: a server this far above the mean load passes its keys on"),
        ]),
    node("sticky", &["pool"], "Keep a client on its server. Several: tried in order, first usable answer wins.")
        .many().args(&[arg("by", one_of_some(&["cookie", "source-ip"], &["header", "learn"]))])
        .props(&[
            prop("name", Type::Token, "lbd-POOL"),
            prop("mode", one_of_some(&["insert"], &["prefix", "suffix"]), "insert"),
            prop("path", Type::Path, "/"),
            prop("domain", Type::HostName, ""),
            prop("secure", one_of(&["auto", "always", "never"]), "auto"),
            prop("http-only", Type::Bool, "#true"),
            prop("same-site", one_of(&["lax", "strict", "none"]), "lax"),
            prop("partitioned", Type::Bool, "#false"),
            prop("max-idle", TIME_OFF, "off"),
            prop("max-life", TIME_OFF, "off"),
            prop("ttl", TIME, "30m"),
            prop("max-entries", int(1, 100_000_000), "100000"),
            prop("mask-v4", int(1, 32), "32"),
            prop("mask-v6", int(1, 128), "64"),
            prop("on-down", one_of(&["redispatch", "fail"]), "redispatch"),
        ]),
    node("health", &["pool"], "Active check. First argument: an http path, tcp, grpc (then perhaps a service) or websocket (then perhaps a path).")
        .args(&[arg("probe", Type::Probe), arg("target", Type::Text).opt()])
        .props(&[
            prop("interval", TIME, "5s"),
            prop("down-interval", TIME, "= interval"),
            prop("timeout", TIME, "2s"),
            prop("rise", int(1, 1000), "2"),
            prop("fall", int(1, 1000), "3"),
            prop("port", PORT, "server's"),
            prop("tls", Type::Bool, "as traffic"),
            prop("method", one_of(&["GET", "HEAD"]), "GET"),
            prop("host", Type::HeaderValue, "server's"),
            prop("status", Type::Status, "200"),
            prop("body", Type::Match, ""),
            prop("jitter", PERCENT, "10%"),
            prop("initial", one_of(&["down", "up"]), "down"),
            prop("drain-status", Type::Status, "").doc("answering this = drain, e.g. 404"),
        ]),
    node("header", &["health"], "Sent with the probe.")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::HeaderValue)]),
    node("passive", &["pool"], "Eject a server by what real requests saw: no answer, or a 5xx other than 501 and 505.")
        .props(&[
            prop("failures", int(1, COUNT), "5").doc("in a row, none further than `window` from the next"),
            prop("rate", Type::Percent { off: true }, "off").doc("share of failures in `window`"),
            prop("min-requests", int(1, COUNT), "20").doc("fewer say nothing of a rate"),
            prop("window", TIME, "10s"),
            prop("eject", TIME, "30s").doc("the first time; doubles each time, up to ten times"),
            prop("max-ejected", PERCENT, "50%"),
        ]),
    node("tls", &["pool"], "Speak TLS to the servers (re-encrypt).")
        .props(&[
            prop("ca", FILE, "system"),
            prop("server-name", Type::HostName, "server host"),
            prop("verify", one_of(&["full", "chain", "none"]), "full"),
            prop("certificate", FILE, "").doc("shown to servers that ask"),
            prop("key", FILE, "same file"),
            prop("min-version", TLS_VERSIONS, "1.2"),
        ]),
    node("queue", &["pool"], "When every server is at max-requests.")
        .props(&[
            prop("size", int(0, COUNT), "1000"),
            prop("timeout", TIME, "5s"),
        ]),
    node("slow-start", &["pool"], "Ramp a server's share after it becomes ready.")
        .args(&[arg("time", TIME)]),
    node("drain", &["pool"], "How servers of this pool leave.")
        .props(&[
            prop("deadline", TIME_0, "30m"),
            prop("close-rate", Type::Rate, "50/s").later(),
            prop("close-code", int(1000, 4999), "1012").later(),
            prop("sticky", one_of(&["keep", "move"]), "keep"),
        ]),
    node("connections", &["pool"], "Reuse of connections to servers.")
        .props(&[
            prop("http", one_of(&["1", "2", "auto"]), "1").later(),
            prop("idle-timeout", TIME, "60s"),
            prop("max-idle", int(0, 65535), "1024"),
            prop("max-uses", int_off(1, COUNT), "off"),
            prop("send-proxy", one_of(&["off", "v1", "v2"]), "off").doc("a PROXY header first; the connection then serves that one client only"),
        ]),
    node("panic", &["pool"], "If fewer than this share are healthy, use all (without a number: 50%).")
        .args(&[arg("share", PERCENT).opt()]),
];
