//! The keeping of connections against a list that is kept beside it.

use std::net::Ipv4Addr;

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::model::{SendProxy, ServerHttp};
use crate::proxy::stream::Stream;

const IDLE: u64 = 1000;

/// What happens to a worker's connections.
#[derive(Debug, Clone)]
enum Op {
    /// A request of this client takes one, or opens its own.
    Take(u16),
    /// One in use comes back.
    Give(usize),
    /// A kept one is closed by its server, or gets bytes that nobody asked for.
    Spoil(usize, bool),
    /// A reload changes how connections are made.
    Reload,
    /// Time goes on, and then the worker sweeps.
    Sweep(u64),
    /// A client's own connection ends.
    Leave(u16),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1..4_u16).prop_map(Op::Take),
        6 => any::<usize>().prop_map(Op::Give),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(at, closes)| Op::Spoil(at, closes)),
        1 => Just(Op::Reload),
        1 => (0..700_u64).prop_map(Op::Sweep),
        1 => (1..4_u16).prop_map(Op::Leave),
    ]
}

fn spec(max_idle: u32, max_uses: Option<u32>, send_proxy: Option<SendProxy>) -> Arc<ConnectSpec> {
    let idle_timeout = std::time::Duration::from_millis(IDLE);
    let http = ServerHttp::Http1;
    Arc::new(ConnectSpec { tls: None, offer: None, http, idle_timeout, max_idle, max_uses, send_proxy })
}

fn wanted(client: u16) -> Wanted {
    let at = |port| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port);
    let behalf = Behalf { client: at(client), local: at(80), peer: at(client) };
    Wanted { behalf, certain: true, upgrade: false }
}

/// A connection as the list knows it, by its own port.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    port: u16,
    client: Option<u16>,
    uses: u32,
    since: u64,
    generation: usize,
}

/// The world of one test: connections, and the list of what should be kept.
struct Bench {
    upstreams: Upstreams,
    server: Arc<Server>,
    listener: TcpListener,
    /// The servers' ends, by the port of ours.
    ends: Vec<(u16, TcpStream)>,
    spec: Arc<ConnectSpec>,
    generation: usize,
    now: u64,
    used: Vec<(Known, Box<Connection>)>,
    kept: Vec<Known>,
}

fn port_of(connection: &Connection) -> u16 {
    let ServerWire::Http1(stream) = &connection.wire else { panic!("only HTTP/1 is made here") };
    stream.tcp().local_addr().unwrap().port()
}

impl Bench {
    async fn open(&mut self, client: u16) -> (Known, Box<Connection>) {
        let tcp = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        let (end, peer) = self.listener.accept().await.unwrap();
        self.ends.push((peer.port(), end));
        let personal = self.spec.send_proxy.map(|_| wanted(client).behalf);
        let wire = ServerWire::Http1(Stream::Plain(tcp));
        // No address: where a connection leads is the subject of other tests.
        let connection = Connection { wire, reused: false, uses: 0, address: None, behalf: personal };
        let client = personal.map(|_| client);
        let port = port_of(&connection);
        (Known { port, client, uses: 0, since: 0, generation: self.generation }, Box::new(connection))
    }

    /// The one that came back last and serves this client; those passed over on the way are closed.
    fn expected(&mut self, client: u16) -> Option<Known> {
        let personal = self.spec.send_proxy.is_some();
        loop {
            let at = self.kept.iter().rposition(|known| !personal || known.client == Some(client))?;
            let known = self.kept.remove(at);
            let is_open = self.ends.iter().any(|(port, _)| *port == known.port);
            if known.generation == self.generation && is_open {
                return Some(known);
            }
        }
    }

    async fn take(&mut self, client: u16) -> Result<(), TestCaseError> {
        let expected = self.expected(client);
        let taken = self.upstreams.take(&self.server, &self.spec, &wanted(client));
        prop_assert_eq!(taken.as_deref().map(port_of), expected.map(|known| known.port));
        let (mut known, mut connection) = match (expected, taken) {
            (Some(known), Some(connection)) => {
                prop_assert!(connection.reused);
                (known, connection)
            }
            _ => self.open(client).await,
        };
        connection.used();
        known.uses += 1;
        self.used.push((known, connection));
        Ok(())
    }

    fn give(&mut self, at: usize) {
        if self.used.is_empty() {
            return;
        }
        let (known, connection) = self.used.swap_remove(at % self.used.len());
        self.upstreams.give(&self.server, &self.spec, connection, self.now);
        let worn = self.spec.max_uses.is_some_and(|most| known.uses >= most);
        if !worn && self.kept.len() < self.spec.max_idle as usize {
            // It counts as made under what holds now: the caller gives it back under its own.
            self.kept.push(Known { since: self.now, generation: self.generation, ..known });
        }
    }

    async fn spoil(&mut self, at: usize, closes: bool) {
        if self.kept.is_empty() {
            return;
        }
        let port = self.kept[at % self.kept.len()].port;
        let Some(at) = self.ends.iter().position(|(end, _)| *end == port) else { return };
        let (_, mut end) = self.ends.swap_remove(at);
        if !closes {
            end.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").await.unwrap();
        }
        drop(end);
        // Until the runtime has heard of it: what it has not heard of, a sweep does not see.
        std::future::poll_fn(|cx| {
            let shelves = self.upstreams.shelves.borrow();
            let mut idle = shelves.values().flat_map(|shelf| &shelf.idle);
            let idle = idle.find(|idle| port_of(&idle.connection) == port).expect("it is kept");
            let ServerWire::Http1(stream) = &idle.connection.wire else { panic!("only HTTP/1 is made here") };
            stream.tcp().poll_read_ready(cx)
        })
        .await
        .unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_request_gets_the_connection_that_came_back_last_and_is_still_good_or_none(
        ops in prop::collection::vec(op(), 1..60),
        max_idle in 0..4_u32,
        max_uses in prop::option::of(1..4_u32),
        personal: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let spec_of = || spec(max_idle, max_uses, personal.then_some(SendProxy::V2));
        runtime.block_on(async {
            let mut bench = Bench {
                upstreams: Upstreams::default(),
                server: crate::pool::testing::server("a"),
                listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
                ends: Vec::new(),
                spec: spec_of(),
                generation: 0,
                now: 0,
                used: Vec::new(),
                kept: Vec::new(),
            };
            for op in ops {
                match op {
                    Op::Take(client) => bench.take(client).await?,
                    Op::Give(at) => bench.give(at),
                    Op::Spoil(at, closes) => bench.spoil(at, closes).await,
                    Op::Reload => {
                        // What is in use was made under what held before, and does not come back here.
                        (bench.spec, bench.generation) = (spec_of(), bench.generation + 1);
                        bench.used.clear();
                    }
                    Op::Sweep(pause) => {
                        bench.now += pause;
                        bench.upstreams.sweep(bench.now);
                        let now = bench.now;
                        let open = |known: &Known| bench.ends.iter().any(|(port, _)| *port == known.port);
                        let kept = bench.kept.iter().filter(|known| now - known.since < IDLE && open(known));
                        bench.kept = kept.copied().collect();
                    }
                    Op::Leave(client) => {
                        bench.upstreams.forget(wanted(client).behalf.peer);
                        bench.kept.retain(|known| known.client != Some(client));
                    }
                }
                let held = bench.upstreams.shelves.borrow().values().map(|shelf| shelf.idle.len()).sum::<usize>();
                prop_assert_eq!(held, bench.kept.len());
                prop_assert!(held <= max_idle as usize);
            }
            Ok(())
        })?;
    }
}
