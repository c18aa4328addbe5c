//! Each rule has a page, `docs/lint/CODE.md`, and each page is true: what it calls bad has exactly the finding
//! that it shows, what it calls good has none.
//!
//! A page is
//!
//! ````text
//! # LB501: what it finds
//! warning · safe fix
//!
//! ## What
//! ## Why
//! ## Bad
//! ```kdl
//! what the file lbd.kdl says
//! ```
//! ```text
//! the finding as it is drawn
//! ```
//! ## Good
//! ```kdl
//! ```
//! ## When to allow
//! ````
//!
//! `## Bad` and `## Good` may hold several examples. A block ` ```kdl file=other.kdl ` behind an example's own is
//! a file beside it, in any language. A page whose second line ends in ` · live` shows what only the world outside
//! the files can tell: its bad example is not run. `LBD_BLESS=1 cargo test --test tests linting` writes the table
//! of pages, and, run once more, what is drawn; look at the difference before keeping it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lbd::config::diagnostic::{Report, Severity};
use lbd::config::fix::{self, Trust};
use lbd::config::rules::{self, Fixable, Rule};
use lbd::config::source::{FsLoader, Sources};
use lbd::config::{self, render};
use lbd::tls;

pub(super) mod fixtures;

/// Codes, by how they begin, whose pages are still to be written.
const UNWRITTEN: &[&str] = &[];

/// What no known text provokes: a refusal out of caution.
const NEVER_SEEN: &[&str] = &["KDL020"];

/// The parts of a page, in order.
const PARTS: [&str; 5] = ["What", "Why", "Bad", "Good", "When to allow"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn bless() -> bool {
    std::env::var_os("LBD_BLESS").is_some()
}

/// A fenced block: the words behind the fence, and the text in it.
#[derive(Debug, Clone, Copy)]
struct Fenced<'a> {
    info: &'a str,
    text: &'a str,
}

impl<'a> Fenced<'a> {
    fn all(part: &'a str) -> Vec<Self> {
        let mut found = Vec::new();
        let mut rest = part;
        while let Some((_, behind)) = rest.split_once("```") {
            let (info, behind) = behind.split_once('\n').expect("a fence ends its line");
            // An empty block has its end right behind its beginning.
            let (text, behind) = match behind.strip_prefix("```") {
                Some(behind) => ("", behind),
                None => {
                    let end = behind.find("\n```").expect("a block ends");
                    (&behind[..end + 1], &behind[end + 4..])
                }
            };
            found.push(Self { info, text });
            rest = behind;
        }
        found
    }

    fn file(self) -> Option<&'a str> {
        self.info.split(' ').find_map(|word| word.strip_prefix("file="))
    }
}

/// One configuration that a page shows, with the files beside it, and what is drawn for it.
#[derive(Debug, Default)]
struct Example<'a> {
    text: &'a str,
    files: Vec<(&'a str, &'a str)>,
    drawn: Option<&'a str>,
}

impl<'a> Example<'a> {
    fn all(part: &'a str) -> Vec<Self> {
        let mut found: Vec<Self> = Vec::new();
        for block in Fenced::all(part) {
            match (block.file(), block.info, found.last_mut()) {
                (None, "kdl", _) => found.push(Self { text: block.text, ..Self::default() }),
                (Some(name), _, Some(example)) => example.files.push((name, block.text)),
                (None, "text", Some(example)) => example.drawn = Some(block.text),
                _ => panic!("`{}` does not stand here", block.info),
            }
        }
        found
    }
}

/// Everything found in an example, as `lbd lint` in its directory would.
fn check(example: &Example<'_>) -> (Report, String) {
    let (dir, path) = laid_out(example);
    let (report, sources) = lint(&path);
    let drawn = render::human(&report, &sources, false);
    (report, drawn.replace(&format!("{}/", dir.path().display()), ""))
}

