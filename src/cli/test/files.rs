//! Which files of expectations there are, and which configuration each is about.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::config::expectations::{Expectations, SUFFIX, read};
use crate::config::source::FsLoader;

/// A file of expectations.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) read: Expectations,
}

/// The files that `paths` name, by configuration; `None` when one names none, which is told on stderr.
pub(super) fn find(paths: &[PathBuf]) -> Option<BTreeMap<PathBuf, Vec<File>>> {
    let mut found: BTreeMap<PathBuf, Vec<File>> = BTreeMap::new();
    let mut whole = true;
    for path in paths {
        let files = match named(path) {
            Ok(files) => files,
            Err(error) => {
                eprintln!("error: {error}");
                whole = false;
                continue;
            }
        };
        for (config, file) in files {
            let known = found.keys().find(|known| is_same(known, &config)).cloned();
            let group = found.entry(known.unwrap_or(config)).or_default();
            if !group.iter().any(|other| is_same(&other.path, &file.path)) {
                group.push(file);
            }
        }
    }
    whole.then_some(found)
}

/// The files that one path names, each with its configuration.
fn named(path: &Path) -> Result<Vec<(PathBuf, File)>, String> {
    let about = |path: PathBuf| {
        let read = read(&path, &FsLoader);
        (configuration(&path, &read), File { path, read })
    };
    if is_expectations(path) {
        return Ok(vec![about(path.to_owned())]);
    }
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut all: Vec<PathBuf> = entries
        .filter_map(|entry| Some(folder.join(entry.ok()?.file_name())))
        .filter(|path| is_expectations(path))
        .map(|path| path.strip_prefix("./").map(Path::to_owned).unwrap_or(path))
        .collect();
    all.sort();
    let mut files: Vec<_> = all.into_iter().map(about).collect();
    if !path.is_dir() {
        files.retain(|(config, _)| is_same(config, path));
    }
    if files.is_empty() {
        let what = if path.is_dir() { "in" } else { "beside" };
        return Err(format!(
            "no file of expectations (*{SUFFIX}) {what} {0}\nhelp: `lbd test --init {0}` writes one to begin with",
            path.display()
        ));
    }
    Ok(files)
}

/// The configuration that a file is about: as it says, else `NAME.kdl` beside it, else `lbd.kdl`.
fn configuration(path: &Path, read: &Expectations) -> PathBuf {
    if let Some(config) = &read.config {
        return config.value.clone();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let namesake = path.with_file_name(format!("{}.kdl", name.strip_suffix(SUFFIX).unwrap_or(&name)));
    if namesake.is_file() { namesake } else { path.with_file_name("lbd.kdl") }
}

fn is_expectations(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(SUFFIX) && !name.starts_with('.')
}

fn is_same(a: &Path, b: &Path) -> bool {
    let canonical = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    canonical(a) == canonical(b)
}
