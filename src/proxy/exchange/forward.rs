//! A request's way to a server: acquire one, send, and decide what a failed attempt means.
//!
//! A request that may have reached a server is never sent again unless its method is idempotent
//! (RFC 9110, section 9.2.2) and nothing of its body is gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::mirror::{self, RequestCopy};
use super::routing::Path;
use super::{Next, Story, attempt, deliver, limit, observed, traced, upgrade, waiting};
use crate::config::model::ServerHttp;
use crate::pool::{Acquired, Ask, Server, SessionKind, Unavailable};
use crate::proxy::affinity::RequestFacts;
use crate::proxy::connection::ClientConnection;
use crate::proxy::failure::Failure;
use crate::proxy::head::{BodyFraming, RequestHead};
use crate::proxy::pump::Pump;
use crate::proxy::scratch::Scratch;
use crate::proxy::upstream::{Behalf, Connection, Wanted};
use crate::snapshot::{PoolSnap, RouteSnap};

/// Servers that may refuse to connect before the request is given up: nothing was sent to them.
const CONNECT_TRIES: u32 = 4;

/// One request on its way: everything that an attempt needs.
pub(super) struct Forward<'a> {
    pub(super) connection: &'a mut ClientConnection,
    pub(super) scratch: &'a mut Scratch,
    pub(super) story: &'a mut Story,
    pub(super) route: &'a Arc<RouteSnap>,
    pub(super) pool: &'a Arc<PoolSnap>,
    pub(super) path: Path,
    /// What the client asks to become.
    pub(super) upgrading: Option<SessionKind>,
    /// When the whole exchange must be over, all tries included.
    pub(super) ends_at: Option<u64>,
    /// What is copied of it for a mirror, while its body is still to come.
    pub(super) copy: Option<Box<RequestCopy>>,
    /// Where its body is between two attempts.
    pub(super) body: Body,
    /// It may go to another server while it waits for the answer of a first one.
    pub(super) movable: bool,
}

/// Where a request's body is between two attempts.
pub(super) enum Body {
    /// With the client, or nowhere: there is none.
    Fresh,
    /// Sent to a server that did not look at it, and to be sent again.
    Again(Box<Pump>),
    /// Gone.
    Spent,
}

/// What a request may still do, and what it did.
struct Tries {
    /// It may be sent twice: an idempotent method, and no body that was begun.
    repeatable: bool,
    connects: u32,
    resends: u32,
    /// Servers that did not look at it.
    unprocessed: u32,
    /// The next connection must be a new one, to the same server: a kept one turned out to be dead.
    fresh: bool,
}

/// What became of one attempt.
enum Tried {
    /// The exchange is over.
    Over(Next),
    /// The request goes to this server: the same again, or another one that was found.
    Held(Acquired, Option<Failure>),
    /// The request goes to another server, if there is one.
    OtherServer(Failure),
}

