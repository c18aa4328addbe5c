//! A connection whose bytes are passed to a server as they are: a server is chosen, connected to, and the
//! two streams become a tunnel. Nothing of the bytes is understood here.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tracing::debug;

use super::access_log::{Entry, Times};
use super::affinity::hash_ip;
use super::arrival::Arrival;
use super::failure::Failure;
use super::stream::Stream;
use super::tunnel::{Tunnel, TunnelClocks};
use super::upstream::{Behalf, dial};
use super::wire::Wire;
use super::worker::Worker;
use crate::config::model::{AccessLog, ServerHttp};
use crate::observe::Counters;
use crate::pool::{Acquired, Affinity, Ask, HashKey, ServerId, SessionKind, balance};
use crate::snapshot::{ListenerSnap, StreamHold, TcpRouteSnap};

/// Servers that may refuse to connect before the client is given up: nothing was sent to them.
const CONNECT_TRIES: usize = 4;

/// A tunnel and what is told of it when it ends.
#[derive(Debug)]
pub(crate) struct Passage {
    tunnel: Tunnel,
    record: Record,
    hold: StreamHold,
}

/// What is known of a connection by itself.
struct Facts<'a> {
    client: IpAddr,
    name: Option<&'a [u8]>,
}

impl Affinity for Facts<'_> {
    fn any_cookie(&self, _name: &str, _test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn hash_key(&self, key: &HashKey) -> u64 {
        match (key, self.name) {
            (HashKey::Host, Some(name)) => balance::hash(name),
            _ => hash_ip(self.client),
        }
    }
}

/// Finds a server and connects the two. None when the connection ends here; that is told.
pub(crate) async fn begin(
    worker: &Rc<Worker>,
    listener: &ListenerSnap,
    arrival: Arrival,
    route: &TcpRouteSnap,
    name: Option<Vec<u8>>,
) -> Option<Box<Passage>> {
    let mut record = Record::new(listener, &arrival, route, name);
    match connect(worker, &arrival, route, &mut record).await {
        Ok((acquired, server)) => {
            let client = SocketAddr::new(record.client, arrival.peer.port());
            let facts = Facts { client: record.client, name: record.name.as_deref() };
            let ties = route.pool.pool.ties(&ask(worker, &facts, &[]), None);
            let session = acquired.lease.into_session(SessionKind::Tcp, client).tied(ties);
            let clocks = TunnelClocks { idle: route.timeout.tunnel_idle, max: route.timeout.tunnel_max };
            let from_client = (Wire::Http1(Stream::Plain(arrival.tcp)), arrival.input);
            let tunnel = Tunnel::new(from_client, (server, None), session, clocks);
            Some(Box::new(Passage { tunnel, record, hold: StreamHold::on(&listener.live) }))
        }
        Err(failure) => {
            let reason = failure.verdict().reason;
            debug!(client = %record.client, listener = %listener.name, reason, "connection failed");
            listener.live.failures.add(reason);
            record.tell(worker, 0, 0, reason);
            None
        }
    }
}

fn ask<'a>(worker: &Worker, facts: &'a Facts<'_>, tried: &'a [ServerId]) -> Ask<'a> {
    let (now, worker) = (worker.unix_seconds(), worker.index);
    Ask { client_ip: facts.client, affinity: facts, tried, now, worker }
}

async fn connect(
    worker: &Rc<Worker>,
    arrival: &Arrival,
    route: &TcpRouteSnap,
    record: &mut Record,
) -> Result<(Acquired, Stream), Failure> {
    let pool = &route.pool;
    let counters = pool.pool.counters.shard(worker.index);
    counters.request();
    let behalf = Behalf {
        client: SocketAddr::new(record.client, arrival.peer.port()),
        local: arrival.local,
        peer: arrival.peer,
    };
    let deadline = worker.deadlines.register();
    let mut tried: Vec<ServerId> = Vec::new();
    let mut last = None;
    loop {
        let facts = Facts { client: record.client, name: record.name.as_deref() };
        let acquired = pool
            .pool
            .acquire(&ask(worker, &facts, &tried))
            .map_err(|none| last.unwrap_or(Failure::NoServer(none)))?;
        let server = Arc::clone(acquired.lease.server());
        record.how = acquired.how.as_str();
        record.server = Some(Arc::clone(&server.name));
        server.counters.shard(worker.index).request();
        deadline.arm(route.timeout.connect);
        let began = Instant::now();
        let opened = deadline.within(dial(&server, &pool.connect, &behalf, ServerHttp::Http1)).await;
        match opened.unwrap_or(Err(Failure::ConnectTimeout)) {
            Ok(stream) => {
                server.counters.seldom.connects.note(began.elapsed());
                return Ok((acquired, stream));
            }
            Err(failure) => {
                server.counters.seldom.connect_failures.add(failure.verdict().reason);
                server.counters.shard(worker.index).failure();
                tried.push(server.id);
                if tried.len() >= CONNECT_TRIES {
                    return Err(failure);
                }
                last = Some(failure);
                record.retries += 1;
                counters.retry();
            }
        }
    }
}

impl Passage {
    /// Passes bytes to the end.
    pub(crate) async fn run(&mut self, worker: &Rc<Worker>) {
        let end = self.tunnel.run(worker).await;
        self.hold.ended(end.reason());
        let (up, down) = self.tunnel.carried().bytes;
        self.record.counters.shard(worker.index).bytes(up, down);
        self.record.tell(worker, up, down, end.reason());
    }
}

/// What an access-log line needs once the listener is let go.
#[derive(Debug)]
struct Record {
    settings: Option<Arc<AccessLog>>,
    counters: Arc<Counters>,
    client: IpAddr,
    listener: Arc<str>,
    generation: u64,
    name: Option<Vec<u8>>,
    route: Arc<str>,
    pool: Arc<str>,
    server: Option<Arc<str>>,
    how: &'static str,
    retries: u32,
    began: Instant,
}

impl Record {
    fn new(listener: &ListenerSnap, arrival: &Arrival, route: &TcpRouteSnap, name: Option<Vec<u8>>) -> Self {
        Self {
            settings: listener.access_log.clone(),
            counters: Arc::clone(&route.pool.pool.counters),
            client: arrival.peer.ip().to_canonical(),
            listener: Arc::clone(&listener.name),
            generation: listener.generation,
            name,
            route: Arc::clone(&route.name),
            pool: Arc::clone(&route.pool.pool.name),
            server: None,
            how: "lbd",
            retries: 0,
            began: Instant::now(),
        }
    }

    fn tell(&self, worker: &Worker, bytes_in: u64, bytes_out: u64, reason: &str) {
        let Some(settings) = &self.settings else { return };
        worker.access_log.record(
            settings,
            &Entry {
                // What is passed on unread has no requests.
                id: "",
                client: self.client,
                listener: &self.listener,
                protocol: "",
                tls: None,
                trace: None,
                method: "TCP",
                host: self.name.as_deref().unwrap_or_default(),
                target: b"",
                status: 0,
                route: Some(&self.route),
                pool: Some(&self.pool),
                server: self.server.as_deref(),
                how: self.how,
                retries: self.retries,
                times: Times::default(),
                took: self.began.elapsed(),
                bytes_in,
                bytes_out,
                reason: Some(reason),
                carried: None,
                user_agent: b"",
                referer: b"",
                generation: self.generation,
                captures: &[],
            },
        );
    }
}
