//! Files that change together: everything is written beside them first, then put in place by renames.
//!
//! What can fail (no room, no right, no directory) fails before anything has changed. A file that is a link stays
//! one: what it leads to is replaced.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// One file of the set: what it said, what it is to say. `None` is that it is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The file.
    pub path: PathBuf,
    /// Its text before.
    pub old: Option<String>,
    /// Its text afterwards.
    pub new: Option<String>,
}

impl Edit {
    /// The way back.
    pub(super) fn undone(&self) -> Self {
        Self { path: self.path.clone(), old: self.new.clone(), new: self.old.clone() }
    }

    /// Whether the file says now what it did before.
    pub fn is_old(&self) -> bool {
        says(&self.path).as_ref() == Some(&self.old)
    }
}

/// The text of a file, `None` inside when it is not there; `None` when it cannot be read.
pub fn says(path: &Path) -> Option<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Some(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(None),
        Err(_) => None,
    }
}

/// Edits whose texts lie beside their files, on disk. Dropped before [`Prepared::commit`], it leaves nothing behind.
#[derive(Debug)]
pub(super) struct Prepared {
    staged: Vec<Staged>,
}

#[derive(Debug)]
struct Staged {
    edit: Edit,
    /// What the path leads to.
    target: PathBuf,
    /// The new text; `None` for a file that goes, and once it is in place.
    beside: Option<PathBuf>,
}

/// Changes all of these files, or none: a failure puts back those that were changed before it. The error names the
/// file.
pub fn put(edits: &[Edit]) -> io::Result<()> {
    prepare(edits)?.commit()
}

/// Writes the new texts beside their files.
pub(super) fn prepare(edits: &[Edit]) -> io::Result<Prepared> {
    let mut prepared = Prepared { staged: Vec::new() };
    for edit in edits {
        let absolute = |_| std::path::absolute(&edit.path);
        let target =
            fs::canonicalize(&edit.path).or_else(absolute).map_err(|error| named(&edit.path, &error))?;
        let mut staged = Staged { edit: edit.clone(), target, beside: None };
        let name = staged.target.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
        let beside = staged.target.with_file_name(format!(".{name}.lbd-new"));
        match &edit.new {
            Some(text) => {
                let written = write(&beside, &staged.target, text);
                // Noted also when it failed half-way: it is taken away again.
                staged.beside = Some(beside);
                prepared.staged.push(staged);
                written.map_err(|error| named(&edit.path, &error))?;
            }
            None => {
                // A file that is to go must be ours to take away: the same right as to make one there.
                File::create(&beside).and_then(|_| fs::remove_file(&beside))?;
                prepared.staged.push(staged);
            }
        }
    }
    Ok(prepared)
}

impl Prepared {
    /// Puts every file in place; on a failure those that were are put back.
    pub(super) fn commit(mut self) -> io::Result<()> {
        for at in 0..self.staged.len() {
            let staged = &mut self.staged[at];
            let placed = match staged.beside.take() {
                Some(beside) => {
                    fs::rename(&beside, &staged.target).inspect_err(|_| drop(fs::remove_file(beside)))
                }
                None => fs::remove_file(&staged.target),
            };
            let synced = placed.and_then(|()| sync_directory(&self.staged[at].target));
            if let Err(error) = synced {
                let back: Vec<Edit> = self.staged[..=at].iter().map(|staged| staged.edit.undone()).collect();
                // What cannot be put back either is said by the caller, who looks at the files again.
                let _ = prepare(&back).and_then(Self::commit_plainly);
                return Err(named(&self.staged[at].edit.path, &error));
            }
        }
        Ok(())
    }

    fn commit_plainly(mut self) -> io::Result<()> {
        for staged in &mut self.staged {
            match staged.beside.take() {
                Some(beside) => fs::rename(beside, &staged.target)?,
                None => fs::remove_file(&staged.target)?,
            }
        }
        Ok(())
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        for beside in self.staged.iter().filter_map(|staged| staged.beside.as_ref()) {
            let _ = fs::remove_file(beside);
        }
    }
}

/// Writes a text to disk with the mode and the owner of the file that it will replace.
fn write(beside: &Path, target: &Path, text: &str) -> io::Result<()> {
    let _ = fs::remove_file(beside);
    let model = fs::metadata(target).ok();
    let mode = model.as_ref().map_or(0o640, |model| model.permissions().mode() & 0o7777);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside)?;
    file.write_all(text.as_bytes())?;
    if let Some(model) = model {
        let ours = file.metadata()?;
        if (ours.uid(), ours.gid()) != (model.uid(), model.gid()) {
            // Only root may give files away; then the file belongs to who wrote it.
            let _ = std::os::unix::fs::fchown(&file, Some(model.uid()), Some(model.gid()));
        }
    }
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(path: &Path, old: Option<&str>, new: Option<&str>) -> Edit {
        Edit { path: path.to_owned(), old: old.map(Into::into), new: new.map(Into::into) }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_set_changes_together_and_keeps_modes_and_links() {
        let dir = tempfile::tempdir().unwrap();
        let [real, link, gone, new] = ["real", "link", "gone", "new"].map(|name| dir.path().join(name));
        fs::write(&real, "1").unwrap();
        fs::set_permissions(&real, fs::Permissions::from_mode(0o644)).unwrap();
        std::os::unix::fs::symlink("real", &link).unwrap();
        fs::write(&gone, "x").unwrap();
        let edits =
            [edit(&link, Some("1"), Some("2")), edit(&gone, Some("x"), None), edit(&new, None, Some("n"))];
        let prepared = prepare(&edits).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "1", "nothing has changed yet");
        prepared.commit().unwrap();
        assert_eq!(names(dir.path()), ["link", "new", "real"]);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "2");
        assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o644);
    }

    #[test]
    fn what_is_not_committed_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(&file, "1").unwrap();
        drop(prepare(&[edit(&file, Some("1"), Some("2"))]).unwrap());
        let nowhere = dir.path().join("none/b");
        prepare(&[edit(&file, Some("1"), Some("2")), edit(&nowhere, None, Some("b"))]).unwrap_err();
        assert_eq!(names(dir.path()), ["a"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "1");
    }

    #[test]
    fn a_failure_half_way_puts_back_what_was_done() {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&first, "1").unwrap();
        let prepared =
            prepare(&[edit(&first, Some("1"), Some("2")), edit(&second, None, Some("b"))]).unwrap();
        // A directory where the second file should be: the rename fails.
        fs::create_dir(&second).unwrap();
        prepared.commit().unwrap_err();
        assert_eq!(fs::read_to_string(&first).unwrap(), "1");
        assert_eq!(names(dir.path()), ["a", "b"]);
    }
}
