//! Which directories must be watched so that no change of a file goes unseen.
//!
//! A path is resolved by hand, one component after another. Where a name can be replaced (the file
//! itself, every symbolic link on the way, the first thing that is missing) its directory is watched:
//! this is what sees an editor's rename, `ln -sfn` and Kubernetes' `..data`, which a watch of the file
//! never does.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel follows.
const MAX_LINKS: usize = 40;

/// What to watch for a set of inputs. All paths are free of links.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Chains {
    /// Directories to watch, not their children's.
    pub(super) directories: BTreeSet<PathBuf>,
    /// Names in them that decide what an input says.
    names: HashSet<PathBuf>,
    /// Directories in which every name counts, because a pattern looks into them.
    open: HashSet<PathBuf>,
}

impl Chains {
    /// The chains of `files` and of the directories that patterns look into.
    pub(super) fn of<'a>(
        files: impl Iterator<Item = &'a Path>,
        directories: impl Iterator<Item = &'a Path>,
    ) -> Self {
        let mut chains = Self::default();
        for file in files {
            chains.follow(file);
        }
        for directory in directories {
            if let Some(real) = chains.follow(directory).filter(|real| real.is_dir()) {
                chains.directories.insert(real.clone());
                chains.open.insert(real);
            }
        }
        chains
    }

    /// Whether an event about `path` can have changed an input.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        self.names.contains(path)
            || self.directories.contains(path)
            || path.parent().is_some_and(|directory| self.open.contains(directory) && !is_scratch(path))
    }

    /// Resolves `path`, noting every place where it could be changed; `None` when it ends nowhere.
    fn follow(&mut self, path: &Path) -> Option<PathBuf> {
        let path = std::path::absolute(path).ok()?;
        let mut real = PathBuf::from("/");
        let mut rest: VecDeque<OsString> = parts(&path);
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            if part == ".." {
                real.pop();
                continue;
            }
            let candidate = real.join(&part);
            let Ok(metadata) = candidate.symlink_metadata() else {
                self.note(&real, candidate);
                return None;
            };
            if metadata.is_symlink() {
                links += 1;
                let target = std::fs::read_link(&candidate).ok().filter(|_| links <= MAX_LINKS);
                self.note(&real, candidate);
                let target = target?;
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                for part in parts(&target).into_iter().rev() {
                    rest.push_front(part);
                }
            } else {
                if rest.is_empty() {
                    self.note(&real, candidate.clone());
                }
                real = candidate;
            }
        }
        Some(real)
    }

    fn note(&mut self, directory: &Path, name: PathBuf) {
        self.directories.insert(directory.to_owned());
        self.names.insert(name);
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// What editors leave beside a file for a moment; patterns skip these too.
fn is_scratch(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let hidden = name.starts_with('.') && !name.starts_with("..");
    hidden || name.ends_with('~') || name.starts_with('#') || name == "4913"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(chains: &Chains, root: &Path) -> Vec<String> {
        let short = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        let mut names: Vec<_> = chains.names.iter().map(short).collect();
        names.sort();
        names
    }

    fn chains(path: &Path) -> Chains {
        Chains::of([path].into_iter(), std::iter::empty())
    }

    #[test]
    fn every_link_of_a_kubernetes_volume_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("..v1")).unwrap();
        std::fs::write(root.join("..v1/lbd.kdl"), "x").unwrap();
        symlink("..v1", root.join("..data")).unwrap();
        symlink("..data/lbd.kdl", root.join("lbd.kdl")).unwrap();
        let chains = chains(&root.join("lbd.kdl"));
        assert_eq!(names(&chains, &root), ["..data", "..v1/lbd.kdl", "lbd.kdl"]);
        assert_eq!(chains.directories, BTreeSet::from([root.clone(), root.join("..v1")]));
        assert!(chains.concerns(&root.join("..data")) && !chains.concerns(&root.join("other")));
    }

    #[test]
    fn what_is_missing_is_awaited_where_it_would_appear() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        assert_eq!(names(&chains(&root.join("conf/lbd.kdl")), &root), ["conf"]);
        symlink("nowhere", root.join("lbd.kdl")).unwrap();
        assert_eq!(names(&chains(&root.join("lbd.kdl")), &root), ["lbd.kdl", "nowhere"]);
    }

    #[test]
    fn links_in_a_circle_end() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        symlink("b", root.join("a")).unwrap();
        symlink("a", root.join("b")).unwrap();
        assert_eq!(names(&chains(&root.join("a")), &root), ["a", "b"]);
    }

    #[test]
    fn in_a_directory_of_a_pattern_every_real_name_counts() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let chains = Chains::of(std::iter::empty(), [root.as_path()].into_iter());
        assert!(chains.concerns(&root.join("new.kdl")) && chains.concerns(&root.join("..data")));
        assert!(!chains.concerns(&root.join(".new.kdl.swp")) && !chains.concerns(&root.join("new.kdl~")));
    }
}
