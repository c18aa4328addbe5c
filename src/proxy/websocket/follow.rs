//! One direction of a WebSocket: what of its bytes goes on, and where a frame of ours goes in between.
//!
//! Bytes count as passed when the receiver's kernel has them, so "at a boundary" is what the receiver sees. As long
//! as nothing of ours waits, everything goes on as it is.

use super::frames::{Answer, Frames, Sender};

/// Where a frame of ours may go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Between messages.
    Message,
    /// Between frames: perhaps within a message that comes in fragments.
    Frame,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Write [`Follow::own`].
    Own,
    /// Pass on so many bytes.
    Forward(usize),
    /// Take so many bytes away: the receiver is to see them no more.
    Drop(usize),
    /// Take so many bytes away: they answer a ping of ours.
    Swallow(usize),
    /// Read more first.
    Read,
}

/// Follows one direction.
#[derive(Debug)]
pub(crate) struct Follow {
    frames: Frames,
    own: Option<Own>,
    /// Goes to the receiver in place of the sender's Close.
    instead: Option<Vec<u8>>,
    /// A Close of ours is with the receiver, or the receiver is gone: nothing follows.
    silent: bool,
    /// The payload of the ping that the sender owes us an answer to.
    pong: Option<[u8; 8]>,
}

/// A frame of ours on its way.
#[derive(Debug)]
struct Own {
    bytes: Vec<u8>,
    sent: usize,
    place: Place,
    /// It is a Close.
    last: bool,
}

impl Follow {
    /// From the first byte after the handshake.
    pub(crate) fn new(sender: Sender) -> Box<Self> {
        Box::new(Self { frames: Frames::new(sender), own: None, instead: None, silent: false, pong: None })
    }

    /// What to do with `bytes`, the sender's next ones.
    #[inline]
    pub(crate) fn plan(&self, bytes: &[u8]) -> Plan {
        // Where nothing of ours waits, frames need not be looked at before they are passed on.
        if self.silent || self.own.is_some() || self.instead.is_some() || self.pong.is_some() {
            return self.plan_ours(bytes);
        }
        if bytes.is_empty() { Plan::Read } else { Plan::Forward(bytes.len()) }
    }

    fn plan_ours(&self, bytes: &[u8]) -> Plan {
        if self.own.as_ref().is_some_and(|own| own.sent > 0) {
            return Plan::Own;
        }
        let all = bytes.len();
        if self.silent {
            return if all == 0 { Plan::Read } else { Plan::Drop(all) };
        }
        if self.is_closed() {
            return if all == 0 { Plan::Read } else { Plan::Forward(all) };
        }
        let mut probe = self.frames;
        let mut n = 0;
        loop {
            if probe.at_boundary()
                && let Some(plan) = self.at_boundary(&probe, &bytes[n..])
            {
                return if n == 0 { plan } else { Plan::Forward(n) };
            }
            if n == all {
                return if n == 0 { Plan::Read } else { Plan::Forward(n) };
            }
            n += probe.step(&bytes[n..]);
        }
    }

    fn at_boundary(&self, probe: &Frames, rest: &[u8]) -> Option<Plan> {
        let goes_in = |own: &Own| own.place == Place::Frame || probe.between_messages();
        // A Close of the sender that is to be replaced: see `forward_own`.
        let replaces = self.instead.is_some() && Frames::begins_close(rest);
        if self.own.as_ref().is_some_and(goes_in) || replaces {
            return Some(Plan::Own);
        }
        match probe.begins_pong(rest, self.pong?) {
            Answer::Yes(n) => Some(Plan::Swallow(n)),
            Answer::Perhaps => Some(Plan::Read),
            Answer::No => None,
        }
    }

    /// The rest of our own frame.
    pub(crate) fn own(&mut self) -> &[u8] {
        if self.own.as_ref().is_none_or(|own| own.sent == 0)
            && let Some(bytes) = self.instead.take()
        {
            self.own = Some(Own { bytes, sent: 0, place: Place::Frame, last: true });
        }
        self.own.as_ref().map_or(&[], |own| &own.bytes[own.sent..])
    }

    /// So many bytes of it are with the receiver.
    pub(crate) fn own_sent(&mut self, n: usize) {
        let Some(own) = &mut self.own else { return };
        own.sent += n;
        if own.sent >= own.bytes.len() {
            self.silent |= own.last;
            self.own = None;
        }
    }

