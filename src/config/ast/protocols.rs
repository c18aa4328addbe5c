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
    // What `defaults` say is meant for the listeners that it fits.
    if let Some(written) = written.filter(|node| node.is_written()) {
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

#[cfg(test)]
mod tests {
    use super::super::super::model::Protocol::{self, Http1, Http2};
    use super::super::super::testing::{BASE, errors, good};

    fn listen(block: &str) -> String {
        format!("{BASE}listen \":0\" name=x {{ {block} }}")
    }

    fn spoken(block: &str) -> Vec<Protocol> {
        let model = good(&listen(block));
        model.listeners.iter().find(|listener| &*listener.name == "x").unwrap().protocols.clone()
    }

    #[test]
    fn protocols_are_kept_in_their_order_and_have_defaults() {
        let tls = |alpn: &str| format!("tls {{ certificate \"a.pem\"; {alpn}; }}");
        assert_eq!(spoken(""), [Http1]);
        assert_eq!(spoken("protocols h2c"), [Http2]);
        assert_eq!(spoken("protocols http1 h2c"), [Http1, Http2]);
        assert_eq!(spoken("tls { certificate \"a.pem\"; }"), [Http2, Http1]);
        assert_eq!(spoken(&tls("alpn \"http/1.1\"")), [Http1]);
        assert_eq!(spoken(&tls("alpn \"http/1.1\" h2")), [Http1, Http2]);
    }

    #[test]
    fn a_protocol_stands_once_and_where_it_means_something() {
        errors("listen \":81\" { protocols h2c h2c; }", &["LB105 4"]);
        errors("listen \":81\" { protocols h2; }", &["LB102 4"]);
        errors("listen \":81\" { protocols; }", &["LB102 4"]);
        let tls = "tls { certificate \"a.pem\"; }";
        errors(&format!("listen \":81\" {{ {tls}; protocols h2c; }}"), &["LB210 4"]);
        errors(&format!("defaults {{ listen {{ protocols h2c; }}; }}\nlisten \":81\" {{ {tls}; }}"), &[]);
    }
}
