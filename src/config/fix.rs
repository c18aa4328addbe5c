//! Mends texts with the fixes of their findings, round after round, until there is nothing left to mend.
//!
//! Pure: who calls it says how changed texts are checked. Fixes of one round never overlap. Mending a warning must
//! bring no finding that was not there; mending an error may bring to light what the error hid, but no further
//! error of syntax. A fix that does otherwise is taken back and not tried again. What is mended in a file that is none
//! of the texts is in [`files`].

pub mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;

use super::diagnostic::{Diagnostic, Edit, FileId, Fix, Report, Severity};
use super::source::Sources;

/// Rounds at most; each checks all texts once.
const MAX_ROUNDS: usize = 200;

/// Texts by the path of their file: those that differ from what is on disk.
pub type Texts = BTreeMap<PathBuf, String>;

/// What became of it.
#[derive(Debug)]
pub struct Fixed {
    /// The files that change, with all of their new text.
    pub texts: Texts,
    /// How many findings were mended.
    pub applied: usize,
    /// What is found in the new texts.
    pub report: Report,
    /// The new texts.
    pub sources: Sources,
}

/// Which fixes may be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// Those that keep what was surely meant.
    Safe,
    /// All.
    Unsafe,
}

/// Mends what was found in the texts on disk (`report`, `sources`). `check` is given the texts that differ from them.
pub fn fix(
    trust: Trust,
    report: Report,
    sources: Sources,
    mut check: impl FnMut(&Texts) -> (Report, Sources),
) -> Fixed {
    let mut done = Fixed { texts: Texts::new(), applied: 0, report, sources };
    let mut refused = BTreeSet::new();
    let mut most = usize::MAX;
    for _ in 0..MAX_ROUNDS {
        let batch = Batch::choose(&done, trust, &refused, most);
        if batch.chosen.is_empty() {
            break;
        }
        let texts = batch.applied(&done);
        let (report, sources) = check(&texts);
        if batch.is_mended(&done.report, &report) {
            let applied = done.applied + batch.chosen.len();
            done = Fixed { texts, applied, report, sources };
            most = usize::MAX;
        } else if let [(finding, _)] = batch.chosen[..] {
            refused.insert(key(finding));
        } else {
            most = batch.chosen.len() / 2;
        }
    }
    done
}

/// What makes a finding the same one in a text that changed.
type Key = (&'static str, Option<String>, String);

fn key(finding: &Diagnostic) -> Key {
    (finding.code, finding.subject.clone(), finding.message.clone())
}

fn counted(report: &Report) -> BTreeMap<Key, usize> {
    let mut counts = BTreeMap::new();
    report.findings.iter().for_each(|finding| *counts.entry(key(finding)).or_default() += 1);
    counts
}

/// Fixes that do not overlap: of errors alone, as long as there are any.
struct Batch<'a> {
    chosen: Vec<(&'a Diagnostic, &'a Fix)>,
}

impl<'a> Batch<'a> {
    fn choose(done: &'a Fixed, trust: Trust, refused: &BTreeSet<Key>, most: usize) -> Self {
        let usable = |finding: &'a Diagnostic| {
            let safe = finding.fixes.iter().find(|fix| fix.safe);
            let fix = safe.or_else(|| finding.fixes.first().filter(|_| trust == Trust::Unsafe))?;
            (!refused.contains(&key(finding)) && !fix.edits.is_empty()).then_some((finding, fix))
        };
        let mut all: Vec<_> = done.report.findings.iter().filter_map(usable).collect();
        if all.iter().any(|(finding, _)| finding.severity == Severity::Error) {
            all.retain(|(finding, _)| finding.severity == Severity::Error);
        }
        let mut taken: Vec<(FileId, Range<usize>)> = Vec::new();
        let mut chosen = Vec::new();
        for (finding, fix) in all {
            let ranges: Vec<_> = fix.edits.iter().map(|edit| (edit.span.file, edit.span.range())).collect();
            let touches = |(file, range): &(FileId, Range<usize>)| {
                taken.iter().any(|(other, taken)| {
                    file == other && range.start <= taken.end && taken.start <= range.end
                })
            };
            if chosen.len() < most && !ranges.iter().any(touches) {
                taken.extend(ranges);
                chosen.push((finding, fix));
            }
        }
        Self { chosen }
    }

    /// The texts with these fixes.
    fn applied(&self, done: &Fixed) -> Texts {
        let mut edits: Vec<&Edit> = self.chosen.iter().flat_map(|(_, fix)| &fix.edits).collect();
        // From the end, so that what is in front keeps its place.
        edits.sort_by_key(|edit| std::cmp::Reverse((edit.span.file, edit.span.start, edit.span.end)));
        let mut texts = done.texts.clone();
        for edit in edits {
            let Some(file) = done.sources.file(edit.span.file) else { continue };
            let text = texts.entry(file.path().to_owned()).or_insert_with(|| file.text().to_owned());
            if text.get(edit.span.range()).is_some() {
                text.replace_range(edit.span.range(), &edit.text);
            }
        }
        texts
    }

    fn is_mended(&self, before: &Report, after: &Report) -> bool {
        let (old, new) = (counted(before), counted(after));
        let count = |counts: &BTreeMap<Key, usize>, key: &Key| counts.get(key).copied().unwrap_or_default();
        let gone = self.chosen.iter().all(|(finding, _)| {
            let key = key(finding);
            count(&new, &key) < count(&old, &key)
        });
        let syntax = |counts: &BTreeMap<Key, usize>| -> usize {
            counts.iter().filter(|((code, ..), _)| code.starts_with("KDL")).map(|(_, count)| count).sum()
        };
        let of_errors = self.chosen.iter().any(|(finding, _)| finding.severity == Severity::Error);
        gone && match of_errors {
            true => syntax(&new) <= syntax(&old),
            false => new.iter().all(|(key, found)| *found <= count(&old, key)),
        }
    }
}

#[cfg(test)]
mod tests;