    /// These bytes of the sender are with the receiver.
    pub(crate) fn forwarded(&mut self, bytes: &[u8]) {
        self.frames.pass(bytes);
    }

    /// These were taken away.
    pub(crate) fn dropped(&mut self, bytes: &[u8]) {
        self.frames.pass(bytes);
    }

    /// The answer to our ping was taken away.
    pub(crate) fn swallowed(&mut self) {
        self.pong = None;
    }

    /// The sender's bytes have ended: nobody waits for more of a frame.
    pub(crate) fn ended(&mut self) {
        self.pong = None;
    }

    /// Puts a frame in. False when none can go in any more, or one is on its way.
    pub(crate) fn insert(&mut self, bytes: Vec<u8>, place: Place) -> bool {
        if self.own.is_some() || !self.takes_frames() {
            return false;
        }
        self.own = Some(Own { bytes, sent: 0, place, last: false });
        true
    }

    /// Puts a Close in, after which nothing follows. One that waits for a better place is replaced.
    pub(crate) fn close(&mut self, bytes: Vec<u8>, place: Place) {
        let takes = self.takes_frames();
        match &mut self.own {
            // Half a frame is with the receiver: the Close comes in place of the sender's, or at the next turn.
            Some(own) if own.sent > 0 => self.instead = Some(bytes),
            _ if takes => self.own = Some(Own { bytes, sent: 0, place, last: true }),
            _ => {}
        }
    }

    /// What the receiver gets in place of the sender's Close.
    pub(crate) fn replace_close(&mut self, bytes: Vec<u8>) {
        if self.takes_frames() {
            self.instead = Some(bytes);
        }
    }

    /// The receiver takes nothing more; what the sender says is still looked at.
    pub(crate) fn silence(&mut self) {
        self.silent = true;
        self.own = None;
        self.instead = None;
    }

    /// The sender owes the answer to a ping.
    pub(crate) fn expect_pong(&mut self, payload: [u8; 8]) {
        self.pong = Some(payload);
    }

    /// Whether it still does.
    pub(crate) fn owes_pong(&self) -> bool {
        self.pong.is_some()
    }

    /// Whether the receiver knows that this ends: by the sender's Close or by ours.
    pub(crate) fn is_closed(&self) -> bool {
        self.silent || self.frames.close().is_some()
    }

    /// Whether a frame can go in, now or after the one at hand.
    pub(crate) fn takes_frames(&self) -> bool {
        !self.frames.is_broken() && !self.is_closed()
    }

    /// Whether one can go in now.
    pub(crate) fn takes_frame_now(&self) -> bool {
        self.takes_frames() && self.frames.at_boundary()
    }

