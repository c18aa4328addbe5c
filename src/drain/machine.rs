//! Where a drain stands. Pure: what the server holds and the time go in, what to do comes out.
//!
//! `settling → in-flight → closing → drained`: requests have a while to finish, then WebSockets are closed at a
//! rate. At the deadline all that is left is closed at once: `forced`. An operator who brings the server back ends
//! it as `cancelled`.

use std::time::{Duration, Instant};

/// Workers that picked the server just before the drain began show up within this time.
const SETTLE: Duration = Duration::from_millis(200);
/// Requests in flight may finish for this long before the first session is closed.
const REQUESTS_FIRST: Duration = Duration::from_secs(5);
/// After the deadline: a WebSocket that is closed in order ends within this time.
const GRACE: Duration = Duration::from_secs(12);

/// Where a drain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Workers take notice.
    Settling,
    /// Requests or sessions are left; nothing is closed.
    InFlight,
    /// Sessions are being closed: at a rate, or all of them, at the deadline.
    Closing,
    /// Nothing is left and nothing was cut.
    Drained,
    /// The deadline came and something was cut, or would not end.
    Forced,
    /// Someone brought the server back.
    Cancelled,
}

impl Phase {
    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Drained | Self::Forced | Self::Cancelled)
    }
}

/// What is seen of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests in flight.
    pub requests: u64,
    /// Long-lived streams.
    pub sessions: u64,
    /// The operator wants it to serve again.
    pub wanted: bool,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Wait,
    /// Close sessions as fast as the rate allows.
    Pace,
    /// Ask every session to close, and let nobody new in; report the number to [`Machine::forced`].
    CloseSessions,
}

/// One drain.
#[derive(Clone, Debug)]
pub struct Machine {
    phase: Phase,
    settled: Instant,
    deadline: Option<Instant>,
    cut: Option<Instant>,
    paced: bool,
    held: bool,
    sessions: u64,
    closed: u64,
    forced: u64,
}

impl Machine {
    /// A drain that begins now.
    pub fn new(now: Instant, deadline: Option<Duration>, sessions: u64) -> Self {
        Self {
            phase: Phase::Settling,
            settled: now + SETTLE,
            deadline: deadline.and_then(|span| now.checked_add(span)),
            cut: None,
            paced: false,
            held: false,
            sessions,
            closed: 0,
            forced: 0,
        }
    }

    /// Another deadline, counted from now. A drain that is already closing goes on closing.
    pub fn set_deadline(&mut self, now: Instant, deadline: Option<Duration>) {
        self.deadline = deadline.and_then(|span| now.checked_add(span));
    }

    /// Whether sessions are closed before the deadline.
    pub fn set_paced(&mut self, paced: bool) {
        self.paced = paced;
        if !paced && self.phase == Phase::Closing && self.cut.is_none() {
            self.phase = Phase::InFlight;
        }
    }

    /// It was paused and nobody is there because this process is new: until somebody comes, or it is resumed, that
    /// is no end.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Sessions that ended since it began, and how many of them had to be asked.
    pub fn counts(&self) -> (u64, u64) {
        (self.closed, self.forced)
    }

    /// That many sessions were asked to close.
    pub fn forced(&mut self, count: u64) {
        self.forced += count;
    }

    /// Ends it; what is left on the server stays.
    pub fn cancel(&mut self) {
        if !self.phase.is_final() {
            self.phase = Phase::Cancelled;
        }
    }

    /// Takes what is seen now; says what to do.
    pub fn on(&mut self, seen: Seen, now: Instant) -> Act {
        if self.phase.is_final() {
            return Act::Wait;
        }
        self.closed += self.sessions.saturating_sub(seen.sessions);
        self.sessions = seen.sessions;
        if seen.wanted {
            self.phase = Phase::Cancelled;
            return Act::Wait;
        }
        let empty = seen.requests == 0 && seen.sessions == 0;
        if let Some(cut) = self.cut {
            if empty || now >= cut {
                self.phase = if empty && self.forced == 0 { Phase::Drained } else { Phase::Forced };
                return Act::Wait;
            }
            return if seen.sessions > 0 { Act::CloseSessions } else { Act::Wait };
        }
        if now < self.settled {
            return Act::Wait;
        }
        self.held &= empty;
        if empty && !self.held {
            self.phase = Phase::Drained;
            return Act::Wait;
        }
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.phase = Phase::Closing;
            self.cut = Some(now + GRACE);
            return Act::CloseSessions;
        }
        let begun = self.phase == Phase::Closing;
        let ready = begun || seen.requests == 0 || now >= self.settled + REQUESTS_FIRST;
        if self.paced && ready && seen.sessions > 0 {
            self.phase = Phase::Closing;
            return Act::Pace;
        }
        if !begun {
            self.phase = Phase::InFlight;
        }
        Act::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(requests: u64, sessions: u64) -> Seen {
        Seen { requests, sessions, wanted: false }
    }

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn an_idle_server_is_drained_once_workers_had_time_to_notice() {
        let start = Instant::now();
        let mut machine = Machine::new(start, None, 0);
        assert_eq!(machine.on(seen(0, 0), at(start, 100)), Act::Wait);
        assert_eq!(machine.phase(), Phase::Settling);
        machine.on(seen(0, 0), at(start, 200));
        assert_eq!(machine.phase(), Phase::Drained);
    }

