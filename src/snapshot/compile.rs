//! Model x live pools -> [`Snapshot`]. No I/O, no side effect: what lives is adopted by key, and a snapshot
//! that is thrown away instead of published leaves nothing behind.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::SystemTime;

use super::discovered::{Discovered, servers};
use super::limits::{self, Limiters};
use super::{
    ActionSnap, ConnectSpec, ListenerLive, ListenerSnap, ListenerTlsSnap, MirrorSnap, PoolSnap, RetryBudget,
    RewriteSnap, RouteSnap, SiteSnap, Snapshot, SplitSnap, TcpSnap, TraceSnap,
};
use super::{RouteCounts, route_counts, sessions, sticky};
use crate::config::diagnostic::{Diagnostic, Report};
use crate::config::model::{self, Action, HeaderEdit, Listener, Model, Route, Site};
use crate::pool::{
    BalanceKind, BodyMatch, CheckSpec, GrpcProbe, HashKey, HttpProbe, KeyRing, MarkedCookie, Overload,
    PassiveSpec, Pool, PoolSettings, ProbeKind, ProbeVersion, QueuePolicy, ServerLimits, ServerSettings,
    Statuses, TlsToServer, WebSocketProbe,
};
use crate::router::{HostRouter, PathRouter, RouteEntry};
use crate::tls::TlsConfigs;

/// What compiling needs besides the model.
#[derive(Debug)]
pub struct Context<'a> {
    /// TLS configurations, by listener and pool.
    pub tls: &'a TlsConfigs,
    /// The world that is to be replaced: live state is adopted from it.
    pub previous: &'a Snapshot,
    /// The number of the new world.
    pub generation: u64,
    /// What signs sticky cookies.
    pub keys: &'a Arc<KeyRing>,
    /// How many workers count.
    pub workers: usize,
    /// Where this process stands.
    pub zone: Option<&'a Arc<str>>,
    /// Servers that the file does not name.
    pub discovered: &'a Discovered,
}

/// Compiles a model. Fails only on what the model's own checks should have found.
pub fn compile(model: &Model, context: &Context<'_>) -> Result<Snapshot, Report> {
    let mut report = Report::default();
    let pools: BTreeMap<Arc<str>, Arc<PoolSnap>> = model
        .pools
        .values()
        .filter_map(|pool| {
            compile_pool(pool, context, &mut report).map(|snap| (Arc::clone(&pool.name), Arc::new(snap)))
        })
        .collect();
    let mut cookies: BTreeSet<Arc<str>> = pools
        .values()
        .flat_map(|pool| pool.pool.sticky_cookie_names().map(Arc::from).collect::<Vec<_>>())
        .collect();
    cookies.extend(split_cookies(model));
    let limiters = limits::adopt(model, context.previous);
    let shared = Shared {
        asks_clients: model
            .listeners
            .iter()
            .any(|l| l.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some())),
        cookies: cookies.into_iter().collect(),
        marked: sticky::marked(&pools),
        access_log: model.log.access.clone().map(Arc::new),
        limiters,
        route_counts: route_counts::adopt(model, context.previous, context.workers),
        everywhere: RefCell::default(),
    };
    let listeners = model
        .listeners
        .iter()
        .map(|listener| Arc::new(compile_listener(listener, model, &pools, &shared, context, &mut report)))
        .collect();
    if report.has_errors() {
        return Err(report);
    }
    Ok(Snapshot {
        generation: context.generation,
        since: SystemTime::now(),
        listeners,
        pools,
        limiters: shared.limiters,
        route_counts: shared.route_counts,
        certificates: Arc::clone(&context.tls.certificates),
    })
}

/// What servers are told about a client's certificate. When any listener asks for one, no client may say these
/// itself, on whichever listener.
pub const CLIENT_CERTIFICATE_FIELDS: [&str; 2] = ["x-client-cert-verified", "x-client-cert-subject"];