    /// The frames so far.
    pub(crate) fn frames(&self) -> &Frames {
        &self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::super::compose;
    use super::*;
    use proptest::prelude::*;

    /// Sends `stream` in pieces of `splits`, the receiver taking at most `takes` bytes at once; what it got.
    fn relay(follow: &mut Follow, stream: &[u8], splits: &[usize], takes: usize) -> Vec<u8> {
        let (mut got, mut buffer, mut at) = (Vec::new(), Vec::new(), 0);
        let mut splits = splits.iter().copied().cycle();
        loop {
            match follow.plan(&buffer) {
                Plan::Own => {
                    let n = follow.own().len().min(takes);
                    got.extend_from_slice(&follow.own()[..n]);
                    follow.own_sent(n);
                }
                Plan::Forward(n) => {
                    let n = n.min(takes);
                    follow.forwarded(&buffer[..n]);
                    got.extend(buffer.drain(..n));
                }
                Plan::Drop(n) => {
                    follow.dropped(&buffer[..n]);
                    buffer.drain(..n);
                }
                Plan::Swallow(n) => {
                    buffer.drain(..n);
                    follow.swallowed();
                }
                Plan::Read if at == stream.len() => return got,
                Plan::Read => {
                    let n = splits.next().unwrap_or(1).clamp(1, stream.len() - at);
                    buffer.extend_from_slice(&stream[at..at + n]);
                    at += n;
                }
            }
        }
    }

    fn text(fin: bool, first: bool, size: usize) -> Vec<u8> {
        let mut frame = vec![u8::from(fin) << 7 | u8::from(first), 126];
        frame.extend((size as u16).to_be_bytes());
        frame.resize(4 + size, b'x');
        frame
    }

    proptest! {
        #[test]
        fn a_close_goes_in_between_and_nothing_before_it_is_lost(
            sizes in prop::collection::vec((0usize..3000, any::<bool>()), 1..10),
            splits in prop::collection::vec(1usize..4000, 1..10),
            takes in 1usize..3000,
            before in 0usize..20_000,
            place in prop_oneof![Just(Place::Message), Just(Place::Frame)],
        ) {
            let (mut stream, mut first, mut frame_ends, mut message_ends) = (Vec::new(), true, vec![0], vec![0]);
            for (size, fin) in sizes {
                stream.extend(text(fin, first, size));
                first = fin;
                frame_ends.push(stream.len());
                if fin {
                    message_ends.push(stream.len());
                }
            }
            let before = before % (stream.len() + 1);
            let close = compose::close(1012, "x", None);
            let mut follow = Follow::new(Sender::Server);
            let mut got = relay(&mut follow, &stream[..before], &splits, takes);
            prop_assert_eq!(&got, &stream[..before]);
            follow.close(close.clone(), place);
            got.extend(relay(&mut follow, &stream[before..], &splits, takes));
            let ends = if place == Place::Frame { frame_ends } else { message_ends };
            match ends.into_iter().find(|end| *end >= before) {
                Some(end) => {
                    prop_assert_eq!(&got[..end], &stream[..end]);
                    prop_assert_eq!(&got[end..], &close[..]);
                    prop_assert!(follow.is_closed());
                }
                None => prop_assert_eq!(&got, &stream),
            }
        }

        #[test]
        fn answers_to_our_pings_vanish_and_nothing_else(
            sizes in prop::collection::vec(0usize..300, 0..5),
            at in 0usize..5,
            splits in prop::collection::vec(1usize..40, 1..10),
            takes in 1usize..100,
        ) {
            let payload = *b"\0lbd1234";
            let mut pong = compose::ping(payload, None);
            pong[0] = 0x8A;
            let (mut stream, mut rest) = (Vec::new(), Vec::new());
            for (n, size) in sizes.iter().enumerate() {
                if n == at {
                    stream.extend(&pong);
                }
                stream.extend(text(true, true, *size));
                rest.extend(text(true, true, *size));
            }
            let mut follow = Follow::new(Sender::Server);
            follow.expect_pong(payload);
            prop_assert_eq!(relay(&mut follow, &stream, &splits, takes), rest);
            prop_assert_eq!(follow.owes_pong(), at >= sizes.len());
        }
    }

    #[test]
    fn our_close_takes_the_place_of_theirs() {
        let mut follow = Follow::new(Sender::Server);
        let ours = compose::close(1012, "moved", None);
        follow.replace_close(ours.clone());
        let mut stream = text(false, true, 10);
        stream.extend(text(true, false, 10));
        let end = stream.len();
        stream.extend(compose::close(1001, "bye", None));
        let got = relay(&mut follow, &stream, &[3], 5);
        assert_eq!(got[..end], stream[..end]);
        assert_eq!(got[end..], ours);
        assert_eq!(follow.frames().close(), Some(1001), "what the sender said is known");
    }

    #[test]
    fn a_stream_without_frames_is_left_alone() {
        let mut follow = Follow::new(Sender::Server);
        let stream = b"\xff\xffnot a frame at all";
        assert_eq!(relay(&mut follow, stream, &[5], 4), stream);
        assert!(!follow.takes_frames());
        follow.close(compose::close(1012, "", None), Place::Frame);
        assert_eq!(relay(&mut follow, stream, &[5], 4), stream);
    }

    #[test]
    fn nothing_goes_in_behind_a_close_of_the_sender() {
        let mut follow = Follow::new(Sender::Server);
        let theirs = compose::close(1000, "", None);
        assert_eq!(relay(&mut follow, &theirs, &[2], 9), theirs);
        assert!(!follow.insert(compose::ping([0; 8], None), Place::Frame));
        follow.close(compose::close(1012, "", None), Place::Frame);
        assert_eq!(follow.plan(b""), Plan::Read);
    }
}
