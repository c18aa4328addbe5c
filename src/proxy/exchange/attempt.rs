//! One attempt at one server: the head and the body out, the head of the answer in.
//!
//! Both directions run in one task: a server may answer, or say 100, while the body is still on its way.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::forward::{Body, Forward};
use super::grpc;
use super::hung::{self, Watch};
use super::routing::{Arrived, Path};
use super::traced;
use crate::proxy::buffer::{Buffer, SMALL};
use crate::proxy::connection::ClientConnection;
use crate::proxy::deadline::Deadline;
use crate::proxy::failure::Failure;
use crate::proxy::forwarded::Hop;
use crate::proxy::head::{BodyFraming, KnownSet, ResponseHead, Version};
use crate::proxy::http1::{
    ConnectionLine, FramingLine, HeadLimits, Names, RequestPlan, ResponsePlan, Status, end_request,
    parse_response_by, write_request_fields, write_response,
};
use crate::proxy::pace::Pace;
use crate::proxy::pump::{Pump, PumpError, Source};
use crate::proxy::scratch::Scratch;
use crate::proxy::server_wire::ServerWire;
use crate::proxy::upstream::Connection;
use crate::proxy::wire::Wire;
use crate::proxy::worker::Worker;
use crate::snapshot::RouteSnap;

/// What an answer's head may weigh.
const ANSWER_LIMITS: HeadLimits = HeadLimits { bytes: 64 * 1024, fields: 256, target: 0 };
/// Interim answers (1xx) that are passed on for one request.
const MOST_INTERIM: u32 = 16;

/// A server's answer whose head is in the scratch. The request's body is there too, perhaps still on its way.
#[derive(Debug)]
pub(super) struct Answered {
    /// The connection that it came on.
    pub(super) server: Box<Connection>,
    /// Bytes behind its head.
    pub(super) input: Option<Buffer>,
    /// The server stopped reading it.
    pub(super) broken: bool,
    /// When the whole exchange must be over.
    pub(super) total: Option<u64>,
}

/// Sends the request and reads the answer's head into `scratch.answer`.
pub(super) async fn run(forward: &mut Forward<'_>, server: Box<Connection>) -> Result<Answered, Failure> {
    let mut answered = begin(forward, server)?;
    let Forward { connection, scratch, route, body, story, pool, movable, .. } = forward;
    let watch = story.server.as_deref().filter(|_| *movable).map(|server| Watch { server, pool });
    let has_body = has_body(scratch);
    for _ in 0..=MOST_INTERIM {
        let ended = answered.head(connection, scratch, route, watch.as_ref()).await;
        if has_body && scratch.sending.is_finished() && connection.input.is_none() {
            connection.input = scratch.sending.take_input();
        }
        if let Err(failure) = ended {
            if failure == Failure::Unprocessed && has_body {
                let sent = answered.server.wire.take_sent();
                *body = sent.map_or(Body::Spent, |sent| Body::Again(scratch.sending.again(sent)));
            } else {
                connection.worker.buffers.give_text(scratch.sending.take_out());
            }
            return Err(failure);
        }
        if !scratch.answer.head.is_informational() || scratch.answer.head.status() == 101 {
            return Ok(answered);
        }
        pass_on_interim(connection, scratch).await?;
        scratch.answer.head.clear();
    }
    Err(Failure::BadResponse(crate::proxy::head::ParseError::BadStatus))
}

fn has_body(scratch: &Scratch) -> bool {
    !matches!(scratch.request.framing(), BodyFraming::None | BodyFraming::Length(0))
}

