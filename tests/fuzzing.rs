//! Arbitrary and mutated texts: nothing panics, and nothing takes long.
//!
//! A few hundred texts each by default, always the same. `LBD_FUZZ_SECONDS=600` goes on for so long with others, and
//! then a text that takes more than a second each time is a failure as well. `fuzz/` runs the same with libFuzzer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

mod targets;

/// Texts for each target when no time is given.
const FEW: usize = 300;
/// No text may take longer ...
const LONG: Duration = Duration::from_secs(1);
/// ... unless the machine was busy: then one of so many more tries is quick.
const RETRIES: usize = 5;
/// The longest text that is made.
const LONGEST: usize = 16 << 10;

/// Words that mean something, to be put anywhere.
const WORDS: &[&str] = &[
    "{",
    "}",
    "\"",
    "\"\"\"",
    "#\"",
    "\"#",
    "/-",
    "/*",
    "*/",
    "//",
    "\\",
    ";",
    "=",
    "(",
    ")",
    "(regex)",
    "(u8)",
    "#true",
    "#null",
    "#nan",
    "0x",
    "1_0",
    "-",
    "+.5",
    "1e400",
    "${",
    "${env:X:-}",
    "${file:/}",
    "$${",
    "\u{feff}",
    "\u{2028}",
    "\r\n",
    "\n",
    "\t",
    "\0",
    "\u{202e}",
    "\u{1F600}",
    "let a=\"${a}\"",
    "template t a=1 { use t; }",
    "use t",
    "defaults {",
    "include \"*.kdl\"",
    "route \"/{a}/{*b}\" pool=app",
    "expect \"http://a/\" none",
    "99999999999999999999",
    "true",
];

/// Texts to begin with: the examples, and the texts of the golden tests.
fn seeds() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for folder in ["examples", "tests/golden"] {
        collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    }
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(seeds.len() > 20, "{files:?}");
    seeds
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "kdl") {
            files.push(path);
        }
    }
}

/// A text that is like another one.
fn mutated(seeds: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut text = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..=random.usize(..8) {
        let (from, to) = (random.usize(..=text.len()), random.usize(..=text.len()));
        let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 200));
        match random.u8(..7) {
            0 => drop(text.drain(from..to)),
            1 => text.truncate(to),
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
                let word = WORDS[random.usize(..WORDS.len())].repeat(1 + random.usize(..3));
                text.splice(from..from, word.into_bytes());
            }
            _ => {
                let word = WORDS[random.usize(..WORDS.len())].as_bytes().to_vec();
                text.splice(from..to, word);
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

/// Gives texts to a target. One that it panics on is kept, and named.
fn run(name: &str, target: fn(&[u8])) {
    let seeds = seeds();
    let seconds = std::env::var("LBD_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let seed = if seconds.is_some() { fastrand::u64(..) } else { 7 };
    let mut random = fastrand::Rng::with_seed(seed);
    let (began, mut texts) = (Instant::now(), 0);
    let mut slowest = Duration::ZERO;
    let goes_on = |texts: usize| match seconds {
        Some(seconds) => began.elapsed() < Duration::from_secs(seconds),
        None => texts < FEW,
    };
    while goes_on(texts) {
        let text = mutated(&seeds, &mut random);
        let (done, took) = timed(target, &text);
        slowest = slowest.max(took);
        let is_slow = || (0..RETRIES).all(|_| timed(target, &text).1 > LONG);
        if !done || seconds.is_some() && took > LONG && is_slow() {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{name}.kdl"));
            std::fs::write(&kept, &text).unwrap();
            panic!("{name} failed after {took:?} on text {texts} (seed {seed}), kept in {}", kept.display());
        }
        texts += 1;
    }
    println!("{name}: {texts} texts in {:?}, the slowest in {slowest:?}", began.elapsed());
}

#[test]
fn the_lexer_takes_any_text() {
    run("lex", targets::lex);
}

#[test]
fn the_parser_takes_any_text() {
    run("parse", targets::parse);
}

#[test]
fn the_formatter_keeps_the_meaning_of_any_text() {
    run("format", targets::format);
}

#[test]
fn expectations_may_be_any_text() {
    run("expect", targets::expect);
}

#[test]
fn any_text_can_be_asked_about() {
    run("explain", targets::explain);
}
