//! Sites, routes, and what happens to a request on its way.

use super::super::{NodeSpec, Type};
use super::{COUNT, FILE, PERCENT, REDIRECTS, TIME, TIME_OFF, arg, int, node, one_of, one_of_some, prop};

#[rustfmt::skip] // one row, one property to a line
pub(super) const ROUTING: &[NodeSpec] = &[
    node("site", &["root"], "Routes for one or more hosts (exact or *.suffix; port ignored).")
        .peers("use_backend", "server_name", "virtual_hosts")
        .many().args(&[arg("host", Type::Host).rep()]),
    node("on", &["site", "route"], "Only on these listeners (default: every HTTP listener).")
        .peers("frontend", "listen", "")
        .args(&[arg("listener", Type::Listener).rep()]),
    node("paths", &["root", "site"], "How request paths are compared. A site takes what it does not say from the top level.")
        .props(&[
            prop("ignore-case", Type::Bool, "#false").doc("`/API` is `/api`; servers get the path as it was sent").peers("-i", "location ~*", "case_sensitive"),
            prop("merge-slashes", Type::Bool, "#false").doc("`//a` is `/a`; servers get the path as it was sent; unmerged, a `//` is a 400 where a server that merges would read another route's path").peers("path-merge-slashes", "merge_slashes", "merge_slashes"),
            prop("encoded-slash", one_of(&["keep", "reject"]), "keep").doc("what becomes of a request with `%2F` in its path: compared as part of a segment, or 400; a 400 in any case where a server that reads it as `/` would read another route's path").peers("", "", "path_with_escaped_slashes_action"),
        ]),
    node("route", &["root", "site"], "Send requests whose path matches (prefix by whole segments) to exactly one action.")
        .peers("use_backend", "location", "routes")
        .many().args(&[arg("pattern", Type::Pattern).rep()])
        .props(&[
            prop("pool", Type::Pool, "").doc("where the request goes").without("another action inside").peers("use_backend", "proxy_pass", "cluster"),
            prop("name", Type::Name, "first pattern").doc("what logs, metrics and `lbctl` call it").peers("", "", "name"),
            prop("priority", int(i32::MIN as i64, i32::MAX as i64), "0").doc("decides between routes that are otherwise equal; greater wins"),
            prop("ignore-case", Type::Bool, "as paths").doc("for this route's patterns").peers("-i", "location ~*", "case_sensitive"),
        ]),
    node("match", &["route"], "Extra conditions. All inside one match must hold; several match nodes are alternatives.")
        .peers("acl", "map", "match")
        .many(),
    node("method", &["match"], "One of these methods.")
        .peers("method", "$request_method", ":method")
        .args(&[arg("method", one_of_some(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"], &["CONNECT"])).rep()]),
    node("header", &["match"], "Header present, or equal to / matching a value.")
        .peers("req.hdr", "$http_NAME", "headers")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::Match).opt()]),
    node("cookie", &["match"], "Cookie present / equal.")
        .peers("req.cook", "$cookie_NAME", "")
        .many().args(&[arg("name", Type::Token), arg("value", Type::Match).opt()]),
    node("query", &["match"], "Query parameter present / equal.")
        .peers("url_param", "$arg_NAME", "query_parameters")
        .many().args(&[arg("name", Type::Text), arg("value", Type::Match).opt()]),
    node("client-ip", &["match"], "Source address in one of these networks.")
        .peers("src", "geo", "source_prefix_ranges")
        .args(&[arg("network", Type::Cidr).rep()]),
    node("websocket", &["match"], "Only (not) WebSocket upgrades.")
        .peers("", "$http_upgrade", "upgrade_configs")
        .args(&[arg("value", Type::Bool).opt()]),
    node("split", &["route"], "Weighted choice among pools.")
        .peers("", "split_clients", "weighted_clusters")
        .props(&[
            prop("by", one_of(&["request", "source-ip", "cookie"]), "request").doc("who is drawn: each request, each address, or each client by a cookie of lbd's own").peers("", "split_clients", "use_hash_policy"),
            prop("cookie", Type::Token, "").without("must be given with by=cookie").doc("with by=cookie: its name; no server sees it").without("must be given with by=cookie"),
            prop("max-age", TIME, "7d").doc("with by=cookie: how long a client stays on its side"),
        ]),
    node("to", &["split"], "One branch.")
        .peers("", "split_clients", "clusters")
        .many().args(&[arg("pool", Type::Pool)])
        .props(&[
            prop("weight", int(0, COUNT), "1").doc("share of the sum of all weights; 0 takes nobody").unit("shares").peers("", "split_clients", "weight"),
        ]),
    node("redirect", &["route"], "Answer with a redirect; {host} {path} {query} and {param}s are filled in.")
        .peers("redirect location", "return", "redirect")
        .args(&[arg("location", Type::HeaderValue)])
        .props(&[
            prop("status", REDIRECTS, "308").doc("which redirect").peers("redirect code", "return", "response_code"),
        ]),
    node("respond", &["route"], "Answer directly.")
        .peers("http-request return", "return", "direct_response")
        .args(&[arg("status", int(200, 599))])
        .props(&[
            prop("body", Type::Text, "").doc("what is answered; at 204 and 304 nothing").without("an empty body").peers("string", "return", "body"),
            prop("content-type", Type::HeaderValue, "text/plain").doc("sent with a body").peers("content-type", "default_type", ""),
        ]),
    node("rewrite", &["route"], "Change the request before it is forwarded.")
        .peers("http-request set-path", "rewrite", "prefix_rewrite")
        .props(&[
            prop("strip-prefix", Type::Path, "").doc("leading segments that the path loses").without("nothing is stripped").peers("replace-path", "rewrite", "prefix_rewrite"),
            prop("path", Type::Text, "").doc("the new path, with {param}s; the query stays").without("the path stays").peers("set-path", "rewrite", "regex_rewrite"),
            prop("host", Type::Text, "").doc("the new Host, with {param}s; X-Forwarded-Host keeps the client's").without("the client's Host stays").peers("set-header Host", "proxy_set_header Host", "host_rewrite_literal"),
        ]),
    node("request-headers", &["route", "site"], "Edit request headers.")
        .peers("http-request", "proxy_set_header", "request_headers_to_add"),
    node("response-headers", &["route", "site"], "Edit response headers.")
        .peers("http-response", "add_header", "response_headers_to_add"),
    node("set", &["request-headers", "response-headers"], "Replace.")
        .peers("set-header", "proxy_set_header", "OVERWRITE_IF_EXISTS_OR_ADD")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::HeaderValue)]),
    node("add", &["request-headers", "response-headers"], "Append.")
        .peers("add-header", "add_header", "APPEND_IF_EXISTS_OR_ADD")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::HeaderValue)]),
    node("remove", &["request-headers", "response-headers"], "Delete.")
        .peers("del-header", "proxy_hide_header", "request_headers_to_remove")
        .many().args(&[arg("name", Type::HeaderName).rep()]),
    node("timeout", &["route", "pool"], "Server-side clocks. An upgraded stream obeys only tunnel-*. A route takes what it does not say from its pool.")
        .props(&[
            prop("connect", TIME, "5s").doc("until a connection to a server, with its TLS, is there").peers("timeout connect", "proxy_connect_timeout", "connect_timeout"),
            prop("response", TIME, "60s").doc("until the first byte of the answer, from the end of the request").peers("timeout server", "proxy_read_timeout", ""),
            prop("idle", TIME, "60s").doc("without a byte of a body, either way").peers("timeout server", "proxy_read_timeout", "idle_timeout"),
            prop("request", TIME_OFF, "off").doc("whole exchange").peers("", "", "timeout"),
            prop("tunnel-idle", TIME_OFF, "1h").doc("without a byte in an upgraded stream, either way").peers("timeout tunnel", "proxy_read_timeout", "idle_timeout"),
            prop("tunnel-max", TIME_OFF, "off").doc("whole upgraded stream").peers("", "", "max_stream_duration"),
        ]),
    node("retry", &["route"], "When another server is tried (without this node: connect reset). Only before any byte reached the client; only idempotent methods unless all=#true, or when an HTTP/2 server says that it did not look at the request.")
        .peers("retry-on", "proxy_next_upstream", "retry_on")
        .args(&[arg("on", one_of(&["connect", "reset", "timeout", "502", "503", "504"])).rep()])
        .props(&[
            prop("attempts", int(0, 16), "1").doc("after the first").unit("retries").peers("retries", "proxy_next_upstream_tries", "num_retries"),
            prop("budget", PERCENT, "20%").doc("retries as a share of the pool's requests; what was not used is kept, up to 10000 retries").peers("", "", "budget_percent"),
            prop("all", Type::Bool, "#false").doc("also methods that are not idempotent, such as POST").peers("", "non_idempotent", ""),
        ]),
    node("body-limit", &["route", "site"], "Largest request body; larger gets 413.")
        .peers("req.body_size", "client_max_body_size", "max_request_bytes")
        .args(&[arg("size", Type::Size { off: true })]),
    node("rate-limit", &["route", "site"], "Token bucket; excess gets 429 with Retry-After.")
        .peers("http_req_rate", "limit_req", "token_bucket")
        .many().args(&[arg("rate", Type::Rate)])
        .props(&[
            prop("burst", int(1, COUNT), "= rate").doc("at once").unit("requests").peers("", "limit_req burst=", "max_tokens"),
            prop("key", Type::Key, "source-ip").doc("a bucket for each value (of an IPv6 address: its /64); who sends none is counted by address").peers("track-sc0", "limit_req_zone", "descriptors"),
            prop("name", Type::Name, "").doc("limits of one name share their buckets").without("they belong to the site or route").peers("", "limit_req_zone", ""),
        ]),
    node("allow-from", &["route", "site"], "Only these networks; others get 403.")
        .peers("src", "allow", "rbac")
        .args(&[arg("network", Type::Cidr).rep()]),
    node("deny-from", &["route", "site"], "Not these networks.")
        .peers("src", "deny", "rbac")
        .args(&[arg("network", Type::Cidr).rep()]),
    node("compress", &["route", "site"], "Compress answers whose Content-Type is some text, by the algorithm that the client likes best, among equals the first. Without a word: zstd, br, gzip. A route's own node replaces its site's; off turns it off.")
        .peers("compression algo", "gzip", "compressor")
        .args(&[arg("algorithm", one_of(&["zstd", "br", "gzip", "off"])).rep().opt()])
        .props(&[
            prop("min-size", Type::Size { off: false }, "1KiB").doc("smaller answers are sent as they are; those of unknown length are compressed").peers("", "gzip_min_length", "min_content_length"),
        ]),
    node("mirror", &["route"], "Copy requests to another pool, answers dropped. The request never waits: bodies over 64 KiB, WebSockets, and more than 128 copies under way are not copied.")
        .peers("", "mirror", "request_mirror_policies")
        .props(&[
            prop("pool", Type::Pool, "").doc("who gets the copies").without("must be given").peers("", "mirror", "cluster"),
            prop("fraction", PERCENT, "100%").doc("of the requests").peers("", "", "runtime_fraction"),
        ]),
    node("error-page", &["root", "site", "route"], "Body for an answer lbd itself makes.")
        .peers("errorfile", "error_page", "local_reply_config")
        .many().args(&[arg("status", Type::Status).rep()])
        .props(&[
            prop("file", FILE, "").doc("up to 1 MiB; its ending gives the content type").without("must be given").peers("errorfile", "error_page", "body_format"),
        ]),
];
