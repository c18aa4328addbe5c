//! A copy of a request for another pool, whose answer nobody waits for.
//!
//! The request itself never waits: its head is copied when it is forwarded, its body as it passes, and once that is
//! whole a task of the copy's own sends it. What does not fit (a body over [`BODY_MOST`], more copies than
//! [`Copies::MOST`]) is not copied, and counted. A copy is sent once, to a server that balance chooses; stickiness is
//! neither asked nor told.
//!
//! [`Copies::MOST`]: crate::snapshot::Copies::MOST

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tracing::debug;

use super::forward::Forward;
use super::{attempt, observed};
use crate::pool::Lease;
use crate::proxy::buffer::Buffer;
use crate::proxy::deadline::Deadline;
use crate::proxy::failure::Failure;
use crate::proxy::head::{BodyFraming, Known, KnownSet, ResponseFraming, ResponseHead};
use crate::proxy::http1::{FramingLine, write_field};
use crate::proxy::pump::{Framed, Pump, PumpError, Sink};
use crate::proxy::server_wire::ServerWire;
use crate::proxy::upstream::{Connection, Wanted};
use crate::proxy::worker::Worker;
use crate::snapshot::{CopyEnd, CopyHold, MirrorSnap, RouteSnap};

/// The most of a body that is copied.
const BODY_MOST: usize = 64 * 1024;
/// The most of an answer that is read, to keep the connection; a longer one ends it.
const ANSWER_MOST: u64 = 1024 * 1024;

/// A copy that is being made.
#[derive(Debug)]
pub(crate) struct RequestCopy {
    worker: Rc<Worker>,
    route: Arc<RouteSnap>,
    hold: CopyHold,
    lease: Lease,
    wanted: Wanted,
    /// The head, without its framing and its end.
    head: Vec<u8>,
    body: Vec<u8>,
    has_body: bool,
    is_head: bool,
}

/// Begins a copy of the request, if it is to be copied. One without a body is sent at once.
pub(super) fn begin(forward: &mut Forward<'_>) -> Option<Box<RequestCopy>> {
    forward.route.mirror.as_ref()?;
    let route = Arc::clone(forward.route);
    let mirror = route.mirror.as_ref()?;
    let worker = Rc::clone(&forward.connection.worker);
    if forward.upgrading.is_some() || worker.is_draining() || !mirror.draws() {
        return None;
    }
    let hold = mirror.pool.copies.begin()?;
    let framing = forward.scratch.request.framing();
    if matches!(framing, BodyFraming::Length(length) if length > BODY_MOST as u64) {
        return None;
    }
    let Ok(lease) = forward.asking(|ask| mirror.pool.pool.acquire_plain(ask)) else {
        hold.ended(CopyEnd::NoServer);
        return None;
    };
    let mut head = Vec::with_capacity(1024);
    attempt::compose(forward, FramingLine::Omit, KnownSet::of(&[Known::Expect]), &mut head);
    head.truncate(head.len() - b"\r\n".len());
    let copy = Box::new(RequestCopy {
        worker,
        hold,
        lease,
        wanted: Wanted { behalf: forward.behalf(), certain: true, upgrade: false },
        head,
        body: Vec::new(),
        has_body: framing != BodyFraming::None,
        is_head: forward.scratch.request.is_head(),
        route,
    });
    if matches!(framing, BodyFraming::None | BodyFraming::Length(0)) {
        copy.send();
        return None;
    }
    Some(copy)
}

impl RequestCopy {
    /// Takes a part of the body; false when it becomes too large to be copied.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        let fits = self.body.len() + bytes.len() <= BODY_MOST;
        if fits {
            self.body.extend_from_slice(bytes);
        }
        fits
    }

    /// The request is whole: off it goes.
    pub(crate) fn send(mut self: Box<Self>) {
        if self.has_body {
            let length = itoa::Buffer::new().format(self.body.len()).to_owned();
            write_field(b"Content-Length", length.as_bytes(), &mut self.head);
        }
        self.head.extend_from_slice(b"\r\n");
        self.hold.is_sent();
        tokio::task::spawn_local(run(self));
    }
}

