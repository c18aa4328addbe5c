//! `trace`: who takes spans, and of which requests.

use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{Collector, Follow, Name, TlsVersion, Trace, UpstreamTls, Verify};
use super::super::reader::{Block, Reader};
use super::super::values::host_or_name;
use super::super::values::typed::Typed;

/// Where collectors take OTLP over HTTP, and where they take traces there (OTLP 1.x, "OTLP/HTTP").
const PORT: u16 = 4318;
const PATH: &str = "/v1/traces";

/// What it says; none when nothing is traced.
pub(crate) fn read(root: Block<'_>) -> Option<Trace> {
    let r = root.one("trace")?;
    let built = cfg!(feature = "otlp");
    if !built {
        let error = Diagnostic::error("LB100", r.span(), "`trace` is not in this build of lbd");
        let help = "build it with the feature `otlp`, or turn this off with `/-` in front";
        r.cx.push(error.label("not in this build").help(help));
    }
    let written = r.arg(0, Typed::text)?;
    let collector = match collector(&written.value) {
        Ok((secure, host, port, path)) => Collector {
            host: host.into(),
            port,
            path: path.into(),
            tls: secure.then(|| tls(r, written.span)),
        },
        Err(why) => {
            let message = format!("`{}` is no collector: {why}", written.value.escape_debug());
            let error = Diagnostic::error("LB102", written.span, message).label("not a URL of a collector");
            r.cx.push(
                error.help("write \"http://127.0.0.1:4318\", or \"https://otlp.example.com/v1/traces\""),
            );
            return None;
        }
    };
    if let (None, Some(at)) = (&collector.tls, r.written("ca").filter(|_| r.file("ca").flatten().is_some())) {
        let error = Diagnostic::error("LB101", at, "`ca` means nothing with a collector over plain HTTP");
        r.cx.push(error.label("has no effect").help("write `https://…`, or remove this"));
    }
    Some(Trace {
        collector,
        sample_percent: r.value("sample", Typed::percent),
        follow: match r.value("follow", Typed::word) {
            "trusted" => Follow::Trusted,
            "none" => Follow::None,
            _ => Follow::All,
        },
        service: r.value("service", Typed::text).into(),
        timeout: r.value("timeout", Typed::time),
        queue: r.value("queue", Typed::int),
        headers: pairs(r.block().all("header")),
        attributes: pairs(r.block().all("attribute")),
    })
}

fn tls(r: Reader<'_>, collector: Span) -> UpstreamTls {
    UpstreamTls {
        ca: r.file("ca").flatten(),
        server_name: None,
        verify: Verify::Full,
        certificate: None,
        min_version: TlsVersion::V1_2,
        span: r.written("ca").unwrap_or(collector),
    }
}

fn pairs(nodes: Vec<Reader<'_>>) -> Vec<(Name, Name)> {
    let read = |node: Reader<'_>| {
        let value = node.arg(1, Typed::text);
        Some((node.arg(0, Typed::text)?.value.into(), value?.value.into()))
    };
    nodes.into_iter().filter_map(read).collect()
}

/// Whether by TLS, host, port and path of a URL. Without a path it is the one that OTLP gives traces.
fn collector(url: &str) -> Result<(bool, String, u16, String), String> {
    let (secure, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        Some((scheme, _)) => return Err(format!("`{scheme}` is not spoken, http and https are")),
        None => return Err("the scheme is missing: http or https".into()),
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if authority.contains('@') {
        return Err("a password stands in a `header`, not in the URL".into());
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err("its path holds what no path may hold".into());
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port.parse().ok().filter(|port| *port != 0);
            (host, port.ok_or("its port is none: 1 to 65535")?)
        }
        _ if secure => (authority, 443),
        _ => (authority, PORT),
    };
    let host = host_or_name(host).map_err(|invalid| invalid.why)?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let path = if path.trim_matches('/').is_empty() { PATH } else { path };
    Ok((secure, host, port, path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_a_url() {
        let check = |url: &str, secure: bool, host: &str, port: u16, path: &str| {
            assert_eq!(collector(url), Ok((secure, host.to_owned(), port, path.to_owned())), "{url}");
        };
        check("http://127.0.0.1:4318", false, "127.0.0.1", 4318, "/v1/traces");
        check("http://collector", false, "collector", 4318, "/v1/traces");
        check("http://[::1]/", false, "::1", 4318, "/v1/traces");
        check("https://[::1]:443/x/v1/traces", true, "::1", 443, "/x/v1/traces");
        check("https://otlp.example.com/api?key=1", true, "otlp.example.com", 443, "/api?key=1");
        for bad in [
            "",
            "collector:4318",
            "grpc://collector:4317",
            "http://",
            "http://:4318",
            "http://collector:0",
            "http://collector:70000",
            "http://me:secret@collector",
            "http://collector/a b",
            "http://collector/\r\nX: y",
        ] {
            assert!(collector(bad).is_err(), "{bad:?}");
        }
    }
}
