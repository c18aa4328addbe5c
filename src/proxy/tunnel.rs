//! An upgraded stream: bytes both ways until one side ends it, it idles out, or an operator closes it.
//!
//! A WebSocket is followed frame by frame (`manners`, `websocket`): it is closed by a frame at a boundary, and
//! every other stream is cut. Holds its lease on the server and its own clocks, never the snapshot or the route. Owns no buffer
//! while both sides are silent: 1.5 KiB of user memory for each idle stream in the prototype, against 17.5
//! with two fixed buffers.

mod flow;
mod manners;

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::access_log::Carried;
use super::buffer::Buffer;
use super::deadline::{Deadline, TICK};
use super::pump::Sink as _;
use super::stream::Stream;
use super::websocket::compose::{self, GOING_AWAY};
use super::websocket::follow::Place;
use super::wire::Wire;
use super::worker::Worker;
use crate::pool::{Closing, SessionLease, Traffic, WebSocketPolicy};
use flow::{Broke, Flow};
use manners::Manners;

/// A stream whose one side ended may linger this long for the other's end.
const HALF_CLOSED: Duration = Duration::from_secs(30);

/// The clocks of an upgraded stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TunnelClocks {
    /// Without bytes either way.
    pub(crate) idle: Option<Duration>,
    /// In all.
    pub(crate) max: Option<Duration>,
}

/// How a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TunnelEnd {
    /// The client ended it.
    Client,
    /// The server ended it.
    Server,
    /// No bytes for too long.
    Idle,
    /// It reached its age.
    MaxAge,
    /// An operator, a deadline of a drain, or a shutdown.
    Closed,
    /// It did not answer a ping.
    Deaf,
    /// A stream broke.
    Broken,
}

impl TunnelEnd {
    /// A word for the access log.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Client => "client-closed",
            Self::Server => "server-closed",
            Self::Idle => "tunnel-idle",
            Self::MaxAge => "tunnel-max",
            Self::Closed => "closed-by-operator",
            Self::Deaf => "ping-unanswered",
            Self::Broken => "connection-broken",
        }
    }
}

/// An upgraded stream, both sides.
#[derive(Debug)]
pub(crate) struct Tunnel {
    client: Wire,
    server: Stream,
    session: SessionLease,
    clocks: TunnelClocks,
    up: Flow,
    down: Flow,
    /// For a WebSocket.
    manners: Option<Box<Manners>>,
    ended_by: Option<TunnelEnd>,
    /// Who closed first, and with which code.
    first_close: Option<(&'static str, Option<u16>)>,
    /// What had moved when the clocks were last set.
    seen: Option<(u64, u64, Option<TunnelEnd>)>,
    idle_at: Option<u64>,
}

impl Tunnel {
    /// Joins two streams; `from_client` and `from_server` were read already and go first.
    pub(crate) fn new(
        client: (Wire, Option<Buffer>),
        server: (Stream, Option<Buffer>),
        session: SessionLease,
        clocks: TunnelClocks,
    ) -> Self {
        Self {
            client: client.0,
            server: server.0,
            session,
            clocks,
            up: Flow::new(client.1),
            down: Flow::new(server.1),
            manners: None,
            ended_by: None,
            first_close: None,
            seen: None,
            idle_at: None,
        }
    }

    /// The stream is a WebSocket: its frames are followed.
    pub(crate) fn following_frames(mut self, policy: WebSocketPolicy) -> Self {
        self.manners = Some(Box::new(Manners::new(policy, &mut self.up, &mut self.down)));
        self
    }

    /// What it has carried so far, and who closed it.
    pub(crate) fn carried(&self) -> Carried {
        let messages = |flow: &Flow| flow.follow.as_ref().map(|follow| follow.frames().messages());
        let (closed_by, close_code) = match self.first_close {
            Some((by, code)) => (Some(by), code),
            None => (None, None),
        };
        Carried {
            bytes: (self.up.moved, self.down.moved),
            messages: messages(&self.up).zip(messages(&self.down)),
            closed_by,
            close_code,
        }
    }