/// Sends a copy and takes the answer, under clocks of its own.
async fn run(mut copy: Box<RequestCopy>) {
    let (worker, route) = (Rc::clone(&copy.worker), Arc::clone(&copy.route));
    let Some(mirror) = &route.mirror else { return };
    let server = Arc::clone(copy.lease.server());
    let pool = &mirror.pool.pool;
    let began = Instant::now();
    for counters in [&pool.counters, &server.counters] {
        counters.shard(worker.index).request();
    }
    let clock = worker.deadlines.register();
    let clocks = &mirror.timeout;
    let end = clock.point(clocks.request.unwrap_or_else(|| clocks.connect.saturating_add(clocks.response)));
    let opened = connect(&copy, mirror, &clock, end).await;
    let reused = opened.as_ref().is_ok_and(|to| to.reused);
    let ended = match opened {
        Ok(to) => talk(&mut copy, mirror, to, &clock, end).await,
        Err(failure) => Err(failure),
    };
    // A kept connection at its end is no sign against the server.
    let learns = !matches!(ended, Err(Failure::ServerClosed | Failure::Unprocessed) if reused);
    if learns && pool.is_curious() {
        observed::saw(pool, &server, began, ended);
    }
    for counters in [&pool.counters, &server.counters] {
        let shard = counters.shard(worker.index);
        match ended {
            Ok(status) => shard.response(status, began.elapsed().as_micros() as u64),
            Err(_) => shard.failure(),
        }
    }
    match ended {
        Ok(_) => copy.hold.ended(CopyEnd::Answered),
        Err(failure) => {
            let reason = failure.verdict().reason;
            debug!(pool = &*pool.name, server = &*server.name, reason, "mirrored request failed");
        }
    }
}

async fn connect(
    copy: &RequestCopy,
    mirror: &MirrorSnap,
    clock: &Deadline,
    end: u64,
) -> Result<Box<Connection>, Failure> {
    let RequestCopy { worker, lease, wanted, .. } = copy;
    let (server, spec) = (lease.server(), &mirror.pool.connect);
    if let Some(kept) = worker.upstreams.take(server, spec, wanted) {
        return Ok(kept);
    }
    clock.arm_at(clock.point(mirror.timeout.connect).min(end));
    let opened = clock.within(Connection::open(worker, server, spec, wanted)).await;
    opened.map_err(|_| Failure::ConnectTimeout)?
}

/// The status of the answer.
async fn talk(
    copy: &mut RequestCopy,
    mirror: &MirrorSnap,
    mut to: Box<Connection>,
    clock: &Deadline,
    end: u64,
) -> Result<u16, Failure> {
    to.used();
    clock.arm_at(clock.point(mirror.timeout.response).min(end));
    let mut head = ResponseHead::new();
    let asked = async {
        send(&mut to.wire, &mut copy.head, &copy.body).await?;
        read_head(&copy.worker, &mut to.wire, &mut head).await
    };
    let input = clock.within(asked).await.map_err(|_| Failure::ResponseTimeout)??;
    clock.arm_at(end);
    let worker = &copy.worker;
    let framing = head.framing_for(copy.is_head, false);
    let decoder = to.wire.answer_decoder(framing);
    let mut pump = Pump::default();
    pump.begin(decoder, Framed::Raw, Vec::new(), input).limited(Some(ANSWER_MOST));
    let drained =
        clock.within(poll_fn(|cx| pump.poll(cx, &mut to.wire, &mut Nowhere, &worker.buffers))).await;
    let leftover = pump.take_input();
    let clean = leftover.is_none();
    if let Some(leftover) = leftover {
        worker.buffers.give(leftover);
    }
    match drained {
        Ok(Ok(())) => {
            let again = clean && head.keep_alive() && framing != ResponseFraming::Close;
            if again && !worker.is_draining() {
                let (server, spec) = (copy.lease.server(), &mirror.pool.connect);
                worker.upstreams.give(server, spec, to, worker.deadlines.now());
            }
            Ok(head.status())
        }
        // It answered; how long its answer is, is nobody's concern.
        Ok(Err(PumpError::TooLarge)) => Ok(head.status()),
        Ok(Err(_)) => Err(Failure::ServerClosed),
        Err(_) => Err(Failure::ServerStalled),
    }
}

/// Writes a request that is all at hand.
async fn send(to: &mut ServerWire, head: &mut Vec<u8>, body: &[u8]) -> Result<(), Failure> {
    to.begin(head, body.is_empty())?;
    let (mut first, mut second) = (&head[..], body);
    while !(first.is_empty() && second.is_empty()) {
        let sent = poll_fn(|cx| to.poll_send(cx, first, second)).await;
        let n = sent.map_err(|_| Failure::ServerClosed)?;
        let from_first = n.min(first.len());
        first = &first[from_first..];
        second = &second[n - from_first..];
    }
    to.end(b"");
    poll_fn(|cx| to.poll_push(cx)).await.map_err(|_| Failure::ServerClosed)
}

/// Reads the head of the answer; what came behind it is returned.
async fn read_head(
    worker: &Worker,
    from: &mut ServerWire,
    head: &mut ResponseHead,
) -> Result<Option<Buffer>, Failure> {
    let mut input = None;
    loop {
        poll_fn(|cx| attempt::poll_head(cx, from, &mut input, worker, head)).await?;
        if !head.is_informational() {
            return Ok(input);
        }
        if head.status() == 101 {
            return Err(Failure::BadUpgrade);
        }
        head.clear();
    }
}

/// Where the body of an answer goes that nobody reads.
struct Nowhere;

impl Sink for Nowhere {
    fn poll_send(&mut self, _: &mut Context<'_>, first: &[u8], second: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(first.len() + second.len()))
    }

    fn poll_push(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn end(&mut self, _: &[u8]) {}
}
