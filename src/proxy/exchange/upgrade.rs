//! From an exchange to a tunnel: a 101 that answers what was asked, and the session that follows.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use data_encoding::BASE64;

use super::attempt::Answered;
use super::forward::Forward;
use super::{Next, Story, stickiness};
use crate::config::model::AccessLog;
use crate::pool::{Acquired, SessionKind, SessionLease, WebSocketPolicy};
use crate::proxy::access_log::{Carried, Entry, Times};
use crate::proxy::affinity::RequestFacts;
use crate::proxy::buffer::Buffer;
use crate::proxy::connection::ClientConnection;
use crate::proxy::failure::Failure;
use crate::proxy::head::{Known, KnownSet, RequestHead, ResponseHead};
use crate::proxy::http1::{ConnectionLine, Names, ResponsePlan, write_response};
use crate::proxy::request_id::RequestId;
use crate::proxy::scratch::{Answer, Scratch};
use crate::proxy::server_wire::ServerWire;
use crate::proxy::stream::Stream;
use crate::proxy::tunnel::{Tunnel, TunnelClocks};
use crate::proxy::wire::Wire;
use crate::proxy::worker::Worker;
use crate::snapshot::StreamHold;

/// RFC 6455, section 1.3.
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What a request asks to become, if it may: a WebSocket, by a whole handshake, and nothing else. What passes
/// through any other tunnel (`h2c`, `TLS`, names that only a server knows) would pass by every rule; such a
/// request goes on without its `Upgrade`, which a server may always leave out of account (RFC 9110, section 7.8).
pub(super) fn asked(head: &RequestHead) -> Option<SessionKind> {
    head.is_websocket().then_some(SessionKind::WebSocket)
}

/// A client's connection has become one side of a tunnel; the other side waits here.
#[derive(Debug)]
pub(crate) struct Accepted {
    server: Stream,
    input: Option<Buffer>,
    session: SessionLease,
    clocks: TunnelClocks,
    policy: WebSocketPolicy,
    record: Option<Box<Record>>,
    hold: StreamHold,
}

/// Takes the server's 101 to the client.
pub(super) async fn accept(
    forward: &mut Forward<'_>,
    answered: Answered,
    acquired: Acquired,
) -> Result<Next, Failure> {
    let ties = forward.asking(|ask| forward.pool.pool.ties(ask, acquired.set_cookie.as_ref()));
    let Forward { connection, scratch, story, route, pool, upgrading, .. } = forward;
    let Acquired { lease, set_cookie, .. } = acquired;
    let Some(kind) = upgrading.filter(|_| answers(&scratch.request, &scratch.answer.head)) else {
        return Err(Failure::BadUpgrade);
    };
    let Answered { server, input, .. } = answered;
    let ServerWire::Http1(server) = server.wire else { return Err(Failure::BadUpgrade) };
    let Scratch { answer, response_lines, .. } = &mut **scratch;
    let Answer { head: response, to_client, .. } = &mut **answer;
    let now = connection.worker.unix_seconds();
    let own = (&*pool.pool, &**lease.server(), &***route);
    let replaced = stickiness::settle(own, set_cookie, response, (story, now), response_lines);
    to_client.clear();
    // HTTP/2 has no word for the change, and no key to prove.
    let connect = connection.wire.is_connect();
    let moot = if connect { KnownSet::of(&[Known::SecWebSocketAccept]) } else { KnownSet::EMPTY };
    let plan = ResponsePlan {
        drop: Names::Shared(&route.response_drop),
        drop_known: replaced.with(moot),
        connection: if connect { ConnectionLine::None } else { ConnectionLine::Upgrade },
        extra: response_lines,
        ..ResponsePlan::default()
    };
    write_response(response, &plan, to_client);
    story.status = 101;
    story.first_byte = Some(story.began.elapsed());
    story.count_answer(&pool.pool.counters, &lease.counters, connection.worker.index);
    // Before its client can know: who sees the 101 is counted.
    let session = lease
        .into_session(kind, std::net::SocketAddr::new(story.client.ip, connection.peer.port()))
        .by_route(&route.name)
        .tied(ties);
    let out = std::mem::take(&mut scratch.answer.to_client);
    let written = match &mut connection.wire {
        Wire::Http1(_) => connection.write_all(&out).await,
        Wire::Http2(stream) => stream.send_accepted(&out),
    };
    scratch.answer.to_client = out;
    written.map_err(|_| Failure::ClientGone)?;
    let clocks = TunnelClocks { idle: route.timeout.tunnel_idle, max: route.timeout.tunnel_max };
    let policy = pool.pool.websocket;
    let hold = StreamHold::on(&connection.listener.live);
    Ok(Next::Upgraded(Box::new(Accepted { server, input, session, clocks, policy, record: None, hold })))
}