/// How many fixes of an example mend something, one after another.
fn mended(example: &Example<'_>) -> usize {
    let (_dir, path) = laid_out(example);
    let (report, sources) = lint(&path);
    let fixed = fix::fix(Trust::Unsafe, report, sources, |texts| {
        texts.iter().for_each(|(path, text)| std::fs::write(path, text).unwrap());
        lint(&path)
    });
    if fixed.applied > 0 {
        return fixed.applied;
    }
    // What is wrong with a file that the example names is mended there.
    let files = fix::files::files(&fixed.report);
    for (path, edits) in &files {
        let text = fix::files::applied(&std::fs::read_to_string(path).unwrap(), edits);
        std::fs::write(path, text.expect("nobody changed it")).unwrap();
    }
    let left = lint(&path).0.findings.iter().filter(|finding| !finding.fixes.is_empty()).count();
    files.len().saturating_sub(left)
}

/// An example in a directory of its own, and its main file.
fn laid_out(example: &Example<'_>) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    fixtures::write(dir.path());
    for (name, text) in &example.files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let path = dir.path().join("lbd.kdl");
    std::fs::write(&path, example.text).unwrap();
    (dir, path)
}

fn lint(path: &Path) -> (Report, Sources) {
    let loaded = config::load(path, &FsLoader);
    let mut report = loaded.report;
    if let Some(model) = loaded.model {
        tls::prepare(&mut tls::Store::default(), &model, tls::Stage::Start, &mut report);
    }
    report.judge_allowances(&loaded.sources, true);
    (report, loaded.sources)
}

/// What is wrong with a page's bad examples; writes what is drawn when asked to.
fn bad(rule: Rule, wrong: &mut Vec<String>) {
    let examples = Example::all(rule.section("Bad"));
    if examples.is_empty() {
        wrong.push(format!("{}: nothing bad is shown", rule.code));
    }
    if rule.live || NEVER_SEEN.contains(&rule.code) {
        return;
    }
    let mut page = rule.page.to_owned();
    let (mut severities, mut fixes) = (BTreeSet::new(), Vec::new());
    for example in examples {
        let (report, drawn) = check(&example);
        if report.findings.is_empty() || report.findings.iter().any(|finding| finding.code != rule.code) {
            wrong.push(format!("{}: its bad example is to have {0} and no other:\n{drawn}", rule.code));
            continue;
        }
        if report.findings.iter().any(|finding| !finding.fixes.is_empty()) && mended(&example) == 0 {
            wrong.push(format!("{}: its fix does not mend, or brings other findings:\n{drawn}", rule.code));
        }
        severities.extend(report.findings.iter().map(|finding| finding.severity));
        fixes.extend(report.findings.into_iter().flat_map(|finding| finding.fixes).map(|fix| fix.safe));
        if example.drawn == Some(drawn.as_str()) {
            continue;
        }
        if bless() {
            page = with_drawing(&page, &example, &drawn);
        } else {
            wrong.push(format!("{}: this is drawn, and the page shows something else:\n{drawn}", rule.code));
        }
    }
    if page != rule.page {
        std::fs::write(root().join(format!("docs/lint/{}.md", rule.code)), page).unwrap();
    }
    let stated: BTreeSet<Severity> = rule.severities().collect();
    if !severities.is_empty() && severities != stated {
        wrong.push(format!("{}: it shows {severities:?} and says {stated:?}", rule.code));
    }
    let shown = match (fixes.contains(&true), fixes.contains(&false)) {
        (true, _) => Fixable::Safe,
        (false, true) => Fixable::Unsafe,
        (false, false) => Fixable::No,
    };
    if !severities.is_empty() && shown != rule.fix {
        wrong.push(format!("{}: its example has {}, it says {}", rule.code, shown.words(), rule.fix.words()));
    }
}

