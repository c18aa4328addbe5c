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

use tokio::io::AsyncWriteExt;
use tracing::debug;

use super::forward::Forward;
use super::{attempt, observed};
use crate::pool::Lease;
use crate::proxy::deadline::Deadline;
use crate::proxy::failure::Failure;
use crate::proxy::head::{BodyFraming, Known, KnownSet, ParseError, ResponseFraming, ResponseHead};
use crate::proxy::http1::{BodyDecoder, FramingLine, HeadLimits, Status, parse_response, write_field};
use crate::proxy::pump::{Framed, Pump, PumpError, Sink};
use crate::proxy::upstream::{Behalf, Connection};
use crate::proxy::worker::Worker;
use crate::snapshot::{CopyEnd, CopyHold, MirrorSnap, RouteSnap};

/// The most of a body that is copied.
const BODY_MOST: usize = 64 * 1024;
/// The most of an answer that is read, to keep the connection; a longer one ends it.
const ANSWER_MOST: u64 = 1024 * 1024;
/// What an answer's head may weigh: it is thrown away.
const HEAD_LIMITS: HeadLimits = HeadLimits { bytes: 16 * 1024, fields: 256, target: 0 };

/// A copy that is being made.
#[derive(Debug)]
pub(crate) struct RequestCopy {
    worker: Rc<Worker>,
    route: Arc<RouteSnap>,
    hold: CopyHold,
    lease: Lease,
    behalf: Behalf,
    /// The head, without its framing and its end.
    head: Vec<u8>,
    body: Vec<u8>,
    has_body: bool,
    is_head: bool,
}

/// Begins a copy of the request, if it is to be copied. One without a body is sent at once.
pub(super) fn begin(forward: &mut Forward<'_>) -> Option<Box<RequestCopy>> {
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
        behalf: forward.behalf(),
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
        self.head.extend_from_slice(&self.body);
        self.body = Vec::new();
        self.hold.is_sent();
        tokio::task::spawn_local(run(self));
    }
}

/// Sends a copy and takes the answer, under clocks of its own.
async fn run(copy: Box<RequestCopy>) {
    let RequestCopy { worker, route, hold, lease, behalf, head, is_head, .. } = *copy;
    let Some(mirror) = &route.mirror else { return };
    let (pool, server) = (&mirror.pool.pool, lease.server());
    let began = Instant::now();
    for counters in [&pool.counters, &server.counters] {
        counters.shard(worker.index).request();
    }
    let ended = talk(&worker, mirror, &lease, &behalf, (&head, is_head)).await;
    if pool.is_curious() {
        observed::saw(pool, server, began, ended.as_ref().copied().map_err(|failure| *failure));
    }
    for counters in [&pool.counters, &server.counters] {
        let shard = counters.shard(worker.index);
        match ended {
            Ok(status) => shard.response(status, began.elapsed().as_micros() as u64),
            Err(_) => shard.failure(),
        }
    }
    match ended {
        Ok(_) => hold.ended(CopyEnd::Answered),
        Err(failure) => {
            let reason = failure.verdict().reason;
            debug!(pool = &*pool.name, server = &*server.name, reason, "mirrored request failed");
        }
    }
}

/// The status of the answer.
async fn talk(
    worker: &Worker,
    mirror: &MirrorSnap,
    lease: &Lease,
    behalf: &Behalf,
    request: (&[u8], bool),
) -> Result<u16, Failure> {
    let (server, spec, clocks) = (lease.server(), &mirror.pool.connect, &mirror.timeout);
    let clock = worker.deadlines.register();
    let whole = clocks.request.unwrap_or_else(|| clocks.connect.saturating_add(clocks.response));
    let end = clock.point(whole);
    let mut to = match worker.upstreams.take(server, spec, behalf, true) {
        Some(kept) => kept,
        None => {
            clock.arm_at(clock.point(clocks.connect).min(end));
            let opened = clock.within(Connection::open(server, spec, behalf)).await;
            opened.map_err(|_| Failure::ConnectTimeout)??
        }
    };
    to.used();
    clock.arm_at(clock.point(clocks.response).min(end));
    let mut head = ResponseHead::new();
    let again = answer(worker, &clock, end, &mut to, request, &mut head).await?;
    if again && !worker.is_draining() {
        worker.upstreams.give(server, spec, to, worker.deadlines.now());
    }
    Ok(head.status())
}

/// Sends, reads the head, throws the body away. Says whether the connection can be used again.
async fn answer(
    worker: &Worker,
    clock: &Deadline,
    end: u64,
    to: &mut Connection,
    (request, is_head): (&[u8], bool),
    head: &mut ResponseHead,
) -> Result<bool, Failure> {
    let asked = async {
        to.stream.write_all(request).await.map_err(|_| Failure::ServerClosed)?;
        to.stream.flush().await.map_err(|_| Failure::ServerClosed)?;
        let mut input = worker.buffers.small();
        loop {
            match parse_response(input.bytes(), &HEAD_LIMITS, head) {
                Ok(Status::Complete(n)) => {
                    input.consume(n);
                    if !head.is_informational() {
                        return Ok(input);
                    }
                    if head.status() == 101 {
                        return Err(Failure::BadUpgrade);
                    }
                    head.clear();
                    continue;
                }
                Ok(Status::Partial) if input.is_full() => {
                    return Err(Failure::BadResponse(ParseError::TooLarge));
                }
                Ok(Status::Partial) => {}
                Err(error) => return Err(Failure::BadResponse(error)),
            }
            match poll_fn(|cx| to.stream.poll_fill(cx, &mut input)).await {
                Ok(n) if n > 0 => {}
                _ => return Err(Failure::ServerClosed),
            }
        }
    };
    let input = clock.within(asked).await.map_err(|_| Failure::ResponseTimeout)??;
    clock.arm_at(end);
    let framing = head.framing_for(is_head, false);
    let body = BodyDecoder::for_response(framing);
    let mut pump = Pump::new(body, Framed::Raw, Vec::new(), Some(input)).limited(Some(ANSWER_MOST));
    let drained =
        clock.within(poll_fn(|cx| pump.poll(cx, &mut to.stream, &mut Nowhere, &worker.buffers))).await;
    let leftover = pump.take_input();
    let clean = leftover.is_none();
    if let Some(leftover) = leftover {
        worker.buffers.give(leftover);
    }
    match drained {
        Ok(Ok(())) => Ok(clean && head.keep_alive() && framing != ResponseFraming::Close),
        // It answered; how long its answer is, is nobody's concern.
        Ok(Err(PumpError::TooLarge)) => Ok(false),
        Ok(Err(_)) => Err(Failure::ServerClosed),
        Err(_) => Err(Failure::ServerStalled),
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
