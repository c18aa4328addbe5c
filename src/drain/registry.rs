//! The drains that go on and those that ended lately.

use super::machine::Phase;
use super::operation::{Cause, Operation, Progress, lock};
use super::rebalance::{Move, Part};
use crate::observe::Events;
use crate::pool::{
    Choice, CloseOrder, Closing, DrainPolicy, DrainSticky, DrainTerms, Pacing, Rate, Server, Stamp, Wish,
};
use serde_json::json;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;
use tracing::info;

/// How often drains are stepped.
const STEP: Duration = Duration::from_millis(100);
/// How many drains are remembered, those that go on included.
const KEPT: usize = 256;

/// Every drain.
#[derive(Debug)]
pub struct Drains {
    state: Mutex<State>,
    wake: Notify,
    events: Arc<Events>,
}

/// What a drain is asked to do.
#[derive(Clone, Debug)]
pub struct DrainAsk {
    /// After this the rest is cut.
    pub deadline: Option<Duration>,
    /// What sticky clients do.
    pub sticky: DrainSticky,
    /// How WebSockets are closed, and when the server comes back.
    pub terms: DrainTerms,
    /// Who asks.
    pub actor: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl From<&DrainPolicy> for DrainAsk {
    fn from(policy: &DrainPolicy) -> Self {
        Self {
            deadline: Some(policy.deadline),
            sticky: policy.sticky,
            terms: DrainTerms {
                pacing: Some(Pacing { rate: policy.close_rate, order: CloseOrder::default() }),
                only: Choice::default(),
                close_code: policy.close_code,
                paused: false,
                until: None,
            },
            actor: None,
            reason: None,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    operations: VecDeque<Arc<Operation>>,
    moves: Vec<Move>,
    last: u64,
}

impl State {
    /// The drain of this server that goes on.
    fn running(&self, server: &Arc<Server>, cause: Cause) -> Option<Arc<Operation>> {
        let is =
            |one: &&Arc<Operation>| Arc::ptr_eq(&one.server, server) && one.cause == cause && !one.is_over();
        self.operations.iter().find(is).cloned()
    }
}

impl Drains {
    /// None yet.
    pub fn new(events: Arc<Events>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), wake: Notify::new(), events })
    }

    /// Begins to empty a server that the running configuration no longer names, unless that has begun. Its admin
    /// cell is left alone: it belongs to the name, which may live on at another address.
    pub fn let_go(&self, server: &Arc<Server>, policy: &DrainPolicy, reason: &str) -> Arc<Operation> {
        let ask = DrainAsk { reason: Some(reason.to_owned()), ..DrainAsk::from(policy) };
        self.enter(server, ask, Cause::Removed)
    }

    /// Sets the server's wish to drain and begins to watch it; a drain of that server which goes on already takes
    /// the new parameters instead, and stays paused if it was.
    pub fn begin(&self, server: &Arc<Server>, mut ask: DrainAsk) -> Arc<Operation> {
        let running = lock(&self.state).running(server, Cause::Asked);
        ask.terms.paused = running.is_some_and(|running| running.progress().paused);
        let deadline = ask.deadline.and_then(|span| SystemTime::now().checked_add(span));
        let stamp = Stamp::now(ask.actor.clone(), ask.reason.clone());
        server.admin.set_drain(ask.sticky, deadline, ask.terms.clone(), stamp);
        self.enter(server, ask, Cause::Asked)
    }

    /// Takes up a drain that was wished before this process began, on its own terms or, where none were written,
    /// on those of the pool; `None` when none is wished.
    pub fn resume(&self, server: &Arc<Server>, policy: &DrainPolicy) -> Option<Arc<Operation>> {
        let state = server.admin.get();
        let Wish::Drain { sticky, deadline } = state.wish else { return None };
        let deadline = deadline.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
        let stamp = state.stamp;
        let actor = stamp.as_ref().and_then(|stamp| stamp.by.clone());
        let reason = stamp.and_then(|stamp| stamp.reason);
        let ask = DrainAsk { deadline, sticky, actor, reason, ..DrainAsk::from(policy) };
        let ask = DrainAsk { terms: state.terms.unwrap_or(ask.terms), ..ask };
        let paused = ask.terms.paused;
        let operation = self.enter(server, ask, Cause::Asked);
        if paused {
            operation.await_return();
        }
        Some(operation)
    }

