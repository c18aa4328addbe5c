//! The health machine: outcomes and time in, transitions out. Pure; whoever runs the checks only waits.
//!
//! `Unknown` (never checked) becomes `Up` or `Down` with the first outcome; afterwards `rise` good outcomes in a
//! row bring a server up and `fall` bad ones bring it down. A server may also ask to be left alone
//! ([`Outcome::CheckWantsDrain`]): it counts as alive, and takes no new clients until it answers normally again.

use std::time::{Duration, Instant};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server is well.
    CheckPassed {
        /// How long the check took.
        took: Duration,
    },
    /// It is not.
    CheckFailed {
        /// Why, in a few words: `connect refused`, `status 503`.
        reason: String,
        /// How long the check took.
        took: Duration,
    },
    /// It is well, and asks for no new clients.
    CheckWantsDrain {
        /// The status that said so.
        reason: String,
        /// How long the check took.
        took: Duration,
    },
}

impl Outcome {
    /// Whether the server answered well, in a word.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::CheckFailed { .. } => "failed",
            Self::CheckPassed { .. } | Self::CheckWantsDrain { .. } => "passed",
        }
    }

    /// How long the check took.
    pub fn took(&self) -> Duration {
        match self {
            Self::CheckPassed { took }
            | Self::CheckFailed { took, .. }
            | Self::CheckWantsDrain { took, .. } => *took,
        }
    }

    /// Why it failed or wants to drain; nothing when it passed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::CheckPassed { .. } => None,
            Self::CheckFailed { reason, .. } | Self::CheckWantsDrain { reason, .. } => Some(reason),
        }
    }
}

/// What is known of a server's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Not checked yet, or never.
    Unknown,
    /// Well.
    Up,
    /// Not well.
    Down,
}

impl State {
    /// The word for it: `unknown`, `up`, `down`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Which way a server went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It takes traffic.
    Up,
    /// It takes none.
    Down,
    /// It is well and takes no new clients, by its own wish.
    Drain,
}

impl Direction {
    /// The kind of the event that tells it.
    pub fn event(self) -> &'static str {
        match self {
            Self::Up => "server.up",
            Self::Down => "server.down",
            Self::Drain => "server.drain",
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Drain => "drain",
        }
    }
}

/// A change, to be told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Which way.
    pub to: Direction,
    /// What it was before.
    pub from: State,
    /// Why.
    pub reason: String,
    /// How long it had been what it was before.
    pub after: Duration,
}

/// One server's health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// What is known.
    pub state: State,
    /// Good outcomes in a row.
    pub good: u32,
    /// Bad outcomes in a row.
    pub bad: u32,
    /// The server asks for no new clients.
    pub wants_drain: bool,
    /// Since when it is so.
    pub since: Instant,
}

impl Machine {
    /// A server in this state, with nothing counted.
    pub fn new(state: State, now: Instant) -> Self {
        Self { state, good: 0, bad: 0, wants_drain: false, since: now }
    }

    /// Takes an outcome; says what changed.
    pub fn on(&mut self, outcome: &Outcome, rise: u32, fall: u32, now: Instant) -> Option<Transition> {
        let wants_drain = match outcome {
            Outcome::CheckFailed { .. } => return self.on_bad(outcome, fall, now),
            Outcome::CheckWantsDrain { .. } => true,
            Outcome::CheckPassed { .. } => false,
        };
        self.bad = 0;
        self.good = self.good.saturating_add(1);
        let need = if self.state == State::Unknown { 1 } else { rise };
        let comes_up = self.state != State::Up && self.good >= need;
        let turns = self.state == State::Up && wants_drain != self.wants_drain;
        if !comes_up && !turns {
            return None;
        }
        self.wants_drain = wants_drain;
        let to = if wants_drain { Direction::Drain } else { Direction::Up };
        let reason = match outcome.reason() {
            Some(reason) => reason.to_owned(),
            None => plural(self.good, "good check"),
        };
        Some(self.go(State::Up, to, reason, now))
    }

    /// Another check definition holds from now on: what is known stays, what was counted does not.
    pub fn restart_counting(&mut self) {
        (self.good, self.bad) = (0, 0);
    }

    fn on_bad(&mut self, outcome: &Outcome, fall: u32, now: Instant) -> Option<Transition> {
        self.good = 0;
        self.bad = self.bad.saturating_add(1);
        let need = if self.state == State::Unknown { 1 } else { fall };
        if self.state == State::Down || self.bad < need {
            return None;
        }
        self.wants_drain = false;
        let reason = outcome.reason().unwrap_or_default().to_owned();
        Some(self.go(State::Down, Direction::Down, reason, now))
    }

    fn go(&mut self, state: State, to: Direction, reason: String, now: Instant) -> Transition {
        let after = now.saturating_duration_since(self.since);
        let from = std::mem::replace(&mut self.state, state);
        self.since = now;
        Transition { to, from, reason, after }
    }
}

