//! `tls` inside `pool`: TLS to the servers.

use super::super::model::{UpstreamTls, Verify};
use super::super::reader::Reader;
use super::super::values::typed::Typed;
use super::listen::tls_version;

/// What it says.
pub(crate) fn read(r: Reader<'_>) -> UpstreamTls {
    UpstreamTls {
        ca: r.file("ca").flatten(),
        server_name: r.get("server-name", Typed::text).map(Into::into),
        verify: match r.value("verify", Typed::word) {
            "chain" => Verify::Chain,
            "none" => Verify::None,
            _ => Verify::Full,
        },
        min_version: tls_version(r.value("min-version", Typed::word)),
        span: r.span(),
    }
}
