//! Arbitrary and mutated bytes: nothing panics, nothing takes long, and what is said to hold does.
//!
//! Each seed and a bounded number of mutations by default, always the same, for 20 s at most. `LBD_FUZZ_SECONDS=600` goes on for so long
//! with others, and then one that takes more than a second each time is a failure as well. `fuzz/` runs the same
//! targets with libFuzzer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

mod seeds;
mod targets;

/// None may take longer ...
const LONG: Duration = Duration::from_secs(1);
/// ... unless the machine was busy: then one of so many more tries is quick.
const RETRIES: usize = 5;
/// The most bytes that are made.
const LONGEST: usize = 16 << 10;
/// Without a time given: always the same mutations ...
const SEED: u64 = 7;
/// ... and fewer of them where the machine is slow.
const BOUND: Duration = Duration::from_secs(20);

/// Bytes that are like others.
fn mutated(seeds: &[Vec<u8>], words: &[&str], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut text = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..=random.usize(..8) {
        let (from, to) = (random.usize(..=text.len()), random.usize(..=text.len()));
        let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 200));
        match random.u8(..8) {
            0 => drop(text.drain(from..to)),
            1 if random.u8(..4) == 0 => text.truncate(to),
            2 => {
                let piece = text[from..to].to_vec();
                text.splice(to..to, piece);
            }
            3 => {
                let other = &seeds[random.usize(..seeds.len())];
                let at = random.usize(..=other.len());
                let piece = other[at..(at + 100).min(other.len())].to_vec();
                text.splice(from..to, piece);
            }
            4 if !text.is_empty() => {
                let at = random.usize(..text.len());
                text[at] ^= 1 << random.u8(..8);
            }
            5 => {
                let word = words[random.usize(..words.len())].repeat(1 + random.usize(..3));
                text.splice(from..from, word.into_bytes());
            }
            6 if !text.is_empty() => {
                text.remove(random.usize(..text.len()));
            }
            _ => {
                let word = words[random.usize(..words.len())].as_bytes().to_vec();
                text.splice(from..to.min(from + word.len()), word);
            }
        }
        text.truncate(LONGEST);
    }
    text
}

/// Whether the target takes it, and how long that is.
fn timed(target: fn(&[u8]), text: &[u8]) -> (bool, Duration) {
    let began = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| target(text)));
    (done.is_ok(), began.elapsed())
}

/// Gives the seeds and so many mutations to a target. Bytes that it panics on are kept, and named.
fn run(name: &str, most: usize) {
    let target = targets::ALL.iter().find(|target| target.name == name).unwrap().check;
    let (seeds, words) = (seeds::of(name), seeds::words(name));
    let seconds = std::env::var("LBD_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let seed = if seconds.is_some() { fastrand::u64(..) } else { SEED };
    let mut random = fastrand::Rng::with_seed(seed);
    let (began, mut texts) = (Instant::now(), 0);
    let mut slowest = Duration::ZERO;
    let goes_on = |texts: usize| match seconds {
        Some(seconds) => began.elapsed() < Duration::from_secs(seconds),
        None => texts < most + seeds.len() && began.elapsed() < BOUND,
    };
    while goes_on(texts) {
        let text = match seeds.get(texts) {
            Some(seed) => seed.clone(),
            None => mutated(&seeds, words, &mut random),
        };
        let (done, took) = timed(target, &text);
        slowest = slowest.max(took);
        let is_slow = || (0..RETRIES).all(|_| timed(target, &text).1 > LONG);
        if !done || seconds.is_some() && took > LONG && is_slow() {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}"));
            std::fs::write(&kept, &text).unwrap();
            panic!("{name} failed after {took:?} on text {texts} (seed {seed}), kept in {}", kept.display());
        }
        texts += 1;
    }
    println!("{name}: {texts} texts in {:?}, the slowest in {slowest:?}", began.elapsed());
}

#[test]
fn the_lexer_takes_any_text() {
    run("lex", 300);
}

#[test]
fn the_parser_takes_any_text() {
    run("parse", 300);
}

#[test]
fn the_formatter_keeps_the_meaning_of_any_text() {
    run("format", 300);
}

#[test]
fn expectations_may_be_any_text() {
    run("expect", 300);
}

#[test]
fn any_text_can_be_asked_about() {
    run("explain", 300);
}

#[test]
fn any_text_can_be_imported_and_each_line_of_it_has_a_verdict() {
    run("import", 300);
}

#[test]
fn what_goes_to_a_server_means_what_the_client_said() {
    run("request", 4000);
}

#[test]
fn what_goes_to_a_client_means_what_the_server_said() {
    run("response", 4000);
}

#[test]
fn chunks_are_read_the_same_however_they_come() {
    run("chunked", 4000);
}

#[test]
fn a_request_of_http2_becomes_one_of_http1_or_none() {
    run("http2", 4000);
}

#[test]
fn requests_mean_the_same_to_hyper_or_are_refused() {
    run("request-hyper", 20_000);
}

#[test]
fn answers_mean_the_same_to_hyper_or_are_refused() {
    run("response-hyper", 10_000);
}

#[test]
fn plain_requests_are_served_here_as_they_are_by_hyper() {
    for message in seeds::listed("request/plain.txt") {
        let served = targets::differential::requests_served_by_both(&message);
        assert!(served.is_some_and(|count| count > 0), "{}", message.escape_ascii());
    }
}

#[test]
fn plain_answers_are_taken_and_odd_ones_are_not() {
    for (file, taken) in [("response/plain.txt", true), ("response/odd.txt", false)] {
        for message in seeds::listed(file) {
            let by_both = targets::differential::answer_taken_by_both("GET", &message);
            assert_eq!(by_both, taken, "{}", message.escape_ascii());
        }
    }
}

#[test]
fn a_proxy_header_is_judged_by_its_own_bytes() {
    run("proxy", 4000);
}

#[test]
fn a_hello_is_judged_once() {
    run("hello", 2000);
}

#[test]
fn frames_end_where_a_plain_reader_finds_them_to_end() {
    run("frames", 4000);
}

#[test]
fn a_cookie_that_is_taken_out_takes_nothing_with_it() {
    run("cookies", 4000);
}

#[test]
fn no_server_finds_another_path_than_the_one_that_was_routed() {
    run("path", 8000);
}

#[test]
fn the_order_in_which_routes_are_given_means_nothing() {
    run("route", 2000);
}

#[test]
fn every_target_is_a_program_of_libfuzzer_too() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    for target in targets::ALL {
        let name = target.name;
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "fuzz/Cargo.toml has no {name}");
        assert!(readme.contains(&format!("| `{name}` |")), "fuzz/README.md says nothing of {name}");
        let program = folder.join(format!("fuzz_targets/{}.rs", name.replace('-', "_")));
        let text = std::fs::read_to_string(program).unwrap();
        assert!(text.contains(&format!("run(\"{name}\", data)")), "{text}");
    }
}