impl Forward<'_> {
    /// Forwards the request and delivers the answer.
    pub(super) async fn run(mut self) -> Result<Next, Failure> {
        self.pool.pool.counters.shard(self.worker()).request();
        self.pool.retries.deposit(self.route.retry.budget_percent);
        self.ends_at = self.route.timeout.request.map(|whole| self.connection.deadline.point(whole));
        self.upgrading = upgrade::asked(&self.scratch.request);
        if self.upgrading.is_some() && self.pool.connect.http == ServerHttp::Http2 {
            return Err(Failure::UpgradeOverHttp2);
        }
        if self.upgrading.is_some() {
            limit::admit(self.pool)?;
        }
        self.copy = mirror::begin(&mut self);
        let repeatable =
            is_repeatable(&self.scratch.request, self.route.retry.all_methods) && self.upgrading.is_none();
        let mut tries = Tries { repeatable, connects: 0, resends: 0, unprocessed: 0, fresh: false };
        let mut last = None;
        let mut held: Option<Acquired> = None;
        loop {
            let acquired = match held.take() {
                Some(acquired) => acquired,
                None => self.acquire_or_wait().await.map_err(|none| last.unwrap_or(none))?,
            };
            let failed = match self.attempt(acquired, &mut tries).await? {
                Tried::Over(next) => return Ok(next),
                Tried::Held(acquired, failure) => {
                    held = Some(acquired);
                    failure
                }
                Tried::OtherServer(failure) => Some(failure),
            };
            last = failed.or(last);
            traced::attempt_over(self.story, self.scratch.answer.head.status(), failed);
            self.scratch.answer.head.clear();
            self.story.retries += 1;
            self.pool.pool.counters.shard(self.worker()).retry();
        }
    }

    async fn attempt(&mut self, acquired: Acquired, tries: &mut Tries) -> Result<Tried, Failure> {
        let server = acquired.lease.server();
        self.story.how = acquired.how.as_str();
        self.story.server = Some(Arc::clone(server));
        server.counters.shard(self.worker()).request();
        traced::attempt(self.story, server, acquired.how.as_str());
        let began = observed::begin(self);
        let mut to = match self.connect(server, tries).await {
            Ok(to) => to,
            Err(failure) => {
                observed::tell(self, server, began, Some(failure));
                server.counters.shard(self.worker()).failure();
                tries.connects += 1;
                tries.fresh = false;
                self.scratch.tried.push(server.id);
                let retry = &self.route.retry;
                let again = retry.on.connect && retry.attempts > 0 && tries.connects < CONNECT_TRIES;
                return if again && !self.is_over() { Ok(Tried::OtherServer(failure)) } else { Err(failure) };
            }
        };
        to.used();
        let reused = to.reused;
        if !reused || self.story.queued.is_some() || self.story.retries > 0 {
            // Else it had it at once: a clock that is not read costs nothing.
            self.story.sent = self.story.began.elapsed();
        }
        let retry = &self.route.retry;
        self.movable = tries.repeatable && retry.on.reset && tries.resends < retry.attempts;
        let ended = attempt::run(self, to).await;
        if !matches!(ended, Err(Failure::ServerClosed | Failure::Unprocessed) if reused) {
            observed::tell(self, server, began, ended.as_ref().err().copied());
        }
        match ended {
            Ok(answered) if tries.may_retry_status(self) => {
                self.scratch.tried.push(server.id);
                match self.acquire() {
                    Ok(other) => Ok(Tried::Held(other, None)),
                    Err(_) => deliver::run(self, answered, acquired).await.map(Tried::Over),
                }
            }
            Ok(answered) if self.scratch.answer.head.status() == 101 => {
                upgrade::accept(self, answered, acquired).await.map(Tried::Over)
            }
            // Over HTTP/2 it would be taken for a tunnel.
            Ok(_) if self.connection.wire.is_connect() && self.scratch.answer.head.status() / 100 == 2 => {
                Err(Failure::BadUpgrade)
            }
            Ok(answered) => deliver::run(self, answered, acquired).await.map(Tried::Over),
            Err(failure) => {
                server.counters.shard(self.worker()).failure();
                let again = tries.again(failure, reused, self);
                tries.fresh = again == Again::SameServer;
                match again {
                    Again::Never => Err(failure),
                    Again::SameServer => Ok(Tried::Held(acquired, Some(failure))),
                    Again::OtherServer => {
                        self.scratch.tried.push(server.id);
                        Ok(Tried::OtherServer(failure))
                    }
                }
            }
        }
    }

    fn worker(&self) -> usize {
        self.connection.worker.index
    }

    /// Whether the time for the whole exchange is over.
    fn is_over(&self) -> bool {
        self.ends_at.is_some_and(|end| self.connection.deadline.has_passed(end))
    }

    async fn acquire_or_wait(&mut self) -> Result<Acquired, Failure> {
        match self.acquire() {
            Err(Failure::NoServer(Unavailable::Busy(want))) => waiting::run(self, want).await,
            other => other,
        }
    }

    pub(super) fn acquire(&self) -> Result<Acquired, Failure> {
        self.asking(|ask| self.pool.pool.acquire(ask)).map_err(Failure::NoServer)
    }

    /// What the pool may know of this request.
    pub(super) fn asking<T>(&self, ask: impl FnOnce(&Ask<'_>) -> T) -> T {
        let client_ip = self.story.client.ip;
        let facts = RequestFacts { head: &self.scratch.request, client_ip };
        ask(&Ask {
            client_ip,
            affinity: &facts,
            tried: &self.scratch.tried,
            now: self.connection.worker.unix_seconds(),
            worker: self.worker(),
        })
    }

    /// For whom connections to servers are made.
    pub(super) fn behalf(&self) -> Behalf {
        Behalf {
            client: SocketAddr::new(self.story.client.ip, self.connection.peer.port()),
            local: self.connection.local,
            peer: self.connection.peer,
        }
    }

    async fn connect(&mut self, server: &Arc<Server>, tries: &Tries) -> Result<Box<Connection>, Failure> {
        let spec = &self.pool.connect;
        let worker = &self.connection.worker;
        let wanted =
            Wanted { behalf: self.behalf(), certain: !tries.repeatable, upgrade: self.upgrading.is_some() };
        if !tries.fresh
            && let Some(kept) = worker.upstreams.take(server, spec, &wanted)
        {
            return Ok(kept);
        }
        let patience = self.connection.deadline.point(self.route.timeout.connect);
        self.connection.deadline.arm_at(self.ends_at.map_or(patience, |end| end.min(patience)));
        let began = Instant::now();
        let opened = self.connection.deadline.within(Connection::open(worker, server, spec, &wanted)).await;
        let seldom = &server.counters.seldom;
        match opened.unwrap_or(Err(Failure::ConnectTimeout)) {
            Ok(opened) => {
                let took = began.elapsed();
                seldom.connects.note(took);
                self.story.connect = Some(took);
                Ok(opened)
            }
            Err(failure) => {
                seldom.connect_failures.add(failure.verdict().reason);
                Err(failure)
            }
        }
    }
}

