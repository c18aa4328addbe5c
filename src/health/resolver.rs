//! Names of servers, resolved in the background: every 30 s, sooner while a name has no address yet.
//!
//! A failure keeps what was known; a change is an event. One task per live server whose host is a name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use crate::observe::Events;
use crate::pool::Server;

/// Between two questions for the same name.
const REFRESH: Duration = Duration::from_secs(30);
/// The same while it has no address.
const RETRY: Duration = Duration::from_secs(1);

/// All names of the running generation.
#[derive(Debug)]
pub(super) struct Resolver {
    events: Arc<Events>,
    /// By the live server's own address: unique while its task holds it.
    tasks: HashMap<usize, Resolving>,
}

impl Resolver {
    pub(super) fn new(events: Arc<Events>) -> Self {
        Self { events, tasks: HashMap::new() }
    }

    /// Makes these servers the ones whose names are resolved.
    pub(super) fn reconcile(&mut self, servers: &[Arc<Server>]) {
        let mut tasks = HashMap::new();
        for server in servers.iter().filter(|server| server.needs_resolving()) {
            let key = Arc::as_ptr(server).addr();
            let task = self.tasks.remove(&key).unwrap_or_else(|| Resolving::start(server, &self.events));
            tasks.insert(key, task);
        }
        // What is left in the old map is wanted no more: its guards end it.
        self.tasks = tasks;
    }
}

/// A running task; it ends with this.
#[derive(Debug)]
struct Resolving {
    /// Keeps the server's address its own, and so the key.
    _server: Arc<Server>,
    abort: AbortHandle,
}

impl Resolving {
    fn start(server: &Arc<Server>, events: &Arc<Events>) -> Self {
        let run = run(Arc::clone(server), Arc::clone(events));
        Self { _server: Arc::clone(server), abort: tokio::task::spawn_local(run).abort_handle() }
    }
}

impl Drop for Resolving {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

async fn run(server: Arc<Server>, events: Arc<Events>) {
    let mut failing = false;
    loop {
        match tokio::net::lookup_host((&*server.host, server.port)).await {
            Ok(found) => {
                failing = false;
                apply(&server, found.collect(), &events);
            }
            Err(error) if !failing => {
                failing = true;
                let (pool, name, host) = (&*server.pool, &*server.name, &*server.host);
                warn!(pool, server = name, host, %error, "name does not resolve; the last addresses hold");
            }
            Err(_) => {}
        }
        let known = !server.addresses().is_empty();
        let pause = if known { REFRESH } else { RETRY };
        tokio::time::sleep(pause.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
    }
}

/// An empty answer is a failure: what was known holds.
fn apply(server: &Server, found: Vec<std::net::SocketAddr>, events: &Events) {
    if found.is_empty() || !server.set_resolved(found) {
        return;
    }
    let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    let (pool, name, host) = (&*server.pool, &*server.name, &*server.host);
    info!(pool, server = name, host, ?addresses, "name resolved");
    let data = json!({ "pool": pool, "server": name, "host": host, "addresses": addresses });
    events.emit("server.resolved", format!("{pool}/{name}"), data, None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{DrainPolicy, Eligibility, Pool, PoolSettings, ServerSettings, Why};

    fn pool_on(host: &str) -> Pool {
        let server = ServerSettings {
            name: "a".into(),
            host: host.into(),
            port: 8080,
            weight: 1,
            backup: false,
            health_port: None,
            limits: crate::pool::ServerLimits::default(),
        };
        let settings = PoolSettings {
            name: "app".into(),
            servers: vec![server],
            balance: crate::pool::BalanceKind::RoundRobin,
            sticky: Vec::new(),
            check: None,
            drain: DrainPolicy::default(),
            overload: crate::pool::Overload::default(),
            websocket: crate::pool::WebSocketPolicy::default(),
        };
        Pool::new(settings, None, 1)
    }

    #[tokio::test]
    async fn a_name_resolves_in_the_background_and_says_so() {
        let pool = pool_on("localhost");
        let server = Arc::clone(&pool.members[0].server);
        assert_eq!(server.eligibility(), Eligibility::No(Why::Unresolved));
        assert_eq!(server.endpoint(), None);
        let events = Events::new();
        let mut news = events.subscribe();
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let mut resolver = Resolver::new(Arc::clone(&events));
                resolver.reconcile(&[Arc::clone(&server)]);
                let deadline = Duration::from_secs(10);
                tokio::time::timeout(deadline, news.changed()).await.expect("in time").expect("events live");
                resolver.reconcile(&[]);
                assert!(resolver.tasks.is_empty());
            })
            .await;
        assert_eq!(server.eligibility(), Eligibility::Ready);
        let endpoint = server.endpoint().expect("it resolved");
        assert!(endpoint.ip().is_loopback());
        assert_eq!(endpoint.port(), 8080);
        assert_eq!(events.since(0)[0].kind, "server.resolved");
    }

    #[test]
    fn an_empty_answer_keeps_what_was_known_and_no_change_is_no_event() {
        let pool = pool_on("app.test");
        let server = &pool.members[0].server;
        let events = Events::new();
        let found = vec!["127.0.0.9:1".parse().expect("an address")];
        apply(server, found.clone(), &events);
        apply(server, found, &events);
        apply(server, Vec::new(), &events);
        assert_eq!(events.last(), 1);
        assert_eq!(server.endpoint(), Some("127.0.0.9:8080".parse().expect("an address")));
    }

    #[tokio::test(start_paused = true)]
    async fn unchanged_servers_are_asked_on_undisturbed() {
        let pool = pool_on("localhost");
        let server = Arc::clone(&pool.members[0].server);
        tokio::task::LocalSet::new()
            .run_until(async {
                let mut resolver = Resolver::new(Events::new());
                resolver.reconcile(&[Arc::clone(&server)]);
                let id = |resolver: &Resolver| {
                    resolver.tasks.values().map(|task| task.abort.id()).collect::<Vec<_>>()
                };
                let first = id(&resolver);
                resolver.reconcile(&[Arc::clone(&server)]);
                assert_eq!((first.len(), id(&resolver)), (1, first));
            })
            .await;
    }
}
