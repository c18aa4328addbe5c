//! `tcp` and `proxy-protocol` inside `listen`, and `send-proxy` of a pool: what happens below HTTP.

use super::super::diagnostic::{Diagnostic, Span, Spanned};
use super::super::model::{Name, ProxyProtocol, SendProxy};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;

/// A `tcp` as written.
pub(crate) struct Tcp {
    /// The host that the client's hello must name.
    pub(crate) sni: Option<Spanned<String>>,
    /// The pool; `None` when it is missing or unreadable, which is an error already.
    pub(crate) pool: Option<Spanned<Name>>,
    /// Where it stands.
    pub(crate) span: Span,
}

/// Every `tcp` of a listener.
pub(crate) fn read(listen: Block<'_>) -> Vec<Tcp> {
    listen.all("tcp").into_iter().map(tcp).collect()
}

fn tcp(r: Reader<'_>) -> Tcp {
    let spanned = |key: &'static str| r.get(key, Typed::text).zip(r.written(key));
    if r.written("pool").is_none() {
        let error = Diagnostic::error("LB102", r.span(), "`tcp` needs a pool").label("bytes for whom?");
        r.cx.push(error.help("write `tcp pool=NAME`"));
    }
    Tcp {
        sni: spanned("sni").map(|(sni, span)| Spanned::new(sni, span)),
        pool: spanned("pool").map(|(pool, span)| Spanned::new(pool.into(), span)),
        span: r.span(),
    }
}

/// Who sends a PROXY header.
pub(crate) fn proxy_protocol(listen: Block<'_>) -> Option<ProxyProtocol> {
    let r = listen.one("proxy-protocol")?;
    Some(ProxyProtocol { from: r.plain_args(Typed::network), timeout: r.value("timeout", Typed::time) })
}

/// Which PROXY header servers are sent.
pub(crate) fn send_proxy(connections: Reader<'_>) -> Option<SendProxy> {
    match connections.value("send-proxy", Typed::word) {
        "v1" => Some(SendProxy::V1),
        "v2" => Some(SendProxy::V2),
        _ => None,
    }
}
