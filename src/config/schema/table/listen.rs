//! Listeners, and what holds for every connection of a client.

use super::super::{NodeSpec, Type};
use super::{COUNT, FILE, PORT, REDIRECTS, TIME, TLS_VERSIONS, arg, int, int_off, node, one_of, prop};

#[rustfmt::skip] // one row, one property to a line
pub(super) const LISTEN: &[NodeSpec] = &[
    node("listen", &["root"], "Accept connections on an address.")
        .many().args(&[arg("address", Type::Address)])
        .props(&[
            prop("name", Type::Name, "host:port"),
            prop("reuse-port", Type::Bool, "#true"),
            prop("backlog", int(1, 65535), "1024"),
        ]),
    node("tls", &["listen"], "Terminate TLS here. Certificate is chosen by SNI; first one is the fallback.")
        .props(&[
            prop("min-version", TLS_VERSIONS, "1.2"),
            prop("handshake-timeout", TIME, "10s"),
            prop("unknown-sni", one_of(&["fallback", "reject"]), "fallback"),
        ]),
    node("certificate", &["tls@listen", "site"], "PEM chain and key; watched, hot-swapped.")
        .many().args(&[arg("chain", FILE)])
        .props(&[
            prop("key", FILE, "same file"),
            prop("ocsp", one_of(&["staple", "off"]), "staple").later(),
        ]),
    node("alpn", &["tls@listen"], "Protocols offered, in order. Default: h2, then http/1.1.")
        .args(&[arg("protocol", one_of(&["h2", "http/1.1"])).rep()]),
    node("client-ca", &["tls@listen"], "Verify client certificates. Servers are told in X-Client-Cert-Verified and X-Client-Cert-Subject, which no client can forge. With mode=request a client may show none.")
        .args(&[arg("file", FILE)])
        .props(&[
            prop("mode", one_of(&["require", "request"]), "require"),
        ]),
    node("redirect-to-https", &["listen"], "Answer everything with a redirect to the same URL on https.")
        .props(&[
            prop("port", PORT, "443"),
            prop("status", REDIRECTS, "308"),
        ]),
    node("tcp", &["listen"], "L4: pass bytes to a pool, no HTTP. With sni=, peek the ClientHello (TLS is not terminated): the exact name first, then *.suffix, then the tcp without sni.")
        .many()
        .props(&[
            prop("pool", Type::Pool, ""),
            prop("sni", Type::Host, ""),
        ]),
    node("proxy-protocol", &["listen"], "Require PROXY v1/v2 from these senders, refuse it from all others.")
        .args(&[arg("from", Type::Cidr).rep()])
        .props(&[
            prop("timeout", TIME, "3s"),
        ]),
    node("trust-forwarded", &["root", "listen"], "Believe X-Forwarded-*/Forwarded from these senders.")
        .args(&[arg("from", Type::Cidr).rep()]),
    node("protocols", &["listen"], "HTTP versions without TLS ALPN; h2c by prior knowledge. Default: http1.")
        .args(&[arg("protocol", one_of(&["http1", "h2c"])).rep()]),
    node("limits", &["root", "listen"], "Hard caps; excess is refused early. A listener takes what it does not say from the top level.")
        .props(&[
            prop("max-connections", int(1, COUNT), "100000"),
            prop("max-connections-per-ip", int_off(1, COUNT), "off"),
            prop("header-bytes", Type::Size { off: false }, "64KiB"),
            prop("headers", int(1, 65535), "128"),
            prop("streams", int(1, COUNT), "128"),
        ]),
    node("timeout", &["listen"], "Client-side clocks.")
        .props(&[
            prop("request-header", TIME, "10s"),
            prop("keep-alive", TIME, "75s"),
            prop("write", TIME, "60s"),
        ]),
];
