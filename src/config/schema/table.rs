//! The table of the language: every node, its place, its arguments and properties, their types and
//! defaults, and whether this version has it.

use super::Since::{Implemented, NotYet};
use super::{ArgSpec, NodeSpec, PropSpec, Type};

/// Top-level words kept for later versions.
pub const RESERVED: &[&str] = &["acme", "cache", "cluster", "trace", "udp", "wasm"];

const fn node(name: &'static str, parents: &'static [&'static str], doc: &'static str) -> NodeSpec {
    NodeSpec { name, parents, doc, args: &[], props: &[], many: false, since: Implemented }
}

impl NodeSpec {
    const fn args(mut self, args: &'static [ArgSpec]) -> Self {
        self.args = args;
        self
    }
    const fn props(mut self, props: &'static [PropSpec]) -> Self {
        self.props = props;
        self
    }
    const fn many(mut self) -> Self {
        self.many = true;
        self
    }
    const fn later(mut self) -> Self {
        self.since = NotYet;
        self
    }
}

const fn arg(name: &'static str, ty: Type) -> ArgSpec {
    ArgSpec { name, ty, optional: false, repeat: false }
}

impl ArgSpec {
    const fn opt(mut self) -> Self {
        self.optional = true;
        self
    }
    const fn rep(mut self) -> Self {
        self.repeat = true;
        self
    }
}

const fn prop(name: &'static str, ty: Type, default: &'static str) -> PropSpec {
    PropSpec { name, ty, default, doc: "", since: Implemented }
}

impl PropSpec {
    const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
    const fn later(mut self) -> Self {
        self.since = NotYet;
        self
    }
}

const fn int(min: i64, max: i64) -> Type {
    Type::Int { min, max, off: false }
}
const fn int_off(min: i64, max: i64) -> Type {
    Type::Int { min, max, off: true }
}
const fn one_of(now: &'static [&'static str]) -> Type {
    Type::Choice { now, later: &[] }
}
const fn one_of_some(now: &'static [&'static str], later: &'static [&'static str]) -> Type {
    Type::Choice { now, later }
}
const TIME: Type = Type::Duration { zero: false, off: false };
const TIME_0: Type = Type::Duration { zero: true, off: false };
const TIME_OFF: Type = Type::Duration { zero: false, off: true };
const PERCENT: Type = Type::Percent { off: false };
const FILE: Type = Type::File { off: false };
const COUNT: i64 = u32::MAX as i64;
const PORT: Type = int(1, 65535);
const REDIRECTS: Type = one_of(&["301", "302", "303", "307", "308"]);
const TLS_VERSIONS: Type = one_of(&["1.2", "1.3"]);

