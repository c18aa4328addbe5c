//! One immutable world: listeners, their sites and routes, the pools they point at.
//!
//! A request loads it once ([`Current`]) and sees one world to its end. What lives longer than a
//! request (a WebSocket) holds its lease, never the snapshot: old generations are freed.

mod compile;
mod connect;
mod current;
mod discovered;
mod limits;
mod mirror;
mod rewrite;
mod route_counts;
mod sessions;
mod split;
mod sticky;
mod streams;
mod tcp;
mod tracing;
mod words;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use ipnet::IpNet;

pub use crate::tls::CertificateFacts;
pub use compile::{CLIENT_CERTIFICATE_FIELDS, Context, compile};
pub use connect::ConnectSpec;
pub use current::{Current, Reader};
pub use discovered::Discovered;
pub use limits::{LimitSnap, Limiters};
pub use mirror::{Copies, CopyEnd, CopyHold, MirrorSnap};
pub use rewrite::RewriteSnap;
pub use route_counts::RouteCounts;
pub use split::{BranchSnap, Chosen, SplitSnap};
pub use streams::StreamHold;
pub use tcp::{TcpRouteSnap, TcpSnap};
pub use tracing::TraceSnap;

use crate::config::model::{
    AccessLog, ClientTimeouts, Compress, ErrorPage, HeaderEdit, Limits, ListenAddress, LocationPart,
    Protocol, ProxyProtocol, RedirectToHttps, Retry, Timeouts,
};
use crate::limit::Admission;
use crate::observe::{Exchanges, Tally};
use crate::pool::Pool;
use crate::router::{Conditions, HostRouter, PathOptions, PathRouter, Pattern};

/// One generation.
#[derive(Debug)]
pub struct Snapshot {
    /// Its number; 0 is the empty world before the first file.
    pub generation: u64,
    /// When it was published.
    pub since: SystemTime,
    /// Listeners, sorted by name.
    pub listeners: Vec<Arc<ListenerSnap>>,
    /// Pools by name.
    pub pools: BTreeMap<Arc<str>, Arc<PoolSnap>>,
    /// Buckets of its limits of rate.
    pub limiters: Limiters,
    /// Counts of every route, by site and name.
    pub route_counts: RouteCounts,
    /// The certificates that it shows.
    pub certificates: Arc<[CertificateFacts]>,
}

impl Snapshot {
    /// The world before the first file.
    pub fn empty() -> Self {
        Self {
            generation: 0,
            since: SystemTime::now(),
            listeners: Vec::new(),
            pools: BTreeMap::new(),
            limiters: Limiters::new(),
            route_counts: RouteCounts::new(),
            certificates: Arc::default(),
        }
    }

    /// The listener on `address`.
    pub fn listener(&self, address: ListenAddress) -> Option<&Arc<ListenerSnap>> {
        self.listeners.iter().find(|listener| listener.address == address)
    }
}

/// A listener, compiled.
#[derive(Debug)]
pub struct ListenerSnap {
    /// Its name.
    pub name: Arc<str>,
    /// Where it accepts: its identity over reloads.
    pub address: ListenAddress,
    /// How it terminates TLS.
    pub tls: Option<ListenerTlsSnap>,
    /// What it speaks, the preferred first.
    pub protocols: Vec<Protocol>,
    /// Whether it only redirects.
    pub redirect_to_https: Option<RedirectToHttps>,
    /// Connections that are passed on; `None` when all are for HTTP.
    pub tcp: Option<TcpSnap>,
    /// Who sends a PROXY header.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Hard caps.
    pub limits: Limits,
    /// Client-side clocks.
    pub timeout: ClientTimeouts,
    /// Whose X-Forwarded-* is believed.
    pub trust_forwarded: Vec<IpNet>,
    /// Whether each worker has a socket of its own.
    pub reuse_port: bool,
    /// `listen(2)` backlog.
    pub backlog: u32,
    /// The generation that it belongs to.
    pub generation: u64,
    /// Every cookie name that is lbd's own: none of them reaches a server.
    pub sticky_cookies: Arc<[Arc<str>]>,
    /// Cookies of applications whose marks no server may see.
    pub marked_cookies: Arc<[Arc<crate::pool::MarkedCookie>]>,
    /// What the access log wants.
    pub access_log: Option<Arc<AccessLog>>,
    /// Which requests are traced.
    pub trace: Option<TraceSnap>,
    /// Whether it is kept by what requests were routed lately.
    pub remembers: bool,
    /// Sites by host.
    pub sites: HostRouter<Arc<SiteSnap>>,
    /// Pages for errors of requests that no site takes.
    pub error_pages: Vec<ErrorPage>,
    /// What survives reloads.
    pub live: Arc<ListenerLive>,
}

