//! Who is closed next: sessions of one server that are to leave it, in an order, at a rate.

use super::pacer::Pacer;
use crate::pool::{Choice, CloseOrder, Closing, Pacing, Server, Session, SessionKind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// How long an order holds: who fell silent since then comes to its turn.
const FRESH: Duration = Duration::from_secs(1);

/// Closes the WebSockets of one server, or some of them.
#[derive(Debug)]
pub struct Leaving {
    pacing: Pacing,
    only: Choice,
    pacer: Pacer,
    next: VecDeque<Arc<Session>>,
    listed: Option<Instant>,
    /// There was nobody left to close.
    idle: bool,
    asked: u64,
}

impl Leaving {
    /// From now on; only those that are chosen.
    pub fn new(pacing: Pacing, only: Choice, now: Instant) -> Self {
        let pacer = Pacer::new(pacing.rate, now, fastrand::f64());
        Self { pacing, only, pacer, next: VecDeque::new(), listed: None, idle: false, asked: 0 }
    }

    /// Another order, rate or choice from now on.
    pub fn set(&mut self, pacing: Pacing, only: Choice, now: Instant) {
        self.pacer.set_rate(pacing.rate, now);
        self.pacing = pacing;
        self.only = only;
        self.listed = None;
    }

    /// Asks as many to close as may be closed now, but no more than `most` of them; `before` sees each first.
    pub fn close_some(
        &mut self,
        server: &Server,
        closing: &Closing,
        now: Instant,
        most: u64,
        mut before: impl FnMut(&Session),
    ) {
        if self.idle || self.listed.is_none() {
            self.pacer.skip(now);
        }
        self.idle = false;
        for _ in 0..most {
            if now < self.pacer.next() {
                return;
            }
            let Some(session) = self.candidate(server, now) else {
                self.idle = true;
                return;
            };
            if self.pacer.take(now, fastrand::f64()) {
                before(&session);
                self.asked += u64::from(session.close(closing.clone()));
            }
        }
    }

    /// How many were asked.
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// When the next may be; perhaps a moment that has passed. `None`: nobody was left to close.
    pub fn next(&self) -> Option<Instant> {
        (!self.idle).then(|| self.pacer.next())
    }

    fn candidate(&mut self, server: &Server, now: Instant) -> Option<Arc<Session>> {
        let stale = self.listed.is_none_or(|listed| now.saturating_duration_since(listed) >= FRESH);
        if stale {
            self.listed = Some(now);
            self.next = in_order(server.sessions.list(), &self.only, self.pacing.order).into();
        }
        let stays =
            |session: &Arc<Session>| session.closing().is_none() && server.sessions.get(session.id).is_some();
        std::iter::from_fn(|| self.next.pop_front()).find(stays)
    }
}

/// The chosen WebSockets among these that nobody asked to close, the first to leave first.
fn in_order(mut sessions: Vec<Arc<Session>>, only: &Choice, order: CloseOrder) -> Vec<Arc<Session>> {
    let now = SystemTime::now();
    sessions.retain(|session| {
        session.kind == SessionKind::WebSocket && session.closing().is_none() && only.takes(session, now)
    });
    match order {
        CloseOrder::Idle => sessions.sort_by_key(|session| (session.last_active(), session.id)),
        CloseOrder::Oldest => sessions.sort_by_key(|session| session.id),
        CloseOrder::Newest => sessions.sort_by_key(|session| std::cmp::Reverse(session.id)),
    }
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::{Rate, SessionLease, Traffic, testing};

    fn sessions(server: &Arc<Server>, active: &[u64]) -> Vec<SessionLease> {
        let open = |now: &u64| {
            let lease =
                server.begin().into_session(SessionKind::WebSocket, "127.0.0.1:4711".parse().unwrap());
            lease.note(Traffic { now: *now, ..Traffic::default() });
            lease
        };
        active.iter().map(open).collect()
    }

    #[test]
    fn the_order_is_what_was_asked_for() {
        let check = |order, expected: &[usize]| {
            let server = testing::server("a");
            let all = sessions(&server, &[30, 10, 20, 10]);
            let ordered = in_order(server.sessions.list(), &Choice::default(), order);
            let found: Vec<usize> = ordered
                .iter()
                .map(|one| all.iter().position(|lease| lease.session().id == one.id).expect("one of them"))
                .collect();
            assert_eq!(found, expected, "{order:?}");
        };
        check(CloseOrder::Idle, &[1, 3, 2, 0]);
        check(CloseOrder::Oldest, &[0, 1, 2, 3]);
        check(CloseOrder::Newest, &[3, 2, 1, 0]);
    }

    #[test]
    fn only_those_that_are_chosen_leave() {
        let server = testing::server("a");
        let at = |client: &str| server.begin().into_session(SessionKind::WebSocket, client.parse().unwrap());
        let all = [at("10.0.0.1:1"), at("192.0.2.1:1"), at("10.9.9.9:1")];
        let only = Choice { from: Some("10.0.0.0/8".parse().unwrap()), ..Choice::default() };
        let rate = Rate { count: 1000, per: Duration::from_secs(1) };
        let start = Instant::now();
        let mut leaving = Leaving::new(Pacing { rate, order: CloseOrder::Idle }, only, start);
        let closing = Closing { code: 1012, reason: "x".into() };
        for second in 1..=20 {
            let now = start + Duration::from_secs(second);
            leaving.close_some(&server, &closing, now, u64::MAX, |_| {});
        }
        let asked = all.each_ref().map(|lease| lease.session().closing().is_some());
        assert_eq!((asked, leaving.asked()), ([true, false, true], 2));
    }

    #[test]
    fn they_are_asked_one_by_one_and_only_websockets() {
        let server = testing::server("a");
        let tunnel = server.begin().into_session(SessionKind::Tunnel, "127.0.0.1:4711".parse().unwrap());
        let all = sessions(&server, &[1; 10]);
        let start = Instant::now();
        let rate = Rate { count: 10, per: Duration::from_secs(1) };
        let mut leaving = Leaving::new(Pacing { rate, order: CloseOrder::Oldest }, Choice::default(), start);
        let closing = Closing { code: 1012, reason: "x".into() };
        let asked = || all.iter().filter(|lease| lease.session().closing().is_some()).count();
        for millis in 0..=450 {
            leaving.close_some(&server, &closing, start + Duration::from_millis(millis), u64::MAX, |_| {});
        }
        assert!((3..=5).contains(&asked()), "{}", asked());
        for millis in 450..3000 {
            leaving.close_some(&server, &closing, start + Duration::from_millis(millis), 1, |_| {});
        }
        assert_eq!((asked(), leaving.asked()), (10, 10));
        assert!(tunnel.session().closing().is_none(), "it could only be cut");
    }
}