/// Every node of the language. A `static`, so that a row has one address and can be told from others by it. One row, one node: rustfmt would spread it over a thousand lines.
#[rustfmt::skip]
pub static SCHEMA: &[NodeSpec] = &[
    // ---- files and text: gone before the check, here for suggestions and documentation
    node("include", &["root"], "Splice other files here (glob, sorted bytewise, relative to this file). Order never changes meaning.")
        .many().args(&[arg("file", Type::Glob).rep()])
        .props(&[prop("optional", Type::Bool, "#false").doc("no match is not an error")]),
    node("let", &["root"], "A constant, used as \"${NAME}\" inside quoted strings.")
        .many().args(&[arg("name", Type::Name), arg("value", Type::Any)]),
    node("template", &["root"], "A reusable block; properties are parameters with defaults.")
        .many().args(&[arg("name", Type::Name)]),
    node("use", &["root", "listen", "site", "route", "pool"], "Splice a template's children here; later explicit nodes win over spliced single-valued ones.")
        .many().args(&[arg("template", Type::Name)]),
    node("defaults", &["root"], "Values every listen/site/route/pool starts from."),
    // ---- listeners
    node("listen", &["root"], "Accept connections on an address.")
        .many().args(&[arg("address", Type::Address)])
        .props(&[prop("name", Type::Name, "host:port"), prop("reuse-port", Type::Bool, "#true"), prop("backlog", int(1, 65535), "1024")]),
    node("tls", &["listen"], "Terminate TLS here. Certificate is chosen by SNI; first one is the fallback.")
        .props(&[prop("min-version", TLS_VERSIONS, "1.2"), prop("handshake-timeout", TIME, "10s"), prop("unknown-sni", one_of(&["fallback", "reject"]), "fallback")]),
    node("certificate", &["tls@listen", "site"], "PEM chain and key; watched, hot-swapped.")
        .many().args(&[arg("chain", FILE)])
        .props(&[prop("key", FILE, "same file"), prop("ocsp", one_of(&["staple", "off"]), "staple").later()]),
    node("alpn", &["tls@listen"], "Protocols offered, in order. Default: h2, then http/1.1.")
        .args(&[arg("protocol", one_of(&["h2", "http/1.1"])).rep()]),
    node("client-ca", &["tls@listen"], "Verify client certificates. Servers are told in X-Client-Cert-Verified and X-Client-Cert-Subject, which no client can forge. With mode=request a client may show none.")
        .args(&[arg("file", FILE)]).props(&[prop("mode", one_of(&["require", "request"]), "require")]),
    node("redirect-to-https", &["listen"], "Answer everything with a redirect to the same URL on https.")
        .props(&[prop("port", PORT, "443"), prop("status", REDIRECTS, "308")]),
    node("tcp", &["listen"], "L4: pass bytes to a pool, no HTTP. With sni=, peek the ClientHello (TLS is not terminated): the exact name first, then *.suffix, then the tcp without sni.")
        .many().props(&[prop("pool", Type::Pool, ""), prop("sni", Type::Host, "")]),
    node("proxy-protocol", &["listen"], "Require PROXY v1/v2 from these senders, refuse it from all others.")
        .args(&[arg("from", Type::Cidr).rep()]).props(&[prop("timeout", TIME, "3s")]),
    node("trust-forwarded", &["root", "listen"], "Believe X-Forwarded-*/Forwarded from these senders.")
        .args(&[arg("from", Type::Cidr).rep()]),
    node("protocols", &["listen"], "HTTP versions without TLS ALPN; h2c by prior knowledge. Default: http1.")
        .args(&[arg("protocol", one_of(&["http1", "h2c"])).rep()]),
    node("limits", &["root", "listen"], "Hard caps; excess is refused early. A listener takes what it does not say from the top level.")
        .props(&[
            prop("max-connections", int(1, COUNT), "100000"), prop("max-connections-per-ip", int_off(1, COUNT), "off"),
            prop("header-bytes", Type::Size { off: false }, "64KiB"), prop("headers", int(1, 65535), "128"), prop("streams", int(1, COUNT), "128"),
        ]),
    node("timeout", &["listen"], "Client-side clocks.")
        .props(&[prop("request-header", TIME, "10s"), prop("keep-alive", TIME, "75s"), prop("write", TIME, "60s")]),
    // ---- sites and routes
    node("site", &["root"], "Routes for one or more hosts (exact or *.suffix; port ignored).")
        .many().args(&[arg("host", Type::Host).rep()]),
    node("on", &["site", "route"], "Only on these listeners (default: every HTTP listener).")
        .args(&[arg("listener", Type::Listener).rep()]),
    node("paths", &["root", "site"], "How request paths are compared. A site takes what it does not say from the top level.")
        .props(&[prop("ignore-case", Type::Bool, "#false"), prop("merge-slashes", Type::Bool, "#false"), prop("encoded-slash", one_of(&["keep", "reject"]), "keep")]),
    node("route", &["root", "site"], "Send requests whose path matches (prefix by whole segments) to exactly one action.")
        .many().args(&[arg("pattern", Type::Pattern).rep()])
        .props(&[prop("pool", Type::Pool, ""), prop("name", Type::Name, "first pattern"), prop("priority", int(i32::MIN as i64, i32::MAX as i64), "0"), prop("ignore-case", Type::Bool, "as paths")]),
    node("match", &["route"], "Extra conditions. All inside one match must hold; several match nodes are alternatives.").many(),
    node("method", &["match"], "One of these methods.")
        .args(&[arg("method", one_of(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"])).rep()]),
    node("header", &["match"], "Header present, or equal to / matching a value.")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::Match).opt()]),
    node("cookie", &["match"], "Cookie present / equal.").many().args(&[arg("name", Type::Token), arg("value", Type::Match).opt()]),
    node("query", &["match"], "Query parameter present / equal.").many().args(&[arg("name", Type::Text), arg("value", Type::Match).opt()]),
    node("client-ip", &["match"], "Source address in one of these networks.").args(&[arg("network", Type::Cidr).rep()]),
    node("websocket", &["match"], "Only (not) WebSocket upgrades.").args(&[arg("value", Type::Bool).opt()]),
    node("split", &["route"], "Weighted choice among pools.")
        .props(&[
            prop("by", one_of(&["request", "source-ip", "cookie"]), "request").doc("who is drawn: each request, each address, or each client by a cookie of lbd's own"),
            prop("cookie", Type::Token, "").doc("with by=cookie: its name; no server sees it"), prop("max-age", TIME, "7d").doc("with by=cookie: how long a client stays on its side"),
        ]),
    node("to", &["split"], "One branch.").many().args(&[arg("pool", Type::Pool)]).props(&[prop("weight", int(0, COUNT), "1").doc("share of the sum of all weights; 0 takes nobody")]),
    node("redirect", &["route"], "Answer with a redirect; {host} {path} {query} and {param}s are filled in.")
        .args(&[arg("location", Type::HeaderValue)]).props(&[prop("status", REDIRECTS, "308")]),
    node("respond", &["route"], "Answer directly.")
        .args(&[arg("status", int(200, 599))]).props(&[prop("body", Type::Text, ""), prop("content-type", Type::HeaderValue, "text/plain")]),
    node("rewrite", &["route"], "Change the request before it is forwarded.")
        .props(&[
            prop("strip-prefix", Type::Path, "").doc("leading segments that the path loses"), prop("path", Type::Text, "").doc("the new path, with {param}s; the query stays"),
            prop("host", Type::Text, "").doc("the new Host, with {param}s; X-Forwarded-Host keeps the client's"),
        ]),
    node("request-headers", &["route", "site"], "Edit request headers."),
    node("response-headers", &["route", "site"], "Edit response headers."),
    node("set", &["request-headers", "response-headers"], "Replace.").many().args(&[arg("name", Type::HeaderName), arg("value", Type::HeaderValue)]),
    node("add", &["request-headers", "response-headers"], "Append.").many().args(&[arg("name", Type::HeaderName), arg("value", Type::HeaderValue)]),
    node("remove", &["request-headers", "response-headers"], "Delete.").many().args(&[arg("name", Type::HeaderName).rep()]),
    node("timeout", &["route", "pool"], "Server-side clocks. An upgraded stream obeys only tunnel-*. A route takes what it does not say from its pool.")
        .props(&[
            prop("connect", TIME, "5s"), prop("response", TIME, "60s").doc("first byte of the answer"), prop("idle", TIME, "60s"),
            prop("request", TIME_OFF, "off").doc("whole exchange"), prop("tunnel-idle", TIME_OFF, "1h"), prop("tunnel-max", TIME_OFF, "off"),
        ]),
    node("retry", &["route"], "When another server is tried (without this node: connect reset). Only before any byte reached the client; only idempotent methods unless all=#true.")
        .args(&[arg("on", one_of(&["connect", "reset", "timeout", "502", "503", "504"])).rep()])
        .props(&[prop("attempts", int(0, 16), "1"), prop("budget", PERCENT, "20%"), prop("all", Type::Bool, "#false")]),
    node("body-limit", &["route", "site"], "Largest request body; larger gets 413.").args(&[arg("size", Type::Size { off: true })]),
    node("rate-limit", &["route", "site"], "Token bucket; excess gets 429 with Retry-After.")
        .many().args(&[arg("rate", Type::Rate)])
        .props(&[
            prop("burst", int(1, COUNT), "= rate").doc("requests at once"),
            prop("key", Type::Key, "source-ip").doc("a bucket for each value (of an IPv6 address: its /64); who sends none is counted by address"),
            prop("name", Type::Name, "").doc("limits of one name share their buckets; without one they belong to the site or route"),
        ]),
    node("allow-from", &["route", "site"], "Only these networks; others get 403.").args(&[arg("network", Type::Cidr).rep()]),
    node("deny-from", &["route", "site"], "Not these networks.").args(&[arg("network", Type::Cidr).rep()]),
    node("compress", &["route", "site"], "Compress answers.").later()
        .args(&[arg("algorithm", one_of(&["zstd", "br", "gzip"])).rep().opt()]).props(&[prop("min-size", Type::Size { off: false }, "1KiB")]),
    node("mirror", &["route"], "Copy requests to another pool, answers dropped.").later()
        .props(&[prop("pool", Type::Pool, ""), prop("fraction", PERCENT, "100%")]),
    node("error-page", &["root", "site", "route"], "Body for an answer lbd itself makes.")
        .many().args(&[arg("status", Type::Status).rep()]).props(&[prop("file", FILE, "").doc("up to 1 MiB; its ending gives the content type")]),
    // ---- pools
    node("pool", &["root"], "A named group of servers and how to use them.").many().args(&[arg("name", Type::Name)]),
    node("server", &["pool"], "One server. The name is its identity for cookies, drains, tables; default: the address.")
        .many().args(&[arg("name or address", Type::ServerName), arg("address", Type::Upstream).opt()])
        .props(&[
            prop("weight", int(0, 1_000_000), "1"), prop("backup", Type::Bool, "#false"), prop("max-requests", int_off(1, COUNT), "off").doc("requests in flight; a sticky client whose server is full waits for it"),
            prop("max-connections", int_off(1, COUNT), "off").doc("connections in use, long-lived streams included"), prop("health-port", PORT, ""),
            prop("zone", Type::Name, "").doc("preferred by an lbd that runs with the same --zone"),
        ]),
    node("discover", &["pool"], "Take servers from DNS (A/AAAA or SRV), named by address.").later()
        .many().args(&[arg("source", Type::Upstream)])
        .props(&[prop("kind", one_of(&["a", "srv"]), "a"), prop("refresh", TIME, "30s"), prop("on-failure", one_of(&["keep-last", "empty"]), "keep-last")]),
    node("balance", &["pool"], "Which server gets a request that is not sticky.")
        .args(&[arg("policy", one_of(&["round-robin", "least-requests", "least-connections", "p2c", "ewma", "random", "hash"]))])
        .props(&[
            prop("key", Type::Key, "").doc("with hash: source-ip, header:NAME, cookie:NAME, query:NAME, path or host"),
            prop("headroom", Type::Percent { off: true }, "off").doc("with hash: a server this far above the mean load passes its keys on"),
        ]),
    node("sticky", &["pool"], "Keep a client on its server. Several: tried in order, first usable answer wins.")
        .many().args(&[arg("by", one_of_some(&["cookie", "source-ip"], &["header", "learn"]))])
        .props(&[
            prop("name", Type::Token, "lbd-POOL"), prop("mode", one_of_some(&["insert"], &["prefix", "suffix"]), "insert"),
            prop("path", Type::Path, "/"), prop("domain", Type::HostName, ""), prop("secure", one_of(&["auto", "always", "never"]), "auto"),
            prop("http-only", Type::Bool, "#true"), prop("same-site", one_of(&["lax", "strict", "none"]), "lax"), prop("partitioned", Type::Bool, "#false"),
            prop("max-idle", TIME_OFF, "off"), prop("max-life", TIME_OFF, "off"),
            prop("ttl", TIME, "30m"), prop("max-entries", int(1, 100_000_000), "100000"), prop("mask-v4", int(1, 32), "32"), prop("mask-v6", int(1, 128), "64"),
            prop("on-down", one_of(&["redispatch", "fail"]), "redispatch"),
        ]),
    node("health", &["pool"], "Active check. First argument: an http path, tcp, grpc (then perhaps a service) or websocket (then perhaps a path).")
        .args(&[arg("probe", Type::Probe), arg("target", Type::Text).opt()])
        .props(&[
            prop("interval", TIME, "5s"), prop("down-interval", TIME, "= interval"), prop("timeout", TIME, "2s"),
            prop("rise", int(1, 1000), "2"), prop("fall", int(1, 1000), "3"), prop("port", PORT, "server's"), prop("tls", Type::Bool, "as traffic"),
            prop("method", one_of(&["GET", "HEAD"]), "GET"), prop("host", Type::HeaderValue, "server's"), prop("status", Type::Status, "200"), prop("body", Type::Match, ""),
            prop("jitter", PERCENT, "10%"), prop("initial", one_of(&["down", "up"]), "down"),
            prop("drain-status", Type::Status, "").doc("answering this = drain, e.g. 404"),
        ]),
    node("header", &["health"], "Sent with the probe.").many().args(&[arg("name", Type::HeaderName), arg("value", Type::HeaderValue)]),
    node("passive", &["pool"], "Eject a server by what real requests saw: no answer, or a 5xx other than 501 and 505.")
        .props(&[
            prop("failures", int(1, COUNT), "5").doc("in a row, none further than `window` from the next"),
            prop("rate", Type::Percent { off: true }, "off").doc("share of failures in `window`"), prop("min-requests", int(1, COUNT), "20").doc("fewer say nothing of a rate"),
            prop("window", TIME, "10s"), prop("eject", TIME, "30s").doc("the first time; doubles each time, up to ten times"), prop("max-ejected", PERCENT, "50%"),
        ]),
    node("tls", &["pool"], "Speak TLS to the servers (re-encrypt).")
        .props(&[
            prop("ca", FILE, "system"), prop("server-name", Type::HostName, "server host"), prop("verify", one_of(&["full", "chain", "none"]), "full"),
            prop("certificate", FILE, "").doc("shown to servers that ask"), prop("key", FILE, "same file"), prop("min-version", TLS_VERSIONS, "1.2"),
        ]),
    node("queue", &["pool"], "When every server is at max-requests.").props(&[prop("size", int(0, COUNT), "1000"), prop("timeout", TIME, "5s")]),
    node("slow-start", &["pool"], "Ramp a server's share after it becomes ready.").args(&[arg("time", TIME)]),
    node("drain", &["pool"], "How servers of this pool leave.")
        .props(&[
            prop("deadline", TIME_0, "30m"), prop("close-rate", Type::Rate, "50/s").doc("so many WebSockets are closed, the longest silent first; the rest is cut at the deadline"),
            prop("close-code", int(1000, 4999), "1012").doc("what their clients are told; 1012 is: come back"),
            prop("sticky", one_of(&["keep", "move"]), "keep"),
        ]),
    node("websocket", &["pool"], "What lbd itself says in WebSockets to this pool.")
        .props(&[
            prop("ping", TIME_OFF, "off").doc("both sides are pinged when neither said anything for this long; who has not answered by the next time is gone"),
            prop("lost-code", int(1000, 4999), "1012").doc("the close code for a client whose server ended without a Close"),
        ]),
    node("connections", &["pool"], "Reuse of connections to servers.")
        .props(&[
            prop("http", one_of(&["1", "2", "auto"]), "1").later(), prop("idle-timeout", TIME, "60s"), prop("max-idle", int(0, 65535), "1024"),
            prop("max-uses", int_off(1, COUNT), "off"), prop("send-proxy", one_of(&["off", "v1", "v2"]), "off").doc("a PROXY header first; the connection then serves that one client only"),
        ]),
    node("panic", &["pool"], "If fewer than this share are healthy, use all (without a number: 50%).").args(&[arg("share", PERCENT).opt()]),
    // ---- the process
    node("status", &["root"], "lbd's own plain-HTTP endpoint for the LB above it.")
        .args(&[arg("address", Type::Address)])
        .props(&[
            prop("live", Type::Path, "/live"), prop("ready", Type::Path, "/ready"), prop("metrics", Type::Path, "/metrics"),
            prop("drain-delay", TIME_0, "5s").doc("answer not-ready this long before closing listeners"),
        ]),
    node("allow-from", &["status"], "Only these networks.").args(&[arg("network", Type::Cidr).rep()]),
    node("control", &["root"], "Unix-socket control protocol.")
        .props(&[
            prop("socket", FILE, "/run/lbd/control.sock"), prop("mode", Type::Mode, "0660"), prop("group", Type::Account, "lbd"),
            prop("read-socket", Type::File { off: true }, "off").doc("second, read-only socket"), prop("read-mode", Type::Mode, "0666"),
        ]),
    node("grant", &["control"], "Role of a peer user (SO_PEERCRED); everyone else who can open the socket gets its default role.")
        .many().props(&[prop("user", Type::Account, ""), prop("role", one_of(&["read", "operate", "admin"]), "")]),
    node("log", &["root"], "Daemon log to stderr/journald.")
        .props(&[prop("level", one_of(&["error", "warn", "info", "debug", "trace"]), "info"), prop("format", one_of(&["text", "json"]), "text")]),
    node("access", &["log"], "One line per request.")
        .props(&[
            prop("format", one_of(&["json", "combined"]), "json"), prop("to", Type::Text, "stdout").doc("stdout, stderr, or a file"), prop("sample", PERCENT, "100%"),
            prop("websocket", one_of(&["close", "open-close"]), "open-close"),
        ]),
    node("capture", &["log"], "Extra fields.").many().args(&[arg("what", Type::Key)]).props(&[prop("hash", Type::Bool, "#true")]),
    node("reload", &["root"], "Live reload.")
        .props(&[
            prop("watch", Type::Bool, "#true"), prop("settle", TIME_0, "100ms"), prop("poll", TIME, "2s"), prop("history", int(0, 1000), "20"),
            prop("max-removal", Type::Percent { off: true }, "off").doc("refuse an unattended reload that removes more of the routes or servers than this"),
        ]),
    node("resolver", &["root"], "DNS used for server names and discover.").later()
        .props(&[prop("refresh", TIME, "30s"), prop("prefer", one_of(&["v4", "v6", "any"]), "any")]),
    // ---- lint
    node("lint", &["root"], "Rules for this configuration.")
        .props(&[
            prop("cert-expiry", TIME, "30d"), prop("websocket-ping", TIME_OFF, "off").doc("known client ping period"), prop("error-tolerance", TIME_OFF, "off"),
        ]),
    node("allow", &["lint"], "Silence a rule everywhere.").many().args(&[arg("rule", Type::Rule).rep()]).props(&[prop("because", Type::Text, "")]),
    node("deny", &["lint"], "Make a rule an error.").many().args(&[arg("rule", Type::Rule).rep()]),
];