impl ListenerSnap {
    /// Whether HTTP begins with a connection's first byte.
    pub fn is_plain(&self) -> bool {
        self.tls.is_none() && self.tcp.is_none() && self.proxy_protocol.is_none()
    }
}

/// TLS of a listener.
#[derive(Debug, Clone)]
pub struct ListenerTlsSnap {
    /// Certificates, versions, tickets.
    pub config: Arc<rustls::ServerConfig>,
    /// Which names may share a connection.
    pub coverage: Arc<crate::tls::Coverage>,
    /// Whether clients are asked for a certificate, and servers told of it.
    pub asks_clients: bool,
    /// How long a handshake may take.
    pub handshake_timeout: Duration,
}

impl ListenerTlsSnap {
    /// Whether a client that was let in under `config` would be asked for the same certificates here. Each way to
    /// ask has tickets of its own ([`crate::tls::Store`]), so those tell them apart.
    pub fn asks_as(&self, config: &rustls::ServerConfig) -> bool {
        Arc::ptr_eq(&self.config.ticketer, &config.ticketer)
    }
}

/// The live part of a listener: counts that survive reloads.
#[derive(Debug, Default)]
pub struct ListenerLive {
    open: AtomicU32,
    streams: AtomicU32,
    /// Connections accepted, ever.
    pub accepted: AtomicU64,
    /// Connections refused by a limit, ever.
    pub refused: AtomicU64,
    by_ip: Mutex<HashMap<IpAddr, u32>>,
    /// Exchanges that ended.
    pub exchanges: Arc<Exchanges>,
    /// Why exchanges ended without a server's answer, and connections without a server.
    pub failures: Tally<48>,
    /// How TLS handshakes ended: `full`, `resumed`, `failed`, `timeout`.
    pub handshakes: Tally<4>,
    /// How long-lived streams ended.
    pub stream_ends: Tally<32>,
}

/// One accepted connection's place under its listener's limits. Gives it back when dropped.
#[derive(Debug)]
pub struct ConnectionHold {
    live: Arc<ListenerLive>,
    ip: Option<IpAddr>,
}

impl ListenerLive {
    /// One that counts by this many workers.
    pub fn new(workers: usize) -> Arc<Self> {
        Arc::new(Self { exchanges: Exchanges::new(workers), ..Self::default() })
    }