/// The page with `drawn` below an example.
fn with_drawing(page: &str, example: &Example<'_>, drawn: &str) -> String {
    let last = example.files.last().map_or(example.text, |(_, text)| text);
    let at = page.find(&format!("```kdl\n{}```", example.text)).expect("the example is on its page");
    let at = at + page[at..].find(&format!("\n{last}```")).expect("so is its last file") + last.len() + 4;
    let rest = match example.drawn {
        Some(old) => {
            let old = format!("```text\n{old}```");
            let begin = at + page[at..].find(&old).expect("what was drawn is on the page");
            &page[begin + old.len()..]
        }
        None => &page[at..],
    };
    format!("{}\n\n```text\n{drawn}```{rest}", page[..at].trim_end())
}

#[test]
fn what_each_page_calls_bad_has_the_finding_that_it_shows_and_what_it_calls_good_has_none() {
    let mut wrong = Vec::new();
    for rule in rules::all() {
        bad(rule, &mut wrong);
        let good = Example::all(rule.section("Good"));
        if good.is_empty() {
            wrong.push(format!("{}: nothing good is shown", rule.code));
        }
        for example in good {
            let (report, drawn) = check(&example);
            if !report.findings.is_empty() {
                wrong.push(format!("{}: its good example has a finding:\n{drawn}", rule.code));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_page_has_its_parts_and_a_title_that_is_short() {
    for (code, _) in pages() {
        let rule = rules::find(&code).unwrap_or_else(|| panic!("the head of docs/lint/{code}.md is not one"));
        assert!(rule.title.chars().count() <= 60 && !rule.title.ends_with('.'), "{code}: {}", rule.title);
        let parts: Vec<&str> = rule.page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(parts, PARTS, "{code}");
        for part in PARTS {
            assert!(!rule.section(part).is_empty(), "{code}: `{part}` is empty");
        }
    }
}

/// The pages that lie in `docs/lint`, with what they say.
fn pages() -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(root().join("docs/lint")).unwrap().map(|entry| entry.unwrap().path());
    let code = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    let pages = entries.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| (code(&path), std::fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn the_table_holds_every_page() {
    let head = "//! Every page of `docs/lint`, by code: written by `LBD_BLESS=1 cargo test --test tests linting`.\n\n\
                /// Code and page.\npub(super) const PAGES: &[(&str, &str)] = &[\n";
    let row = |code: &String| format!("    (\"{code}\", include_str!(\"../../../docs/lint/{code}.md\")),\n");
    let wanted = format!("{head}{}];\n", pages().keys().map(row).collect::<String>());
    let path = root().join("src/config/rules/table.rs");
    if bless() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), wanted, "LBD_BLESS=1 writes it anew");
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    let mut codes = BTreeSet::new();
    for path in sources(&root().join("src")) {
        codes.extend(codes_in(&std::fs::read_to_string(path).unwrap()));
    }
    assert!(codes.len() > 80, "the codes are where they were: {codes:?}");
    let pages: BTreeSet<String> = pages().into_keys().collect();
    let unwritten = |code: &str| UNWRITTEN.iter().any(|begin| code.starts_with(begin));
    let without: Vec<_> = codes.difference(&pages).filter(|code| !unwritten(code)).collect();
    assert!(without.is_empty(), "no page in docs/lint for {without:?}");
    let idle: Vec<_> = pages.difference(&codes).collect();
    assert!(idle.is_empty(), "pages of codes that nothing gives: {idle:?}");
}

/// The source files that are no tests.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if stem == "tests" || stem.ends_with("_tests") || path.ends_with("config/rules/table.rs") {
            continue;
        }
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false => found.push(path),
        }
    }
    found
}

/// The codes that stand as strings in what is not a test.
fn codes_in(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let is_code = |text: &&str| {
        let number = text.strip_prefix("KDL").or_else(|| text.strip_prefix("LB"));
        number.is_some_and(|number| number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    source.split('"').filter(is_code).map(str::to_owned).collect()
}
