//! Pools, their servers, and how connections to them are used.

use super::super::{NodeSpec, Type};
use super::{
    COUNT, FILE, PERCENT, PORT, TIME, TIME_0, TIME_OFF, TLS_VERSIONS, arg, int, int_off, node, one_of, prop,
};

#[rustfmt::skip] // one row, one property to a line
pub(super) const POOL: &[NodeSpec] = &[
    node("pool", &["root"], "A named group of servers and how to use them.")
        .peers("backend", "upstream", "clusters")
        .many().args(&[arg("name", Type::Name)]),
    node("server", &["pool"], "One server. The name is its identity for cookies, drains, tables; default: the address.")
        .peers("server", "server", "lb_endpoints")
        .many().args(&[arg("name or address", Type::ServerName), arg("address", Type::Upstream).opt()])
        .props(&[
            prop("weight", int(0, 1_000_000), "1").doc("of the pool's traffic; 0 takes no new client").unit("shares").peers("weight", "weight=", "load_balancing_weight"),
            prop("backup", Type::Bool, "#false").doc("only when no other server is usable").peers("backup", "backup", "priority"),
            prop("max-requests", int_off(1, COUNT), "off").doc("in flight; a sticky client whose server is full waits for it").unit("requests").peers("maxconn", "max_conns=", "max_requests"),
            prop("max-connections", int_off(1, COUNT), "off").doc("in use, long-lived streams included; over HTTP/2, where requests share connections, each request and stream counts as one").unit("connections").peers("maxconn", "max_conns=", "max_connections"),
            prop("health-port", PORT, "").doc("that its checks go to").unit("port").without("the port of `health`, else the server's").peers("port", "health_check port= (Plus)", "port_value"),
            prop("zone", Type::Name, "").doc("preferred by an lbd that runs with the same --zone").without("in every zone").peers("", "", "locality"),
        ]),
    node("discover", &["pool"], "Take servers from DNS: each address of `name:port` (A, AAAA), or a service (SRV). They are named by address and port, and come and go without a reload.")
        .peers("server-template", "server resolve", "STRICT_DNS")
        .many().args(&[arg("source", Type::Text)])
        .props(&[
            prop("kind", one_of(&["a", "srv"]), "a").doc("addresses, or SRV: ports, weights, and as backups all but the lowest priority").peers("server-template", "server service=", ""),
            prop("refresh", TIME, "resolver's").doc("asked for again after this, or as soon as the answer's TTL ends (1s or more)").peers("hold valid", "resolver valid=", "dns_refresh_rate"),
            prop("hold", TIME_0, "3 x refresh, 30s or more").doc("a server that an answer no longer names takes no new clients for so long, then it is drained; named again meanwhile it loses nothing").peers("hold obsolete", "", ""),
            prop("on-failure", one_of(&["keep-last", "empty"]), "keep-last").doc("a name that is not answered: the servers stay, or go").peers("hold", "", ""),
        ]),
    node("balance", &["pool"], "Which server gets a request that is not sticky.")
        .peers("balance", "least_conn, random, hash", "lb_policy")
        .args(&[arg("policy", one_of(&["round-robin", "least-requests", "least-connections", "p2c", "ewma", "random", "hash"]))])
        .props(&[
            prop("key", Type::Key, "").doc("with hash: source-ip, header:NAME, cookie:NAME, query:NAME, path or host").without("must be given with hash").peers("balance", "hash", "hash_policy"),
            prop("headroom", Type::Percent { off: true }, "off").doc("with hash: a server this far above the mean load passes its keys on").peers("hash-balance-factor", "", "hash_balance_factor"),
        ]),
    node("sticky", &["pool"], "Keep a client on its server. Several: tried in order, first usable answer wins.")
        .peers("cookie, stick on", "sticky (Plus), ip_hash", "stateful_session")
        .many().args(&[arg("by", one_of(&["cookie", "source-ip", "header", "learn"]))])
        .props(&[
            prop("name", Type::Token, "lbd-POOL").doc("of the cookie, header or parameter; only `cookie` with mode=insert has a default").peers("cookie", "sticky cookie (Plus)", "name"),
            prop("mode", one_of(&["insert", "prefix", "suffix"]), "insert").doc("with cookie: a cookie of lbd's own, or a mark before or behind the value of the application's cookie").peers("cookie insert, cookie prefix", "", ""),
            prop("from", one_of(&["cookie", "header", "parameter"]), "cookie").doc("with learn: where answers and requests carry the application's session").peers("stick store-response", "sticky learn (Plus)", ""),
            prop("parameter", Type::Token, "").doc("with mode=suffix and learn: a path or query parameter that carries the same value, e.g. jsessionid").without("the cookie alone").peers("url_param", "sticky route (Plus)", ""),
            prop("path", Type::Path, "/").doc("the cookie's Path").peers("cookie attr", "sticky cookie path= (Plus)", "path"),
            prop("domain", Type::HostName, "").doc("the cookie's Domain").without("no Domain: this host alone").peers("cookie domain", "sticky cookie domain= (Plus)", ""),
            prop("secure", one_of(&["auto", "always", "never"]), "auto").doc("the cookie's Secure; auto: when the client came by https").peers("cookie secure", "sticky cookie secure (Plus)", ""),
            prop("http-only", Type::Bool, "#true").doc("the cookie's HttpOnly: no script reads it").peers("cookie httponly", "sticky cookie httponly (Plus)", ""),
            prop("same-site", one_of(&["lax", "strict", "none"]), "lax").doc("the cookie's SameSite").peers("cookie attr", "sticky cookie samesite= (Plus)", ""),
            prop("partitioned", Type::Bool, "#false").doc("the cookie's Partitioned (CHIPS)").peers("cookie attr", "", ""),
            prop("max-age", TIME_OFF, "off").doc("how long browsers keep the cookie; off: until they close").peers("cookie attr", "sticky cookie expires= (Plus)", "ttl"),
            prop("max-idle", TIME_OFF, "off").doc("a client that was away longer is balanced anew").peers("cookie maxidle", "", ""),
            prop("max-life", TIME_OFF, "off").doc("after this time a client is balanced anew").peers("cookie maxlife", "", ""),
            prop("ttl", TIME, "30m").doc("of an entry in the table since its last use; an open stream keeps it").peers("stick-table expire", "", ""),
            prop("max-entries", int(1, 100_000_000), "100000").doc("in the table; then the longest unused go").unit("entries").peers("stick-table size", "", ""),
            prop("mask-v4", int(1, 32), "32").doc("of the address that count; 24 keeps a whole /24 together").unit("bits").peers("ipmask", "", ""),
            prop("mask-v6", int(1, 128), "64").doc("of the address that count").unit("bits").peers("ipmask", "", ""),
            prop("on-down", one_of(&["redispatch", "fail"]), "redispatch").doc("the client's server is down: another one, or 503").peers("option redispatch", "", "strict"),
            prop("on-return", one_of(&["stay", "home"]), "stay").doc("with source-ip and header: home: clients go where the names of the servers say as soon as that server is up, a new one included").peers("", "", ""),
        ]),
    node("health", &["pool"], "Active check. First argument: an http path, tcp, grpc (then perhaps a service) or websocket (then perhaps a path).")
        .peers("option httpchk", "health_check (Plus)", "health_checks")
        .args(&[arg("probe", Type::Probe), arg("target", Type::Text).opt()])
        .props(&[
            prop("interval", TIME, "5s").doc("between checks").peers("inter", "health_check interval= (Plus)", "interval"),
            prop("down-interval", TIME, "= interval").doc("between checks of a server that is down").peers("downinter", "", "unhealthy_interval"),
            prop("timeout", TIME, "2s, or the interval if that is shorter").doc("for the whole check").peers("timeout check", "", "timeout"),
            prop("rise", int(1, 1000), "2").doc("in a row make a server that was down usable").unit("good checks").peers("rise", "health_check passes= (Plus)", "healthy_threshold"),
            prop("fall", int(1, 1000), "3").doc("in a row take it down").unit("failed checks").peers("fall", "health_check fails= (Plus)", "unhealthy_threshold"),
            prop("port", PORT, "server's").doc("of every server's checks").unit("port").peers("port", "health_check port= (Plus)", "port_value"),
            prop("tls", Type::Bool, "as traffic").doc("whether checks speak TLS").peers("check-ssl", "", "transport_socket_match_criteria"),
            prop("method", one_of(&["GET", "HEAD"]), "GET").doc("of an http check").peers("http-check send meth", "", "method"),
            prop("host", Type::HeaderValue, "server's").doc("the Host of the check").peers("http-check send hdr", "proxy_set_header Host", "host"),
            prop("status", Type::Status, "200").doc("that is good").peers("http-check expect status", "match status (Plus)", "expected_statuses"),
            prop("body", Type::Match, "").doc("that the answer's beginning must hold").without("any body").peers("http-check expect string", "match body (Plus)", "receive"),
            prop("jitter", PERCENT, "10%").doc("of the interval, by chance, so that checks spread").peers("spread-checks", "health_check jitter= (Plus)", "interval_jitter_percent"),
            prop("initial", one_of(&["down", "up"]), "down").doc("before the first check").peers("init-state", "health_check mandatory (Plus)", ""),
            prop("drain-status", Type::Status, "").doc("answering this = drain, e.g. 404").without("no status drains").peers("http-check disable-on-404", "", ""),
        ]),
    node("header", &["health"], "Sent with the probe.")
        .peers("http-check send hdr", "proxy_set_header", "request_headers_to_add")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::HeaderValue)]),
    node("passive", &["pool"], "Eject a server by what real requests saw: no answer, or a 5xx other than 501 and 505.")
        .peers("observe", "max_fails", "outlier_detection")
        .props(&[
            prop("failures", int(1, COUNT), "5").doc("in a row, none further than `window` from the next").unit("failures").peers("error-limit", "max_fails=", "consecutive_5xx"),
            prop("failure-share", Type::Percent { off: true }, "off").doc("of the requests in `window`; more failures eject").peers("", "", "failure_percentage_threshold"),
            prop("min-requests", int(1, COUNT), "20").doc("in `window`; fewer say nothing of a share").unit("requests").peers("", "", "failure_percentage_request_volume"),
            prop("window", TIME, "10s").doc("in which failures count").peers("", "fail_timeout=", "interval"),
            prop("eject", TIME, "30s").doc("the first time; doubles each time, up to ten times").peers("", "fail_timeout=", "base_ejection_time"),
            prop("max-ejected", PERCENT, "50%").doc("of the pool's servers at once").peers("", "", "max_ejection_percent"),
        ]),
    node("tls", &["pool"], "Speak TLS to the servers (re-encrypt).")
        .peers("server ssl", "proxy_pass https:", "UpstreamTlsContext")
        .props(&[
            prop("ca", FILE, "system").doc("authorities whose certificates are believed").peers("ca-file", "proxy_ssl_trusted_certificate", "trusted_ca"),
            prop("server-name", Type::HostName, "server host").doc("that is asked for (SNI) and that the certificate must have").peers("sni, verifyhost", "proxy_ssl_name", "sni"),
            prop("verify", one_of(&["full", "chain", "none"]), "full").doc("chain and name, the chain alone, or nothing").peers("verify", "proxy_ssl_verify", "trust_chain_verification"),
            prop("certificate", FILE, "").doc("shown to servers that ask").without("none is shown").peers("crt", "proxy_ssl_certificate", "tls_certificates"),
            prop("key", FILE, "same file").doc("the private key of `certificate`").peers("crt", "proxy_ssl_certificate_key", "private_key"),
            prop("min-version", TLS_VERSIONS, "1.2").doc("oldest version that is spoken").peers("ssl-min-ver", "proxy_ssl_protocols", "tls_minimum_protocol_version"),
        ]),
    node("queue", &["pool"], "When every server is at max-requests.")
        .peers("maxqueue", "queue (Plus)", "max_pending_requests")
        .props(&[
            prop("size", int(0, COUNT), "1000").doc("that may wait; one more gets 503").unit("requests").peers("maxqueue", "queue (Plus)", "max_pending_requests"),
            prop("timeout", TIME, "5s").doc("then 503").peers("timeout queue", "queue timeout= (Plus)", ""),
        ]),
    node("admission", &["pool"], "Pace a mass reconnect: so many WebSockets and other upgrades are let in, the rest get 503 with a Retry-After that spreads them. Plain requests are not paced.")
        .args(&[arg("rate", Type::Rate)])
        .props(&[
            prop("burst", int(1, COUNT), "= rate").doc("at once, after a quiet time").unit("upgrades"),
        ]),
    node("slow-start", &["pool"], "Ramp a server's share after it becomes ready.")
        .peers("slowstart", "slow_start= (Plus)", "slow_start_config")
        .args(&[arg("time", TIME)]),
    node("drain", &["pool"], "How servers of this pool leave.")
        .peers("set server state drain", "drain (Plus)", "DRAINING")
        .props(&[
            prop("deadline", TIME_0, "30m").doc("then what is left is cut; an operator's own deadline goes before"),
            prop("close-rate", Type::Rate, "50/s").doc("how fast WebSockets are closed once requests had 5 s to finish, the longest silent first"),
            prop("close-code", int(1000, 4999), "1012").doc("that WebSocket clients are told; 1012: come back").unit("close code"),
            prop("sticky", one_of(&["keep", "move"]), "keep").doc("clients that belong to the server: they stay until the end, or move at once"),
        ]),
    node("websocket", &["pool"], "What lbd itself says in WebSockets to this pool.")
        .props(&[
            prop("ping", TIME_OFF, "off").doc("silence after which both sides are pinged; who has not answered when it is over again is gone"),
            prop("lost-code", int(1000, 4999), "1012").doc("that a client is told whose server ended without a Close; 1012: come back").unit("close code"),
        ]),
    node("connections", &["pool"], "Reuse of connections to servers.")
        .peers("http-reuse", "keepalive", "http_protocol_options")
        .props(&[
            prop("http", one_of(&["1", "2", "auto"]), "1").doc("version that servers are spoken to in; 2: without TLS h2c; auto: over TLS what the server prefers, else 1; upgrades and WebSockets need 1 or auto").peers("proto", "proxy_http_version", "http2_protocol_options"),
            prop("idle-timeout", TIME, "60s").doc("an unused connection is closed").peers("pool-purge-delay", "keepalive_timeout", "idle_timeout"),
            prop("max-idle", int(0, 65535), "1024").doc("kept for each server").unit("connections").peers("pool-max-conn", "keepalive", ""),
            prop("max-uses", int_off(1, COUNT), "off").doc("on one connection").unit("requests").peers("max-reuse", "keepalive_requests", "max_requests_per_connection"),
            prop("send-proxy", one_of(&["off", "v1", "v2"]), "off").doc("a PROXY header first; the connection then serves that one client only").peers("send-proxy, send-proxy-v2", "proxy_protocol", "ProxyProtocolUpstreamTransport"),
        ]),
    node("panic", &["pool"], "If fewer than this share are healthy, use all (without a number: 50%).")
        .peers("", "", "healthy_panic_threshold")
        .args(&[arg("share", PERCENT).opt()]),
];
