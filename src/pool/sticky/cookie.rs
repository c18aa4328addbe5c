//! A cookie of lbd's own: a signed word ([`Token`]), so that a client can neither choose its server nor learn its
//! name. What does not verify counts as absent and is healed by a new cookie.

use std::sync::Arc;
use std::time::Duration;

use super::keys::Signed;
use super::token::{Token, seconds};
use super::{CookieValue, KeyRing, Known, OnDown};
use crate::pool::acquire::Ask;
use crate::pool::server::ServerId;

/// A cookie with a limit on idleness is stamped anew after a quarter of the limit, or after this long.
const REFRESH_AFTER: u64 = 60;

/// How a sticky cookie is made and what is believed of one.
#[derive(Debug, Clone)]
pub struct CookiePolicy {
    /// Cookie name.
    pub name: Arc<str>,
    /// `Path`.
    pub path: Arc<str>,
    /// `Domain`.
    pub domain: Option<Arc<str>>,
    /// `Secure`.
    pub secure: Secure,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`.
    pub same_site: SameSite,
    /// `Partitioned`.
    pub partitioned: bool,
    /// `Max-Age`: how long browsers keep it; until they close, when not said.
    pub max_age: Option<Duration>,
    /// Forget a client that stayed away this long.
    pub max_idle: Option<Duration>,
    /// Forget a client after this long in any case.
    pub max_life: Option<Duration>,
    /// When its server is down.
    pub on_down: OnDown,
    /// Who signs.
    pub keys: Arc<KeyRing>,
}

/// When `Secure` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secure {
    /// When the client came over https.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `SameSite`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Lax
    Lax,
    /// Strict
    Strict,
    /// None
    None,
}

impl CookiePolicy {
    /// A new client's cookie.
    pub fn issue(&self, server: ServerId, now: u64) -> CookieValue {
        self.encode(server, seconds(now), now)
    }

    /// The server that a cookie names, if it was made here and is not too old.
    pub fn verify(&self, value: &[u8], now: u64) -> Option<ServerId> {
        match self.read(value, now) {
            Known::Server { id, .. } => Some(id),
            Known::Nothing => None,
        }
    }

    /// What the first believable cookie of a request says.
    pub(in crate::pool) fn find(&self, ask: &Ask<'_>) -> Known {
        let mut known = Known::Nothing;
        ask.affinity.any_cookie(&self.name, &mut |value| {
            known = self.read(value, ask.now);
            known != Known::Nothing
        });
        known
    }

    /// The first believable cookie of a request.
    pub(super) fn shown(&self, ask: &Ask<'_>) -> Option<Vec<u8>> {
        let mut shown = None;
        ask.affinity.any_cookie(&self.name, &mut |value| {
            shown = (self.read(value, ask.now) != Known::Nothing).then(|| value.to_vec());
            shown.is_some()
        });
        shown
    }

    /// The cookie that the client should have, if it is not the one that it sent.
    pub(in crate::pool) fn renew(&self, known: &Known, chosen: ServerId, now: u64) -> Option<CookieValue> {
        match *known {
            Known::Server { id, refresh: false, .. } if id == chosen => None,
            Known::Server { id, issued, refresh: true } if id == chosen => Some(self.encode(id, issued, now)),
            _ => Some(self.issue(chosen, now)),
        }
    }

    fn encode(&self, server: ServerId, issued: u32, now: u64) -> CookieValue {
        // 0 says that idleness was not watched when this was made: a limit set later must not find everybody idle.
        let seen = if self.max_idle.is_some() { seconds(now) } else { 0 };
        Token { server, issued, seen }.seal(&self.name, &self.keys)
    }

    fn read(&self, value: &[u8], now: u64) -> Known {
        let Some((token, signed)) = Token::open(value, &self.name, &self.keys) else { return Known::Nothing };
        let Token { server: id, issued, seen } = token;
        let age = |stamp: u32| now.saturating_sub(u64::from(stamp));
        let idle = age(seen);
        let stale = match self.max_idle.map(|limit| limit.as_secs()) {
            None => false,
            Some(_) if seen == 0 => true,
            Some(limit) if idle > limit => return Known::Nothing,
            Some(limit) => idle > (limit / 4).min(REFRESH_AFTER),
        };
        if self.max_life.is_some_and(|limit| age(issued) > limit.as_secs()) {
            return Known::Nothing;
        }
        // Signed anew before the old key goes.
        Known::Server { id, issued, refresh: stale || signed == Signed::Earlier }
    }
}

/// A cookie for a client.
#[derive(Debug, Clone)]
pub struct SetCookie {
    policy: Arc<CookiePolicy>,
    value: CookieValue,
}

impl SetCookie {
    pub(in crate::pool) fn new(policy: Arc<CookiePolicy>, value: CookieValue) -> Self {
        Self { policy, value }
    }

    /// The cookie's name.
    pub fn name(&self) -> &str {
        &self.policy.name
    }

    /// The cookie's value.
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    /// Writes the value of a `Set-Cookie` field; `secure` says whether the client came over https.
    pub fn write(&self, secure: bool, out: &mut Vec<u8>) {
        let policy = &self.policy;
        out.extend_from_slice(policy.name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(&self.value);
        out.extend_from_slice(b"; Path=");
        out.extend_from_slice(policy.path.as_bytes());
        if let Some(domain) = &policy.domain {
            out.extend_from_slice(b"; Domain=");
            out.extend_from_slice(domain.as_bytes());
        }
        if let Some(age) = policy.max_age {
            out.extend_from_slice(b"; Max-Age=");
            out.extend_from_slice(itoa::Buffer::new().format(age.as_secs()).as_bytes());
        }
        if policy.http_only {
            out.extend_from_slice(b"; HttpOnly");
        }
        out.extend_from_slice(match policy.same_site {
            SameSite::Lax => b"; SameSite=Lax".as_slice(),
            SameSite::Strict => b"; SameSite=Strict",
            SameSite::None => b"; SameSite=None",
        });
        if policy.secure == Secure::Always || policy.secure == Secure::Auto && secure {
            out.extend_from_slice(b"; Secure");
        }
        if policy.partitioned {
            out.extend_from_slice(b"; Partitioned");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::token::LENGTH;
    use super::*;
    use crate::pool::testing::cookie_policy;

    const NOW: u64 = 1_800_000_000;
    const A: ServerId = ServerId(0x0102_0304_0506_0708);
    const B: ServerId = ServerId(9);

    fn limits(max_idle: Option<u64>, max_life: Option<u64>) -> CookiePolicy {
        let seconds = |limit: Option<u64>| limit.map(Duration::from_secs);
        CookiePolicy { max_idle: seconds(max_idle), max_life: seconds(max_life), ..cookie_policy("lbd") }
    }

    #[test]
    fn a_cookie_verifies_where_it_was_made_and_nowhere_else() {
        let policy = cookie_policy("lbd");
        let value = policy.issue(A, NOW);
        assert_eq!(policy.verify(&value, NOW), Some(A));
        assert_eq!(cookie_policy("lbd").verify(&value, NOW), None, "other keys");
        let renamed = CookiePolicy { name: "other".into(), ..policy.clone() };
        assert_eq!(renamed.verify(&value, NOW), None, "another name");
        assert_eq!(policy.verify(b"", NOW), None);
        assert_eq!(policy.verify(b"tw1", NOW), None);
        assert_eq!(policy.verify(&[b'!'; LENGTH], NOW), None);
    }

    #[test]
    fn no_bit_of_a_cookie_can_be_changed() {
        let policy = cookie_policy("lbd");
        let value = policy.issue(A, NOW);
        for at in 0..LENGTH {
            for letter in *b"Az09-_" {
                let mut forged = value;
                forged[at] = letter;
                let accepted = policy.verify(&forged, NOW).is_some();
                assert_eq!(accepted, forged == value, "position {at}, letter {}", char::from(letter));
            }
        }
    }

    #[test]
    fn ages() {
        let check = |idle, life, later: u64, expected: Option<bool>| {
            let policy = limits(idle, life);
            let seen = match policy.read(&policy.issue(A, NOW), NOW + later) {
                Known::Server { refresh, .. } => Some(refresh),
                Known::Nothing => None,
            };
            assert_eq!(seen, expected, "idle {idle:?} life {life:?} later {later}");
        };
        check(None, None, 1_000_000_000, Some(false));
        check(Some(100), None, 25, Some(false));
        check(Some(100), None, 26, Some(true));
        check(Some(100), None, 100, Some(true));
        check(Some(100), None, 101, None);
        check(Some(86_400), None, 60, Some(false));
        check(Some(86_400), None, 61, Some(true));
        check(None, Some(50), 50, Some(false));
        check(None, Some(50), 51, None);
        check(Some(1000), Some(50), 51, None);
    }

    #[test]
    fn use_keeps_an_idle_limit_away_and_not_a_life_limit() {
        let policy = limits(Some(100), Some(250));
        let mut value = policy.issue(A, NOW);
        for later in [80, 160, 240] {
            let known = policy.read(&value, NOW + later);
            assert!(matches!(known, Known::Server { id: A, .. }), "after {later}");
            value = policy.renew(&known, A, NOW + later).expect("more than a quarter passed");
        }
        assert_eq!(policy.verify(&value, NOW + 260), None, "its life is over, however busy it was");
    }

    #[test]
    fn an_idle_limit_that_is_set_later_finds_nobody_idle() {
        let before = limits(None, None);
        let value = before.issue(A, NOW);
        let after = CookiePolicy { max_idle: Some(Duration::from_secs(100)), ..before };
        assert_eq!(
            after.read(&value, NOW + 5000),
            Known::Server { id: A, issued: NOW as u32, refresh: true }
        );
    }

    #[test]
    fn only_a_cookie_that_is_out_of_step_is_written() {
        let policy = limits(None, None);
        let known = policy.read(&policy.issue(A, NOW), NOW);
        assert_eq!(policy.renew(&known, A, NOW), None);
        let moved = policy.renew(&known, B, NOW).expect("another server");
        assert_eq!(policy.verify(&moved, NOW), Some(B));
        let first = policy.renew(&Known::Nothing, A, NOW).expect("a new client");
        assert_eq!(policy.verify(&first, NOW), Some(A));
    }

    #[test]
    fn attributes() {
        let check = |policy: CookiePolicy, secure: bool, expected: &str| {
            let value = policy.issue(A, NOW);
            let mut out = Vec::new();
            SetCookie::new(Arc::new(policy), value).write(secure, &mut out);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text, format!("lbd={}{expected}", std::str::from_utf8(&value).unwrap()));
        };
        check(cookie_policy("lbd"), false, "; Path=/; HttpOnly; SameSite=Lax");
        check(cookie_policy("lbd"), true, "; Path=/; HttpOnly; SameSite=Lax; Secure");
        check(
            CookiePolicy { secure: Secure::Never, ..cookie_policy("lbd") },
            true,
            "; Path=/; HttpOnly; SameSite=Lax",
        );
        check(
            CookiePolicy {
                path: "/app".into(),
                domain: Some("example.org".into()),
                secure: Secure::Always,
                http_only: false,
                same_site: SameSite::None,
                partitioned: true,
                max_age: Some(Duration::from_secs(3600)),
                ..cookie_policy("lbd")
            },
            false,
            "; Path=/app; Domain=example.org; Max-Age=3600; SameSite=None; Secure; Partitioned",
        );
    }
}