struct Shared {
    asks_clients: bool,
    cookies: Arc<[Arc<str>]>,
    marked: Arc<[Arc<MarkedCookie>]>,
    access_log: Option<Arc<model::AccessLog>>,
    limiters: Limiters,
    route_counts: RouteCounts,
    /// Sites whose routes are on every listener, by the place of the model's: one for all of them.
    everywhere: RefCell<HashMap<*const Site, Option<Arc<SiteSnap>>>>,
}

impl Shared {
    /// A site on one listener; none when it has no route there.
    fn site(
        &self,
        site: &Site,
        listener: &str,
        pools: &BTreeMap<Arc<str>, Arc<PoolSnap>>,
        report: &mut Report,
    ) -> Option<Arc<SiteSnap>> {
        let mut compile = || compile_site(site, listener, pools, self, report).map(Arc::new);
        if site.routes.iter().any(|route| route.on.is_some()) {
            return compile();
        }
        self.everywhere.borrow_mut().entry(std::ptr::from_ref(site)).or_insert_with(compile).clone()
    }

    /// Fields that only lbd may send to a server.
    fn kept_back(&self) -> impl Iterator<Item = Arc<str>> {
        CLIENT_CERTIFICATE_FIELDS.into_iter().filter(|_| self.asks_clients).map(Arc::from)
    }
}

fn compile_listener(
    listener: &Listener,
    model: &Model,
    pools: &BTreeMap<Arc<str>, Arc<PoolSnap>>,
    shared: &Shared,
    context: &Context<'_>,
    report: &mut Report,
) -> ListenerSnap {
    let mut hosts = Vec::new();
    let mut default = None;
    for site in model.sites.iter().filter(|_| listener.speaks_http()) {
        let Some(snap) = shared.site(site, &listener.name, pools, report) else { continue };
        if site.hosts.is_empty() {
            default = Some(snap);
        } else {
            hosts.push((site.hosts.iter().map(|host| host.to_string()).collect(), snap));
        }
    }
    let before = context.previous.listener(listener.address);
    ListenerSnap {
        name: Arc::clone(&listener.name),
        address: listener.address,
        tls: listener.tls.as_ref().and_then(|tls| {
            let config = context.tls.listeners.get(&listener.name)?;
            Some(ListenerTlsSnap {
                config: Arc::clone(config),
                coverage: context.tls.coverage.get(&listener.name).cloned().unwrap_or_default(),
                asks_clients: tls.client_ca.is_some(),
                handshake_timeout: tls.handshake_timeout,
            })
        }),
        protocols: listener.protocols.clone(),
        redirect_to_https: listener.redirect_to_https,
        tcp: TcpSnap::of(listener, pools),
        proxy_protocol: listener.proxy_protocol.clone(),
        limits: listener.limits,
        timeout: listener.timeout,
        trust_forwarded: listener.trust_forwarded.clone(),
        reuse_port: listener.reuse_port,
        backlog: listener.backlog,
        generation: context.generation,
        sticky_cookies: Arc::clone(&shared.cookies),
        marked_cookies: Arc::clone(&shared.marked),
        access_log: shared.access_log.clone(),
        trace: model.trace.as_ref().map(TraceSnap::of),
        remembers: model.reload.replay,
        sites: HostRouter::build(hosts, default),
        error_pages: model.error_pages.clone(),
        live: before.map_or_else(|| ListenerLive::new(context.workers), |before| Arc::clone(&before.live)),
    }
}

