//! Header fields that mislead: LB708 (a redirect to whatever host was asked for), LB709 (an answer's field that the
//! client writes), LB710 (protections that do not hold).

use super::super::ast::headers::Edits;
use super::super::diagnostic::{Diagnostic, Span};
use super::super::model::{Action, HeaderEdit, LocationPart};
use super::super::values::typed::Typed;
use super::{Routed, Subject};

const HSTS: &str = "strict-transport-security";

/// What applications send to protect their users.
const PROTECTION: [&str; 4] = [HSTS, "content-security-policy", "x-content-type-options", "x-frame-options"];

/// What tells servers who asked. lbd writes it from what it saw.
const TOLD: [&str; 2] = ["forwarded", "x-forwarded-for"];

pub(super) fn run(s: &Subject<'_>) {
    for one in s.routes() {
        if one.site.hosts.is_empty() {
            any_host(s, &one);
        }
        for edits in [&one.written.policy.response_headers, &one.site.policy.response_headers] {
            written_by_clients(s, &one, edits);
        }
        protections(s, &one, &one.written.policy.response_headers);
        protections(s, &one, &one.site.policy.response_headers);
        for edits in [&one.written.policy.request_headers, &one.site.policy.request_headers] {
            made_up(s, edits);
        }
    }
}

/// LB708: in the default site `{host}` is what the client wrote, not a name of ours.
fn any_host(s: &Subject<'_>, one: &Routed<'_>) {
    let block = one.written.reader.block();
    let warn = |at: Span, what: &str| {
        let finding = Diagnostic::warning("LB708", at, format!("{what} the host that the client wrote"));
        let finding = finding.label("in the default site that may be any");
        s.push(finding.help("write the host, or put the route into the `site` whose hosts are meant"));
    };
    if let (Action::Redirect { location, .. }, Some(node)) = (&one.route.action, block.one("redirect"))
        && location.contains(&LocationPart::Host)
    {
        warn(node.arg(0, Typed::text).map_or(node.span(), |arg| arg.span), "this redirect leads to");
    }
    let rewritten = one.route.rewrite.as_ref().and_then(|rewrite| rewrite.host.as_ref());
    if let (Some(host), Some(node)) = (rewritten, block.one("rewrite"))
        && host.contains(&LocationPart::Host)
    {
        warn(node.written("host").unwrap_or(node.span()), "this rewrite names");
    }
}

/// LB709: what a request says goes back as a field of the answer.
fn written_by_clients(s: &Subject<'_>, one: &Routed<'_>, edits: &Edits) {
    for edit in edits {
        let (HeaderEdit::Set { name, value, .. } | HeaderEdit::Add { name, value, .. }) = &edit.value else {
            continue;
        };
        let chosen = |part: &&LocationPart| match part {
            LocationPart::Text(_) => false,
            // In a site of its own the host is one of ours.
            LocationPart::Host => one.site.hosts.is_empty(),
            LocationPart::Path | LocationPart::Query | LocationPart::Param(_) => true,
        };
        let Some(part) = value.iter().find(chosen) else { continue };
        let hole = match part {
            LocationPart::Host => "host",
            LocationPart::Path => "path",
            LocationPart::Query => "query",
            LocationPart::Param(name) => name.as_str(),
            LocationPart::Text(_) => continue,
        };
        let message = format!("clients write the answer's `{name}`");
        let finding = Diagnostic::warning("LB709", edit.span, message);
        let finding = finding.label(format!("`{{{hole}}}` is what the request says"));
        let help =
            "no line break gets through, but whoever reads the field must not trust it: write a fixed text";
        s.push(finding.help(help));
    }
}

/// LB710.
fn protections(s: &Subject<'_>, one: &Routed<'_>, edits: &Edits) {
    let mut on = s.listeners_of(one.route).peekable();
    let plain = on.peek().is_some()
        && on.all(|listener| {
            listener.tls.is_none() && listener.trust_forwarded.is_empty() && listener.proxy_protocol.is_none()
        });
    for edit in edits {
        let finding = match &edit.value {
            HeaderEdit::Set { name, .. } | HeaderEdit::Add { name, .. } if plain && name.as_ref() == HSTS => {
                Diagnostic::warning("LB710", edit.span, format!("browsers ignore `{HSTS}` here"))
                    .label("sent without TLS alone")
                    .help("it counts over TLS only (RFC 6797, section 8.1): add a listener with `tls`")
            }
            HeaderEdit::Remove { name } if PROTECTION.contains(&name.as_ref()) => Diagnostic::warning(
                "LB710",
                edit.span,
                format!("clients lose what `{name}` protects them from"),
            )
            .label("the application sends it for a reason")
            .help("leave it, or `set` the value that is meant"),
            _ => continue,
        };
        s.push(finding);
    }
}

/// LB710: servers are told an address that nobody saw.
fn made_up(s: &Subject<'_>, edits: &Edits) {
    for edit in edits {
        let (HeaderEdit::Set { name, .. } | HeaderEdit::Add { name, .. }) = &edit.value else { continue };
        if TOLD.contains(&name.as_ref()) {
            let message = format!("servers take `{name}` for the client's address");
            let finding = Diagnostic::warning("LB710", edit.span, message).label("the same for everyone");
            s.push(finding.help("remove it: lbd writes it from what it saw"));
        }
    }
}
