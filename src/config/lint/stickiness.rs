//! Stickiness: LB402 (a cookie in clear), LB404 (a cookie that scripts read), LB405 (many clients, one server).

use super::super::diagnostic::Diagnostic;
use super::super::model::{ClientKey, Secure, Sticky};
use super::{Subject, edits};

pub(super) fn run(s: &Subject<'_>) {
    for pool in &s.written.pools {
        let over_tls =
            |one: super::Routed<'_>| s.listeners_of(one.route).any(|listener| listener.tls.is_some());
        let tls = s.routes_to(pool).any(over_tls);
        let nodes = pool.reader.block().strongest("sticky");
        for (sticky, node) in pool.pool.sticky.iter().zip(nodes) {
            let warn = |code, key: &str, message: String, label: &str, help: &str| {
                let at = node.written(key).unwrap_or(node.span());
                let finding = Diagnostic::warning(code, at, message).label(label).help(help);
                let edit = match code {
                    "LB402" => edits::set(node, key, "auto"),
                    "LB404" => edits::set(node, key, "#true"),
                    _ => None,
                };
                let finding = edits::safe(finding, edit);
                s.push(finding.subject(format!("pool/{}/sticky", pool.pool.name)));
            };
            match sticky {
                Sticky::Cookie(cookie) => {
                    if cookie.secure == Secure::Never && tls {
                        let message =
                            format!("the cookie `{}` of https clients is also sent in clear", cookie.name);
                        warn("LB402", "secure", message, "`Secure` is never set", "use `secure=auto`");
                    }
                    if !cookie.http_only {
                        let message = format!("scripts can read the cookie `{}`", cookie.name);
                        warn(
                            "LB404",
                            "http-only",
                            message,
                            "`HttpOnly` is not set",
                            "remove `http-only=#false`",
                        );
                    }
                }
                Sticky::Marked(_) => {}
                Sticky::Table(table) => {
                    let ClientKey::SourceIp { mask_v4, .. } = table.by else { continue };
                    if std::ptr::eq(sticky, &pool.pool.sticky[0]) && s.is_behind_a_proxy(pool) {
                        let message = format!("all clients of pool `{}` land on one server", pool.pool.name);
                        let label = "their address is that of the proxy in front";
                        let help = "put `sticky cookie` first, or believe what the proxy says: `trust-forwarded \"127.0.0.1\"`, or `proxy-protocol` on the listener";
                        warn("LB405", "", message, label, help);
                        continue;
                    }
                    if mask_v4 == 32 {
                        continue;
                    }
                    let message = format!("all clients of one /{mask_v4} network land on one server");
                    let help = "put `sticky cookie` first, or keep all 32 bits";
                    warn("LB405", "mask-v4", message, "their addresses count as one", help);
                }
            }
        }
    }
}
