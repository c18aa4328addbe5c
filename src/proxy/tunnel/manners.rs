//! What a tunnel does beyond moving bytes when it carries a WebSocket: it closes in order, pings who is silent,
//! and tells the client when the server is gone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::deadline::Deadline;
use super::super::websocket::Sender;
use super::super::websocket::closing::{Act, Closing, Seen};
use super::super::websocket::compose::{self, GOING_AWAY};
use super::super::websocket::follow::{Follow, Place};
use super::TunnelEnd;
use super::flow::Flow;
use crate::pool::WebSocketPolicy;

/// One WebSocket's manners.
#[derive(Debug)]
pub(super) struct Manners {
    policy: WebSocketPolicy,
    closing: Option<Ending>,
    /// When both sides were last pinged, by the worker's clock.
    pinged_at: u64,
    /// What had moved when the last ping went out: a side that sent bytes since then is alive.
    pinged: (u64, u64),
    payload: [u8; 8],
    /// When the client was last pinged, until it answers.
    asked: Option<Instant>,
    /// How long its last answer took.
    round_trip: Option<Duration>,
}

/// A close that goes on.
#[derive(Debug)]
struct Ending {
    closing: Closing,
    until: u64,
    end: TunnelEnd,
    code: u16,
    reason: Arc<str>,
    /// One of the two began it: the end of the server's stream is the end.
    under_way: bool,
}

impl Manners {
    pub(super) fn new(policy: WebSocketPolicy, up: &mut Flow, down: &mut Flow) -> Self {
        up.follow = Some(Follow::new(Sender::Client));
        down.follow = Some(Follow::new(Sender::Server));
        down.hold_end = true;
        let payload = fastrand::u64(..).to_ne_bytes();
        Self { policy, closing: None, pinged_at: 0, pinged: (0, 0), payload, asked: None, round_trip: None }
    }

    /// How long the client took to answer the last ping of ours.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// Whether a close goes on.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// The code of a Close that was lbd's own idea.
    pub(super) fn own_code(&self) -> Option<u16> {
        self.closing.as_ref().filter(|ending| !ending.under_way).map(|ending| ending.code)
    }

    /// Begins to close, unless that has begun. False when the stream has no frames: it can only be cut.
    pub(super) fn close(
        &mut self,
        up: &mut Flow,
        down: &mut Flow,
        clock: &Deadline,
        how: (u16, &Arc<str>, TunnelEnd),
    ) -> bool {
        let (code, reason, end) = how;
        if self.closing.is_some() {
            return true;
        }
        let (Some(to_server), Some(to_client)) = (&mut up.follow, &mut down.follow) else { return false };
        let under_way = to_server.is_closed() || to_client.is_closed();
        if !under_way && !to_client.takes_frames() {
            return false;
        }
        let (closing, patience) = if under_way { Closing::under_way() } else { Closing::ask() };
        if !under_way {
            to_server.close(compose::close(GOING_AWAY, reason, compose::mask()), Place::Frame);
            to_client.replace_close(compose::close(code, reason, None));
        }
        let (until, reason) = (clock.point(patience), Arc::clone(reason));
        self.closing = Some(Ending { closing, until, end, code, reason, under_way });
        true
    }

    /// The server is gone, or says nothing more: the client is told, if that is possible. Who has sent its Close, or
    /// what is no frame, waits for the server's word or the end, and gets what the server gave: words of ours would
    /// hide that the server took offence.
    pub(super) fn lost(&mut self, up: &mut Flow, down: &mut Flow, clock: &Deadline, end: TunnelEnd) -> bool {
        let (Some(to_server), Some(to_client)) = (&mut up.follow, &mut down.follow) else { return false };
        let is_over = to_server.frames().close().is_some() || to_server.frames().is_broken();
        if self.closing.is_some() || is_over || !to_client.takes_frame_now() {
            return false;
        }
        to_server.silence();
        let (code, reason): (_, Arc<str>) = (self.policy.lost_code, "the server is gone".into());
        to_client.close(compose::close(code, &reason, None), Place::Frame);
        let (closing, patience) = Closing::lost();
        let until = clock.point(patience);
        self.closing = Some(Ending { closing, until, end, code, reason, under_way: false });
        true
    }

