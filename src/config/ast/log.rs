//! `log`: the daemon's own log, and the access log.

use std::path::PathBuf;

use super::super::diagnostic::Diagnostic;
use super::super::model::{AccessFormat, AccessLog, AccessTarget, Capture, Level, Log};
use super::super::reader::{Block, Reader};
use super::super::values::typed::Typed;

/// Where the syslog of a machine listens.
const SYSLOG: &str = "/dev/log";

/// What it says, or the defaults.
pub(crate) fn read(root: Block<'_>) -> Log {
    let r = root.one_or_defaults("log");
    let captures = r.block().all("capture");
    let access = r.block().one("access");
    if let (None, Some(capture)) = (&access, captures.first()) {
        let error = Diagnostic::error("LB103", capture.span(), "there is no access log to capture into");
        r.cx.push(error.label("never written").help("add `access` beside it"));
    }
    Log {
        level: match r.value("level", Typed::word) {
            "error" => Level::Error,
            "warn" => Level::Warn,
            "debug" => Level::Debug,
            "trace" => Level::Trace,
            _ => Level::Info,
        },
        json: r.value("format", Typed::word) == "json",
        access: access.map(|a| access_log(a, captures.into_iter().filter_map(capture).collect())),
    }
}

fn access_log(r: Reader<'_>, captures: Vec<Capture>) -> AccessLog {
    let to = match r.value("to", Typed::text).as_str() {
        "stdout" => AccessTarget::Stdout,
        "stderr" => AccessTarget::Stderr,
        "syslog" => AccessTarget::SyslogSocket(PathBuf::from(SYSLOG)),
        text if text.starts_with("syslog:") => syslog(r, &text["syslog:".len()..]),
        file => AccessTarget::File(r.cx.file(file, r.written("to").unwrap_or(r.span()))),
    };
    AccessLog {
        format: match r.value("format", Typed::word) {
            "combined" => AccessFormat::Combined,
            _ => AccessFormat::Json,
        },
        to,
        sample_percent: r.value("sample", Typed::percent),
        websocket_open: r.value("websocket", Typed::word) == "open-close",
        websocket_every: r.get("websocket-every", Typed::time_off).flatten(),
        captures,
    }
}

/// A syslog by its socket's path, or by `host:port`.
fn syslog(r: Reader<'_>, to: &str) -> AccessTarget {
    if to.starts_with('/') {
        return AccessTarget::SyslogSocket(PathBuf::from(to));
    }
    let has_port =
        to.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !has_port {
        let span = r.written("to").unwrap_or(r.span());
        let error = Diagnostic::error("LB102", span, format!("`syslog:{to}` names no syslog"));
        r.cx.push(
            error
                .label("neither a path nor an address with a port")
                .help("write `syslog`, `syslog:/run/other.sock`, or `syslog:logs.example.com:514` for UDP"),
        );
    }
    AccessTarget::SyslogUdp(to.into())
}

fn capture(r: Reader<'_>) -> Option<Capture> {
    let hash = r.value("hash", Typed::bool);
    Some(Capture { key: r.arg(0, Typed::key)?.value, hash })
}

#[cfg(test)]
mod tests {
    use super::super::super::source::MemLoader;
    use super::*;

    fn target(to: &str) -> Result<AccessTarget, String> {
        let text = format!("listen \":80\"\nlog {{ access to=\"{to}\"; }}\nroute \"/\" {{ respond 200; }}\n");
        let loaded = crate::config::load("lbd.kdl".as_ref(), &MemLoader::new().file("lbd.kdl", text));
        let codes = loaded.report.findings.iter().map(|finding| finding.code).collect();
        loaded.model.and_then(|model| model.log.access).map(|access| access.to).ok_or(codes)
    }

    #[test]
    fn a_syslog_is_a_socket_or_an_address_with_a_port() {
        use AccessTarget::{File, Stdout, SyslogSocket, SyslogUdp};
        let check = |to: &str, expected: AccessTarget| assert_eq!(target(to), Ok(expected), "{to}");
        check("stdout", Stdout);
        check("syslog", SyslogSocket("/dev/log".into()));
        check("syslog:/run/other", SyslogSocket("/run/other".into()));
        check("syslog:logs.test:514", SyslogUdp("logs.test:514".into()));
        check("syslog:[::1]:514", SyslogUdp("[::1]:514".into()));
        check("/var/log/syslog", File("/var/log/syslog".into()));
        for bad in ["syslog:", "syslog:logs.test", "syslog::514", "syslog:logs.test:99999"] {
            assert_eq!(target(bad), Err("LB102".to_owned()), "{bad}");
        }
    }
}