/// Writes the head; its body is as it came, or as a server left it that did not look at it.
fn begin(forward: &mut Forward<'_>, mut server: Box<Connection>) -> Result<Answered, Failure> {
    let mut out = write_head(forward);
    let Forward { connection, scratch, route, ends_at, body, copy, .. } = forward;
    let has_body = has_body(scratch);
    if !server.wire.is_http2() && !matches!(body, Body::Fresh) {
        return Err(Failure::Unprocessed);
    }
    server.wire.begin(&mut out, !has_body)?;
    match std::mem::replace(body, Body::Fresh) {
        Body::Again(again) => scratch.sending = *again,
        Body::Fresh | Body::Spent => {
            let framing = scratch.request.framing();
            let input = if has_body { connection.input.take() } else { None };
            let decoder = connection.wire.request_decoder(framing);
            scratch
                .sending
                .begin(decoder, server.wire.request_framing(framing), out, input)
                .limited(route.body_limit)
                .copied(copy.take());
        }
    }
    Ok(Answered { server, input: None, broken: false, total: *ends_at })
}

/// Serialises the request's head for the server.
fn write_head(forward: &mut Forward<'_>) -> Vec<u8> {
    let mut out = forward.connection.worker.buffers.text();
    let framing = FramingLine::from(forward.scratch.request.framing());
    compose(forward, framing, KnownSet::EMPTY, &mut out);
    out
}

/// Appends the request's head with this framing and without these fields.
pub(super) fn compose(forward: &mut Forward<'_>, framing: FramingLine, drop: KnownSet, out: &mut Vec<u8>) {
    let upgrading = forward.upgrading.is_some();
    let Forward { connection, scratch, story, route, path, .. } = forward;
    let Scratch { request, request_lines, .. } = &**scratch;
    let client = story.client;
    let (peer, local, tls) = (connection.peer, connection.local, connection.wire.is_tls());
    let edited = Names::Shared(&route.request_drop);
    let lines = |out: &mut Vec<u8>| {
        out.extend_from_slice(request_lines);
        client.write_lines(request, &Hop { peer, local, tls, lines: &connection.shown.hop }, edited, out);
        connection.shown.write_lines(&connection.listener, out);
        // A route that sets or removes the field has the last word.
        if !edited.any(|name| name == "x-request-id") {
            story.id.write_line(out);
        }
        traced::write_line(story, edited, out);
    };
    let drop = drop.with(traced::replaced(story));
    let onward = Onward {
        arrived: &Arrived { listener: &connection.listener, request, client },
        route,
        path,
        local: connection.local,
        upgrading,
        framing,
    };
    onward.write(drop, lines, out);
}

/// A request's head on its way to a server.
pub(super) struct Onward<'a> {
    pub(super) arrived: &'a Arrived<'a>,
    pub(super) route: &'a RouteSnap,
    pub(super) path: &'a Path,
    pub(super) local: SocketAddr,
    pub(super) upgrading: bool,
    pub(super) framing: FramingLine,
}

impl Onward<'_> {
    /// Appends it, without these fields; `lines` appends those that lbd adds.
    pub(super) fn write(&self, drop: KnownSet, lines: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
        let Self { path, route, .. } = self;
        let Arrived { listener, request, client } = *self.arrived;
        let local = match request.authority() {
            Some(_) => String::new(),
            // HTTP/1.0 may leave Host out; HTTP/1.1, which the server gets, may not.
            None => self.local.to_string(),
        };
        let star = request.path() == b"*";
        let plan = RequestPlan {
            path: if star { b"*" } else { path.rewritten.as_deref().unwrap_or(request.path()) },
            query: request.query(),
            host: path.host.as_deref().or((!local.is_empty()).then_some(local.as_bytes())),
            drop_known: client.replaced().with(drop),
            drop: Names::Shared(&route.request_drop),
            keep: Names::Shared(&route.keep),
            strip_cookies: Names::Shared(&listener.sticky_cookies),
            unmark_cookies: &listener.marked_cookies,
            framing: self.framing,
            connection: if self.upgrading { ConnectionLine::Upgrade } else { ConnectionLine::None },
            extra: b"",
        };
        write_request_fields(request, &plan, out);
        lines(out);
        end_request(request, &plan, out);
    }
}