    /// Moves bytes to the end, and says each time that `every` has passed what was carried until then.
    pub(crate) async fn run_telling(
        &mut self,
        worker: &Rc<Worker>,
        every: Duration,
        mut tell: impl FnMut(Carried),
    ) -> TunnelEnd {
        let mut bell = tokio::time::interval(every.max(TICK));
        bell.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        bell.reset();
        let carried = Cell::new(self.carried());
        let seen = &carried;
        let mut run = std::pin::pin!(self.run_noting(worker, |tunnel| seen.set(tunnel.carried())));
        loop {
            tokio::select! {
                biased;
                end = &mut run => return end,
                _ = bell.tick() => tell(carried.get()),
            }
        }
    }

    /// Moves bytes to the end.
    pub(crate) async fn run(&mut self, worker: &Rc<Worker>) -> TunnelEnd {
        self.run_noting(worker, |_| {}).await
    }

    /// The same; `note` has a look whenever all was carried that there was.
    async fn run_noting(&mut self, worker: &Rc<Worker>, note: impl Fn(&Self)) -> TunnelEnd {
        let deadline = worker.deadlines.register();
        let age = self.clocks.max.map(|max| deadline.point(max));
        let session = Arc::clone(self.session.session());
        let mut asked = std::pin::pin!(session.closed_by_operator());
        let mut listening: Option<Waker> = None;
        let mut order: Option<&Closing> = None;
        poll_fn(|cx| {
            if listening.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                // Whoever gives one wakes this task: a look is enough, where asking again takes a lock.
                order = session.closing();
            } else if order.is_none() {
                match asked.as_mut().poll(cx) {
                    Poll::Ready(closing) => order = Some(closing),
                    Poll::Pending => listening = Some(cx.waker().clone()),
                }
            }
            loop {
                match self.turn(cx, worker, &deadline, age, order) {
                    Ok(true) => {}
                    Ok(false) => {
                        note(self);
                        return Poll::Pending;
                    }
                    Err(end) => {
                        // An orderly end of the client's stream, as far as it costs no waiting.
                        if !self.down.shut {
                            let _ = self.client.poll_shutdown(cx);
                        }
                        return Poll::Ready(end);
                    }
                }
            }
        })
        .await
    }

