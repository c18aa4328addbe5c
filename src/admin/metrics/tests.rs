//! What a page says and how, read back as strictly as its format is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::observe::{Exchange, Exchanges, Histogram};

/// A sample: its name, its labels in their order, its value.
type Sample = (String, Vec<(String, String)>, f64);

/// A page, read as strictly as its format is written: OpenMetrics 1.0, or Prometheus' text 0.0.4.
fn read(page: &str, format: Format) -> Result<Vec<(Read, Vec<Sample>)>, String> {
    let open = format == Format::OpenMetrics;
    let body = match open {
        true => page.strip_suffix("# EOF\n").ok_or("no # EOF at the end")?,
        false => page,
    };
    let mut families: Vec<(Read, Vec<Sample>)> = Vec::new();
    for line in body.split_inclusive('\n') {
        let line = line.strip_suffix('\n').ok_or("the last line has no end")?;
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or(format!("{line}: no help"))?;
            let fresh = families.iter().all(|(family, _)| family.name != name);
            is_name(name)
                .then_some(())
                .filter(|()| fresh && !help.is_empty())
                .ok_or(format!("{line}: twice?"))?;
            families.push((Read { name: name.to_owned(), kind: String::new() }, Vec::new()));
            continue;
        }
        let (family, samples) = families.last_mut().ok_or(format!("{line}: before any family"))?;
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let kind =
                rest.strip_prefix(&format!("{} ", family.name)).ok_or(format!("{line}: of another"))?;
            if !["counter", "gauge", "histogram"].contains(&kind) || !samples.is_empty() {
                return Err(format!("{line}: bad kind or place"));
            }
            kind.clone_into(&mut family.kind);
            continue;
        }
        let sample = sample(line)?;
        let suffixes: &[&str] = match (family.kind.as_str(), open) {
            ("counter", true) => &["_total"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        let fits = suffixes.iter().any(|suffix| format!("{}{suffix}", family.name) == sample.0);
        fits.then_some(()).ok_or(format!("{line}: not of {}", family.name))?;
        samples.push(sample);
    }
    Ok(families)
}

struct Read {
    name: String,
    kind: String,
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// `name{label="text",...} value`, with nothing more and nothing less.
fn sample(line: &str) -> Result<Sample, String> {
    let bad = |what: &str| format!("{line}: {what}");
    let end = line.find(['{', ' ']).ok_or(bad("no value"))?;
    let (name, mut rest) = line.split_at(end);
    is_name(name).then_some(()).ok_or(bad("name"))?;
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").ok_or(bad("label"))?;
            is_name(label).then_some(()).ok_or(bad("label's name"))?;
            let (mut text, mut chars) = (String::new(), after.char_indices());
            let end = loop {
                match chars.next().ok_or(bad("open text"))? {
                    (at, '"') => break at + 1,
                    (_, '\\') => text.push(match chars.next() {
                        Some((_, 'n')) => '\n',
                        Some((_, c @ ('\\' | '"'))) => c,
                        _ => return Err(bad("escape")),
                    }),
                    (_, c) => text.push(c),
                }
            };
            labels.push((label.to_owned(), text));
            rest = &after[end..];
            if let Some(last) = rest.strip_prefix('}') {
                rest = last;
                break;
            }
            rest = rest.strip_prefix(',').ok_or(bad("between labels"))?;
        }
    }
    let value = rest.strip_prefix(' ').ok_or(bad("no blank"))?;
    let value = value.parse().map_err(|_| bad("value"))?;
    Ok((name.to_owned(), labels, value))
}