    fn enter(&self, server: &Arc<Server>, ask: DrainAsk, cause: Cause) -> Arc<Operation> {
        let deadline = ask.deadline.and_then(|span| SystemTime::now().checked_add(span));
        let mut state = lock(&self.state);
        let operation = match state.running(server, cause) {
            // It was let go by an earlier reload: its time runs since then.
            Some(running) if cause == Cause::Removed => running,
            Some(running) => {
                running.change(ask, deadline);
                running
            }
            None => {
                // What an earlier drain promised is void.
                let earlier = state.operations.iter().filter(|one| Arc::ptr_eq(&one.server, server));
                earlier.for_each(|one| one.forget_return());
                state.last += 1;
                let operation = Arc::new(Operation::new(state.last, server, cause, ask, deadline));
                state.operations.push_back(Arc::clone(&operation));
                operation
            }
        };
        if state.operations.len() > KEPT
            && let Some(ended) = state.operations.iter().position(|one| one.is_over() && !one.returns())
        {
            state.operations.remove(ended);
        }
        drop(state);
        self.wake.notify_one();
        operation
    }

    /// Brings the server of a drain back. `None`: it has ended, or the server has no place to come back to.
    pub fn cancel(&self, operation: &Operation, stamp: Stamp) -> Option<Progress> {
        if operation.is_over() || operation.cause == Cause::Removed {
            return None;
        }
        operation.server.admin.set(Wish::Ready, stamp);
        operation.cancel();
        self.step(operation, Instant::now());
        Some(operation.progress())
    }

    /// Closes nobody for now, or goes on. `None`: it has ended.
    pub fn pause(&self, operation: &Operation, paused: bool) -> Option<Progress> {
        if operation.is_over() {
            return None;
        }
        operation.pause(paused);
        self.step(operation, Instant::now());
        self.wake.notify_one();
        Some(operation.progress())
    }

    /// Moves the surplus of these servers of one pool; an earlier rebalance of that pool ends.
    pub fn rebalance(&self, pool: &str, parts: &[Part], rate: Rate, closing: &Closing) {
        let moves = Move::all(parts, rate, closing, Instant::now());
        let mut state = lock(&self.state);
        state.moves.retain(|part| !part.is_of(pool));
        state.moves.extend(moves);
        drop(state);
        self.wake.notify_one();
    }

    /// All that are remembered, oldest first.
    pub fn list(&self) -> Vec<Arc<Operation>> {
        lock(&self.state).operations.iter().cloned().collect()
    }

    /// Those that go on, or whose server comes back by itself.
    pub fn active(&self) -> Vec<Arc<Operation>> {
        let mut all = self.list();
        all.retain(|operation| !operation.is_over() || operation.returns());
        all
    }

    /// One of them.
    pub fn get(&self, id: u64) -> Option<Arc<Operation>> {
        lock(&self.state).operations.iter().find(|operation| operation.id == id).cloned()
    }

    /// Steps every drain until the daemon ends. Costs nothing while none goes on.
    pub async fn run(self: Arc<Self>) {
        loop {
            let active = self.active();
            let moving = !lock(&self.state).moves.is_empty();
            if active.is_empty() && !moving {
                self.wake.notified().await;
                continue;
            }
            let now = Instant::now();
            let mut next = now + STEP;
            for operation in active {
                self.step(&operation, now);
                next = operation.next_close().into_iter().fold(next, Instant::min);
            }
            lock(&self.state).moves.retain_mut(|part| {
                let goes_on = part.step(now);
                next = part.next().filter(|_| goes_on).into_iter().fold(next, Instant::min);
                goes_on
            });
            // A drain that begins meanwhile may have its first moment sooner.
            let _ = tokio::time::timeout_at(next.into(), self.wake.notified()).await;
        }
    }

