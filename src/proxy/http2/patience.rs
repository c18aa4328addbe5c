//! What a client may send that asks for nothing: PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty frames, frames of no
//! known kind. Each costs us work and its sender next to none, so who sends more of them than the conversation
//! explains is told to calm down (RFC 9113, section 10.5).
//!
//! Counted below `h2`, which answers and forgets them. What `h2` counts itself: resets, CONTINUATION, small DATA.

use std::rc::Rc;

use h2::Reason;

use super::frames::{Found, Frames, kind};
use crate::proxy::deadline::Deadlines;

/// What a client has at first: a burst of a peer that probes much is a few dozen.
const AT_FIRST: u32 = 1_000;
/// What it gets for each second: more than any keep-alive or measurement by PING takes.
const EACH_SECOND: u64 = 100;
/// The most that it can save up.
const MOST: u32 = 100_000;
/// What a SETTINGS costs: it changes the windows of all streams.
const SETTINGS_COST: u32 = 10;
/// What a head that we send earns: windows and measurements that go with an answer.
const HEAD_EARNS: u32 = 4;
/// So many bytes of a body that we send earn as much as a frame costs...
const BODY_BYTES: u32 = 64;
/// ...up to this for one frame. A window of one byte earns nothing.
const BODY_EARNS: u32 = 4;

/// SETTINGS_INITIAL_WINDOW_SIZE, and the most that it may be (RFC 9113, section 6.5.2).
const INITIAL_WINDOW: u16 = 4;
const WIDEST_WINDOW: u32 = (1 << 31) - 1;

/// The patience with one connection.
#[derive(Debug)]
pub(super) struct Patience {
    clock: Rc<Deadlines>,
    from_client: Frames,
    to_client: Frames,
    left: u32,
    /// Up to when the seconds were given, in milliseconds of the clock.
    given: u64,
    over: Option<Reason>,
}

impl Patience {
    /// With a connection that begins now.
    pub(super) fn new(clock: &Rc<Deadlines>) -> Self {
        let given = clock.now();
        let (from_client, to_client) = (Frames::of_client(), Frames::default());
        Self { clock: Rc::clone(clock), from_client, to_client, left: AT_FIRST, given, over: None }
    }

    /// Why the connection must end.
    pub(super) fn is_over(&self) -> Option<Reason> {
        self.over
    }

    /// The client sent this; how much of it may be read.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> usize {
        if self.over.is_some() {
            return 0;
        }
        let Self { clock, from_client, left, given, over, .. } = self;
        let end = from_client.find(bytes, |found| {
            *over = judge(found, left, || gain(clock.now(), given));
            over.is_none()
        });
        end.unwrap_or(bytes.len())
    }

    /// The client is sent this.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        let left = &mut self.left;
        self.to_client.find(bytes, |found| {
            let earned = match found {
                Found::Frame { kind: kind::HEADERS, .. } => HEAD_EARNS,
                Found::Frame { kind: kind::DATA, length, .. } => (length / BODY_BYTES).min(BODY_EARNS),
                _ => 0,
            };
            *left = (*left + earned).min(MOST);
            true
        });
    }
}

/// Takes what this costs; with the reason to end the connection when it cannot be paid.
fn judge(found: Found, left: &mut u32, gain: impl FnOnce() -> u32) -> Option<Reason> {
    let cost = match found {
        Found::Setting(INITIAL_WINDOW, size) if size > WIDEST_WINDOW => {
            return Some(Reason::FLOW_CONTROL_ERROR);
        }
        Found::Setting(..) => 0,
        Found::Frame { kind, length, last } if !is_of_its_size(kind, length, last) => {
            return Some(Reason::FRAME_SIZE_ERROR);
        }
        Found::Frame { kind: kind::SETTINGS, last: false, .. } => SETTINGS_COST,
        // They ask for something, or carry it, or end it.
        Found::Frame { kind: kind::HEADERS | kind::DATA, length, last } if length > 0 || last => {
            *left = (*left + 1).min(MOST);
            0
        }
        Found::Frame { .. } => 1,
    };
    if *left < cost {
        *left = (*left + gain()).min(MOST);
    }
    match left.checked_sub(cost) {
        Some(rest) => {
            *left = rest;
            None
        }
        None => Some(Reason::ENHANCE_YOUR_CALM),
    }
}