/// The routes of a site on one listener; none when it has none there.
fn compile_site(
    site: &Site,
    listener: &str,
    pools: &BTreeMap<Arc<str>, Arc<PoolSnap>>,
    shared: &Shared,
    report: &mut Report,
) -> Option<SiteSnap> {
    let on =
        |route: &&Route| route.on.as_ref().is_none_or(|names| names.iter().any(|name| &**name == listener));
    let routes: Vec<&Route> = site.routes.iter().filter(on).collect();
    if routes.is_empty() {
        return None;
    }
    let list: Vec<Arc<RouteSnap>> =
        routes.iter().filter_map(|route| compile_route(route, site, pools, shared).map(Arc::new)).collect();
    let entries = routes
        .iter()
        .zip(&list)
        .map(|(route, snap)| RouteEntry {
            patterns: route.patterns.clone(),
            matches: route.matches.clone(),
            priority: route.priority,
            ignore_case: route.ignore_case,
            value: Arc::clone(snap),
        })
        .collect();
    match PathRouter::build(entries, site.paths) {
        Ok(router) => Some(SiteSnap {
            hosts: site.hosts.clone(),
            paths: site.paths,
            routes: router,
            list,
            error_pages: site.error_pages.clone(),
        }),
        Err(ties) => {
            for tie in ties {
                let (a, b) = (&routes[tie.a], &routes[tie.b]);
                report.push(
                    Diagnostic::error("LB202", b.span, format!("two routes tie for `{}`", tie.pattern))
                        .also(a.span, "the other one"),
                );
            }
            None
        }
    }
}

fn compile_route(
    route: &Route,
    site: &Site,
    pools: &BTreeMap<Arc<str>, Arc<PoolSnap>>,
    shared: &Shared,
) -> Option<RouteSnap> {
    let action = match &route.action {
        Action::Pool(name) => ActionSnap::Pool(Arc::clone(pools.get(name)?)),
        Action::Split(split) => {
            let ways = split.branches.iter().filter_map(|branch| {
                let action = Action::Pool(Arc::clone(&branch.pool));
                let way = Route { action, timeout: branch.timeout, ..route.clone() };
                let way = compile_route(&way, site, pools, shared)?;
                Some((Arc::clone(&branch.pool), Arc::new(way), branch.weight))
            });
            ActionSnap::Split(SplitSnap::new(split.by.clone(), ways.collect()))
        }
        Action::Redirect { location, status } => {
            ActionSnap::Redirect { location: location.clone(), status: *status }
        }
        Action::Respond { status, body, content_type } => ActionSnap::Respond {
            status: *status,
            body: Arc::clone(body),
            content_type: Arc::clone(content_type),
        },
    };
    Some(RouteSnap {
        name: Arc::clone(&route.name),
        place: route.place.to_string().into(),
        patterns: route.patterns.clone(),
        matches: route.matches.clone(),
        keep: fields_read(route, &action),
        action,
        request_headers: route.request_headers.clone(),
        response_headers: route.response_headers.clone(),
        request_drop: replaced(&route.request_headers).into_iter().chain(shared.kept_back()).collect(),
        response_drop: replaced(&route.response_headers),
        allow_from: route.allow_from.clone(),
        deny_from: route.deny_from.clone(),
        body_limit: route.body_limit,
        timeout: route.timeout,
        retry: route.retry.clone(),
        rewrite: route.rewrite.as_ref().map(|r| RewriteSnap::new(r, site.paths, route.ignore_case)),
        rate_limits: limits::of_route(route, &shared.limiters),
        mirror: route.mirror.as_ref().and_then(|mirror| MirrorSnap::of(mirror, pools)),
        compress: route.compress.clone(),
        error_pages: route.error_pages.clone(),
        exchanges: route_counts::of(&shared.route_counts, site, route),
    })
}

/// Cookies that splits set: like those of stickiness they are lbd's own, and no server gets them.
fn split_cookies(model: &Model) -> impl Iterator<Item = Arc<str>> {
    model.sites.iter().flat_map(|site| &site.routes).filter_map(|route| match &route.action {
        Action::Split(model::Split { by: model::SplitBy::Cookie { name, .. }, .. }) => Some(Arc::clone(name)),
        _ => None,
    })
}

