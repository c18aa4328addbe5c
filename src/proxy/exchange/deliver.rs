//! The answer on its way to the client, while the rest of a request may still be on its way out.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use super::attempt::Answered;
use super::forward::Forward;
use super::{Next, compress, stickiness};
use crate::pool::Acquired;
use crate::proxy::connection::ClientConnection;
use crate::proxy::failure::Failure;
use crate::proxy::head::{Known, KnownSet, ResponseFraming, Version};
use crate::proxy::http1::{
    ConnectionLine, Delivery, Names, ResponsePlan, append_via, end_response, write_response_fields,
};
use crate::proxy::pace::Pace;
use crate::proxy::pump::PumpError;
use crate::proxy::scratch::{Answer, Scratch};
use crate::proxy::worker::Worker;
use crate::snapshot::RouteSnap;

/// Delivers the answer whose head is in `scratch`, then keeps both connections if both can be kept.
pub(super) async fn run(
    forward: &mut Forward<'_>,
    mut answered: Answered,
    acquired: Acquired,
) -> Result<Next, Failure> {
    let Forward { connection, scratch, story, route, pool, .. } = forward;
    let Acquired { lease, set_cookie, .. } = acquired;
    let worker = Rc::clone(&connection.worker);
    let is_head = scratch.request.is_head();
    let mut delivery = Delivery::of(&scratch.request, &scratch.answer.head);
    let framing = scratch.answer.head.framing_for(is_head, false);
    let coded = compress::run(&worker, route, scratch, &mut delivery);
    let keep = scratch.request.keep_alive()
        && !delivery.close
        && !connection.orphaned
        && !worker.is_draining()
        && scratch.sending.is_finished();
    let line = match (keep, scratch.request.version()) {
        (false, Version::Http10 | Version::Http11) => ConnectionLine::Close,
        (true, Version::Http10) => ConnectionLine::KeepAlive,
        (true, Version::Http11) | (_, Version::Http2) => ConnectionLine::None,
    };
    let own = (&*pool.pool, &**lease.server(), &***route);
    let Scratch { answer, response_lines, .. } = &mut **scratch;
    let replaced =
        stickiness::settle(own, set_cookie, &answer.head, (story, worker.unix_seconds()), response_lines);
    let lines = (&delivery, line, answered.server.wire.via());
    write_head(scratch, route, lines, replaced.with(coded.drop), &worker);
    let first_byte = story.began.elapsed();
    story.first_byte = Some(first_byte);
    story.status = scratch.answer.head.status();
    story.count_answer(&pool.pool.counters, &lease.counters, worker.index);
    let mut out = std::mem::take(&mut scratch.answer.to_client);
    connection.wire.begin(&mut out).map_err(|_| Failure::ClientGone)?;
    let framed = connection.wire.answer_framing(delivery.chunked);
    let decoder = answered.server.wire.answer_decoder(framing);
    scratch.answer.body.begin(decoder, framed, out, answered.input.take()).encoded(coded.encoder);
    let ended = pump_both(connection, &mut answered, scratch, route).await;
    let Scratch { sending, answer, .. } = &mut **scratch;
    story.bytes_in = sending.moved();
    story.bytes_out = answer.body.delivered();
    pool.pool.counters.shard(worker.index).bytes(story.bytes_in, story.bytes_out);
    let leftover = answer.body.take_input();
    let finished = sending.is_finished();
    if finished && connection.input.is_none() {
        connection.input = sending.take_input();
    }
    answer.to_client = answer.body.take_out();
    worker.buffers.give_text(sending.take_out());
    let Answered { server, broken, .. } = answered;
    ended?;
    let clean = leftover.is_none() && finished && !broken;
    if clean && scratch.answer.head.keep_alive() && framing != ResponseFraming::Close && !worker.is_draining()
    {
        worker.upstreams.give(lease.server(), &pool.connect, server, worker.deadlines.now());
    }
    if let Some(leftover) = leftover {
        worker.buffers.give(leftover);
    }
    Ok(match (finished, keep) {
        (true, true) => Next::KeepAlive,
        (true, false) => Next::Close,
        // The server answered without reading all of the request: the rest is thrown away with the connection.
        (false, _) => Next::Linger,
    })
}

/// Serialises the answer's head for the client.
fn write_head(
    scratch: &mut Scratch,
    route: &RouteSnap,
    (delivery, line, via): (&Delivery, ConnectionLine, &[u8; 7]),
    replaced: KnownSet,
    worker: &Worker,
) {
    let Scratch { answer, response_lines, .. } = scratch;
    let Answer { head: response, to_client, .. } = &mut **answer;
    to_client.clear();
    let plan = ResponsePlan {
        drop_known: KnownSet::of(&[Known::Via]).with(replaced),
        drop: Names::Shared(&route.response_drop),
        framing: delivery.framing,
        connection: line,
        extra: response_lines,
    };
    write_response_fields(response, &plan, to_client);
    if response.get_known(Known::Date).is_none() {
        // RFC 9110, section 6.6.1: who has a clock adds what the server left out.
        to_client.extend_from_slice(b"Date: ");
        to_client.extend_from_slice(&worker.date());
        to_client.extend_from_slice(b"\r\n");
    }
    append_via(&response.fields, via, to_client);
    end_response(response, &plan, to_client);
}

/// Moves the answer, and what is left of the request, until the answer is out.
async fn pump_both(
    connection: &mut ClientConnection,
    answered: &mut Answered,
    scratch: &mut Scratch,
    route: &RouteSnap,
) -> Result<(), Failure> {
    let worker = Rc::clone(&connection.worker);
    let Scratch { sending, answer, .. } = scratch;
    let answer = &mut answer.body;
    let mut progress = None;
    let mut pace = Pace::default();
    poll_fn(|cx| {
        let moved = answer.poll(cx, &mut answered.server.wire, &mut connection.wire, &worker.buffers);
        match moved {
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(PumpError::To)) => return Poll::Ready(Err(Failure::ClientGone)),
            Poll::Ready(Err(PumpError::Framing | PumpError::TooLarge)) => {
                return Poll::Ready(Err(Failure::BadResponseBody));
            }
            Poll::Ready(Err(PumpError::Encoder)) => return Poll::Ready(Err(Failure::CompressFailed)),
            Poll::Ready(Err(PumpError::From | PumpError::Truncated)) => {
                return Poll::Ready(Err(Failure::ServerClosed));
            }
            Poll::Pending => {}
        }
        if let Poll::Ready(Err(failure)) = answered.poll_request(cx, connection, sending, &worker) {
            return Poll::Ready(Err(failure));
        }
        if connection.wire.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Failure::ClientGone));
        }
        let waits_for_client = answer.waits_for_receiver();
        let state = (answer.progress(), sending.progress(), waits_for_client);
        if progress != Some(state) {
            progress = Some(state);
            let step = if waits_for_client { connection.listener.timeout.write } else { route.timeout.idle };
            let point = connection.deadline.point(step);
            connection.deadline.arm_at(answered.total.map_or(point, |total| total.min(point)));
        }
        if worker.is_cutting() {
            return Poll::Ready(Err(Failure::Stopping));
        }
        if pace.is_too_slow(&connection.listener, &connection.deadline, answer.written(), waits_for_client) {
            return Poll::Ready(Err(Failure::ClientStalled));
        }
        connection
            .deadline
            .poll_struck(cx)
            .map(|_| Err(if waits_for_client { Failure::ClientStalled } else { Failure::ServerStalled }))
    })
    .await
}
