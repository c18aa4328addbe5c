//! Tables: what is remembered, for how long, and never more than fits.

use proptest::prelude::*;

use super::*;

const A: ServerId = ServerId(1);
const B: ServerId = ServerId(2);

fn table(max: usize) -> ClientTable {
    ClientTable::new(Duration::from_secs(100), max)
}

fn nth(i: u32) -> u128 {
    u128::from(i) << 64 | 7
}

#[test]
fn an_entry_lives_from_its_last_use() {
    let table = table(10);
    assert_eq!(table.find(nth(1), 1000), None);
    table.put(nth(1), A, 1000);
    assert_eq!(table.find(nth(1), 1100), Some(A));
    assert_eq!(table.find(nth(1), 1200), Some(A), "the use at 1100 counts");
    assert!(table.get(nth(1), 1300).is_some(), "looking");
    assert_eq!(table.find(nth(1), 1301), None, "is no use");
    table.put(nth(1), B, 1301);
    assert_eq!((table.find(nth(1), 1301), table.len()), (Some(B), 1));
}

#[test]
fn it_never_grows_over_its_bound() {
    for max in [1, 7, 64, 1000] {
        let table = table(max);
        for i in 0..3000 {
            table.put(nth(i), A, 1000);
            assert!(table.len() <= max, "{} of {max}", table.len());
            assert_eq!(table.find(nth(i), 1000), Some(A), "the newest is there");
        }
        let counted: usize = table.shards.iter().map(|shard| shard.entries.len()).sum();
        assert_eq!(counted, table.len());
        assert!(table.len() > max / 2, "{} of {max}: too much went", table.len());
    }
}

#[test]
fn who_is_idle_goes_first() {
    let table = table(640);
    for i in 0..640 {
        table.put(nth(i), A, u64::from(1000 + i % 2));
    }
    for i in 640..700 {
        table.put(nth(i), A, 1010);
    }
    // Odd ones were used later: no shard gave one up while it still held an even one.
    let mut gone = 0;
    for shard in 0..SHARDS {
        let of = |parity| (0..640).filter(move |i| i % 2 == parity).filter(|&i| table.hash(nth(i)) == shard);
        let alive = |i: u32| table.get(nth(i), 1010).is_some();
        let later_gone = of(1).filter(|&i| !alive(i)).count();
        let earlier_left = of(0).filter(|&i| alive(i)).count();
        assert!(
            later_gone == 0 || earlier_left == 0,
            "shard {shard}: {later_gone} gone, {earlier_left} left"
        );
        gone += later_gone + of(0).count() - earlier_left;
    }
    assert!(gone > 0 && table.len() <= 640, "{gone} gone, {} left", table.len());
}

#[test]
fn lower_limits_keep_those_used_last() {
    let table = table(1000);
    for i in 0..100 {
        table.put(nth(i), A, u64::from(1000 + i / 2));
    }
    table.limit(Duration::from_secs(100), 15);
    assert_eq!(table.len(), 15);
    assert!((86..100).all(|i| table.get(nth(i), 1050).is_some()));
    table.limit(Duration::from_secs(3), 1000);
    assert_eq!(table.len(), 15);
    assert_eq!(table.sweep(1049 + 3), 15 - 2);
    table.limit(Duration::from_secs(3), 0);
    table.put(nth(1), A, 1050);
    assert!(table.is_empty());
}

#[test]
fn listing_and_clearing() {
    let table = table(1000);
    for i in 0..50 {
        table.put(nth(i), if i % 5 == 0 { B } else { A }, 1000);
    }
    assert_eq!(table.list(1000, 3, |_| true).len(), 3);
    assert_eq!(table.list(1000, 99, |entry| entry.server == B).len(), 10);
    assert_eq!(table.list(5000, 99, |_| true).len(), 0, "out of date");
    assert_eq!(table.clear(|entry| entry.server == B), 10);
    assert_eq!(table.len(), 40);
    assert!(table.change(nth(1), B, |entry| entry.server == A));
    assert!(!table.change(nth(1), A, |entry| entry.server == A), "it does not pass");
    assert_eq!(table.find(nth(1), 1000), Some(B));
}

