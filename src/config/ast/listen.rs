//! `listen`, and the top-level `limits` and `trust-forwarded` that every listener starts from.

use ipnet::IpNet;

use super::super::diagnostic::Diagnostic;
use super::super::model::{
    Certificate, ClientCa, ClientTimeouts, Limits, ListenAddress, Listener, ListenerTls, RedirectToHttps,
    TlsVersion, UnknownSni,
};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;
use super::protocols;
use super::tcp::{self, Tcp};

/// A `listen`.
pub(crate) struct Listen<'n> {
    /// The node.
    pub(crate) reader: Reader<'n>,
    /// What it means; its `tcp` is empty until pools are known.
    pub(crate) listener: Listener,
    /// Its `tcp` nodes.
    pub(crate) tcp: Vec<Tcp>,
}

/// Every `listen` of the top level.
pub(crate) fn read(root: Block<'_>) -> Vec<Listen<'_>> {
    let limits_for_all = limits(root, None);
    let trusted: Vec<IpNet> = trust_forwarded(root);
    root.all("listen").into_iter().filter_map(|reader| listener(reader, limits_for_all, &trusted)).collect()
}

fn listener<'n>(reader: Reader<'n>, base: Limits, trusted: &[IpNet]) -> Option<Listen<'n>> {
    let name = reader.get("name", Typed::text);
    let reuse_port = reader.value("reuse-port", Typed::bool);
    let backlog = reader.value("backlog", Typed::int);
    let block = reader.block();
    let mut trust = trusted.to_vec();
    trust.extend(trust_forwarded(block));
    let protocols = protocols::read(block);
    let tls = block.one("tls").map(tls);
    let redirect_to_https = block.one("redirect-to-https").map(|r| RedirectToHttps {
        port: r.value("port", Typed::int),
        status: status(r.value("status", Typed::word)),
    });
    if let (Some(_), Some(redirect)) = (&tls, block.one("redirect-to-https")) {
        let message = "`redirect-to-https` on a listener that speaks TLS";
        let finding =
            Diagnostic::error("LB210", redirect.span(), message).label("every answer is a redirect");
        reader
            .cx
            .push(finding.also(reader.span(), "this listener is https already").help("remove one of them"));
    }
    let timeout = block.one_or_defaults("timeout");
    let address: ListenAddress = reader.arg(0, Typed::address)?.value;
    let listener = Listener {
        name: name.unwrap_or_else(|| reader.arg_text(0)).into(),
        address,
        tls,
        protocols,
        redirect_to_https,
        tcp: Vec::new(),
        proxy_protocol: tcp::proxy_protocol(block),
        limits: limits(block, Some(base)),
        timeout: ClientTimeouts {
            request_header: timeout.value("request-header", Typed::time),
            keep_alive: timeout.value("keep-alive", Typed::time),
            write: timeout.value("write", Typed::time),
        },
        trust_forwarded: trust,
        reuse_port,
        backlog,
        place: reader.place(),
    };
    Some(Listen { reader, listener, tcp: tcp::read(block) })
}

fn limits(block: Block<'_>, base: Option<Limits>) -> Limits {
    let r = block.one_or_defaults("limits");
    let size = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX);
    match base {
        None => Limits {
            max_connections: r.get("max-connections", Typed::int),
            max_connections_per_ip: r.value("max-connections-per-ip", Typed::int_off),
            header_bytes: size(r.value("header-bytes", Typed::size_off).unwrap_or(0)),
            headers: r.value("headers", Typed::int),
            streams: r.value("streams", Typed::int),
            min_rate: r.value("min-rate", Typed::size_off),
        },
        Some(base) => Limits {
            max_connections: r.get("max-connections", Typed::int).or(base.max_connections),
            max_connections_per_ip: r
                .get("max-connections-per-ip", Typed::int_off)
                .unwrap_or(base.max_connections_per_ip),
            header_bytes: r.get("header-bytes", Typed::size_off).flatten().map_or(base.header_bytes, size),
            headers: r.get("headers", Typed::int).unwrap_or(base.headers),
            streams: r.get("streams", Typed::int).unwrap_or(base.streams),
            min_rate: r.get("min-rate", Typed::size_off).unwrap_or(base.min_rate),
        },
    }
}

fn trust_forwarded(block: Block<'_>) -> Vec<IpNet> {
    block.one("trust-forwarded").map(|r| r.plain_args(Typed::network)).unwrap_or_default()
}

fn tls(r: Reader<'_>) -> ListenerTls {
    ListenerTls {
        certificates: certificates(r.block()),
        min_version: tls_version(r.value("min-version", Typed::word)),
        handshake_timeout: r.value("handshake-timeout", Typed::time),
        unknown_sni: match r.value("unknown-sni", Typed::word) {
            "reject" => UnknownSni::Reject,
            _ => UnknownSni::Fallback,
        },
        client_ca: r.block().one("client-ca").and_then(client_ca),
        span: r.span(),
    }
}

fn client_ca(r: Reader<'_>) -> Option<ClientCa> {
    let required = r.value("mode", Typed::word) == "require";
    let file = r.arg(0, Typed::text)?;
    Some(ClientCa { file: r.cx.file(&file.value, file.span), required, span: r.span() })
}

/// Every `certificate` of a block.
pub(crate) fn certificates(block: Block<'_>) -> Vec<Certificate> {
    let read = |r: Reader<'_>| {
        let key = r.file("key").flatten();
        let chain = r.arg(0, Typed::text)?;
        let chain = r.cx.file(&chain.value, chain.span);
        let staple = r.value("ocsp", Typed::word) == "staple";
        Some(Certificate { key: key.unwrap_or_else(|| chain.clone()), chain, staple, span: r.span() })
    };
    block.all("certificate").into_iter().filter_map(read).collect()
}

/// A TLS version as the table spells it.
pub(crate) fn tls_version(word: &str) -> TlsVersion {
    match word {
        "1.3" => TlsVersion::V1_3,
        _ => TlsVersion::V1_2,
    }
}

/// The status of a redirect: the table allows three digits only.
pub(crate) fn status(word: &str) -> u16 {
    word.parse().unwrap_or(308)
}
