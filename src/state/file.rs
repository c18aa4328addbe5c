//! The file of wishes on disk: whole or not at all, and never thrown away when it cannot be understood.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Its name in the state directory.
const FILE: &str = "admin.json";
/// Where one that cannot be understood is kept.
const ASIDE: &str = "admin.json.unreadable";
/// A file larger than this was not written by us.
const LARGEST: u64 = 64 << 20;

/// The text of the file; `None` when there is none.
pub fn read(state_dir: &Path) -> io::Result<Option<String>> {
    let path = state_dir.join(FILE);
    match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(facts) if facts.len() > LARGEST => Err(io::Error::other("it is too large to be ours")),
        Ok(_) => fs::read_to_string(&path).map(Some),
    }
}

/// Takes the file out of the way, so that the next write does not destroy it; says where it is now.
pub fn set_aside(state_dir: &Path) -> io::Result<PathBuf> {
    let aside = state_dir.join(ASIDE);
    fs::rename(state_dir.join(FILE), &aside)?;
    Ok(aside)
}

/// A crash leaves the old file or the new one, never half of it. Blocks until the disk has it.
pub fn write(state_dir: &Path, text: &str) -> io::Result<()> {
    let temporary = state_dir.join(format!("{FILE}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, state_dir.join(FILE))?;
    File::open(state_dir)?.sync_all()
}