/// The request fields that conditions, limits and the balance key read.
fn fields_read(route: &Route, action: &ActionSnap) -> Vec<Arc<str>> {
    let conditions = route.matches.iter().flat_map(|conditions| &conditions.headers);
    let mut names: BTreeSet<Arc<str>> = conditions.map(|(name, _)| Arc::from(name.as_str())).collect();
    names.extend(route.rate_limits.iter().filter_map(|limit| match &limit.key {
        model::Key::Header(name) => Some(Arc::clone(name)),
        _ => None,
    }));
    if let ActionSnap::Pool(pool) = action
        && let BalanceKind::Hash(HashKey::Header(name))
        | BalanceKind::BoundedHash { key: HashKey::Header(name), .. } = pool.pool.balance.kind()
    {
        names.insert(Arc::clone(name));
    }
    names.into_iter().collect()
}

fn replaced(edits: &[HeaderEdit]) -> Vec<Arc<str>> {
    let name = |edit: &HeaderEdit| match edit {
        HeaderEdit::Set { name, .. } | HeaderEdit::Remove { name } => Some(Arc::clone(name)),
        HeaderEdit::Add { .. } => None,
    };
    edits.iter().filter_map(name).collect()
}

fn compile_pool(pool: &model::Pool, context: &Context<'_>, report: &mut Report) -> Option<PoolSnap> {
    let tls = match &pool.tls {
        None => None,
        Some(tls) => Some(TlsToServer {
            config: Arc::clone(context.tls.pools.get(&pool.name)?),
            server_name: tls.server_name.clone(),
        }),
    };
    let settings = PoolSettings {
        name: Arc::clone(&pool.name),
        servers: servers(pool, context.discovered),
        balance: balance(&pool.balance),
        sticky: pool.sticky.iter().map(|one| sticky::compile(one, context.keys)).collect(),
        check: match &pool.health {
            None => None,
            Some(health) => Some(Arc::new(check(health, tls.as_ref(), pool, report)?)),
        },
        drain: sessions::drain(pool),
        overload: overload(pool, context.zone),
        websocket: sessions::websocket(pool),
    };
    let before = context.previous.pools.get(&pool.name);
    let connect = ConnectSpec::of(&pool.connections, tls);
    let connect = match before {
        // The same settings are the same object: connections that are kept go on being used.
        Some(before) if before.connect.same_as(&connect) => Arc::clone(&before.connect),
        _ => Arc::new(connect),
    };
    Some(PoolSnap {
        pool: Arc::new(Pool::new(settings, before.map(|before| &*before.pool), context.workers)),
        connect,
        admission: limits::admission(pool, before),
        copies: before.map(|before| Arc::clone(&before.copies)).unwrap_or_default(),
        retries: before
            .map_or_else(|| Arc::new(RetryBudget::default()), |before| Arc::clone(&before.retries)),
    })
}

pub(super) fn server(server: &model::Server) -> ServerSettings {
    ServerSettings {
        name: Arc::clone(&server.name),
        host: Arc::clone(&server.host),
        port: server.port,
        weight: server.weight,
        backup: server.backup,
        health_port: server.health_port,
        limits: ServerLimits {
            max_requests: server.max_requests,
            max_connections: server.max_connections,
            zone: server.zone.clone(),
        },
        origin: None,
    }
}

fn overload(pool: &model::Pool, zone: Option<&Arc<str>>) -> Overload {
    let passive = |passive: model::Passive| PassiveSpec {
        failures: passive.failures,
        rate: passive.failure_percent.map(|percent| percent / 100.0),
        min_requests: passive.min_requests,
        window: passive.window,
        eject: passive.eject,
        max_ejected: passive.max_ejected_percent / 100.0,
    };
    Overload {
        passive: pool.passive.map(passive),
        queue: pool.queue.map_or_else(QueuePolicy::default, |queue| QueuePolicy {
            size: queue.size,
            timeout: queue.timeout,
        }),
        slow_start: pool.slow_start,
        panic: pool.panic_percent.map(|percent| percent / 100.0),
        zone: zone.cloned(),
    }
}

