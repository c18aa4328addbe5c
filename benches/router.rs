//! Benchmarks of the router: building a large table, finding in tables of three sizes, reading paths.
//!
//! Goals: 10,000 routes build in less than 100 ms, a lookup takes less than 1 us.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use lbd::router::{Facts, HostRouter, NormalPath, PathOptions, PathRouter, Pattern, PatternKind, RouteEntry};

const LENIENT: PathOptions =
    PathOptions { ignore_case: true, merge_slashes: true, reject_encoded_slash: false };

/// A plain GET: none of these routes has conditions.
struct Get;

impl Facts for Get {
    fn method(&self) -> &str {
        "GET"
    }

    fn any_header(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn any_cookie(&self, _: &str, _: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        false
    }

    fn query(&self) -> Option<&[u8]> {
        None
    }

    fn client_ip(&self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }

    fn is_websocket(&self) -> bool {
        false
    }
}

/// Half of the routes are static, half have parameters; the last one takes the rest.
fn texts(count: usize) -> Vec<String> {
    let text = |number| match number {
        0 => "/".to_owned(),
        _ if number % 2 == 0 => format!("/area{}/service{number}/index", number % 97),
        _ => format!("/area{}/users{number}/{{id}}/files/{{*rest}}", number % 97),
    };
    (0..count).map(text).collect()
}

fn entries(texts: &[String], ignore_case: bool) -> Vec<RouteEntry<usize>> {
    let entry = |(value, text): (usize, &String)| RouteEntry {
        patterns: vec![Pattern::parse(PatternKind::Prefix, text).expect("a good pattern")],
        matches: Vec::new(),
        priority: 0,
        ignore_case,
        value,
    };
    texts.iter().enumerate().map(entry).collect()
}

fn build(c: &mut Criterion) {
    let texts = texts(10_000);
    c.bench_function("build/10000 from parsed patterns", |bench| {
        let build = |entries| PathRouter::build(entries, LENIENT).expect("no ties");
        bench.iter_batched(|| entries(&texts, true), build, BatchSize::LargeInput);
    });
    c.bench_function("build/10000 from texts", |bench| {
        bench.iter(|| PathRouter::build(entries(black_box(&texts), true), LENIENT).expect("no ties"));
    });
}

fn find(c: &mut Criterion) {
    for (count, options) in [
        (10, PathOptions::default()),
        (1_000, PathOptions::default()),
        (10_000, PathOptions::default()),
        (10_000, LENIENT),
    ] {
        let router =
            PathRouter::build(entries(&texts(count), options.ignore_case), options).expect("no ties");
        // Different routes in turn, so that the table does not stay in the nearest cache.
        let paths = |parity: usize, form: &dyn Fn(usize) -> String| -> Vec<String> {
            (1..count).filter(|number| number % 2 == parity).map(form).collect()
        };
        let fixed = paths(0, &|number| format!("/area{}/service{number}/index/more", number % 97));
        let params = paths(1, &|number| format!("/area{}/users{number}/42/files/a/b", number % 97));
        let missed = paths(0, &|number| format!("/area{}/nothing{number}/here", number % 97));
        let case = if options.ignore_case { ", any case" } else { "" };
        for (name, texts) in [("static", fixed), ("params", params), ("falls back to /", missed)] {
            let parse =
                |text: &'static str| NormalPath::parse(text.as_bytes(), options).expect("a good path");
            let parsed: Vec<_> = texts.into_iter().map(|text| parse(text.leak())).collect();
            let mut turn = parsed.iter().cycle();
            c.bench_function(&format!("find/{count} {name}{case}"), |bench| {
                bench.iter(|| {
                    let path = turn.next().expect("a cycle has no end");
                    router.find(black_box(path), &Get).map(|found| *found.value)
                });
            });
        }
    }
}

fn hosts(c: &mut Criterion) {
    let sites = (0..10_000).map(|number| match number % 10 {
        0 => (vec![format!("*.tenant{number}.example.com")], number),
        _ => (vec![format!("shop{number}.example.com")], number),
    });
    let router = HostRouter::build(sites.collect(), Some(0));
    let mut cycle = |name: &str, form: &dyn Fn(usize) -> String| {
        let hosts: Vec<_> = (0..1_000).map(form).collect();
        let mut turn = hosts.iter().cycle();
        c.bench_function(&format!("host/10000 {name}"), |bench| {
            bench.iter(|| router.find(black_box(turn.next().expect("a cycle has no end").as_bytes())));
        });
    };
    cycle("exact", &|number| format!("Shop{}.example.com:8443", number * 10 + 1));
    cycle("wildcard", &|number| format!("a.b.tenant{}.example.com", number * 10));
    cycle("default", &|number| format!("a.b.unknown{number}.example.org"));
}

fn paths(c: &mut Criterion) {
    for (name, text) in [
        ("plain, 52 bytes", "/Thingworx/Things/Machine-0042/Services/GetTelemetry"),
        ("encoded unreserved", "/Thingworx/%57S/Machine%2D0042/Services/GetTelemetry"),
        ("encoded reserved", "/Thingworx/Things/Machine%200042/Services/GetTelemetry"),
        ("parameters", "/Thingworx/Things;jsessionid=0A1B2C3D4E5F/Services/Get"),
        ("dot segments", "/Thingworx/Things/../Things/./Machine-0042/Services/Get"),
        ("merged slashes", "//Thingworx/Things/Machine-0042/Services/GetTelemetry"),
    ] {
        c.bench_function(&format!("path/{name}"), |bench| {
            bench.iter(|| NormalPath::parse(black_box(text.as_bytes()), LENIENT).is_ok());
        });
    }
}

criterion_group!(benches, build, find, hosts, paths);
criterion_main!(benches);
