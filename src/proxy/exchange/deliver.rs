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
use crate::proxy::http1::{ConnectionLine, Delivery, Names, ResponsePlan, append_list_value, write_response};
use crate::proxy::pace::Pace;
use crate::proxy::pump::{Pump, PumpError};
use crate::proxy::scratch::Scratch;
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
    let mut delivery = Delivery::of(&scratch.request, &scratch.response);
    let framing = scratch.response.framing_for(is_head, false);
    let coded = compress::run(&worker, route, scratch, &mut delivery);
    let keep = scratch.request.keep_alive()
        && !delivery.close
        && !connection.orphaned
        && !worker.is_draining()
        && answered.request.is_finished();
    let line = match (keep, scratch.request.version()) {
        (false, Version::Http10 | Version::Http11) => ConnectionLine::Close,
        (true, Version::Http10) => ConnectionLine::KeepAlive,
        (true, Version::Http11) | (_, Version::Http2) => ConnectionLine::None,
    };
    let own = (&*pool.pool, &**lease.server(), &***route);
    let Scratch { response, response_lines, .. } = &mut **scratch;
    let replaced =
        stickiness::settle(own, set_cookie, response, (story, worker.unix_seconds()), response_lines);
    let lines = (&delivery, line, answered.server.wire.via());
    write_head(scratch, route, lines, replaced.with(coded.drop), worker.date());
    let first_byte = story.began.elapsed();
    story.first_byte = Some(first_byte);
    story.status = scratch.response.status();
    story.count_answer(&pool.pool.counters, &lease.counters, worker.index);
    let mut out = std::mem::take(&mut scratch.to_client);
    connection.wire.begin(&mut out).map_err(|_| Failure::ClientGone)?;
    let framed = connection.wire.answer_framing(delivery.chunked);
    let decoder = answered.server.wire.answer_decoder(framing);
    let mut answer = Pump::new(decoder, framed, out, answered.input.take()).encoded(coded.encoder);
    let ended = pump_both(connection, &mut answered, &mut answer, route).await;
    story.bytes_in = answered.request.moved();
    story.bytes_out = answer.delivered();
    pool.pool.counters.shard(worker.index).bytes(story.bytes_in, story.bytes_out);
    let leftover = answer.take_input();
    scratch.to_client = answer.into_out();
    let finished = answered.request.is_finished();
    if finished && connection.input.is_none() {
        connection.input = answered.request.take_input();
    }
    let Answered { server, request, broken, .. } = answered;
    scratch.to_server = request.into_out();
    ended?;
    let clean = leftover.is_none() && finished && !broken;
    if clean && scratch.response.keep_alive() && framing != ResponseFraming::Close && !worker.is_draining() {
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
    (delivery, line, via): (&Delivery, ConnectionLine, &[u8]),
    replaced: KnownSet,
    date: [u8; 29],
) {
    let Scratch { response, to_client, response_lines, .. } = scratch;
    if response.get_known(Known::Date).is_none() {
        // RFC 9110, section 6.6.1: who has a clock adds what the server left out.
        response_lines.extend_from_slice(b"Date: ");
        response_lines.extend_from_slice(&date);
        response_lines.extend_from_slice(b"\r\n");
    }
    append_list_value("Via", response.all_known(Known::Via), via, response_lines);
    to_client.clear();
    write_response(
        response,
        &ResponsePlan {
            drop_known: KnownSet::of(&[Known::Via]).with(replaced),
            drop: Names::Shared(&route.response_drop),
            framing: delivery.framing,
            connection: line,
            extra: response_lines,
        },
        to_client,
    );
}

/// Moves the answer, and what is left of the request, until the answer is out.
async fn pump_both(
    connection: &mut ClientConnection,
    answered: &mut Answered,
    answer: &mut Pump,
    route: &RouteSnap,
) -> Result<(), Failure> {
    let worker = Rc::clone(&connection.worker);
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
        if let Poll::Ready(Err(failure)) = answered.poll_request(cx, connection, &worker) {
            return Poll::Ready(Err(failure));
        }
        if connection.wire.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Failure::ClientGone));
        }
        let waits_for_client = answer.waits_for_receiver();
        let state = (answer.progress(), answered.request.progress(), waits_for_client);
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
