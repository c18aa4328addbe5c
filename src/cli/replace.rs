//! Files that commands read and put others in the place of: all `.kdl` of a directory, bounded, at once.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, process};

use crate::config::guard;

/// All of a text, up to the size that a configuration may have.
pub(super) fn bounded(from: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    from.take(guard::MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    if text.len() > guard::MAX_BYTES {
        return Err(io::Error::other("larger than 4 MiB"));
    }
    Ok(text)
}

/// The path itself, or the `.kdl` files below a directory, sorted; hidden ones are left out.
pub(super) fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path == Path::new("-") || !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(path)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".")) {
        // A link to a directory is not followed: it may lead round in a circle.
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else if entry.path().extension().is_some_and(|extension| extension == "kdl")
            && entry.path().is_file()
        {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Puts `text` in the place of a file at once: a daemon that watches it never sees half of it. What a link points to
/// is replaced, not the link; mode and owner stay.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let target = fs::canonicalize(path)?;
    let folder = target.parent().ok_or_else(|| io::Error::other("not a file"))?;
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{}", process::id()));
    let new = folder.join(name);
    let written = (|| {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&new)?;
        let (old, own) = (fs::metadata(&target)?, file.metadata()?);
        // Before the mode: a change of owner may take bits of it away.
        if (old.uid(), old.gid()) != (own.uid(), own.gid()) {
            std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(old.permissions())?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &target)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written
}
