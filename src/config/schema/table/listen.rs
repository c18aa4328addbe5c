//! Listeners, and what holds for every connection of a client.

use super::super::{NodeSpec, Type};
use super::{COUNT, FILE, PORT, REDIRECTS, TIME, TLS_VERSIONS, arg, int, int_off, node, one_of, prop};

#[rustfmt::skip] // one row, one property to a line
pub(super) const LISTEN: &[NodeSpec] = &[
    node("listen", &["root"], "Accept connections on an address.")
        .peers("bind", "listen", "listeners")
        .many().args(&[arg("address", Type::Address)])
        .props(&[
            prop("name", Type::Name, "host:port").doc("what `on`, logs and `lbctl` call it").peers("bind name", "", "name"),
            prop("reuse-port", Type::Bool, "#true").doc("a socket for each worker, among which the kernel shares connections out (SO_REUSEPORT)").peers("noreuseport", "listen reuseport", "enable_reuse_port"),
            prop("backlog", int(1, 65535), "1024").doc("that the kernel holds until they are accepted").unit("connections").peers("backlog", "listen backlog=", "tcp_backlog_size"),
        ]),
    node("tls", &["listen"], "Terminate TLS here. Certificate is chosen by SNI; first one is the fallback.")
        .peers("bind ssl", "listen ssl", "DownstreamTlsContext")
        .props(&[
            prop("min-version", TLS_VERSIONS, "1.2").doc("oldest version that is spoken").peers("ssl-min-ver", "ssl_protocols", "tls_minimum_protocol_version"),
            prop("handshake-timeout", TIME, "10s").doc("from accept to the end of the handshake; who takes longer is disconnected").peers("", "client_header_timeout", "transport_socket_connect_timeout"),
            prop("unknown-sni", one_of(&["fallback", "reject"]), "fallback").doc("a name that no certificate has: the first certificate, or an alert").peers("strict-sni", "ssl_reject_handshake", "server_names"),
        ]),
    node("certificate", &["tls@listen", "site"], "PEM chain and key; watched, hot-swapped.")
        .peers("crt", "ssl_certificate", "tls_certificates")
        .many().args(&[arg("chain", FILE)])
        .props(&[
            prop("key", FILE, "same file").doc("the private key, PEM").peers("crt", "ssl_certificate_key", "private_key"),
            prop("ocsp", one_of(&["staple", "off"]), "staple").doc("the authority's answer in `FILE.ocsp` beside the chain (DER), if there is one, is sent in handshakes until its nextUpdate; watched, hot-swapped; one that is not fit is a warning (LB615)").peers(".ocsp file", "ssl_stapling_file", "ocsp_staple"),
        ]),
    node("alpn", &["tls@listen"], "Protocols offered, in order. Default: h2, then http/1.1.")
        .peers("alpn", "http2", "alpn_protocols")
        .args(&[arg("protocol", one_of(&["h2", "http/1.1"])).rep()]),
    node("client-ca", &["tls@listen"], "Verify client certificates. Servers are told in X-Client-Cert-Verified and X-Client-Cert-Subject, which no client can forge. With mode=request a client may show none.")
        .peers("ca-file", "ssl_client_certificate", "trusted_ca")
        .args(&[arg("file", FILE)])
        .props(&[
            prop("mode", one_of(&["require", "request"]), "require").doc("no certificate: the handshake fails, or the request goes on and servers are told so").peers("verify", "ssl_verify_client", "require_client_certificate"),
        ]),
    node("redirect-to-https", &["listen"], "Answer everything with a redirect to the same URL on https.")
        .peers("redirect scheme", "return", "https_redirect")
        .props(&[
            prop("port", PORT, "443").doc("of the new URL; 443 is left out of it").unit("port").peers("", "return", "port_redirect"),
            prop("status", REDIRECTS, "308").doc("308 keeps method and body, 301 may not").peers("redirect code", "return", "response_code"),
        ]),
    node("tcp", &["listen"], "L4: pass bytes to a pool, no HTTP. With sni=, peek the ClientHello (TLS is not terminated): the exact name first, then *.suffix, then the tcp without sni.")
        .peers("mode tcp", "stream", "tcp_proxy")
        .many()
        .props(&[
            prop("pool", Type::Pool, "").doc("where the bytes go").without("must be given").peers("default_backend", "proxy_pass", "cluster"),
            prop("sni", Type::Host, "").doc("only connections whose ClientHello names this host").without("every connection").peers("req.ssl_sni", "ssl_preread", "server_names"),
        ]),
    node("proxy-protocol", &["listen"], "Require PROXY v1/v2 from these senders, refuse it from all others.")
        .peers("accept-proxy", "listen proxy_protocol", "proxy_protocol")
        .args(&[arg("from", Type::Cidr).rep()])
        .props(&[
            prop("timeout", TIME, "3s").doc("for the whole header").peers("", "", "listener_filters_timeout"),
        ]),
    node("trust-forwarded", &["root", "listen"], "Believe X-Forwarded-*, Forwarded and X-Request-Id from these senders.")
        .peers("", "set_real_ip_from", "xff_num_trusted_hops")
        .args(&[arg("from", Type::Cidr).rep()]),
    node("protocols", &["listen"], "HTTP versions without TLS ALPN; h2c by prior knowledge. Default: http1.")
        .peers("proto", "http2", "codec_type")
        .args(&[arg("protocol", one_of(&["http1", "h2c"])).rep()]),
    node("limits", &["root", "listen"], "Hard caps; excess is refused early. A listener takes what it does not say from the top level.")
        .props(&[
            prop("max-connections", int(1, COUNT), "100000").doc("of clients, open at once; one more is closed at once").unit("connections").peers("maxconn", "worker_connections", "global_downstream_max_connections"),
            prop("max-connections-per-ip", int_off(1, COUNT), "off").doc("open at once from one address").unit("connections").peers("src_conn_cur", "limit_conn", ""),
            prop("header-bytes", Type::Size { off: false }, "64KiB").doc("request line and fields together; more gets 431").peers("tune.bufsize", "large_client_header_buffers", "max_request_headers_kb"),
            prop("headers", int(1, 65535), "128").doc("in one request; more gets 431").unit("fields").peers("tune.http.maxhdr", "", "max_headers_count"),
            prop("streams", int(1, COUNT), "128").doc("of one HTTP/2 connection, open at once").unit("streams").peers("tune.h2.max-concurrent-streams", "http2_max_concurrent_streams", "max_concurrent_streams"),
            prop("min-rate", Type::Size { off: true }, "240B").doc("bytes a second that a client must send of a body, and take of an answer, over each `timeout write` in which nothing else is waited for; then 408, or the answer is cut. Not asked of what gRPC sends"),
        ]),
    node("timeout", &["listen"], "Client-side clocks.")
        .props(&[
            prop("request-header", TIME, "10s").doc("from the first byte of a request to the end of its fields; then 408").peers("timeout http-request", "client_header_timeout", "request_headers_timeout"),
            prop("keep-alive", TIME, "75s").doc("between requests").peers("timeout http-keep-alive", "keepalive_timeout", "idle_timeout"),
            prop("write", TIME, "60s").doc("without progress while an answer is sent").peers("timeout client", "send_timeout", "stream_idle_timeout"),
        ]),
];
