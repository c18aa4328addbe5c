//! What became of each line of an imported file: mapped, approximated (what differs), or refused (what to do).
//!
//! A line may be looked at several times (the `defaults` of ten proxies); the worst verdict stands, and each remark
//! is kept once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;

/// How well a line could be carried over; the later, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It means the same.
    Mapped,
    /// Nearly the same: the remark says what differs.
    Approximated,
    /// It is not in the result: the remark says why, and what to do.
    Refused,
}

impl Kind {
    /// As it is printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Approximated => "approximated",
            Self::Refused => "refused",
        }
    }
}

/// One line and its verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// From 1.
    pub line: usize,
    /// The line as written, blanks and comment removed.
    pub text: String,
    /// The verdict.
    pub verdict: Kind,
    /// What it became, what differs, or what to do.
    pub note: String,
}

/// The verdicts on every line that says something.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Report {
    /// In the order of the file.
    pub lines: Vec<Line>,
    /// Refused lines that kept requests out, while the result lets these through.
    pub lets_through: Vec<usize>,
    /// What holds for the whole file.
    pub remarks: Vec<String>,
}

impl Report {
    /// How many lines have this verdict.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.lines.iter().filter(|line| line.verdict == kind).count()
    }

    /// `12 mapped, 3 approximated, 1 refused`, and how many of these let requests through.
    #[must_use]
    pub fn summary(&self) -> String {
        let of = |kind: Kind| format!("{} {}", self.count(kind), kind.word());
        let open = match self.lets_through.len() {
            0 => String::new(),
            n => format!(" (WARNING: {n} of them kept requests out, and the result LETS THEM THROUGH)"),
        };
        format!("{}, {}, {}{open}", of(Kind::Mapped), of(Kind::Approximated), of(Kind::Refused))
    }

    /// A table for people, `width` characters wide at most where the remarks allow it.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let shown = |text: &str| -> String {
            let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
            match text.char_indices().nth(56) {
                Some((at, _)) => format!("{}…", &text[..at]),
                None => text,
            }
        };
        let widest = self.lines.iter().map(|line| shown(&line.text).chars().count()).max().unwrap_or(0);
        for line in &self.lines {
            let text = shown(&line.text);
            let _ = write!(out, "{:>5}  {:<12}  {text:<widest$}", line.line, line.verdict.word());
            let _ = writeln!(out, "  {}", line.note);
        }
        for remark in &self.remarks {
            let _ = writeln!(out, "note: {remark}");
        }
        out
    }
}

/// Verdicts while they are gathered.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    lines: BTreeMap<usize, (Kind, Vec<(Kind, String)>)>,
    open: BTreeSet<usize>,
}

impl Verdicts {
    /// Notes a verdict on a line.
    pub(super) fn note(&mut self, line: usize, kind: Kind, note: impl Into<String>) {
        let entry = self.lines.entry(line).or_insert_with(|| (kind, Vec::new()));
        entry.0 = entry.0.max(kind);
        let note = (kind, note.into());
        if !note.1.is_empty() && !entry.1.contains(&note) && entry.1.len() < 8 {
            entry.1.push(note);
        }
    }

    /// It means the same.
    pub(super) fn mapped(&mut self, line: usize, note: impl Into<String>) {
        self.note(line, Kind::Mapped, note);
    }

    /// It means nearly the same.
    pub(super) fn approximated(&mut self, line: usize, differs: impl Into<String>) {
        self.note(line, Kind::Approximated, differs);
    }

    /// It is left out.
    pub(super) fn refused(&mut self, line: usize, why: impl Into<String>) {
        self.note(line, Kind::Refused, why);
    }

    /// It is left out, and what it kept out gets in.
    pub(super) fn open(&mut self, line: usize, why: impl AsRef<str>) {
        self.refused(line, format!("{}. WHAT THIS LINE KEPT OUT GETS IN", why.as_ref()));
        self.open.insert(line);
    }

    /// Lines that kept requests out, and do so no longer.
    pub(super) fn lets_through(&self) -> Vec<usize> {
        self.open.iter().copied().collect()
    }

    /// Whether there is a verdict on a line.
    pub(super) fn has(&self, line: usize) -> bool {
        self.lines.contains_key(&line)
    }

    /// The verdict and the remarks that belong to it.
    pub(super) fn of(&self, line: usize) -> Option<(Kind, String)> {
        let (kind, notes) = self.lines.get(&line)?;
        let of =
            |wanted: Kind| notes.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, n)| n.as_str());
        Some((*kind, of(*kind).collect::<Vec<_>>().join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_verdict_stands_with_its_own_remarks() {
        let mut verdicts = Verdicts::default();
        verdicts.mapped(3, "balance");
        verdicts.approximated(3, "weights differ");
        verdicts.approximated(3, "weights differ");
        verdicts.mapped(3, "again");
        assert_eq!(verdicts.of(3), Some((Kind::Approximated, "weights differ".to_owned())));
        assert!(!verdicts.has(4));
        verdicts.open(5, "no");
        assert!(verdicts.of(5).is_some_and(|(kind, note)| kind == Kind::Refused && note.contains("GETS IN")));
        assert_eq!(verdicts.lets_through(), [5]);
    }
}