fn plural(n: u32, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `.` good, `x` bad, `d` wants drain; answers one letter per outcome: `U`p, `D`own, d`R`ain, `-` none.
    fn check(start: State, rise: u32, fall: u32, outcomes: &str, expected: &str) {
        let begin = Instant::now();
        let mut machine = Machine::new(start, begin);
        let took = Duration::from_millis(3);
        let seen: String = outcomes
            .chars()
            .enumerate()
            .map(|(i, c)| {
                let outcome = match c {
                    '.' => Outcome::CheckPassed { took },
                    'x' => Outcome::CheckFailed { reason: "connect refused".into(), took },
                    _ => Outcome::CheckWantsDrain { reason: "status 404".into(), took },
                };
                let now = begin + Duration::from_secs(i as u64 + 1);
                match machine.on(&outcome, rise, fall, now).map(|t| t.to) {
                    None => '-',
                    Some(Direction::Up) => 'U',
                    Some(Direction::Down) => 'D',
                    Some(Direction::Drain) => 'R',
                }
            })
            .collect();
        assert_eq!(seen, expected, "{start:?} rise {rise} fall {fall}: {outcomes}");
    }

    #[test]
    fn the_table() {
        check(State::Unknown, 2, 3, ".", "U");
        check(State::Unknown, 5, 3, "..", "U-");
        check(State::Unknown, 2, 3, "x", "D");
        check(State::Unknown, 2, 3, "x..", "D-U");
        check(State::Up, 2, 3, "xx.xxx", "-----D");
        check(State::Up, 2, 3, "xxxxx", "--D--");
        check(State::Down, 2, 3, ".x..", "---U");
        check(State::Down, 3, 1, "...x...", "--UD--U");
        check(State::Down, 1, 1, ".x.x", "UDUD");
        // A wish to drain counts as alive, holds at once, and ends with the first normal answer.
        check(State::Up, 2, 3, "dd.d", "R-UR");
        check(State::Unknown, 2, 3, "dd", "R-");
        check(State::Down, 2, 3, "dd", "-R");
        check(State::Down, 2, 3, ".d.", "-RU");
        check(State::Up, 2, 2, "dxx.d", "R-D-R");
        check(State::Up, 2, 3, "xxdxxx", "--R--D");
    }

    #[test]
    fn a_transition_tells_why_and_how_long_it_had_been_otherwise() {
        let begin = Instant::now();
        let mut machine = Machine::new(State::Up, begin);
        let bad = Outcome::CheckFailed { reason: "status 503".into(), took: Duration::ZERO };
        let transition =
            machine.on(&bad, 2, 1, begin + Duration::from_secs(40)).expect("one bad check is enough");
        assert_eq!(transition.reason, "status 503");
        assert_eq!(transition.after, Duration::from_secs(40));
        assert_eq!((transition.from, transition.to), (State::Up, Direction::Down));
        let good = Outcome::CheckPassed { took: Duration::ZERO };
        assert_eq!(machine.on(&good, 2, 1, begin + Duration::from_secs(41)), None);
        let back = machine.on(&good, 2, 1, begin + Duration::from_secs(45)).expect("two good checks");
        assert_eq!((back.after, back.reason.as_str()), (Duration::from_secs(5), "2 good checks"));
    }

    /// The rules read out loud: how many of the last outcomes in a row were good, or bad.
    fn expected(state: State, outcomes: &[bool], rise: u32, fall: u32) -> State {
        let Some((last, before)) = outcomes.split_last() else { return state };
        let then = expected(state, before, rise, fall);
        let streak = outcomes.iter().rev().take_while(|outcome| *outcome == last).count() as u32;
        match (then, last) {
            (State::Unknown, true) => State::Up,
            (State::Unknown, false) => State::Down,
            (State::Down, true) if streak >= rise => State::Up,
            (State::Up, false) if streak >= fall => State::Down,
            (same, _) => same,
        }
    }

    proptest::proptest! {
        #[test]
        fn only_enough_outcomes_in_a_row_turn_it_and_each_turn_is_told_once(
            outcomes in proptest::collection::vec(0..3_u8, 0..40),
            rise in 1..5_u32,
            fall in 1..5_u32,
            known in 0..3_usize,
        ) {
            let start = [State::Unknown, State::Up, State::Down][known];
            let (begin, took) = (Instant::now(), Duration::ZERO);
            let mut machine = Machine::new(start, begin);
            let (mut goods, mut since) = (Vec::new(), begin);
            for (second, outcome) in (1..).zip(outcomes) {
                let (was, wanted) = (machine.state, machine.wants_drain);
                let outcome = match outcome {
                    0 => Outcome::CheckFailed { reason: "status 500".into(), took },
                    1 => Outcome::CheckPassed { took },
                    _ => Outcome::CheckWantsDrain { reason: "status 404".into(), took },
                };
                goods.push(!matches!(outcome, Outcome::CheckFailed { .. }));
                let now = begin + Duration::from_secs(second);
                let turn = machine.on(&outcome, rise, fall, now);
                proptest::prop_assert_eq!(machine.state, expected(start, &goods, rise, fall));
                proptest::prop_assert!(!machine.wants_drain || machine.state == State::Up);
                let turned = machine.state != was || machine.wants_drain != wanted;
                proptest::prop_assert_eq!(turn.is_some(), turned);
                if let Some(turn) = turn {
                    proptest::prop_assert_eq!((turn.from, turn.after), (was, now - since));
                    since = now;
                }
            }
        }
    }
}
