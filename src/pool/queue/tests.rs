//! No slot is lost, none is given twice, nobody is overtaken.

use std::sync::atomic::AtomicU32;
use std::task::Wake;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::pool::testing::{Client, committed, limited};
use crate::pool::{Pool, Stamp, Unavailable, Wish};

fn poll(place: &Place) -> Option<Turn> {
    match place.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(turn) => Some(turn),
        Poll::Pending => None,
    }
}

#[track_caller]
fn slot(place: &Place) -> Lease {
    match poll(place) {
        Some(Turn::Slot(lease)) => lease,
        other => panic!("no slot but {other:?}"),
    }
}

#[test]
fn a_slot_passes_in_order_and_never_looks_free() {
    let pool = committed(limited(&["a"], 1, 10));
    let held = Client::default().ask(&pool, &[], 1000).expect("room for one").lease;
    let (first, second) =
        (pool.queue().enter(None, &[]).expect("a place"), pool.queue().enter(None, &[]).expect("a place"));
    assert!(poll(&first).is_none() && poll(&second).is_none());
    drop(held);
    assert!(poll(&second).is_none(), "one slot wakes one");
    assert_eq!(
        Client::default().goes(&pool),
        Err(Unavailable::Busy(None)),
        "who comes late does not overtake"
    );
    let held = slot(&first);
    assert_eq!(pool.members[0].server.in_flight(), 1);
    drop((held, first));
    drop(slot(&second));
    drop(second);
    assert_eq!((pool.members[0].server.in_flight(), pool.queue().waiting()), (0, 0));
}

#[test]
fn who_gives_up_after_its_turn_came_passes_it_on() {
    let pool = committed(limited(&["a"], 1, 10));
    let held = pool.members[0].server.try_begin().expect("room");
    let (first, second) =
        (pool.queue().enter(None, &[]).expect("a place"), pool.queue().enter(None, &[]).expect("a place"));
    drop(held);
    drop(first);
    drop(slot(&second));
    assert_eq!(pool.members[0].server.in_flight(), 0);
}

#[test]
fn a_sticky_client_waits_for_its_own_server_and_stands_in_nobodys_way() {
    let pool = committed(limited(&["a", "b"], 1, 10));
    let [a, b] = [0, 1].map(|i| pool.members[i].server.try_begin().expect("room"));
    let own = pool.queue().enter(Some(a.id), &[]).expect("a place");
    let failed = pool.queue().enter(None, &[b.id]).expect("a place");
    let any = pool.queue().enter(None, &[]).expect("a place");
    drop(b);
    assert!(poll(&own).is_none() && poll(&failed).is_none());
    assert_eq!(&*slot(&any).name, "b");
    drop(a);
    assert_eq!(&*slot(&own).name, "a");
    assert_eq!(&*slot(&failed).name, "a", "the slot went on from one to the next");
}

#[test]
fn a_server_that_takes_no_requests_gives_no_slots() {
    let pool = committed(limited(&["a"], 1, 10));
    let held = pool.members[0].server.try_begin().expect("room");
    let place = pool.queue().enter(None, &[]).expect("a place");
    pool.members[0].server.admin.set(Wish::Maint, Stamp::now(None, None));
    drop(held);
    assert!(!matches!(poll(&place), Some(Turn::Slot(_))));
    assert_eq!(pool.members[0].server.in_flight(), 0);
}

#[test]
fn the_queue_has_a_bound_and_outlives_reloads() {
    let pool = committed(limited(&["a"], 1, 2));
    let places = [0, 1].map(|_| pool.queue().enter(None, &[]).expect("a place"));
    assert!(pool.queue().enter(None, &[]).is_none());
    let next = Pool::new(limited(&["a"], 1, 3), Some(&pool), 1);
    assert!(next.queue().enter(None, &[]).is_none(), "nothing holds before it is published");
    next.commit();
    assert!(
        places.iter().all(|place| matches!(poll(place), Some(Turn::Look))),
        "limits may have been lifted"
    );
    let third = next.queue().enter(None, &[]).expect("room for one more");
    assert!(places[0].is_first() && !third.is_first());
    drop((places, third));
    assert_eq!(next.queue().waiting(), 0);
}

#[derive(Debug, Clone)]
enum Op {
    Arrive(Option<usize>),
    End(usize),
    Leave(usize),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => prop::option::weighted(0.3, 0_usize..3).prop_map(Op::Arrive),
        3 => (0_usize..64).prop_map(Op::End),
        1 => (0_usize..64).prop_map(Op::Leave),
    ]
}

