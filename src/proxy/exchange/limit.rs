//! Limits of rate: a request takes a token of each bucket that it falls into, or none.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use tracing::debug;

use crate::config::model::Key;
use crate::proxy::affinity::{RequestFacts, query_value};
use crate::proxy::failure::Failure;
use crate::router::{NormalPath, PathOptions};
use crate::snapshot::{PoolSnap, RouteSnap};

/// Takes the tokens, or says when to come again.
pub(super) fn check(route: &RouteSnap, facts: &RequestFacts<'_>) -> Result<(), Failure> {
    if route.rate_limits.is_empty() {
        return Ok(());
    }
    let now = Instant::now();
    for (at, limit) in route.rate_limits.iter().enumerate() {
        let Err(wait) = limit.limiter.take(&bucket(&limit.key, facts), now) else { continue };
        for taken in &route.rate_limits[..at] {
            taken.limiter.give_back(&bucket(&taken.key, facts), now);
        }
        debug!(limit = %limit.name, client = %facts.client_ip, "over its rate");
        return Err(Failure::Limited { seconds: whole_seconds(wait) });
    }
    Ok(())
}

/// Lets an upgrade in, or says when to come again: by chance, within the time that all who wait outside need.
pub(super) fn admit(pool: &PoolSnap) -> Result<(), Failure> {
    let Some(admission) = &pool.admission else { return Ok(()) };
    admission.admit(Instant::now()).map_err(|within| {
        let seconds = whole_seconds(within.mul_f64(fastrand::f64()));
        debug!(pool = %pool.pool.name, seconds, "an upgrade is told to come later");
        Failure::Paced { seconds }
    })
}

/// Whose bucket. A request without the key falls into its address's: who leaves a header out is limited all the same.
fn bucket(key: &Key, facts: &RequestFacts<'_>) -> Vec<u8> {
    let mut bytes = vec![b'k'];
    let mut take = |value: &[u8]| {
        bytes.extend_from_slice(value);
        true
    };
    let found = match key {
        Key::SourceIp => false,
        Key::Header(name) => facts.head.any(name, &mut take),
        Key::Cookie(name) => facts.head.any_cookie(name, &mut take),
        Key::Query(name) => query_value(facts.head.query(), name.as_bytes()).is_some_and(&mut take),
        Key::Path => match NormalPath::parse(facts.head.path(), PathOptions::default()) {
            Ok(path) => take(path.compared()),
            Err(_) => take(facts.head.path()),
        },
        Key::Host => facts.head.host().is_some_and(|host| {
            let host = host.to_ascii_lowercase();
            take(host.strip_suffix(b".").unwrap_or(&host))
        }),
    };
    if !found {
        bytes[0] = b'i';
        match facts.client_ip {
            IpAddr::V4(ip) => bytes.extend(ip.octets()),
            // A client has a whole /64 to choose addresses from.
            IpAddr::V6(ip) => bytes.extend(&ip.octets()[..8]),
        }
    }
    bytes
}

fn whole_seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::head::{RequestHead, Version};

    fn bucket_of(key: &Key, target: &str, fields: &[(&str, &str)], ip: &str) -> Vec<u8> {
        let mut head = RequestHead::new();
        head.set_line(b"GET", target.as_bytes(), Version::Http11);
        for (name, value) in fields {
            head.push(name.as_bytes(), value.as_bytes());
        }
        head.seal().unwrap();
        bucket(key, &RequestFacts { head: &head, client_ip: ip.parse().unwrap() })
    }

    #[test]
    fn a_bucket_is_that_of_the_key_and_without_it_that_of_the_address() {
        let host = ("Host", "a.test");
        let at =
            |key: &Key, target: &str, field: (&str, &str)| bucket_of(key, target, &[host, field], "10.0.0.1");
        let none = ("X", "");
        let header = Key::Header("x-api-key".into());
        assert_eq!(at(&header, "/", ("X-Api-Key", "1")), at(&header, "/b", ("x-api-key", "1")));
        assert_ne!(at(&header, "/", ("X-Api-Key", "1")), at(&header, "/", ("X-Api-Key", "2")));
        assert_eq!(at(&header, "/", none), at(&Key::SourceIp, "/", none));
        assert_ne!(at(&Key::Cookie("u".into()), "/", ("Cookie", "u=1")), at(&Key::SourceIp, "/", none));
        assert_ne!(at(&Key::Query("u".into()), "/?u=1", none), at(&Key::Query("u".into()), "/?u=2", none));
        assert_eq!(at(&Key::Path, "/%61", none), at(&Key::Path, "/a?x", none));
        assert_ne!(at(&Key::Path, "/a", none), at(&Key::Path, "/b", none));
        let named = |name| bucket_of(&Key::Host, "/", &[("Host", name)], "10.0.0.1");
        assert_eq!(named("A.test."), named("a.test:80"));
        let from = |ip| bucket_of(&Key::SourceIp, "/", &[host], ip);
        assert_ne!(from("10.0.0.1"), from("10.0.0.2"));
        assert_eq!(from("2001:db8::1"), from("2001:db8::2"));
        assert_ne!(from("2001:db8::1"), from("2001:db8:0:1::1"));
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_too_short() {
        let told = |millis| whole_seconds(Duration::from_millis(millis));
        assert_eq!((told(0), told(1), told(1000), told(1001)), (1, 1, 1, 2));
    }
}