    /// Open connections, over all workers.
    pub fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// A place for a connection from `ip`, or none when a limit is reached.
    pub fn admit(self: &Arc<Self>, ip: IpAddr, limits: &Limits) -> Option<ConnectionHold> {
        self.accepted.fetch_add(1, Ordering::Relaxed);
        if self.open.fetch_add(1, Ordering::Relaxed) >= limits.max_connections.unwrap_or(Limits::CONNECTIONS)
        {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let mut hold = ConnectionHold { live: Arc::clone(self), ip: None };
        if !hold.count_for(ip, limits) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(hold)
    }
}

impl ConnectionHold {
    /// Counts the connection among those of `ip`; false when that address has too many. Called once it is
    /// known who the client is, at most once.
    pub fn count_for(&mut self, ip: IpAddr, limits: &Limits) -> bool {
        let Some(most) = limits.max_connections_per_ip else { return true };
        let mut by_ip = self.live.by_ip.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = by_ip.entry(ip).or_insert(0);
        if *count >= most {
            return false;
        }
        *count += 1;
        self.ip = Some(ip);
        true
    }
}

impl Drop for ConnectionHold {
    fn drop(&mut self) {
        self.live.open.fetch_sub(1, Ordering::Relaxed);
        if let Some(ip) = self.ip {
            let mut by_ip = self.live.by_ip.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(count) = by_ip.get_mut(&ip) {
                *count -= 1;
                if *count == 0 {
                    by_ip.remove(&ip);
                }
            }
        }
    }
}

/// A site on one listener, compiled.
#[derive(Debug)]
pub struct SiteSnap {
    /// Its hosts; empty for the default site.
    pub hosts: Vec<Arc<str>>,
    /// How paths are compared.
    pub paths: PathOptions,
    /// Its routes on this listener, to be found.
    pub routes: PathRouter<Arc<RouteSnap>>,
    /// The same, to be listed.
    pub list: Vec<Arc<RouteSnap>>,
    /// Pages for errors of requests that no route takes.
    pub error_pages: Vec<ErrorPage>,
}

/// A route, compiled.
#[derive(Debug)]
pub struct RouteSnap {
    /// Its name.
    pub name: Arc<str>,
    /// Where it was written, `lbd.kdl:14`.
    pub place: Arc<str>,
    /// Its patterns.
    pub patterns: Vec<Pattern>,
    /// Its conditions.
    pub matches: Vec<Conditions>,
    /// What is done.
    pub action: ActionSnap,
    /// Edits of the request head.
    pub request_headers: Vec<HeaderEdit>,
    /// Edits of the response head.
    pub response_headers: Vec<HeaderEdit>,
    /// Request fields that rules read, lower-case: a client cannot strip them by naming them in `Connection`.
    pub keep: Vec<Arc<str>>,
    /// Names that the edits set or remove in requests.
    pub request_drop: Vec<Arc<str>>,
    /// Names that the edits set or remove in responses.
    pub response_drop: Vec<Arc<str>>,
    /// Each list must admit the client.
    pub allow_from: Vec<Vec<IpNet>>,
    /// None of these.
    pub deny_from: Vec<IpNet>,
    /// Largest request body.
    pub body_limit: Option<u64>,
    /// Server-side clocks.
    pub timeout: Timeouts,
    /// When another server is tried.
    pub retry: Retry,
    /// What is changed before it is forwarded.
    pub rewrite: Option<RewriteSnap>,
    /// All must have a token.
    pub rate_limits: Vec<LimitSnap>,
    /// Where copies of its requests go.
    pub mirror: Option<MirrorSnap>,
    /// How answers are compressed.
    pub compress: Option<Compress>,
    /// Pages for errors, the first that fits.
    pub error_pages: Vec<ErrorPage>,
    /// Exchanges that took it.
    pub exchanges: Arc<Exchanges>,
}

impl RouteSnap {
    /// Whether a client may come this way.
    pub fn admits(&self, ip: IpAddr) -> bool {
        let within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&ip));
        self.allow_from.iter().all(|nets| within(nets)) && !within(&self.deny_from)
    }
}

/// What a route does.
#[derive(Debug)]
pub enum ActionSnap {
    /// Forward.
    Pool(Arc<PoolSnap>),
    /// Forward to one of several. Routing takes one of its routes, so nothing behind it meets this.
    Split(SplitSnap),
    /// Redirect.
    Redirect {
        /// `Location`, with holes.
        location: Vec<LocationPart>,
        /// Status.
        status: u16,
    },
    /// Answer.
    Respond {
        /// Status.
        status: u16,
        /// Body.
        body: Arc<[u8]>,
        /// `Content-Type`.
        content_type: Arc<str>,
    },
}

/// A pool and how to reach its servers.
#[derive(Debug)]
pub struct PoolSnap {
    /// The pool.
    pub pool: Arc<Pool>,
    /// How connections to its servers are made and kept.
    pub connect: Arc<ConnectSpec>,
    /// Which share of its requests may be retries.
    pub retries: Arc<RetryBudget>,
    /// Copies that mirrors send here.
    pub copies: Arc<Copies>,
    /// How its upgrades are paced.
    pub admission: Option<Arc<Admission>>,
}

/// A pool's allowance for retries by rule: each request pays in a share, each retry takes a whole one, so
/// that a failing pool is not stormed. Envoy and Finagle call it a retry budget.
#[derive(Debug)]
pub struct RetryBudget {
    /// In ten-thousandths of a retry: a share may be a fraction of a percent.
    parts: AtomicI64,
}

