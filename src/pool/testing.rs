//! Makers of pools for tests.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;

/// A server without a check.
pub(crate) fn server(name: &str) -> Arc<Server> {
    let pool = Pool::new(settings(&[name]), None, 1);
    Arc::clone(&pool.members[0].server)
}

/// A pool `app` of servers without a check, round robin, not sticky; `name*3` has weight 3, `name!` is a backup.
pub(crate) fn settings(servers: &[&str]) -> PoolSettings {
    let server = |(i, text): (usize, &&str)| {
        let (text, backup) = text.strip_suffix('!').map_or((*text, false), |text| (text, true));
        let (name, weight) = text.split_once('*').unwrap_or((text, "1"));
        ServerSettings {
            name: name.into(),
            host: format!("127.0.{}.{}", i / 250, i % 250 + 1).into(),
            port: 8080,
            weight: weight.parse().expect("a weight"),
            backup,
            health_port: None,
            limits: ServerLimits::default(),
            origin: None,
        }
    };
    PoolSettings {
        name: "app".into(),
        servers: servers.iter().enumerate().map(server).collect(),
        balance: BalanceKind::RoundRobin,
        sticky: Vec::new(),
        check: None,
        drain: DrainPolicy::default(),
        overload: Overload::default(),
        websocket: WebSocketPolicy::default(),
    }
}

/// The same pool, each server with room for so many, and a queue for so many.
pub(crate) fn limited(servers: &[&str], max_requests: u32, size: u32) -> PoolSettings {
    let mut settings = settings(servers);
    for server in &mut settings.servers {
        server.limits.max_requests = Some(max_requests);
    }
    settings.overload.queue = QueuePolicy { size, timeout: Duration::from_secs(5) };
    settings
}

/// A pool whose settings hold.
pub(crate) fn committed(settings: PoolSettings) -> Pool {
    let pool = Pool::new(settings, None, 1);
    pool.commit();
    pool
}

/// A check by connecting.
pub(crate) fn check_spec() -> CheckSpec {
    CheckSpec {
        probe: ProbeKind::Tcp,
        interval: Duration::from_secs(5),
        down_interval: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        rise: 2,
        fall: 3,
        jitter: 0.1,
        port: None,
        initial_up: false,
        tls: None,
        greeting: None,
    }
}

/// A cookie policy with default attributes and keys of its own.
pub(crate) fn cookie_policy(name: &str) -> CookiePolicy {
    CookiePolicy {
        name: name.into(),
        path: "/".into(),
        domain: None,
        secure: Secure::Auto,
        http_only: true,
        same_site: SameSite::Lax,
        partitioned: false,
        max_age: None,
        max_idle: None,
        max_life: None,
        on_down: OnDown::Redispatch,
        keys: KeyRing::ephemeral(0).expect("random bytes"),
    }
}

/// Source stickiness with default limits.
pub(crate) fn source(on_down: OnDown) -> StickySettings {
    StickySettings::Table(TableSettings {
        by: ClientKey::SourceIp { mask_v4: 32, mask_v6: 64 },
        ttl: Duration::from_secs(1800),
        max_entries: 1000,
        on_down,
        on_return: OnReturn::Stay,
    })
}

/// What a request shows.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) ip: IpAddr,
    pub(crate) cookies: Vec<(String, Vec<u8>)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) target: String,
    pub(crate) key: u64,
}

impl Default for Client {
    fn default() -> Self {
        Self {
            ip: IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
            cookies: Vec::new(),
            headers: Vec::new(),
            target: "/".into(),
            key: 0,
        }
    }
}

impl Affinity for Client {
    fn any_cookie(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.cookies.iter().filter(|(n, _)| n == name).any(|(_, value)| test(value))
    }

    fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.headers.iter().filter(|(n, _)| n == name).any(|(_, value)| test(value.as_bytes()))
    }

    fn any_param(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        sticky::any_param(self.target.as_bytes(), name.as_bytes(), test)
    }

    fn hash_key(&self, _key: &HashKey) -> u64 {
        self.key
    }
}

impl Client {
    /// Asks for a server at this time; what the answer sets, the client keeps.
    pub(crate) fn ask(&mut self, pool: &Pool, tried: &[ServerId], now: u64) -> Result<Acquired, Unavailable> {
        let client_ip = self.ip;
        let acquired = pool.acquire(&Ask { client_ip, affinity: &*self, tried, now, worker: 0 })?;
        if let Some(set) = &acquired.set_cookie {
            self.cookies.retain(|(name, _)| name != set.name());
            self.cookies.push((set.name().into(), set.value().to_vec()));
        }
        Ok(acquired)
    }

    /// The name of the server that it gets, and how.
    pub(crate) fn goes(&mut self, pool: &Pool) -> Result<(String, How), Unavailable> {
        self.ask(pool, &[], 1000).map(|acquired| (acquired.lease.name.to_string(), acquired.how))
    }
}

/// Makes a server's checks fail or pass until it is down or up.
pub(crate) fn check(pool: &Pool, name: &str, up: bool) {
    let server = &pool.member(name).expect("a member").server;
    let took = Duration::ZERO;
    for _ in 0..10 {
        let outcome = match up {
            true => Outcome::CheckPassed { took },
            false => Outcome::CheckFailed { reason: "connect refused".into(), took },
        };
        server.observe(&outcome, Instant::now());
    }
}
