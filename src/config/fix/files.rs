//! Fixes of files that a configuration names: applied on their own, once its texts are mended.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::super::diagnostic::{FileEdit, Report};

/// What the safe fixes of a report change in each file. Several findings about one file are one change.
pub fn files(report: &Report) -> BTreeMap<PathBuf, Vec<&FileEdit>> {
    let mut changes: BTreeMap<PathBuf, Vec<&FileEdit>> = BTreeMap::new();
    for fix in report.findings.iter().flat_map(|finding| &finding.fixes).filter(|fix| fix.safe) {
        let new = fix.files.iter().filter(|edit| !changes.contains_key(&edit.path)).collect::<Vec<_>>();
        new.into_iter().for_each(|edit| changes.entry(edit.path.clone()).or_default().push(edit));
    }
    changes
}

/// A file's text with its changes; nothing when it is no longer as it was found.
pub fn applied(text: &str, edits: &[&FileEdit]) -> Option<String> {
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| edit.range.start);
    for edit in edits {
        out.push_str(text.get(at..edit.range.start)?);
        if text.get(edit.range.clone())? != edit.old {
            return None;
        }
        out.push_str(&edit.new);
        at = edit.range.end;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

/// The changes as a unified diff without context: what stands between them may be secret.
pub fn diff(shown: &str, text: &str, edits: &[&FileEdit]) -> String {
    let mut out = format!("--- {shown}\n+++ {shown} (fixed)\n");
    let lines = |text: &str| text.lines().count();
    let mut edits = edits.to_vec();
    edits.sort_by_key(|edit| edit.range.start);
    let mut ahead = 0_isize;
    for edit in edits {
        let before = text.get(..edit.range.start).map_or(0, |before| before.matches('\n').count());
        let (old, new) = (lines(&edit.old), lines(&edit.new));
        let there = before.saturating_add_signed(ahead) + 1;
        out.push_str(&format!("@@ -{},{old} +{there},{new} @@\n", before + 1));
        edit.old.lines().for_each(|line| out.push_str(&format!("-{line}\n")));
        edit.new.lines().for_each(|line| out.push_str(&format!("+{line}\n")));
        ahead += new as isize - old as isize;
    }
    out
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::super::super::diagnostic::{Diagnostic, Fix, Severity};
    use super::*;

    fn edit(path: &str, range: Range<usize>, old: &str, new: &str) -> FileEdit {
        FileEdit { path: path.into(), range, old: old.into(), new: new.into() }
    }

    #[test]
    fn two_places_change_and_what_is_between_is_not_shown() {
        let text = "a\nsecret\nb\nc\n";
        let (first, second) = (edit("f", 0..1, "a", "b\nc"), edit("f", 9..12, "b\nc", "a"));
        let both = [&second, &first];
        assert_eq!(applied(text, &both).as_deref(), Some("b\nc\nsecret\na\n"));
        assert_eq!(applied("A\nsecret\nb\nc\n", &both), None, "it was changed meanwhile");
        assert_eq!(applied("a", &both), None);
        let expected = "--- f\n+++ f (fixed)\n@@ -1,1 +1,2 @@\n-a\n+b\n+c\n@@ -3,2 +4,1 @@\n-b\n-c\n+a\n";
        assert_eq!(diff("f", text, &both), expected);
    }

    #[test]
    fn a_file_is_changed_once_and_only_by_what_is_safe() {
        let found = |safe, edit| {
            let fix = Fix { safe, files: vec![edit], ..Fix::default() };
            Diagnostic::new("LB605", Severity::Warning, None, "m").fix_with(fix)
        };
        let mut report = Report::default();
        report.push(found(true, edit("a", 0..1, "x", "y")));
        report.push(found(true, edit("a", 0..1, "x", "z")));
        report.push(found(false, edit("b", 0..1, "x", "y")));
        let changes = files(&report);
        assert_eq!(changes.len(), 1);
        assert_eq!(changes.values().flatten().map(|edit| edit.new.as_str()).collect::<Vec<_>>(), ["y"]);
    }
}