    /// Moves what moves and looks at the clocks. True: there may be more to do at once.
    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        worker: &Worker,
        clock: &Deadline,
        age: Option<u64>,
        order: Option<&Closing>,
    ) -> Result<bool, TunnelEnd> {
        let over = self.flow(cx, worker)?;
        self.note_end();
        let state = (self.up.moved, self.down.moved, self.ended_by);
        if self.seen != Some(state) {
            self.seen = Some(state);
            self.count(worker);
            self.set_clocks(clock);
        }
        if over {
            return Err(self.ended_by.unwrap_or(TunnelEnd::Broken));
        }
        if worker.is_cutting() {
            self.last_word(cx, worker);
            return Err(TunnelEnd::Closed);
        }
        let mut again = false;
        if let Some(order) = order {
            again |= self.close(clock, order.code, &order.reason, TunnelEnd::Closed)?;
        }
        if let Some(manners) = &mut self.manners {
            again |= manners.turn(&mut self.up, &mut self.down, clock)?;
        }
        if again {
            return Ok(true);
        }
        self.arm(clock, age);
        if clock.poll_struck(cx).is_pending() {
            return Ok(false);
        }
        self.struck(clock, age)
    }

    /// Both directions; whether both are over.
    fn flow(&mut self, cx: &mut Context<'_>, worker: &Worker) -> Result<bool, TunnelEnd> {
        let broken = self.ended_by.unwrap_or(TunnelEnd::Broken);
        let mut up = self.up.poll(cx, &mut self.client, &mut self.server, worker);
        if up == Poll::Ready(Err(Broke::To)) && self.manners.is_some() {
            // What the server had sent before it broke is still to come, and so is a word to the client.
            self.up.give_up_receiver();
            up = self.up.poll(cx, &mut self.client, &mut self.server, worker);
        }
        let mut down = self.down.poll(cx, &mut self.server, &mut self.client, worker);
        if down == Poll::Ready(Err(Broke::From)) && self.manners.is_some() {
            self.down.end();
            down = self.down.poll(cx, &mut self.server, &mut self.client, worker);
        }
        match (up, down) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => Err(broken),
            (up, down) => Ok(up.is_ready() && down.is_ready()),
        }
    }

    /// Begins to close in order, or ends what cannot be closed so. True when that is news.
    fn close(
        &mut self,
        clock: &Deadline,
        code: u16,
        reason: &Arc<str>,
        end: TunnelEnd,
    ) -> Result<bool, TunnelEnd> {
        let Some(manners) = &mut self.manners else { return Err(end) };
        if manners.is_closing() {
            return Ok(false);
        }
        match manners.close(&mut self.up, &mut self.down, clock, (code, reason, end)) {
            true => Ok(true),
            false => Err(end),
        }
    }

    /// The process ends: the client is told, if that takes no time.
    fn last_word(&mut self, cx: &mut Context<'_>, worker: &Worker) {
        if let Some(follow) = self.down.follow.as_mut().filter(|follow| follow.takes_frame_now()) {
            follow.close(compose::close(GOING_AWAY, "", None), Place::Frame);
            let _ = self.down.poll(cx, &mut self.server, &mut self.client, worker);
        }
    }

    /// A clock struck.
    fn struck(&mut self, clock: &Deadline, age: Option<u64>) -> Result<bool, TunnelEnd> {
        if let Some(manners) = &mut self.manners
            && manners.struck(&mut self.up, &mut self.down, clock)?
        {
            return Ok(true);
        }
        let aged = age.is_some_and(|point| clock.has_passed(point));
        if !aged && !self.idle_at.is_some_and(|point| clock.has_passed(point)) {
            return Ok(true);
        }
        if let Some(end) = self.ended_by {
            return Err(end);
        }
        let (end, reason) = if aged {
            (TunnelEnd::MaxAge, "open for too long")
        } else {
            (TunnelEnd::Idle, "idle for too long")
        };
        self.close(clock, GOING_AWAY, &reason.into(), end)
    }

    fn count(&mut self, worker: &Worker) {
        let messages = |flow: &Flow| flow.follow.as_ref().map_or(0, |follow| follow.frames().messages());
        let broken = |flow: &Flow| flow.follow.as_ref().is_some_and(|follow| follow.frames().is_broken());
        self.session.note(Traffic {
            bytes: (self.up.moved, self.down.moved),
            messages: (messages(&self.up), messages(&self.down)),
            opaque: broken(&self.up) || broken(&self.down),
            round_trip: self.manners.as_ref().and_then(|manners| manners.round_trip()),
            now: worker.unix_seconds(),
        });
    }

    fn note_end(&mut self) {
        if self.first_close.is_none() {
            let code = |flow: &Flow| flow.follow.as_ref().and_then(|follow| follow.frames().close());
            let ours = self.manners.as_ref().and_then(|manners| manners.own_code());
            self.first_close = match (ours, code(&self.up), code(&self.down)) {
                (Some(code), ..) => Some(("lbd", Some(code))),
                (_, Some(code), _) => Some(("client", Some(code))),
                (_, _, Some(code)) => Some(("server", Some(code))),
                _ if self.up.ended => Some(("client", None)),
                _ if self.down.ended => Some(("server", None)),
                _ => None,
            };
        }
        if self.ended_by.is_none() {
            self.ended_by = match (self.up.ended, self.down.ended) {
                (true, _) => Some(TunnelEnd::Client),
                (_, true) => Some(TunnelEnd::Server),
                _ => None,
            };
        }
    }

    /// Something happened: silence begins anew.
    fn set_clocks(&mut self, clock: &Deadline) {
        let half_closed = self.ended_by.map(|_| HALF_CLOSED);
        self.idle_at = sooner(half_closed, self.clocks.idle).map(|idle| clock.point(idle));
        if let Some(manners) = &mut self.manners {
            manners.moved(clock);
        }
    }

    fn arm(&self, clock: &Deadline, age: Option<u64>) {
        let manners = self.manners.as_ref().and_then(|manners| manners.due());
        let others = if self.is_closing() { None } else { sooner(self.idle_at, age) };
        match sooner(others, manners) {
            Some(point) => clock.arm_at(point),
            None => clock.disarm(),
        }
    }

    fn is_closing(&self) -> bool {
        self.manners.as_ref().is_some_and(|manners| manners.is_closing())
    }
}

/// The smaller of what there is. As a chain of iterators this was a quarter of the instructions of a small message.
fn sooner<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
