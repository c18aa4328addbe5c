//! The rules: what each code means, from the page that explains it (`docs/lint/CODE.md`).
//!
//! The pages are part of the program, so that `lbd lint rule LB501` needs no network. The table of them is
//! generated; `tests/linting` keeps it, the pages and the code in step, and runs the examples of every page.

mod table;

use super::diagnostic::Severity;

/// One rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// `LB501`.
    pub code: &'static str,
    /// What it finds, in a few words.
    pub title: &'static str,
    /// The severities that it speaks with, `error or warning`.
    severities: &'static str,
    /// Whether its findings can be mended by `--fix`.
    pub fix: Fixable,
    /// Whether only a look at the world outside the files finds it.
    pub live: bool,
    /// The whole page, in Markdown.
    pub page: &'static str,
}

/// What `--fix` does for a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixable {
    /// Nothing.
    No,
    /// Mends what it can.
    Safe,
    /// Mends what it can when asked for `--unsafe`.
    Unsafe,
}

impl Fixable {
    /// `no fix`, `safe fix`, `unsafe fix`.
    pub fn words(self) -> &'static str {
        match self {
            Self::No => "no fix",
            Self::Safe => "safe fix",
            Self::Unsafe => "unsafe fix",
        }
    }
}

/// Every rule, by code.
pub fn all() -> impl Iterator<Item = Rule> {
    table::PAGES.iter().filter_map(|(code, page)| Rule::read(code, page))
}

/// The rule of a code, as it is written (`LB501`).
pub fn find(code: &str) -> Option<Rule> {
    let at = table::PAGES.binary_search_by_key(&code, |(code, _)| code).ok()?;
    let (code, page) = table::PAGES[at];
    Rule::read(code, page)
}

/// Whether a code is a rule's.
pub fn is_known(code: &str) -> bool {
    find(code).is_some()
}

impl Rule {
    /// The rule that a page is about: `# CODE: title`, and below it `SEVERITY [or SEVERITY] · FIX[ · live]`.
    pub fn read(code: &'static str, page: &'static str) -> Option<Self> {
        let mut lines = page.lines();
        let title = lines.next()?.strip_prefix("# ")?.strip_prefix(code)?.strip_prefix(": ")?;
        let mut facts = lines.next()?.split(" · ");
        let severities = facts.next()?;
        severities.split(" or ").try_for_each(|word| severity(word).map(drop))?;
        let fix = match facts.next()? {
            "no fix" => Fixable::No,
            "safe fix" => Fixable::Safe,
            "unsafe fix" => Fixable::Unsafe,
            _ => return None,
        };
        let live = match facts.next() {
            None => false,
            Some("live") => true,
            Some(_) => return None,
        };
        Some(Self { code, title, severities, fix, live, page })
    }

    /// The severities that its findings have, unless a `deny` raises them; the first is the usual one.
    pub fn severities(self) -> impl Iterator<Item = Severity> {
        self.severities.split(" or ").filter_map(severity)
    }

    /// The text below `## NAME`, without blanks around it; empty when the page has no such part.
    pub fn section(self, name: &str) -> &'static str {
        let parts = self.page.split("\n## ").skip(1);
        let mut parts = parts.filter_map(|part| part.split_once('\n'));
        parts.find(|(title, _)| *title == name).map(|(_, text)| text.trim()).unwrap_or_default()
    }
}

fn severity(word: &str) -> Option<Severity> {
    match word {
        "error" => Some(Severity::Error),
        "warning" => Some(Severity::Warning),
        "hint" => Some(Severity::Hint),
        _ => None,
    }
}
