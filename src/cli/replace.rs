//! Files that commands read and put others in the place of: all `.kdl` of a directory, bounded, at once.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::config::guard;
use crate::reload::fileset::{self, Edit};

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
    let old = fileset::says(path).flatten();
    let edit = Edit { path: path.to_owned(), old, new: Some(text.to_owned()) };
    // Whoever asks names the file.
    fileset::put(&[edit]).map_err(|error| error.kind().into())
}