/// Every rule that a page keeps beside its syntax.
fn check(page: &str, format: Format) -> BTreeMap<String, f64> {
    let families = read(page, format).unwrap_or_else(|problem| panic!("{problem}\nin\n{page}"));
    let mut seen = BTreeMap::new();
    for (family, samples) in &families {
        let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (name, labels, value) in samples {
            assert!(value.is_finite() && *value >= 0.0, "{name} {labels:?} {value}");
            assert!(seen.insert(format!("{name}{labels:?}"), *value).is_none(), "twice: {name} {labels:?}");
            if family.kind == "histogram" {
                let key = labels.iter().filter(|(label, _)| label != "le").map(|pair| format!("{pair:?}"));
                let (key, bound) = (key.collect(), labels.iter().find(|(label, _)| label == "le"));
                assert_eq!(bound.is_some(), name.ends_with("_bucket"), "{name}");
                let bucket = bound.map(|(_, text)| (text.parse::<f64>().unwrap_or(f64::INFINITY), *value));
                let all: &mut Vec<_> = buckets.entry(key).or_default();
                all.extend(bucket);
                if name.ends_with("_count") {
                    assert_eq!(all.last().copied(), Some((f64::INFINITY, *value)), "{name} {labels:?}");
                }
            }
        }
        for all in buckets.values() {
            assert!(all.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{}: {all:?}", family.name);
        }
    }
    seen
}

#[test]
fn names_and_units_keep_the_rules_of_prometheus() {
    let mut names = BTreeSet::new();
    for Family { name, kind, labels, help } in families() {
        assert!(names.insert(name), "{name} twice");
        assert_eq!(name.ends_with("_total"), kind == Kind::Counter, "{name}");
        assert!(name.starts_with("lbd_") || name.starts_with("process_"), "{name}");
        for unit in
            ["milliseconds", "_ms", "micros", "kilobytes", "_kb", "percent", "_min", "_duration_total"]
        {
            assert!(!name.contains(unit), "{name}: seconds, bytes, ratios");
        }
        assert!(kind != Kind::Histogram || name.ends_with("_seconds"), "{name} has no unit");
        assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{name}: {help}");
        assert!(!labels.contains(&"le") && labels.iter().all(|label| is_name(label)), "{name}: {labels:?}");
    }
    // In OpenMetrics a counter's family has its name without the end: nothing else may be called so.
    let bare = |name: &&str| name.strip_suffix("_total").is_some_and(|bare| names.contains(bare));
    assert_eq!(names.iter().copied().find(bare), None);
}

#[test]
fn what_a_client_accepts_decides_the_format() {
    use Format::{OpenMetrics, Prometheus};
    let asked = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (accept, expected) in [
        (None, Prometheus),
        (Some("*/*"), Prometheus),
        (Some("text/html"), Prometheus),
        (Some(asked), OpenMetrics),
        (Some("application/openmetrics-text; version=1.0.0"), OpenMetrics),
        (Some("Application/OpenMetrics-Text"), OpenMetrics),
        (Some("application/openmetrics-text; version=0.0.1"), Prometheus),
        (Some("application/openmetrics-text;q=0.2, text/plain;q=0.9"), Prometheus),
        (Some("application/openmetrics-text;q=0"), Prometheus),
        (Some("application/openmetrics-text;q=many"), Prometheus),
    ] {
        assert_eq!(Format::accepted(accept), expected, "{accept:?}");
    }
}

#[test]
fn an_empty_world_is_a_page_in_both_formats() {
    let (world, events, log) = (Snapshot::empty(), Events::new(), LogLines::default());
    let told = Told { events: &events, log: &log, spans: &Spans::new().0 };
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let page = render(&world, &ReloadState::default(), told, format).0;
        let seen = check(&page, format);
        assert_eq!(seen["lbd_config_last_attempt_ok[]"], 1.0);
        assert!(seen["process_resident_memory_bytes[]"] > 1e5, "{page}");
        assert!(seen["process_start_time_seconds[]"] > 1.5e9, "{page}");
        assert!(seen["process_open_fds[]"] <= seen["process_max_fds[]"], "{page}");
    }
}

#[test]
fn a_histogram_says_where_its_values_lie() {
    let mut histogram = Histogram::default();
    for micros in [50, 127, 128, 1_000_000, 3_600_000_000] {
        histogram.buckets[Histogram::bucket(micros)] += 1;
        histogram.sum_micros += micros;
    }
    let mut page = Page::new(Format::Prometheus);
    page.histogram("lbd_test_seconds", &["of"], "A test.").spread(&["x"], &histogram);
    let seen = check(&page.finish().0, Format::Prometheus);
    let below =
        |bound: &str| seen[&format!("lbd_test_seconds_bucket[(\"of\", \"x\"), (\"le\", \"{bound}\")]")];
    assert_eq!((below("0.000128"), below("0.000256"), below("1.048576")), (2.0, 3.0, 4.0));
    assert_eq!((below("67.108864"), below("+Inf")), (4.0, 5.0));
}

proptest! {
    #[test]
    fn whatever_things_are_called_and_counted_the_page_can_be_read(
        names in proptest::collection::btree_set((".{0,12}", "[a-z\"\\\\\n{}=, #é]{0,8}"), 1..6),
        exchanges in proptest::collection::vec((0..1000_u16, any::<u32>(), any::<u32>()), 0..50),
        kinds in proptest::collection::vec(0..3_usize, 0..9),
    ) {
        let mut world = Snapshot::empty();
        for (at, (site, route)) in names.iter().enumerate() {
            let counts = Exchanges::new(2);
            for (status, micros, bytes) in &exchanges {
                let exchange = Exchange {
                    status: *status,
                    micros: u64::from(*micros),
                    bytes: (u64::from(*bytes), 1),
                };
                counts.count(at % 2, &exchange);
            }
            world.route_counts.insert((Arc::from(&**site), Arc::from(&**route)), counts);
        }
        let (events, log, spans) = (Events::new(), LogLines::default(), Spans::new().0);
        let told = Told { events: &events, log: &log, spans: &spans };
        for kind in kinds {
            events.emit(["server.up", "server.down", "config.applied"][kind], "x", serde_json::Value::Null, None);
        }
        for format in [Format::Prometheus, Format::OpenMetrics] {
            let page = render(&world, &ReloadState::default(), told, format).0;
            let seen = check(&page, format);
            for (site, route) in &names {
                let labels = [("site", site), ("route", route)];
                let count = seen.get(&format!("lbd_route_request_duration_seconds_count{labels:?}"));
                prop_assert_eq!(count.copied().unwrap_or_default(), exchanges.len() as f64);
            }
        }
    }
}
