//! Under which names the page answers: a browser that was led here under another site's name would let that site read
//! and change what its user may (DNS rebinding). An address cannot be rebound, and `localhost` is this machine's
//! (RFC 6761, section 6.3); any other name must be configured.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::HOST;
use http::{Request, StatusCode};

use super::answer::text;
use crate::control::Reply;

/// Whether the request is for this endpoint, as far as its `Host` tells. Every browser sends one.
pub(super) fn is_own<B>(request: &Request<B>, names: &[Arc<str>]) -> bool {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let said = request.headers().get(HOST).map(|host| host.to_str().unwrap_or("?"));
    authority.into_iter().chain(said).all(|host| is_known(host, names))
}

/// What anybody else is told.
pub(super) fn refusal() -> Reply {
    text(
        StatusCode::MISDIRECTED_REQUEST,
        "lbd's page is asked for by an address, by localhost, or by a name that `host` in `status` lists\n",
    )
}

fn is_known(host: &str, names: &[Arc<str>]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => return rest.split_once(']').is_some_and(|(ip, _)| ip.parse::<IpAddr>().is_ok()),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let is_local = name == "localhost" || name.ends_with(".localhost");
    is_local || name.parse::<IpAddr>().is_ok() || names.iter().any(|known| **known == *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_localhost_and_configured_names_are_its_own() {
        let names = [Arc::from("lb1.example.com")];
        let check = |host: &str, expected: bool| assert_eq!(is_known(host, &names), expected, "{host}");
        for own in ["10.0.0.1", "10.0.0.1:8081", "[::1]", "[2001:db8::1]:80", "localhost", "LocalHost:1"] {
            check(own, true);
        }
        for own in ["a.localhost", "lb1.example.com", "LB1.example.com.:8081"] {
            check(own, true);
        }
        for other in ["", "?", "example.com", "x.lb1.example.com", "[evil]", "[", "10.0.0.1.evil.test"] {
            check(other, false);
        }
        for other in ["localhost.evil.test", "xlocalhost", "1.2.3", "evil.test:8081"] {
            check(other, false);
        }
    }
}