/// Passes a 1xx on, to those who can understand it (RFC 9110, section 15.2).
async fn pass_on_interim(connection: &mut ClientConnection, scratch: &mut Scratch) -> Result<(), Failure> {
    let wanted = scratch.request.version() != Version::Http10
        && (scratch.answer.head.status() != 100 || scratch.request.expects_continue());
    if !wanted {
        return Ok(());
    }
    let mut out = std::mem::take(&mut scratch.answer.to_client);
    out.clear();
    write_response(&scratch.answer.head, &ResponsePlan::default(), &mut out);
    let written = match &mut connection.wire {
        Wire::Http1(_) => connection.write_all(&out).await,
        Wire::Http2(stream) => stream.send_interim(&out),
    };
    scratch.answer.to_client = out;
    written.map_err(|_| Failure::ClientGone)
}

impl Answered {
    /// Sends what is left of the request and reads the next head.
    async fn head(
        &mut self,
        connection: &mut ClientConnection,
        scratch: &mut Scratch,
        route: &RouteSnap,
        watch: Option<&Watch<'_>>,
    ) -> Result<(), Failure> {
        let worker = Rc::clone(&connection.worker);
        let mut clocks = Clocks {
            write: connection.listener.timeout.write,
            response: route.timeout.response,
            total: self.total,
            due: 0,
            looks: watch.is_some(),
        };
        clocks.arm(&connection.deadline, scratch.sending.is_finished());
        let (mut watch_client, mut asked, mut lent) = (true, false, false);
        let mut progress = scratch.sending.progress();
        let mut pace = Pace::default();
        poll_fn(|cx| {
            if let Poll::Ready(Err(failure)) =
                self.poll_request(cx, connection, &mut scratch.sending, &worker)
            {
                return Poll::Ready(Err(failure));
            }
            let sending = &scratch.sending;
            let sent = sending.is_finished();
            if progress != sending.progress() {
                progress = sending.progress();
                clocks.arm(&connection.deadline, sent);
            }
            let waits =
                !sent && !self.broken && !sending.waits_for_receiver() && !grpc::is_asked(&scratch.request);
            if pace.is_too_slow(&connection.listener, &connection.deadline, sending.moved(), waits) {
                return Poll::Ready(Err(Failure::BodyTimeout));
            }
            let Self { server, input, .. } = self;
            // Hardly any server answers as soon as it was asked.
            let first = !std::mem::replace(&mut asked, true) && input.is_none();
            let is_quiet = first && server.wire.poll_readable(cx).is_pending();
            if !is_quiet {
                if !std::mem::replace(&mut lent, true) {
                    worker.swap_answer(scratch);
                }
                let head = poll_head(cx, &mut server.wire, input, &worker, &mut scratch.answer.head);
                if head.is_ready() {
                    return head;
                }
            }
            if connection.wire.poll_gone(cx).is_ready() {
                return Poll::Ready(Err(Failure::ClientGone));
            }
            if watch_client && sent && !connection.wire.is_http2() && connection.input.is_none() {
                match connection.poll_news(cx) {
                    // It said all it had to say, and may still listen; or it sent the next request already.
                    Poll::Ready(Ok(_)) => watch_client = false,
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Failure::ClientGone)),
                    Poll::Pending => {}
                }
            }
            if worker.is_cutting() {
                return Poll::Ready(Err(Failure::Stopping));
            }
            while connection.deadline.poll_struck(cx).is_ready() {
                if connection.deadline.has_passed(clocks.due) {
                    return Poll::Ready(Err(self.struck(&scratch.sending)));
                }
                if watch.is_some_and(|watch| sent && watch.gives_up(&scratch.tried)) {
                    return Poll::Ready(Err(Failure::ServerHung));
                }
                clocks.look_again(&connection.deadline);
            }
            Poll::Pending
        })
        .await
    }

    fn struck(&self, sending: &Pump) -> Failure {
        if sending.is_finished() || self.broken || sending.waits_for_receiver() {
            Failure::ResponseTimeout
        } else {
            Failure::BodyTimeout
        }
    }

    /// Moves the request's body on.
    pub(super) fn poll_request(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut ClientConnection,
        sending: &mut Pump,
        worker: &Worker,
    ) -> Poll<Result<(), Failure>> {
        if sending.is_finished() || self.broken {
            return Poll::Ready(Ok(()));
        }
        match sending.poll(cx, &mut connection.wire, &mut self.server.wire, &worker.buffers) {
            Poll::Ready(Err(PumpError::To)) => {
                // It stopped reading; its answer may be on the way all the same.
                self.broken = true;
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(PumpError::TooLarge)) => Poll::Ready(Err(Failure::BodyTooLarge)),
            Poll::Ready(Err(PumpError::Framing)) => Poll::Ready(Err(Failure::BadBody)),
            Poll::Ready(Err(PumpError::From | PumpError::Truncated | PumpError::Encoder)) => {
                Poll::Ready(Err(Failure::ClientGone))
            }
            Poll::Ready(Ok(())) => {
                worker.buffers.give_text(sending.take_out());
                Poll::Ready(Ok(()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Reads the next head of an answer, and leaves what follows it in `input`.
pub(super) fn poll_head(
    cx: &mut Context<'_>,
    server: &mut ServerWire,
    input: &mut Option<Buffer>,
    worker: &Worker,
    head: &mut ResponseHead,
) -> Poll<Result<(), Failure>> {
    if let ServerWire::Http2(stream) = server {
        return stream.poll_head(cx, head);
    }
    loop {
        if let Some(begun) = input {
            match parse_response_by(begun.bytes(), &ANSWER_LIMITS, head, &mut worker.seen.borrow_mut()) {
                Ok(Status::Complete(n)) => {
                    begun.consume(n);
                    return Poll::Ready(Ok(()));
                }
                Ok(Status::Partial) if begun.is_full() => {
                    *input = input.take().map(|begun| begun.grown(ANSWER_LIMITS.bytes + SMALL));
                }
                Ok(Status::Partial) => {}
                Err(error) => return Poll::Ready(Err(Failure::BadResponse(error))),
            }
        }
        let mut buffer = input.take().unwrap_or_else(|| worker.buffers.for_answer());
        let had = buffer.bytes().len();
        let read = server.poll_fill(cx, &mut buffer);
        if let Poll::Ready(Ok(n)) = read {
            worker.buffers.came(n);
        }
        if buffer.is_empty() {
            worker.buffers.give(buffer);
        } else {
            *input = Some(buffer);
        }
        match read {
            Poll::Ready(Ok(n)) if n > 0 => {}
            // Half a head is no answer either, but the server did say something: not repeatable as a
            // stale connection is.
            Poll::Ready(_) if had > 0 => {
                return Poll::Ready(Err(Failure::BadResponse(crate::proxy::head::ParseError::BadStatusLine)));
            }
            Poll::Ready(_) => return Poll::Ready(Err(Failure::ServerClosed)),
            Poll::Pending => return Poll::Pending,
        }
    }
}

/// The clocks of an attempt.
struct Clocks {
    write: Duration,
    response: Duration,
    total: Option<u64>,
    /// When the clock that counts now strikes.
    due: u64,
    /// Whether the server is looked at before that.
    looks: bool,
}

impl Clocks {
    /// The response clock starts when the request is out; until then each step has the write clock.
    fn arm(&mut self, deadline: &Deadline, sent: bool) {
        let next = deadline.point(if sent { self.response } else { self.write });
        self.due = self.total.map_or(next, |total| total.min(next));
        self.look_again(deadline);
    }

    fn look_again(&self, deadline: &Deadline) {
        deadline.arm_at(if self.looks { self.due.min(deadline.point(hung::LOOK)) } else { self.due });
    }
}
