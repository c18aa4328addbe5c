//! Which way of a split a request goes; routing asks once, and all that follows sees a plain route.

use std::sync::Arc;

use crate::proxy::affinity::RequestFacts;
use crate::snapshot::{ActionSnap, RouteSnap};

/// The route itself, or the way that its split chose. A choice to be remembered by the client is added to the lines
/// of the answer.
pub(super) fn way<'r>(
    route: &'r Arc<RouteSnap>,
    facts: &RequestFacts<'_>,
    https: bool,
    lines: &mut Vec<u8>,
) -> &'r Arc<RouteSnap> {
    let ActionSnap::Split(split) = &route.action else { return route };
    let chosen = split.choose(facts.client_ip, |name, test| facts.head.any_cookie(name, test));
    let Some(chosen) = chosen else { return route };
    if let Some((name, value, max_age)) = chosen.remember {
        for part in [b"Set-Cookie: ", name.as_bytes(), b"=", value.as_bytes(), b"; Path=/; Max-Age="] {
            lines.extend_from_slice(part);
        }
        // A browser takes a cookie of zero seconds for one to be removed.
        lines.extend_from_slice(itoa::Buffer::new().format(max_age.as_secs().max(1)).as_bytes());
        lines.extend_from_slice(b"; HttpOnly; SameSite=Lax");
        lines.extend_from_slice(if https { b"; Secure\r\n" } else { b"\r\n" });
    }
    chosen.route
}
