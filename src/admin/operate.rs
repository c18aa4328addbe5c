//! Who may change something by the page: whoever comes from this machine and knows the token.
//!
//! The endpoint speaks plain HTTP, so the token is taken from a loopback address alone: over a network it would be
//! read on its way. It travels in a header that no browser sends by itself, so no other site can have it sent.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use lbctl::protocol::{Kind, Problem};
use sha2::{Digest as _, Sha256};

use crate::config::model::Operate;
use crate::control::Role;

/// Whether a client could show the token, as the page is told.
pub(super) fn way(operate: Option<&Operate>, peer: IpAddr) -> &'static str {
    match operate {
        None => "off",
        Some(_) if peer.is_loopback() => "here",
        Some(_) => "elsewhere",
    }
}

/// What the sender of these fields may do.
pub(super) fn role(
    operate: Option<&Operate>,
    peer: IpAddr,
    headers: &HeaderMap,
) -> Result<Role, Box<Problem>> {
    let Some(shown) = headers.get(AUTHORIZATION) else { return Ok(Role::Read) };
    let refused = |detail: &str, help: &str| Err(Problem::new(Kind::NotPermitted, detail).help(help).into());
    let Some(operate) = operate else {
        return refused("nobody may change anything here", "add `operate` to `status`, or use lbctl");
    };
    if !peer.is_loopback() {
        return refused(
            "the token is taken from this machine alone: this is plain HTTP",
            "come by an SSH tunnel, or by a TLS listener of lbd",
        );
    }
    let token = shown.as_bytes().strip_prefix(b"Bearer ").unwrap_or_default();
    match is_same(&Sha256::digest(token).into(), &operate.token) {
        true => Ok(Role::Operate),
        false => refused("that is not the token", "it is what the file holds that `operate token=` names"),
    }
}

/// Compares all of them, whatever the first ones are.
fn is_same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_and_only_from_here() {
        let operate = Operate { token: Sha256::digest("correct horse battery").into() };
        let check = |operate: Option<&Operate>, peer: &str, shown: &str, expected: Option<Role>| {
            let headers = match shown {
                "" => HeaderMap::new(),
                shown => HeaderMap::from_iter([(AUTHORIZATION, shown.parse().unwrap())]),
            };
            assert_eq!(role(operate, peer.parse().unwrap(), &headers).ok(), expected, "{peer} {shown}");
        };
        let here = "127.0.0.1";
        check(Some(&operate), here, "Bearer correct horse battery", Some(Role::Operate));
        check(Some(&operate), "::1", "Bearer correct horse battery", Some(Role::Operate));
        check(Some(&operate), here, "", Some(Role::Read));
        check(Some(&operate), "192.0.2.7", "", Some(Role::Read));
        check(Some(&operate), "192.0.2.7", "Bearer correct horse battery", None);
        for wrong in ["Bearer correct horse batter", "Bearer ", "correct horse battery", "Basic eA=="] {
            check(Some(&operate), here, wrong, None);
        }
        check(None, here, "Bearer correct horse battery", None);
        check(None, here, "", Some(Role::Read));
    }

    #[test]
    fn the_page_is_told_whether_the_token_would_be_taken() {
        let operate = Operate { token: [0; 32] };
        assert_eq!(way(None, "127.0.0.1".parse().unwrap()), "off");
        assert_eq!(way(Some(&operate), "127.0.0.1".parse().unwrap()), "here");
        assert_eq!(way(Some(&operate), "192.0.2.7".parse().unwrap()), "elsewhere");
    }
}