fn is_repeatable(head: &RequestHead, all_methods: bool) -> bool {
    let idempotent =
        matches!(head.method_bytes(), b"GET" | b"HEAD" | b"OPTIONS" | b"PUT" | b"DELETE" | b"TRACE");
    (idempotent || all_methods) && matches!(head.framing(), BodyFraming::None | BodyFraming::Length(0))
}

/// Where a request goes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    Never,
    SameServer,
    OtherServer,
}

impl Tries {
    /// Whether and where the request goes again after an attempt that failed once bytes were sent.
    fn again(&mut self, failure: Failure, reused: bool, forward: &Forward<'_>) -> Again {
        let retry = &forward.route.retry;
        let again = match failure {
            // Whatever the method: nothing happened yet. First on a new connection, as its own may be at its end.
            Failure::Unprocessed => {
                self.unprocessed += 1;
                let spent = matches!(forward.body, Body::Spent) || forward.is_over();
                return match self.unprocessed {
                    _ if spent => Again::Never,
                    1 => Again::SameServer,
                    2..=CONNECT_TRIES => Again::OtherServer,
                    _ => Again::Never,
                };
            }
            _ if !self.repeatable || forward.is_over() => Again::Never,
            // The server closed a kept connection just as it was used: no sign against the server.
            Failure::ServerClosed if reused && !self.fresh => return Again::SameServer,
            // Its retry is paid for already.
            Failure::ServerHung => Again::OtherServer,
            Failure::ServerClosed | Failure::StreamReset
                if retry.on.reset && self.resends < retry.attempts && forward.pool.retries.withdraw() =>
            {
                Again::OtherServer
            }
            Failure::ResponseTimeout
                if retry.on.timeout && self.resends < retry.attempts && forward.pool.retries.withdraw() =>
            {
                Again::OtherServer
            }
            _ => Again::Never,
        };
        self.resends += u32::from(again == Again::OtherServer);
        again
    }

    /// Whether an answer's status asks for another server. The answer is thrown away only if it is so.
    fn may_retry_status(&mut self, forward: &Forward<'_>) -> bool {
        let retry = &forward.route.retry;
        let wanted = match forward.scratch.answer.head.status() {
            502 => retry.on.status_502,
            503 => retry.on.status_503,
            504 => retry.on.status_504,
            _ => false,
        };
        let others = forward.pool.pool.members.len() > forward.scratch.tried.len() + 1;
        let may = wanted
            && self.repeatable
            && others
            && self.resends < retry.attempts
            && forward.pool.retries.withdraw();
        self.resends += u32::from(may);
        may
    }
}