    /// One step of one drain. Public for tests of whoever waits for it.
    pub fn step(&self, operation: &Operation, now: Instant) {
        if operation.bring_back_in_time() {
            let subject = format!("{}/{}", operation.server.pool, operation.server.name);
            info!(server = subject, "its time has come: the server serves again");
            self.events.emit("server.ready", subject, json!({ "operation": operation.id }), None);
        }
        let before = operation.progress().phase;
        let after = operation.step(now);
        if before == after.phase {
            return;
        }
        let subject = format!("{}/{}", operation.server.pool, operation.server.name);
        let kind = match after.phase {
            Phase::Settling => return,
            Phase::InFlight => "drain.waiting",
            Phase::Closing => "drain.closing",
            Phase::Drained => "drain.done",
            Phase::Forced => "drain.forced",
            Phase::Cancelled => "drain.cancelled",
        };
        let (requests, sessions) = (after.requests, after.sessions);
        info!(server = subject, requests, sessions, closed = after.closed, forced = after.forced, "{kind}");
        let facts = json!({
            "operation": operation.id,
            "requests": requests,
            "sessions": sessions,
            "closed": after.closed,
            "forced": after.forced,
        });
        self.events.emit(kind, subject, facts, after.actor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{SessionKind, testing};

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn drains() -> Arc<Drains> {
        Drains::new(Events::new())
    }

    fn asked(until: Option<SystemTime>) -> DrainAsk {
        let rate = Rate { count: 7, per: Duration::from_secs(60) };
        let pacing = Some(Pacing { rate, order: CloseOrder::Newest });
        let terms = DrainTerms {
            pacing,
            only: Choice { from: Some("127.0.0.0/8".parse().unwrap()), ..Choice::default() },
            close_code: 4100,
            paused: false,
            until,
        };
        DrainAsk { terms, deadline: Some(DAY), ..DrainAsk::from(&DrainPolicy::default()) }
    }

    /// What another process makes of the wish for `server`, through the text of the file.
    fn restarted(server: &Arc<Server>) -> (Arc<Server>, Arc<Drains>, Option<Arc<Operation>>) {
        let saved = serde_json::to_string(&server.admin.get()).unwrap();
        let (again, drains) = (testing::server("a"), drains());
        again.admin.restore(serde_json::from_str(&saved).unwrap());
        let operation = drains.resume(&again, &DrainPolicy::default());
        (again, drains, operation)
    }

    #[test]
    fn a_drain_goes_on_after_a_restart_as_it_was_asked_for() {
        let (server, before) = (testing::server("a"), drains());
        let until = Some(SystemTime::now() + 2 * DAY);
        let operation = before.begin(&server, asked(until));
        before.pause(&operation, true).unwrap();
        let was = operation.progress();
        assert!(was.paused);
        let (again, after, operation) = restarted(&server);
        let client = "127.0.0.1:4711".parse().unwrap();
        let session = again.begin().into_session(SessionKind::WebSocket, client);
        let operation = operation.expect("a drain is wished");
        let now = operation.progress();
        let terms = |one: &Progress| (one.pacing, one.only.clone(), one.paused, one.until);
        assert_eq!(terms(&now), terms(&was));
        let moved = now.deadline.unwrap().duration_since(was.deadline.unwrap()).unwrap_or_default();
        assert!(moved < Duration::from_secs(1), "the deadline is a moment, not a span: {moved:?}");
        let later = Instant::now() + Duration::from_secs(60);
        after.step(&operation, later);
        assert!(session.session().closing().is_none(), "it is paused");
        after.pause(&operation, false);
        after.step(&operation, later);
        assert_eq!(session.session().closing().map(|closing| closing.code), Some(4100));
        assert!(!again.admin.get().terms.unwrap().paused);
    }

    #[test]
    fn a_paused_drain_goes_on_when_nobody_is_back_yet() {
        let (server, before) = (testing::server("a"), drains());
        let _request = server.begin();
        before.pause(&before.begin(&server, asked(None)), true).unwrap();
        let (_again, after, operation) = restarted(&server);
        let operation = operation.expect("a drain is wished");
        after.step(&operation, Instant::now() + Duration::from_secs(60));
        assert_eq!(operation.progress().phase, Phase::InFlight);
        after.pause(&operation, false).expect("it goes on");
        after.step(&operation, Instant::now() + Duration::from_secs(61));
        assert_eq!(operation.progress().phase, Phase::Drained);
    }

    #[test]
    fn a_time_that_passed_meanwhile_brings_the_server_back() {
        let server = testing::server("a");
        drains().begin(&server, asked(Some(SystemTime::now() - DAY)));
        let (again, after, operation) = restarted(&server);
        after.step(&operation.expect("it was wished until now"), Instant::now());
        assert_eq!(again.admin.get().wish, Wish::Ready);
        assert_eq!(again.admin.get().terms, None);
    }

    #[test]
    fn a_wish_of_an_older_file_goes_on_as_the_pool_says() {
        let (server, policy) = (testing::server("a"), DrainPolicy::default());
        let saved = r#"{"state":"drain","sticky":"move","deadline":null,"stamp":null,"weight":null,"weight_stamp":null}"#;
        server.admin.restore(serde_json::from_str(saved).unwrap());
        let now = drains().resume(&server, &policy).expect("a drain").progress();
        assert_eq!((now.pacing.unwrap().rate, now.paused, now.until), (policy.close_rate, false, None));
    }

    #[test]
    fn another_drain_of_a_paused_one_stays_paused_and_a_new_one_is_not() {
        let (server, drains) = (testing::server("a"), drains());
        let _request = server.begin();
        let operation = drains.begin(&server, asked(None));
        drains.pause(&operation, true).unwrap();
        assert!(drains.begin(&server, asked(None)).progress().paused);
        drains.cancel(&operation, Stamp::now(None, None)).unwrap();
        assert!(!drains.begin(&server, asked(None)).progress().paused);
    }
}