    #[test]
    fn it_waits_for_requests_and_sessions_and_counts_those_that_end() {
        let start = Instant::now();
        let mut machine = Machine::new(start, Some(Duration::from_secs(60)), 3);
        machine.on(seen(2, 3), at(start, 300));
        assert_eq!(machine.phase(), Phase::InFlight);
        machine.on(seen(0, 1), at(start, 10_000));
        assert_eq!((machine.phase(), machine.counts()), (Phase::InFlight, (2, 0)));
        machine.on(seen(0, 0), at(start, 20_000));
        assert_eq!((machine.phase(), machine.counts()), (Phase::Drained, (3, 0)));
    }

    #[test]
    fn sessions_are_closed_once_requests_had_their_time() {
        let start = Instant::now();
        let begun = |requests| {
            let mut machine = Machine::new(start, Some(Duration::from_secs(60)), 3);
            machine.set_paced(true);
            assert_eq!(machine.on(seen(requests, 3), at(start, 100)), Act::Wait, "it settles first");
            machine
        };
        assert_eq!(begun(0).on(seen(0, 3), at(start, 200)), Act::Pace);
        let mut machine = begun(1);
        assert_eq!(machine.on(seen(1, 3), at(start, 5_199)), Act::Wait);
        assert_eq!(machine.phase(), Phase::InFlight);
        assert_eq!(machine.on(seen(1, 3), at(start, 5_200)), Act::Pace);
        assert_eq!(machine.on(seen(2, 2), at(start, 5_300)), Act::Pace, "begun is begun");
        machine.set_paced(false);
        assert_eq!((machine.on(seen(0, 2), at(start, 6_000)), machine.phase()), (Act::Wait, Phase::InFlight));
        machine.set_paced(true);
        assert_eq!(machine.on(seen(0, 2), at(start, 6_100)), Act::Pace);
        machine.on(seen(0, 0), at(start, 7_000));
        assert_eq!((machine.phase(), machine.counts()), (Phase::Drained, (3, 0)));
    }

    #[test]
    fn at_the_deadline_sessions_are_cut_and_reported() {
        let start = Instant::now();
        let mut machine = Machine::new(start, Some(Duration::from_secs(1)), 2);
        assert_eq!(machine.on(seen(0, 2), at(start, 999)), Act::Wait);
        assert_eq!(machine.on(seen(0, 2), at(start, 1_000)), Act::CloseSessions);
        machine.forced(2);
        assert_eq!(machine.phase(), Phase::Closing);
        machine.on(seen(0, 0), at(start, 1_100));
        assert_eq!((machine.phase(), machine.counts()), (Phase::Forced, (2, 2)));
    }

    #[test]
    fn a_paused_drain_of_an_earlier_process_waits_for_those_who_come_back() {
        let start = Instant::now();
        let held = || {
            let mut machine = Machine::new(start, Some(Duration::from_secs(60)), 0);
            machine.hold(true);
            machine.on(seen(0, 0), at(start, 5_000));
            assert_eq!(machine.phase(), Phase::InFlight);
            machine
        };
        let mut resumed = held();
        resumed.hold(false);
        resumed.on(seen(0, 0), at(start, 6_000));
        assert_eq!(resumed.phase(), Phase::Drained);
        let mut visited = held();
        visited.on(seen(0, 1), at(start, 6_000));
        visited.on(seen(0, 0), at(start, 7_000));
        assert_eq!(visited.phase(), Phase::Drained);
        let mut late = held();
        late.on(seen(0, 0), at(start, 60_000));
        late.on(seen(0, 0), at(start, 60_100));
        assert_eq!(late.phase(), Phase::Drained, "the deadline ends it");
    }

