//! What a listener speaks: `alpn` inside its `tls`, `protocols` without TLS.

use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::Protocol;
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;

/// The protocols of a listener, the preferred first.
pub(super) fn read(listen: Block<'_>) -> Vec<Protocol> {
    let written = listen.one("protocols");
    let Some(tls) = listen.one("tls") else {
        return written.map_or_else(|| vec![Protocol::Http1], list);
    };
    if let Some(written) = written {
        let message = "`protocols` on a listener that speaks TLS";
        let finding = Diagnostic::error("LB210", written.span(), message).label("is for plain listeners");
        written.cx.push(
            finding
                .also(tls.span(), "here clients choose by ALPN")
                .help("write the protocols as `alpn h2 \"http/1.1\"` inside `tls`"),
        );
    }
    tls.block().one("alpn").map_or_else(|| vec![Protocol::Http2, Protocol::Http1], list)
}

/// The words of one node, each once.
fn list(node: Reader<'_>) -> Vec<Protocol> {
    let mut seen: Vec<(Protocol, Span)> = Vec::new();
    for word in node.args(Typed::word) {
        let protocol = match word.value {
            "h2" | "h2c" => Protocol::Http2,
            _ => Protocol::Http1,
        };
        match seen.iter().find(|(earlier, _)| *earlier == protocol) {
            None => seen.push((protocol, word.span)),
            Some((_, first)) => {
                let message = format!("`{}` stands there twice", word.value);
                let finding = Diagnostic::error("LB105", word.span, message).label("again here");
                node.cx.push(finding.also(*first, "first here").help("remove one of them"));
            }
        }
    }
    seen.into_iter().map(|(protocol, _)| protocol).collect()
}