#[test]
fn what_is_held_neither_ages_nor_makes_room() {
    let table = std::sync::Arc::new(table(64));
    table.put(nth(0), A, 1000);
    let (one, two) = (table.hold(nth(0)).unwrap(), table.hold(nth(0)).unwrap());
    assert!(table.hold(nth(1)).is_none(), "nobody is there");
    assert_eq!(table.get(nth(0), 5000).map(|entry| entry.streams), Some(2), "long after its time");
    for i in 1..1000 {
        table.put(nth(i), A, 2000);
        assert!(table.len() <= 64);
    }
    assert_eq!(table.sweep(2000), 0);
    assert_eq!(table.find(nth(0), 2000), Some(A));
    table.put(nth(0), B, 2000);
    assert_eq!(table.get(nth(0), 9000).map(|entry| (entry.server, entry.streams)), Some((B, 2)));
    drop((one, two));
    assert_eq!(table.get(nth(0), 9000), None);
    assert!(table.evicted() >= 1000 - 64, "{}", table.evicted());
}

#[test]
fn even_held_entries_stay_within_the_bound() {
    let table = table(8);
    let held: Vec<_> = (0..100)
        .map(|i| {
            table.put(nth(i), A, 1000);
            assert!(table.len() <= 8);
            table.hold(nth(i)).expect("the newest is there")
        })
        .collect();
    assert_eq!(held.len(), 100);
}

/// What can happen to a table.
#[derive(Debug, Clone)]
enum Step {
    Put(u32, ServerId),
    Hold(u32),
    Change(u32),
    Clear(ServerId),
    Sweep,
    Limit(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let server = || prop_oneof![Just(A), Just(B)];
    prop_oneof![
        20 => (0..500_u32, server()).prop_map(|(i, server)| Step::Put(i, server)),
        3 => (0..500_u32).prop_map(Step::Hold),
        2 => (0..500_u32).prop_map(Step::Change),
        1 => server().prop_map(Step::Clear),
        1 => Just(Step::Sweep),
        1 => (0..200_usize).prop_map(Step::Limit),
        2 => (0..90_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_it_stays_within_its_bound_and_counts_right(
        max in 0..200_usize,
        steps in prop::collection::vec(step(), 1..400),
    ) {
        let (table, mut now, mut max, mut held) = (table(max), 1000, max, Vec::new());
        for step in steps {
            let before = table.changes();
            match step {
                Step::Put(i, server) => {
                    table.put(nth(i), server, now);
                    prop_assert_eq!(table.find(nth(i), now), (max > 0).then_some(server));
                }
                Step::Hold(i) => held.extend(table.hold(nth(i))),
                Step::Change(i) => {
                    let changed = table.change(nth(i), B, |_| true);
                    prop_assert_eq!(table.changes(), before + u64::from(changed));
                }
                Step::Clear(server) => {
                    table.clear(|entry| entry.server == server);
                }
                Step::Sweep => {
                    table.sweep(now);
                }
                Step::Limit(most) => {
                    table.limit(Duration::from_secs(100), most);
                    max = most;
                }
                Step::Wait(seconds) => now += seconds,
            }
            let counted: usize = table.shards.iter().map(|shard| shard.entries.pin().iter().count()).sum();
            prop_assert_eq!(counted, table.len());
            prop_assert!(counted <= max, "{} of {}", counted, max);
        }
    }
}

#[test]
fn who_only_looks_waits_for_nobody() {
    let table = table(1000);
    table.put(nth(1), A, 1000);
    // Whoever has every lock does not keep anybody from finding who is there.
    let _locks: Vec<_> = table.shards.iter().map(Shard::write).collect();
    assert_eq!(table.find(nth(1), 1001), Some(A));
    assert_eq!(table.get(nth(1), 1001).map(|entry| entry.used), Some(1001));
    assert_eq!(table.list(1001, 9, |_| true).len(), 1);
}
