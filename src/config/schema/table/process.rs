//! The process itself, and the rules for its configuration.

use super::super::{NodeSpec, Type};
use super::{FILE, PERCENT, TIME, TIME_0, TIME_OFF, arg, int, node, one_of, prop};

#[rustfmt::skip] // one row, one property to a line
pub(super) const PROCESS: &[NodeSpec] = &[
    node("status", &["root"], "lbd's own plain-HTTP endpoint for the LB above it.")
        .args(&[arg("address", Type::Address)])
        .props(&[
            prop("live", Type::Path, "/live"),
            prop("ready", Type::Path, "/ready"),
            prop("metrics", Type::Path, "/metrics"),
            prop("drain-delay", TIME_0, "5s").doc("answer not-ready this long before closing listeners"),
        ]),
    node("allow-from", &["status"], "Only these networks.")
        .args(&[arg("network", Type::Cidr).rep()]),
    node("control", &["root"], "Unix-socket control protocol.")
        .props(&[
            prop("socket", FILE, "/run/lbd/control.sock"),
            prop("mode", Type::Mode, "0660"),
            prop("group", Type::Account, "lbd"),
            prop("read-socket", Type::File { off: true }, "off").doc("second, read-only socket"),
            prop("read-mode", Type::Mode, "0666"),
        ]),
    node("grant", &["control"], "Role of a peer user (SO_PEERCRED); everyone else who can open the socket gets its default role.")
        .many()
        .props(&[
            prop("user", Type::Account, ""),
            prop("role", one_of(&["read", "operate", "admin"]), ""),
        ]),
    node("log", &["root"], "Daemon log to stderr/journald.")
        .props(&[
            prop("level", one_of(&["error", "warn", "info", "debug", "trace"]), "info"),
            prop("format", one_of(&["text", "json"]), "text"),
        ]),
    node("access", &["log"], "One line per request.")
        .props(&[
            prop("format", one_of(&["json", "combined"]), "json"),
            prop("to", Type::Text, "stdout").doc("stdout, stderr, or a file"),
            prop("sample", PERCENT, "100%"),
            prop("websocket", one_of(&["close", "open-close"]), "open-close"),
        ]),
    node("capture", &["log"], "Extra fields.")
        .many().args(&[arg("what", Type::Key)])
        .props(&[
            prop("hash", Type::Bool, "#true"),
        ]),
    node("reload", &["root"], "Live reload.")
        .props(&[
            prop("watch", Type::Bool, "#true"),
            prop("settle", TIME_0, "100ms"),
            prop("poll", TIME, "2s"),
            prop("history", int(0, 1000), "20"),
            prop("max-removal", Type::Percent { off: true }, "off").doc("refuse an unattended reload that removes more of the routes or servers than this"),
        ]),
    node("resolver", &["root"], "DNS used for server names and discover.")
        .later()
        .props(&[
            prop("refresh", TIME, "30s"),
            prop("prefer", one_of(&["v4", "v6", "any"]), "any"),
        ]),
    // ---- lint
    node("lint", &["root"], "Rules for this configuration.")
        .props(&[
            prop("cert-expiry", TIME, "30d"),
            prop("websocket-ping", TIME_OFF, "off").doc("known client ping period"),
            prop("error-tolerance", TIME_OFF, "off"),
        ]),
    node("allow", &["lint"], "Silence a rule everywhere.")
        .many().args(&[arg("rule", Type::Rule).rep()])
        .props(&[
            prop("because", Type::Text, ""),
        ]),
    node("deny", &["lint"], "Make a rule an error.")
        .many().args(&[arg("rule", Type::Rule).rep()]),
];