fn balance(balance: &model::Balance) -> BalanceKind {
    match balance {
        model::Balance::RoundRobin => BalanceKind::RoundRobin,
        model::Balance::LeastRequests => BalanceKind::LeastRequests,
        model::Balance::LeastConnections => BalanceKind::LeastConnections,
        model::Balance::P2c => BalanceKind::P2c,
        model::Balance::Ewma => BalanceKind::Ewma,
        model::Balance::Random => BalanceKind::Random,
        model::Balance::Hash { key, headroom: None } => BalanceKind::Hash(hash_key(key)),
        model::Balance::Hash { key, headroom: Some(percent) } => {
            BalanceKind::BoundedHash { key: hash_key(key), headroom: (percent * 10.0) as u32 }
        }
    }
}

fn hash_key(key: &model::Key) -> HashKey {
    match key {
        model::Key::SourceIp => HashKey::SourceIp,
        model::Key::Header(name) => HashKey::Header(Arc::clone(name)),
        model::Key::Cookie(name) => HashKey::Cookie(Arc::clone(name)),
        model::Key::Query(name) => HashKey::Query(Arc::clone(name)),
        model::Key::Path => HashKey::Path,
        model::Key::Host => HashKey::Host,
    }
}

fn check(
    health: &model::Health,
    traffic: Option<&TlsToServer>,
    pool: &model::Pool,
    report: &mut Report,
) -> Option<CheckSpec> {
    let probe = match &health.probe {
        model::Probe::Tcp => ProbeKind::Tcp,
        model::Probe::Grpc { service, host, headers } => ProbeKind::Grpc(GrpcProbe {
            service: Arc::clone(service),
            host: host.clone(),
            headers: headers.clone(),
        }),
        model::Probe::WebSocket { path, host, headers } => ProbeKind::WebSocket(WebSocketProbe {
            path: Arc::clone(path),
            host: host.clone(),
            headers: headers.clone(),
        }),
        model::Probe::Http { path, method, host, headers, status, body, drain_status } => {
            ProbeKind::Http(HttpProbe {
                method: Arc::clone(method),
                path: Arc::clone(path),
                host: host.clone(),
                headers: headers.clone(),
                status: Statuses(status.0.clone()),
                body: match body {
                    None => None,
                    Some(body) => Some(body_match(body, pool, report)?),
                },
                drain_status: drain_status.as_ref().map(|set| Statuses(set.0.clone())),
                version: match pool.connections.http {
                    model::ServerHttp::Http1 => ProbeVersion::Http1,
                    model::ServerHttp::Http2 => ProbeVersion::Http2,
                    model::ServerHttp::Auto => ProbeVersion::Auto,
                },
            })
        }
    };
    // A check may speak TLS where traffic does not: then it trusts what the system trusts, which is said
    // by giving the pool a `tls` node; without one there is nothing to speak it with.
    let tls = if health.tls { traffic.cloned() } else { None };
    Some(CheckSpec {
        probe,
        interval: health.interval,
        down_interval: health.down_interval,
        timeout: health.timeout,
        rise: health.rise,
        fall: health.fall,
        jitter: health.jitter_percent / 100.0,
        port: health.port,
        initial_up: health.initial_up,
        tls,
        greeting: pool.connections.send_proxy.map(super::tcp::greeting),
    })
}

fn body_match(body: &model::TextMatch, pool: &model::Pool, report: &mut Report) -> Option<BodyMatch> {
    match body {
        model::TextMatch::Exact(text) => Some(BodyMatch::Contains(text.clone())),
        model::TextMatch::Prefix(text) => Some(BodyMatch::Prefix(text.clone())),
        model::TextMatch::Regex(text) => {
            match regex::bytes::RegexBuilder::new(text).size_limit(256 << 10).build() {
                Ok(regex) => Some(BodyMatch::Regex(regex)),
                Err(error) => {
                    report.push(Diagnostic::error("LB206", pool.span, format!("health body: {error}")));
                    None
                }
            }
        }
    }
}