impl RetryBudget {
    /// One retry.
    const ONE: i64 = 10_000;
    /// Retries of a pool that had no requests yet.
    const RESERVE: i64 = 10 * Self::ONE;
    /// What requests paid in is kept for the moment when a server dies with all that it had under way: so many
    /// retries, and no more. Finagle keeps what the last ten seconds paid in.
    const MOST: i64 = 10_000 * Self::ONE;

    /// A request pays in.
    pub fn deposit(&self, percent: f64) {
        // Read first: in calm it is full, and nothing is written.
        if self.parts.load(Ordering::Relaxed) < Self::MOST {
            // To the nearest part, without a call for it.
            let share = (percent / 100.0 * Self::ONE as f64 + 0.5) as i64;
            self.parts.fetch_add(share, Ordering::Relaxed);
        }
    }

    /// A retry takes one, if there is one.
    pub fn withdraw(&self) -> bool {
        let taken = self.parts.fetch_sub(Self::ONE, Ordering::Relaxed) >= Self::ONE;
        if !taken {
            self.parts.fetch_add(Self::ONE, Ordering::Relaxed);
        }
        taken
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { parts: AtomicI64::new(Self::RESERVE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(all: u32, per_ip: Option<u32>) -> Limits {
        Limits {
            max_connections: Some(all),
            max_connections_per_ip: per_ip,
            header_bytes: 0,
            headers: 0,
            streams: 1,
            min_rate: None,
        }
    }

    #[test]
    fn a_retry_budget_is_a_share_of_the_requests() {
        let budget = RetryBudget::default();
        let reserve = (0..100).take_while(|_| budget.withdraw()).count();
        assert_eq!(reserve, 10);
        (0..10).for_each(|_| budget.deposit(20.0));
        assert_eq!((0..100).take_while(|_| budget.withdraw()).count(), 2);
    }

    #[test]
    fn what_requests_paid_in_is_kept_up_to_a_bound() {
        let budget = RetryBudget::default();
        (0..500).for_each(|_| budget.deposit(20.0));
        assert_eq!(
            (0..1000).take_while(|_| budget.withdraw()).count(),
            110,
            "a server dies with many under way"
        );
        (0..60_000).for_each(|_| budget.deposit(20.0));
        assert_eq!((0..20_000).take_while(|_| budget.withdraw()).count(), 10_000);
    }

    proptest::proptest! {
        #[test]
        fn retries_are_never_more_than_the_reserve_and_their_share(
            hundredths in 0..10_000_i64,
            steps in proptest::collection::vec(proptest::bool::weighted(0.7), 1..400),
        ) {
            let budget = RetryBudget::default();
            // In hundredths of a percent of a retry.
            let (mut left, mut paid, mut retries) = (100_000, 0, 0);
            for is_request in steps {
                if is_request {
                    budget.deposit(hundredths as f64 / 100.0);
                    paid += hundredths;
                    left += hundredths;
                } else {
                    let taken = budget.withdraw();
                    proptest::prop_assert_eq!(taken, left >= 10_000);
                    left -= if taken { 10_000 } else { 0 };
                    retries += i64::from(taken);
                }
                proptest::prop_assert!(retries * 10_000 <= 100_000 + paid);
            }
        }
    }

    #[test]
    fn a_connection_over_a_limit_is_refused_and_a_closed_one_makes_room() {
        let live = Arc::new(ListenerLive::default());
        let (a, b): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let first = live.admit(a, &limits(2, Some(1)));
        assert!(first.is_some());
        assert!(live.admit(a, &limits(2, Some(1))).is_none(), "one per address");
        assert_eq!(live.open(), 1, "a refused connection leaves no count behind");
        let second = live.admit(b, &limits(2, Some(1)));
        assert!(second.is_some());
        assert!(live.admit(b, &limits(2, None)).is_none(), "two in all");
        drop((first, second));
        assert_eq!(live.open(), 0);
        assert!(live.by_ip.lock().unwrap().is_empty());
        assert_eq!(live.refused.load(Ordering::Relaxed), 2);
    }
}