    /// Looks at both directions and does what is to be done; what the tunnel's end is, once it is.
    ///
    /// Says with `true` that bytes may move again.
    pub(super) fn turn(
        &mut self,
        up: &mut Flow,
        down: &mut Flow,
        clock: &Deadline,
    ) -> Result<bool, TunnelEnd> {
        if let Some(asked) = self.asked
            && up.follow.as_ref().is_some_and(|from_client| !from_client.owes_pong())
        {
            self.round_trip = Some(asked.elapsed());
            self.asked = None;
        }
        if self.closing.as_ref().is_none_or(|ending| ending.under_way) {
            return Ok(self.look_for_a_lost_server(up, down, clock));
        }
        let (Some(to_server), Some(to_client)) = (&up.follow, &mut down.follow) else { return Ok(false) };
        let Some(ending) = &mut self.closing else { return Ok(false) };
        let seen = Seen {
            server_closed: down.ended,
            client_told: to_client.is_closed(),
            client_closed: up.ended || to_server.frames().close().is_some(),
            due: clock.has_passed(ending.until),
        };
        match ending.closing.on(seen) {
            Act::Wait => Ok(false),
            Act::Clock(patience) => {
                ending.until = clock.point(patience);
                Ok(false)
            }
            Act::Tell(place, patience) => {
                ending.until = clock.point(patience);
                to_client.close(compose::close(ending.code, &ending.reason, None), place);
                Ok(true)
            }
            Act::Finish => Err(ending.end),
        }
    }

    /// A server's stream that ended without a Close is news to the client.
    fn look_for_a_lost_server(&mut self, up: &mut Flow, down: &mut Flow, clock: &Deadline) -> bool {
        if !down.ended || !down.hold_end {
            return false;
        }
        let told = down.follow.as_ref().is_none_or(|to_client| !to_client.takes_frame_now());
        if !up.ended && !told && self.lost(up, down, clock, TunnelEnd::Server) {
            return true;
        }
        down.hold_end = false;
        true
    }

    /// When both sides have been silent for long enough to be pinged: since `seen_at`, or the last ping.
    fn ping_at(&self, clock: &Deadline, seen_at: u64) -> Option<u64> {
        self.policy.ping.map(|silence| clock.point_from(seen_at.max(self.pinged_at), silence))
    }

    /// When it wants to be asked again, at the latest.
    pub(super) fn due(&self, clock: &Deadline, seen_at: u64) -> Option<u64> {
        match &self.closing {
            Some(ending) => Some(ending.until),
            None => self.ping_at(clock, seen_at),
        }
    }

    /// The clock struck: pings who is silent. What the tunnel's end is, when one owes the answer to the last ping.
    pub(super) fn struck(
        &mut self,
        up: &mut Flow,
        down: &mut Flow,
        clock: &Deadline,
        seen_at: u64,
    ) -> Result<bool, TunnelEnd> {
        if let Some(ending) = &self.closing {
            let late = ending.under_way && clock.has_passed(ending.until);
            return if late { Err(ending.end) } else { Ok(false) };
        }
        if !self.ping_at(clock, seen_at).is_some_and(|at| clock.has_passed(at)) {
            return Ok(false);
        }
        self.pinged_at = clock.now();
        let before = std::mem::replace(&mut self.pinged, (up.moved, down.moved));
        let (Some(to_server), Some(to_client)) = (&mut up.follow, &mut down.follow) else { return Ok(false) };
        if to_server.owes_pong() && up.moved == before.0 {
            return Err(TunnelEnd::Deaf);
        }
        if to_client.owes_pong() && down.moved == before.1 {
            return match self.lost(up, down, clock, TunnelEnd::Deaf) {
                true => Ok(true),
                false => Err(TunnelEnd::Deaf),
            };
        }
        // Each side's answer is looked for among what that side sends.
        if to_client.insert(compose::ping(self.payload, None), Place::Frame) {
            to_server.expect_pong(self.payload);
            self.asked = Some(Instant::now());
        }
        if to_server.insert(compose::ping(self.payload, compose::mask()), Place::Frame) {
            to_client.expect_pong(self.payload);
        }
        Ok(true)
    }
}
