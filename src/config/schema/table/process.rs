//! The process itself, and the rules for its configuration.

use super::super::{NodeSpec, Type};
use super::{FILE, PERCENT, TIME, TIME_0, TIME_OFF, arg, int, node, one_of, prop};

#[rustfmt::skip] // one row, one property to a line
pub(super) const PROCESS: &[NodeSpec] = &[
    node("status", &["root"], "lbd's own plain-HTTP endpoint for the LB above it.")
        .peers("monitor-uri", "stub_status", "admin")
        .args(&[arg("address", Type::Address)])
        .props(&[
            prop("live", Type::Path, "/live").doc("200 while the process runs").peers("monitor-uri", "", ""),
            prop("ready", Type::Path, "/ready").doc("200 while it takes traffic, else 503").peers("monitor fail", "", "/ready"),
            prop("metrics", Type::Path, "/metrics").doc("in the text format of Prometheus").peers("prometheus-exporter", "stub_status", "/stats/prometheus"),
            prop("drain-delay", TIME_0, "5s").doc("answer not-ready this long before closing listeners").peers("grace", "", "--drain-time-s"),
            prop("page", Type::Bool, "#true").doc("a page at / for people, which shows what lbctl status does, live").peers("stats uri", "dashboard (Plus)", "admin"),
        ]),
    node("allow-from", &["status"], "Only these networks.")
        .peers("src", "allow", "")
        .args(&[arg("network", Type::Cidr).rep()]),
    node("host", &["status"], "Names by which the page is asked for, besides addresses and localhost. A browser that was led here under any other name gets 421: no other site can read or change anything by it (DNS rebinding).")
        .peers("", "server_name", "")
        .args(&[arg("name", Type::HostName).rep()]),
    node("operate", &["status"], "On the page of `status`, who has the token drains servers and brings them back; from this machine alone: by an SSH tunnel, or behind a TLS listener.")
        .peers("stats admin", "api write=on (Plus)", "admin")
        .props(&[
            prop("token", Type::Text, "").without("must be given").doc("at least 16 characters; kept in a file: `${file:NAME}`").peers("stats auth", "auth_basic", ""),
        ]),
    node("control", &["root"], "Unix-socket control protocol.")
        .peers("stats socket", "", "admin")
        .props(&[
            prop("socket", FILE, "/run/lbd/control.sock").doc("where it is made").peers("stats socket", "", "admin"),
            prop("mode", Type::Mode, "0660").doc("the file mode of the socket").peers("stats socket mode", "", ""),
            prop("group", Type::Account, "lbd").doc("the group of both sockets; the default only where it exists").peers("stats socket group", "", ""),
            prop("read-socket", Type::File { off: true }, "off").doc("second, read-only socket").peers("stats socket level", "", ""),
            prop("read-mode", Type::Mode, "0666").doc("the file mode of the read-only socket").peers("stats socket mode", "", ""),
        ]),
    node("grant", &["control"], "Role of a peer user (SO_PEERCRED); everyone else who can open the socket gets its default role.")
        .peers("stats socket level", "", "")
        .many()
        .props(&[
            prop("user", Type::Account, "").without("must be given").doc("of the system").without("must be given"),
            prop("role", one_of(&["read", "operate", "admin"]), "").doc("what that user may do: look, act on servers, or everything").without("must be given").peers("stats socket level", "", ""),
        ]),
    node("log", &["root"], "Daemon log to stderr/journald.")
        .peers("log", "error_log", "--log-level")
        .props(&[
            prop("level", one_of(&["error", "warn", "info", "debug", "trace"]), "info").doc("the least important that is written; trace says of each request where it went").peers("log", "error_log", "--log-level"),
            prop("format", one_of(&["text", "json"]), "text").doc("of the daemon's own lines").peers("log format", "", "--log-format"),
        ]),
    node("access", &["log"], "One line per request.")
        .peers("option httplog", "access_log", "access_log")
        .props(&[
            prop("format", one_of(&["json", "combined"]), "json").doc("of a line").peers("log-format", "log_format", "log_format"),
            prop("to", Type::Text, "stdout").doc("stdout, stderr, a file (opened anew on SIGHUP), syslog (the socket /dev/log), syslog:/PATH (another socket), or syslog:HOST:PORT (UDP)").peers("log", "access_log", "path"),
            prop("sample", PERCENT, "100%").doc("of the requests, by chance").peers("log sample", "access_log if=", "runtime_filter"),
            prop("websocket-every", TIME_OFF, "off").doc("a line of each long-lived stream again and again, with what it has carried so far").peers("", "", "access_log_flush_interval"),
            prop("websocket", one_of(&["close", "open-close"]), "open-close").doc("a line when a long-lived stream ends, or also when it begins").peers("option logasap", "", "flush_access_log_on_new_request"),
        ]),
    node("capture", &["log"], "Extra fields.")
        .peers("capture", "log_format", "log_format")
        .many().args(&[arg("what", Type::Key)])
        .props(&[
            prop("hash", Type::Bool, "#true").doc("a digest in place of the value"),
        ]),
    node("trace", &["root"], "Spans of requests, sent to a collector by OTLP over HTTP (protobuf): one of each request and one of each attempt at a server.")
        .peers("", "otel_exporter", "tracing")
        .args(&[arg("collector", Type::Text)])
        .props(&[
            prop("sample", PERCENT, "100%").doc("of the traces that begin here, by the trace's number: whoever draws by it as well draws the same").peers("", "otel_trace", "random_sampling"),
            prop("follow", one_of(&["all", "trusted", "none"]), "all").doc("whose `traceparent` decides whether a request is sampled: everybody's, that of senders that `trust-forwarded` names, nobody's; the trace goes on in any case").peers("", "otel_trace", ""),
            prop("service", Type::Text, "lbd").doc("`service.name` of the spans").peers("", "otel_service_name", "service_name"),
            prop("ca", Type::File { off: true }, "off").doc("a PEM file of authorities to believe of an `https` collector; off is those of the system").peers("", "trusted_certificate", "trusted_ca"),
            prop("timeout", TIME, "10s").doc("for one message, its answer included").peers("", "", "timeout"),
            prop("queue", int(1, 1_000_000), "8192").unit("spans").doc("that may wait for the collector; more are dropped and counted, no request waits").peers("", "batch_count", ""),
        ]),
    node("header", &["trace"], "Sent with each message, for collectors that want to know who sends.")
        .peers("", "header", "initial_metadata")
        .many().args(&[arg("name", Type::HeaderName), arg("value", Type::HeaderValue)]),
    node("attribute", &["trace"], "Said of the process with its spans, such as `deployment.environment.name`.")
        .peers("", "otel_resource_attr", "resource_detectors")
        .many().args(&[arg("name", Type::Token), arg("value", Type::Text)]),
    node("reload", &["root"], "Live reload.")
        .peers("", "-s reload", "")
        .props(&[
            prop("watch", Type::Bool, "#true").doc("whether an edited file goes live by itself; without it by SIGHUP or `lbctl`"),
            prop("settle", TIME_0, "100ms").doc("of quiet after an edit before files are read"),
            prop("poll", TIME, "2s").doc("how often files are looked at even when the system reports no edit"),
            prop("history", int(0, 1000), "20").unit("generations").doc("kept, to go back to").unit("generations"),
            prop("max-removal", Type::Percent { off: true }, "off").doc("refuse an unattended reload that removes more of the routes or servers than this"),
            prop("replay", Type::Bool, "#true").doc("keep host, path, method and client of the last 10,000 requests in memory, so that `lbctl config plan` says where they would go"),
        ]),
    node("resolver", &["root"], "DNS used for server names and discover. /etc/hosts comes first, then the name servers of /etc/resolv.conf, or those named here.")
        .peers("resolvers", "resolver", "typed_dns_resolver_config")
        .props(&[
            prop("refresh", TIME, "30s").doc("names are asked for again after this, or as soon as the answer's TTL ends (1s or more)").peers("hold valid", "resolver valid=", "dns_refresh_rate"),
            prop("prefer", one_of(&["v4", "v6", "any"]), "any").doc("which addresses of a name that has both").peers("resolve-prefer", "resolver ipv6=", "dns_lookup_family"),
        ]),
    node("nameserver", &["resolver"], "Ask these instead (IP addresses, port 53 unless said). Names are then whole: no search list is tried.")
        .peers("nameserver", "resolver", "resolvers")
        .args(&[arg("address", Type::Text).rep()]),
    // ---- lint
    node("lint", &["root"], "Rules for this configuration.")
        .peers("-c", "-t", "--mode validate")
        .props(&[
            prop("cert-expiry", TIME, "30d").doc("a certificate that ends sooner is a warning"),
            prop("websocket-ping", TIME_OFF, "off").doc("known client ping period"),
            prop("session-idle", TIME_OFF, "30m").doc("how long sessions of the applications live without a request"),
            prop("error-tolerance", TIME_OFF, "off").doc("how long users may get errors from a dead server before a check sees it"),
        ]),
    node("allow", &["lint"], "Silence a rule everywhere. In one place a comment does it: // lint-allow CODE: reason; see lbd-lint(7).")
        .many().args(&[arg("rule", Type::Rule).rep()])
        .props(&[
            prop("because", Type::Text, "").without("a warning that it gives no reason (LB806)").doc("why, for who reads the file later"),
        ]),
    node("deny", &["lint"], "Make a rule an error.")
        .many().args(&[arg("rule", Type::Rule).rep()]),
];