/// Whether a 101 is the answer to what was asked: a WebSocket, with the key's proof.
fn answers(request: &RequestHead, response: &ResponseHead) -> bool {
    if !response.upgrade().is_some_and(|given| given.eq_ignore_ascii_case(b"websocket")) {
        return false;
    }
    let (Some(key), Some(proof)) = (request.websocket_key(), response.get_known(Known::SecWebSocketAccept))
    else {
        return false;
    };
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    digest.update(key);
    digest.update(WEBSOCKET_GUID);
    BASE64.encode(digest.finish().as_ref()).as_bytes() == proof
}

impl Accepted {
    /// Notes what the access log will want to know at the end, and tells it of the beginning if it asked.
    pub(super) fn remember(&mut self, connection: &ClientConnection, scratch: &Scratch, story: Story) {
        let Some(settings) = &connection.listener.access_log else { return };
        let record = Box::new(Record::new(settings, connection, &scratch.request, story));
        if settings.websocket_open {
            record.tell(&connection.worker, Carried::default(), "session-open");
        }
        self.record = Some(record);
    }

    /// Joins the client's side.
    pub(crate) fn joined(self, client: Wire, from_client: Option<Buffer>) -> Box<Upgraded> {
        let is_websocket = self.session.session().kind == SessionKind::WebSocket;
        let (client, server) = ((client, from_client), (self.server, self.input));
        let mut tunnel = Tunnel::new(client, server, self.session, self.clocks);
        if is_websocket {
            tunnel = tunnel.following_frames(self.policy);
        }
        Box::new(Upgraded { tunnel, record: self.record, hold: self.hold })
    }
}

/// A tunnel and what is told of it when it ends.
#[derive(Debug)]
pub(crate) struct Upgraded {
    tunnel: Tunnel,
    record: Option<Box<Record>>,
    hold: StreamHold,
}

impl Upgraded {
    /// Runs the tunnel to its end.
    pub(crate) async fn run(&mut self, worker: &Rc<Worker>) {
        let Self { tunnel, record, hold } = self;
        let end = match record.as_ref().and_then(|record| Some((record, record.settings.websocket_every?))) {
            None => tunnel.run(worker).await,
            Some((record, every)) => {
                let tell = |carried| record.tell(worker, carried, "session-goes-on");
                Box::pin(tunnel.run_telling(worker, every, tell)).await
            }
        };
        hold.ended(end.reason());
        if let Some(record) = record {
            record.tell(worker, tunnel.carried(), end.reason());
        }
    }
}

/// What an access-log line of a session needs once its request is gone.
#[derive(Debug)]
struct Record {
    settings: Arc<AccessLog>,
    id: RequestId,
    client: IpAddr,
    listener: Arc<str>,
    generation: u64,
    protocol: &'static str,
    tls: Option<&'static str>,
    trace: Option<[u8; 32]>,
    captures: Vec<(String, Vec<u8>)>,
    method: String,
    host: Vec<u8>,
    target: Vec<u8>,
    user_agent: Vec<u8>,
    route: Option<Arc<str>>,
    pool: Option<Arc<str>>,
    server: Option<Arc<str>>,
    how: &'static str,
    retries: u32,
    began: Instant,
    times: Times,
}

impl Record {
    fn new(
        settings: &Arc<AccessLog>,
        connection: &ClientConnection,
        head: &RequestHead,
        story: Story,
    ) -> Self {
        let listener = &connection.listener;
        Self {
            settings: Arc::clone(settings),
            id: story.id,
            client: story.client.ip,
            listener: Arc::clone(&listener.name),
            generation: listener.generation,
            protocol: super::protocol(head),
            tls: connection.shown.tls_version(),
            trace: story.trace(head),
            captures: super::captures(settings, &RequestFacts { head, client_ip: story.client.ip }),
            method: head.method().to_owned(),
            host: head.authority().unwrap_or_default().to_vec(),
            target: head.target().to_vec(),
            user_agent: head.get_known(Known::UserAgent).unwrap_or_default().to_vec(),
            route: story.route.as_ref().map(|route| Arc::clone(&route.name)),
            pool: story.server.as_ref().map(|server| Arc::clone(&server.pool)),
            server: story.server.as_ref().map(|server| Arc::clone(&server.name)),
            how: story.how,
            retries: story.retries,
            began: story.began,
            times: story.times(),
        }
    }

    fn tell(&self, worker: &Worker, carried: Carried, reason: &str) {
        worker.access_log.record(
            &self.settings,
            &Entry {
                id: self.id.as_str(),
                client: self.client,
                listener: &self.listener,
                protocol: self.protocol,
                tls: self.tls,
                trace: self.trace.as_ref().map(|trace| &trace[..]),
                method: &self.method,
                host: &self.host,
                target: &self.target,
                status: 101,
                route: self.route.as_deref(),
                pool: self.pool.as_deref(),
                server: self.server.as_deref(),
                how: self.how,
                retries: self.retries,
                times: self.times,
                took: self.began.elapsed(),
                bytes_in: carried.bytes.0,
                bytes_out: carried.bytes.1,
                reason: Some(reason),
                carried: Some(carried),
                user_agent: &self.user_agent,
                referer: b"",
                generation: self.generation,
                captures: &self.captures,
            },
        );
    }
}
