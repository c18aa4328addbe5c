//! `tls` inside `pool`: TLS to the servers.

use super::super::diagnostic::Diagnostic;
use super::super::model::{Certificate, UpstreamTls, Verify};
use super::super::reader::Reader;
use super::super::values::typed::Typed;
use super::listen::tls_version;

/// What it says.
pub(crate) fn read(r: Reader<'_>) -> UpstreamTls {
    UpstreamTls {
        ca: r.file("ca").flatten(),
        // An IPv6 address is written in brackets, and verified without.
        server_name: r.get("server-name", Typed::text).map(|name| name.trim_matches(['[', ']']).into()),
        verify: match r.value("verify", Typed::word) {
            "chain" => Verify::Chain,
            "none" => Verify::None,
            _ => Verify::Full,
        },
        certificate: certificate(r),
        min_version: tls_version(r.value("min-version", Typed::word)),
        span: r.span(),
    }
}

fn certificate(r: Reader<'_>) -> Option<Certificate> {
    let (chain, key) = (r.file("certificate").flatten(), r.file("key").flatten());
    if let (None, Some(at)) = (r.written("certificate"), r.written("key")) {
        let error = Diagnostic::error("LB101", at, "a `key` without the certificate that it belongs to");
        r.cx.push(
            error.label("key of what?").help("add `certificate=\"FILE\"` with the PEM chain, or remove this"),
        );
    }
    let chain = chain?;
    let span = r.written("certificate").unwrap_or(r.span());
    // No server asks a client for its authority's answer.
    Some(Certificate { key: key.unwrap_or_else(|| chain.clone()), chain, staple: false, span })
}
