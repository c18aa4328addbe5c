//! Files that a configuration names, mended: what `--fix` writes and `--diff` shows.

use crate::config::diagnostic::Report;
use crate::config::fix::files;
use crate::reload::fileset::{self, Edit};

/// One file.
pub(super) struct Named {
    /// Its change.
    pub(super) edit: Edit,
    /// The same, to look at.
    pub(super) diff: String,
}

/// Every file that a safe fix of a report changes.
pub(super) fn mended(report: &Report) -> Result<Vec<Named>, String> {
    let mut all = Vec::new();
    for (path, edits) in files::files(report) {
        let shown = path.display().to_string();
        let changed = || format!("{shown} was changed meanwhile; nothing is written, try again");
        let old = fileset::says(&path).flatten().ok_or_else(changed)?;
        let new = files::applied(&old, &edits).ok_or_else(changed)?;
        let diff = files::diff(&shown, &old, &edits);
        all.push(Named { edit: Edit { path, old: Some(old), new: Some(new) }, diff });
    }
    Ok(all)
}