    #[test]
    fn what_will_not_end_is_left_and_said_so() {
        let start = Instant::now();
        let mut machine = Machine::new(start, Some(Duration::ZERO), 0);
        assert_eq!(machine.on(seen(1, 0), at(start, 200)), Act::CloseSessions);
        assert_eq!(machine.on(seen(1, 0), at(start, 12_199)), Act::Wait);
        assert_eq!(machine.phase(), Phase::Closing);
        machine.on(seen(1, 0), at(start, 12_200));
        assert_eq!(machine.phase(), Phase::Forced);
    }

    #[test]
    fn a_request_that_ends_in_the_grace_makes_it_a_clean_drain() {
        let start = Instant::now();
        let mut machine = Machine::new(start, Some(Duration::ZERO), 0);
        machine.on(seen(1, 0), at(start, 200));
        machine.on(seen(0, 0), at(start, 300));
        assert_eq!(machine.phase(), Phase::Drained);
    }

    #[test]
    fn bringing_the_server_back_cancels_and_nothing_happens_afterwards() {
        let start = Instant::now();
        let mut machine = Machine::new(start, Some(Duration::from_secs(1)), 1);
        machine.on(Seen { requests: 0, sessions: 1, wanted: true }, at(start, 300));
        assert_eq!(machine.phase(), Phase::Cancelled);
        assert_eq!(machine.on(seen(0, 1), at(start, 9_000)), Act::Wait);
        assert_eq!(machine.phase(), Phase::Cancelled);
    }

    proptest::proptest! {
        #[test]
        fn it_ends_in_time_closes_nobody_early_and_stays_ended(
            sessions in 0..4_u64,
            deadline in proptest::option::of(0..30_000_u64),
            steps in proptest::collection::vec((0..9_000_u64, 0..3_u64, 0..4_u64, 0..40_u8), 1..40),
        ) {
            let start = Instant::now();
            let mut machine = Machine::new(start, deadline.map(Duration::from_millis), sessions);
            let (mut now, mut due, mut paced, mut cut) = (start, deadline.map(|ms| at(start, ms)), false, None);
            let (mut left, mut ended, mut asked) = (sessions, 0, 0);
            for (pause, requests, sessions, what) in steps {
                // Many a step is short.
                now += Duration::from_millis(if pause < 5_000 { pause / 50 } else { pause });
                match what {
                    0 | 1 => { paced = what == 1; machine.set_paced(paced) }
                    2 if cut.is_none() => {
                        due = Some(now + Duration::from_secs(5));
                        machine.set_deadline(now, Some(Duration::from_secs(5)));
                    }
                    _ => {}
                }
                let before = machine.phase();
                let now_seen = Seen { requests, sessions, wanted: what == 3 };
                let act = machine.on(now_seen, now);
                if before.is_final() {
                    proptest::prop_assert_eq!((machine.phase(), act), (before, Act::Wait), "the end is the end");
                    continue;
                }
                ended += left.saturating_sub(sessions);
                left = sessions;
                if act == Act::CloseSessions {
                    proptest::prop_assert!(due.is_some_and(|due| now >= due), "cut before the deadline");
                    cut = cut.or(Some(now));
                    asked += sessions;
                    machine.forced(sessions);
                }
                proptest::prop_assert!(act != Act::Pace || paced && sessions > 0 && cut.is_none());
                let settles = act == Act::Wait && matches!(machine.phase(), Phase::Settling | Phase::Cancelled);
                proptest::prop_assert!(settles || now >= start + SETTLE, "workers have not noticed yet");
                proptest::prop_assert_eq!(machine.counts(), (ended, asked));
                let empty = requests == 0 && sessions == 0;
                match machine.phase() {
                    Phase::Drained => proptest::prop_assert!(empty && asked == 0),
                    Phase::Cancelled => proptest::prop_assert!(now_seen.wanted),
                    Phase::Forced => proptest::prop_assert!(asked > 0 || !empty),
                    Phase::Settling => proptest::prop_assert!(now < start + SETTLE),
                    Phase::InFlight | Phase::Closing => {
                        proptest::prop_assert!(!empty || cut.is_some() && act == Act::CloseSessions);
                        proptest::prop_assert!(cut.is_none_or(|cut| now < cut + GRACE), "it never ends");
                    }
                }
            }
        }
    }
}
