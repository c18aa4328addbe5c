//! Tells the programs what they were built from: `LBD_COMMIT`, and what for: `LBD_BUILT`.
//!
//! The commit is what `LBD_COMMIT` in the environment says, else that of the published package, else that of the
//! repository around it; a source tree without any of them has none. Only release builds look for it: in any other, a
//! commit would make the next build start over.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LBD_COMMIT");
    let profile = env::var("PROFILE").unwrap_or_default();
    let target = env::var("TARGET").unwrap_or_default();
    let given = env::var("LBD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| (profile == "release").then(commit).flatten());
    let commit = commit.filter(|commit| commit.chars().all(|c| c.is_ascii_graphic()));
    println!("cargo:rustc-env=LBD_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    println!("cargo:rustc-env=LBD_BUILT={profile}, {target}");
}

fn commit() -> Option<String> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    let full = published(&here).or_else(|| repository(here.parent()?))?;
    let is_hash = full.len() >= 40 && full.chars().all(|c| c.is_ascii_hexdigit());
    is_hash.then(|| full[..12].to_owned())
}

/// What cargo writes into a package that it publishes.
fn published(here: &Path) -> Option<String> {
    let text = fs::read_to_string(here.join(".cargo_vcs_info.json")).ok()?;
    let (_, rest) = text.split_once("\"sha1\"")?;
    rest.split('"').nth(1).map(str::to_owned)
}

/// What the workspace's own repository has checked out.
fn repository(root: &Path) -> Option<String> {
    let dot_git = root.join(".git");
    let own = match fs::read_to_string(&dot_git) {
        // A further work tree.
        Ok(text) => root.join(text.strip_prefix("gitdir:")?.trim()),
        Err(_) => dot_git,
    };
    let head = read(&own.join("HEAD"))?;
    // A name that is packed becomes a file of its own with the next commit; the log grows with each.
    let _ = read(&own.join("logs/HEAD"));
    let Some(name) = head.strip_prefix("ref:").map(str::trim) else { return Some(head) };
    let common = read(&own.join("commondir")).map_or_else(|| own.clone(), |path| own.join(path));
    [&own, &common].into_iter().find_map(|dir| read(&dir.join(name))).or_else(|| packed(&common, name))
}

fn packed(common: &Path, name: &str) -> Option<String> {
    let text = read(&common.join("packed-refs"))?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(_, known)| *known == name).map(|(hash, _)| hash.to_owned())
}

/// A file that is there, and whose change means another commit. One that is not there is not watched: that would start
/// every build over.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    println!("cargo:rerun-if-changed={}", path.display());
    Some(text.trim().to_owned())
}
