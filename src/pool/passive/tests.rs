//! The machine alone: what ejects, for how long, and what never does.

use proptest::prelude::*;

use super::*;

fn spec() -> PassiveSpec {
    PassiveSpec {
        failures: 3,
        rate: None,
        min_requests: 10,
        window: Duration::from_secs(10),
        eject: Duration::from_secs(30),
        max_ejected: 0.5,
    }
}

const STATUS: &str = "status 503";

/// Feeds one outcome a second, `.` good and `x` bad, and draws what came: `E` ejected, `-` nothing.
#[track_caller]
fn check(spec: &PassiveSpec, step: Duration, outcomes: &str, expected: &str) {
    let begin = Instant::now();
    let mut machine = Machine::default();
    let draw = |(i, c): (usize, char)| {
        let failure = (c == 'x').then_some(STATUS);
        let now = begin + step * i as u32;
        if machine.on(failure, spec, now, || true).is_some() { 'E' } else { '-' }
    };
    let seen: String = outcomes.chars().enumerate().map(draw).collect();
    assert_eq!(seen, expected, "{outcomes}");
}

#[test]
fn failures_in_a_row_eject() {
    let second = Duration::from_secs(1);
    check(&spec(), second, "xx.xx.xxx", "--------E");
    check(&spec(), second, "....", "----");
    // What was under way when it was ejected says nothing new.
    check(&spec(), second, "xxxxxxxxx", "--E------");
    // Failures that are further apart than the window are no row.
    check(&spec(), Duration::from_secs(11), "xxxxxx", "------");
    check(&spec(), Duration::from_secs(10), "xxx", "--E");
}

#[test]
fn a_rate_ejects_once_enough_was_seen() {
    let rated = PassiveSpec { failures: 100, rate: Some(0.5), ..spec() };
    let quick = Duration::from_millis(100);
    check(&rated, quick, "x.x.x.x.xx", "---------E");
    check(&rated, quick, "x..x..x..x..x..x..x", "-------------------");
    check(&PassiveSpec { rate: None, ..rated }, quick, "x.x.x.x.xxx", "-----------");
    // Old failures leave the window.
    check(&rated, Duration::from_secs(6), "x.x.x.x.x.x.xxx", "---------------");
}

#[test]
fn each_ejection_is_longer_until_the_server_stays_well() {
    let spec = PassiveSpec { failures: 1, ..spec() };
    let mut machine = Machine::default();
    let mut now = Instant::now();
    let mut lengths = Vec::new();
    for _ in 0..6 {
        let ejection = machine.on(Some(STATUS), &spec, now, || true).expect("one failure is enough");
        lengths.push(ejection.length.as_secs());
        now += ejection.length + Duration::from_secs(1);
    }
    assert_eq!(lengths, [30, 60, 120, 240, 300, 300]);
    now += Duration::from_secs(400);
    let ejection = machine.on(Some(STATUS), &spec, now, || true).expect("another");
    assert_eq!((ejection.length, ejection.reason.as_str()), (spec.eject, "1 failure"));
    assert_eq!(ejection.last, STATUS);
}

#[test]
fn how_many_of_a_pool_may_be_out() {
    let half = spec();
    assert_eq!([1, 2, 3, 4, 5].map(|servers| half.most_of(servers)), [0, 1, 1, 2, 2]);
    assert_eq!(PassiveSpec { max_ejected: 1.0, ..half }.most_of(3), 3);
    assert_eq!(PassiveSpec { max_ejected: 0.3, ..half }.most_of(10), 3);
}

proptest! {
    #[test]
    fn it_ejects_only_after_enough_failures_and_is_out_exactly_so_long(
        outcomes in prop::collection::vec((any::<bool>(), 0_u64..4000), 1..200),
        failures in 1_u32..6,
        may in any::<bool>(),
    ) {
        let spec = PassiveSpec { failures, ..spec() };
        let mut machine = Machine::default();
        let mut now = Instant::now();
        let (mut streak, mut last, mut until): (u32, Option<Instant>, Option<Instant>) = (0, None, None);
        for (good, pause) in outcomes {
            now += Duration::from_millis(pause);
            let ejection = machine.on((!good).then_some(STATUS), &spec, now, || may);
            if until.is_some_and(|until| now < until) {
                prop_assert!(ejection.is_none());
                continue;
            }
            let near = last.is_some_and(|last| now - last <= spec.window);
            streak = match (good, near) { (true, _) => 0, (false, true) => streak + 1, (false, false) => 1 };
            last = if good { last } else { Some(now) };
            prop_assert_eq!(ejection.is_some(), may && !good && streak >= failures);
            if let Some(ejection) = ejection {
                prop_assert!(ejection.length >= spec.eject && ejection.length <= spec.eject * LONGEST);
                until = Some(now + ejection.length);
                (streak, last) = (0, None);
            }
        }
    }
}