/// Whether a frame of a fixed size has it (RFC 9113, sections 6.4, 6.5, 6.7, 6.9): `h2` ends the connection with
/// another code.
fn is_of_its_size(kind: u8, length: u32, ack: bool) -> bool {
    match kind {
        kind::RESET | kind::WINDOW_UPDATE => length == 4,
        kind::PING => length == 8,
        kind::SETTINGS if ack => length == 0,
        kind::SETTINGS => length.is_multiple_of(6),
        _ => true,
    }
}

/// What the time since `given` gives.
fn gain(now: u64, given: &mut u64) -> u32 {
    let earned = now.saturating_sub(*given) * EACH_SECOND / 1000;
    *given += earned * 1000 / EACH_SECOND;
    u32::try_from(earned).unwrap_or(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: Found = Found::Frame { kind: 6, length: 8, last: false };
    const SETTINGS: Found = Found::Frame { kind: kind::SETTINGS, length: 6, last: false };

    /// How many of these pass.
    fn passing(found: Found, gain: u32) -> u32 {
        let (mut left, mut gain) = (AT_FIRST, Some(gain));
        let passes = |_: &u32| judge(found, &mut left, || gain.take().unwrap_or(0)).is_none();
        (0..10 * AT_FIRST).take_while(passes).count() as u32
    }

    #[test]
    fn frames_that_ask_for_nothing_pass_up_to_a_bound_and_more_with_time() {
        assert_eq!(passing(PING, 0), AT_FIRST);
        assert_eq!(passing(PING, 100), AT_FIRST + 100);
        assert_eq!(passing(SETTINGS, 0), AT_FIRST / SETTINGS_COST);
        assert_eq!(passing(Found::Frame { kind: kind::DATA, length: 0, last: false }, 0), AT_FIRST);
        assert_eq!(passing(Found::Frame { kind: kind::HEADERS, length: 0, last: false }, 0), AT_FIRST);
        let asking = Found::Frame { kind: kind::HEADERS, length: 10, last: false };
        assert_eq!(passing(asking, 0), 10 * AT_FIRST, "a request is no such frame");
    }

    #[test]
    fn time_gives_a_hundred_a_second_and_loses_no_rest() {
        let mut given = 0;
        assert_eq!(gain(9, &mut given), 0);
        assert_eq!(gain(19, &mut given), 1, "the 9 were not lost");
        assert_eq!(gain(1019, &mut given), 100);
    }

    #[test]
    fn answers_earn_what_their_size_explains() {
        let mut patience = Patience::new(&Deadlines::new());
        patience.left = 0;
        patience.say(&[0, 0, 5, kind::HEADERS, 4, 0, 0, 0, 1, 1, 2, 3, 4, 5]);
        assert_eq!(patience.left, HEAD_EARNS);
        patience.say(&[0, 0, 1, kind::DATA, 0, 0, 0, 0, 1, 1]);
        assert_eq!(patience.left, HEAD_EARNS, "a window of one byte earns nothing");
        patience.say(&[0, 64, 0, kind::DATA, 0, 0, 0, 0, 1]);
        assert_eq!(patience.left, HEAD_EARNS + BODY_EARNS);
    }

    #[test]
    fn a_window_that_cannot_be_is_refused_by_its_own_code_and_nothing_behind_it_is_read() {
        let mut patience = Patience::new(&Deadlines::new());
        patience.hear(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut bytes = vec![0, 0, 6, kind::SETTINGS, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff];
        assert_eq!(patience.hear(&bytes), 15);
        assert_eq!(patience.is_over(), None);
        bytes[11] = 0x80;
        assert_eq!(patience.hear(&bytes), 9);
        assert_eq!(patience.is_over(), Some(Reason::FLOW_CONTROL_ERROR));
        assert_eq!(patience.hear(b"more"), 0);
    }
}