/// One that waits: when it came, what it wants, its place.
struct Waiting(u32, Option<usize>, Place);

fn take(pool: &Pool, want: Option<usize>) -> Option<Lease> {
    let mut servers = (0..pool.members.len()).filter(|i| want.is_none_or(|want| want == *i));
    servers.find_map(|i| pool.members[i].server.try_begin())
}

/// Lets everybody who was woken act; slots in the order of who got them.
fn settle(pool: &Pool, waiting: &mut Vec<Waiting>, held: &mut Vec<Lease>) -> Vec<(u32, String)> {
    let mut got = Vec::new();
    while let Some((at, turn)) = waiting.iter().enumerate().find_map(|(at, w)| Some((at, poll(&w.2)?))) {
        let lease = match turn {
            Turn::Slot(lease) => Some(lease),
            Turn::Look => take(pool, waiting[at].1),
        };
        if let Some(lease) = lease {
            got.push((waiting.remove(at).0, lease.name.to_string()));
            held.push(lease);
        }
    }
    got
}

proptest! {
    #[test]
    fn no_wake_up_is_lost_and_the_bound_holds(
        limit in 1_u32..4,
        size in 0_u32..12,
        ops in prop::collection::vec(op(), 1..150),
    ) {
        let pool = committed(limited(&["a", "b", "c"], limit, size));
        let id = |i: usize| pool.members[i].server.id;
        let (mut waiting, mut held, mut clock) = (Vec::new(), Vec::new(), 0);
        for op in ops {
            clock += 1;
            match op {
                Op::Arrive(want) => match take(&pool, want) {
                    Some(lease) => held.push(lease),
                    None => match pool.queue().enter(want.map(id), &[]) {
                        Some(place) => waiting.push(Waiting(clock, want, place)),
                        None => prop_assert_eq!(waiting.len(), size as usize),
                    },
                },
                Op::End(at) if !held.is_empty() => {
                    let lease = held.swap_remove(at % held.len());
                    let index = pool.index_of(lease.server().id);
                    let first = waiting.iter().find(|w| w.1.is_none() || w.1 == index).map(|w| w.0);
                    drop(lease);
                    let got = settle(&pool, &mut waiting, &mut held);
                    prop_assert_eq!(got.first().map(|got| got.0), first, "the first in line who may have it");
                    prop_assert!(got.len() <= 1, "one slot, one request");
                }
                Op::Leave(at) if !waiting.is_empty() => {
                    let at = at % waiting.len();
                    waiting.remove(at);
                }
                _ => {}
            }
            settle(&pool, &mut waiting, &mut held);
            for (i, member) in pool.members.iter().enumerate() {
                let server = &member.server;
                prop_assert!(server.in_flight() <= limit);
                let count = held.iter().filter(|lease| lease.id == server.id).count();
                prop_assert_eq!(server.in_flight() as usize, count, "holds and counts agree");
                let waits = waiting.iter().any(|w| w.1.is_none_or(|want| want == i));
                prop_assert!(!waits || server.is_full(), "somebody waits beside a free slot");
            }
            prop_assert_eq!(pool.queue().waiting(), waiting.len());
        }
    }
}

/// Wakes a thread.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// As an exchange does it; a request that waits a minute was forgotten.
fn serve(pool: &Pool) -> Lease {
    let give_up = Instant::now() + Duration::from_secs(60);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    if let Some(lease) = take(pool, None) {
        return lease;
    }
    let place = pool.queue().enter(None, &[]).expect("a place for each thread");
    loop {
        if let Some(lease) = take(pool, None) {
            return lease;
        }
        match place.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(Turn::Slot(lease)) => return lease,
            Poll::Ready(Turn::Look) => {}
            Poll::Pending => {
                assert!(Instant::now() < give_up, "a wake-up was lost");
                std::thread::park_timeout(Duration::from_secs(1));
            }
        }
    }
}

#[test]
fn threads_that_share_few_slots_all_get_one_and_never_too_many() {
    let pool = committed(limited(&["a", "b"], 1, 100));
    let (now, served) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let lease = serve(&pool);
                    assert!(now.fetch_add(1, Ordering::SeqCst) < 2, "two servers with room for one each");
                    served.fetch_add(1, Ordering::SeqCst);
                    now.fetch_sub(1, Ordering::SeqCst);
                    drop(lease);
                }
            });
        }
    });
    assert_eq!(served.load(Ordering::SeqCst), 16_000);
    assert_eq!(pool.queue().waiting(), 0);
    assert!(pool.members.iter().all(|member| member.server.in_flight() == 0));
}
