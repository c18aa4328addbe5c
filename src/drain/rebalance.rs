//! WebSockets that are moved to servers that have too few: surplus ones are closed, and their clients come back.
//! Where stickiness would bring them back to where they were, it is moved first.

use super::leaving::Leaving;
use crate::pool::{
    Choice, CloseOrder, Closing, Eligibility, Pacing, Pool, Rate, Server, ServerId, SessionKind,
};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// A move that has not come to its end by then is given up: whoever would be closed has left.
const LONGEST: Duration = Duration::from_secs(3600);

/// One server's part in a rebalance.
#[derive(Clone, Debug)]
pub struct Part {
    /// The server.
    pub server: Arc<Server>,
    /// WebSockets that it has.
    pub websockets: u64,
    /// WebSockets that would be its share, by weight.
    pub share: u64,
}

impl Part {
    /// How many it has too many.
    pub fn surplus(&self) -> u64 {
        self.websockets.saturating_sub(self.share)
    }
}

/// What each server that takes new clients has, and should have.
pub fn parts(pool: &Pool) -> Vec<Part> {
    let ready =
        || pool.members.iter().filter(|member| member.eligibility() == Eligibility::Ready && !member.backup);
    let websockets = |server: &Server| {
        server.sessions.list().iter().filter(|session| session.kind == SessionKind::WebSocket).count() as u64
    };
    let counts: Vec<u64> = ready().map(|member| websockets(&member.server)).collect();
    let weights: Vec<u64> = ready().map(|member| u64::from(member.effective_weight())).collect();
    let shares = shares(counts.iter().sum(), &weights);
    let parts = ready().zip(counts).zip(shares);
    parts
        .map(|((member, websockets), share)| Part { server: Arc::clone(&member.server), websockets, share })
        .collect()
}

/// Each one's share of `total` by weight, rounded up, so that what is left over moves nobody.
fn shares(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum = weights.iter().sum::<u64>().max(1);
    weights
        .iter()
        .map(|weight| (u128::from(total) * u128::from(*weight)).div_ceil(u128::from(sum)) as u64)
        .collect()
}

/// The servers that have too few, each as often as it has room, in turn.
fn targets(parts: &[Part]) -> Vec<ServerId> {
    let wanted: u64 = parts.iter().map(Part::surplus).sum();
    let mut room: Vec<(ServerId, u64)> =
        parts.iter().map(|part| (part.server.id, part.share.saturating_sub(part.websockets))).collect();
    let mut targets = Vec::new();
    while (targets.len() as u64) < wanted {
        room.retain(|(_, left)| *left > 0);
        if room.is_empty() {
            break;
        }
        targets.extend(room.iter().map(|(id, _)| *id));
        room.iter_mut().for_each(|(_, left)| *left -= 1);
    }
    targets
}

/// The surplus of one server on its way.
#[derive(Debug)]
pub(super) struct Move {
    server: Arc<Server>,
    leaving: Leaving,
    closing: Closing,
    left: u64,
    /// Where each of them goes.
    targets: VecDeque<ServerId>,
    until: Instant,
}

impl Move {
    /// The surplus of all these, together at this rate.
    pub(super) fn all(parts: &[Part], rate: Rate, closing: &Closing, now: Instant) -> Vec<Self> {
        let surplus: Vec<&Part> = parts.iter().filter(|part| part.surplus() > 0).collect();
        let rate = Rate { per: rate.per * surplus.len().max(1) as u32, ..rate };
        let mut targets = targets(parts).into_iter();
        let mut one = |part: &&Part| Self {
            server: Arc::clone(&part.server),
            leaving: Leaving::new(Pacing { rate, order: CloseOrder::Idle }, Choice::default(), now),
            closing: closing.clone(),
            left: part.surplus(),
            targets: targets.by_ref().take(part.surplus() as usize).collect(),
            until: now + LONGEST,
        };
        surplus.iter().map(&mut one).collect()
    }

    pub(super) fn is_of(&self, pool: &str) -> bool {
        *self.server.pool == *pool
    }

    /// Closes some; false when it has come to its end.
    pub(super) fn step(&mut self, now: Instant) -> bool {
        let before = self.leaving.asked();
        let (from, targets) = (self.server.id, &mut self.targets);
        let unix =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.leaving.close_some(&self.server, &self.closing, now, self.left, |session| {
            if let Some(to) = targets.pop_front() {
                session.send_to(from, to, unix);
            }
        });
        self.left = self.left.saturating_sub(self.leaving.asked() - before);
        self.left > 0 && now < self.until
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.leaving.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::testing::settings;
    use crate::pool::{Stamp, Wish};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn shares_hold_everyone_and_waste_little(
            total in 0u64..100_000,
            weights in prop::collection::vec(0u64..1000, 1..20),
        ) {
            let shares = shares(total, &weights);
            if weights.iter().any(|weight| *weight > 0) {
                let sum: u64 = shares.iter().sum();
                prop_assert!(sum >= total && sum < total + weights.len() as u64);
            }
        }
    }

    #[test]
    fn those_that_leave_are_shared_out_by_the_room_that_there_is() {
        let pool = Pool::new(settings(&["a", "b", "c*2"]), None, 1);
        let part = |(member, (websockets, share)): (&crate::pool::Member, (u64, u64))| Part {
            server: Arc::clone(&member.server),
            websockets,
            share,
        };
        let parts: Vec<Part> = pool.members.iter().zip([(9, 3), (2, 3), (0, 6)]).map(part).collect();
        let (b, c) = (ServerId::of("b"), ServerId::of("c"));
        assert_eq!(targets(&parts), [b, c, c, c, c, c]);
        assert!(targets(&parts[..1]).is_empty(), "nowhere to go");
    }

    #[test]
    fn surplus_goes_from_servers_that_serve_and_from_no_others() {
        let pool = Pool::new(settings(&["a", "b", "c*2"]), None, 1);
        let client = "127.0.0.1:4711".parse().unwrap();
        let a = &pool.members[0].server;
        let all: Vec<_> = (0..8).map(|_| a.begin().into_session(SessionKind::WebSocket, client)).collect();
        let surplus =
            || parts(&pool).iter().map(|p| (p.server.name.to_string(), p.surplus())).collect::<Vec<_>>();
        assert_eq!(surplus(), [("a".into(), 6), ("b".into(), 0), ("c".into(), 0)]);
        pool.members[2].server.admin.set(Wish::Maint, Stamp::now(None, None));
        assert_eq!(surplus(), [("a".into(), 4), ("b".into(), 0)]);
        let (now, closing) = (Instant::now(), Closing { code: 1012, reason: "x".into() });
        let rate = Rate { count: 100, per: Duration::from_secs(1) };
        let mut moves = Move::all(&parts(&pool), rate, &closing, now);
        let steps = (0..1000).take_while(|n| moves[0].step(now + Duration::from_millis(*n))).count();
        assert!(steps < 100, "{steps}");
        assert_eq!(all.iter().filter(|lease| lease.session().closing().is_some()).count(), 4);
    }
}
