//! File-system events as a wake-up, and nothing more: what changed is decided by reading.
//!
//! Watches the directories of [`Chains`]. Everything that can go wrong here (no watches left, a full
//! queue, a file system without events) costs latency only, because the poll looks too. What happens beside the
//! inputs, a log for example, wakes nobody a second time before the files were looked at.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::chain::Chains;
use super::gate::Change;

/// Events on their way from the kernel's thread; when they do not fit, everything is looked at.
const QUEUE: usize = 1024;

/// Watches the inputs of a configuration.
#[derive(Debug)]
pub(super) struct Watcher {
    /// `None` when the system gives no events.
    events: Option<RecommendedWatcher>,
    queue: mpsc::Receiver<notify::Event>,
    overflow: Arc<AtomicBool>,
    /// Something happened beside the inputs, and was told.
    nearby: Arc<AtomicBool>,
    /// Each watched directory with its device and inode: the same path can come to mean another one.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// Shared with the kernel's thread.
    chains: Arc<Mutex<Chains>>,
    complained: bool,
}

impl Watcher {
    /// Watches nothing yet. Without `events` it never will, and only polling sees changes.
    pub(super) fn new(events: bool) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let overflow = Arc::new(AtomicBool::new(false));
        let nearby = Arc::new(AtomicBool::new(false));
        let chains = Arc::new(Mutex::new(Chains::default()));
        let (full, told, inputs) = (Arc::clone(&overflow), Arc::clone(&nearby), Arc::clone(&chains));
        let forward = move |event: notify::Result<notify::Event>| {
            let event = event.unwrap_or_else(|_| {
                notify::Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan)
            });
            let is_known =
                is_noise(&event) || (is_beside(&event, &held(&inputs)) && told.swap(true, Ordering::AcqRel));
            if !is_known && sender.try_send(event).is_err() {
                full.store(true, Ordering::Release);
            }
        };
        let events = events.then(|| notify::recommended_watcher(forward)).and_then(|made| match made {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                warn!(%error, "no file-system events; changes are found by polling");
                None
            }
        });
        Self { events, queue, overflow, nearby, watched: BTreeMap::new(), chains, complained: false }
    }

    /// Looks at these inputs from now on; says whether a directory was added, in which case something
    /// may have happened there before it was watched.
    pub(super) fn look_at(&mut self, chains: Chains) -> bool {
        let directories = chains.directories.clone();
        *held(&self.chains) = chains;
        let Some(events) = &mut self.events else { return false };
        let wanted: BTreeMap<PathBuf, (u64, u64)> = directories
            .iter()
            .filter_map(|path| path.metadata().ok().map(|found| (path.clone(), (found.dev(), found.ino()))))
            .collect();
        for gone in self.watched.iter().filter(|(path, inode)| wanted.get(*path) != Some(inode)) {
            // It fails when the directory itself is gone; the kernel has ended that watch already.
            let _ = events.unwatch(gone.0);
        }
        self.watched.retain(|path, inode| wanted.get(path) == Some(inode));
        let mut added = false;
        for (path, inode) in wanted {
            if self.watched.contains_key(&path) {
                continue;
            }
            match events.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    debug!(directory = %path.display(), "watching");
                    self.watched.insert(path, inode);
                    added = true;
                }
                Err(error) if !self.complained => {
                    self.complained = true;
                    let directory = path.display();
                    warn!(%directory, %error, "cannot be watched; changes are found by polling");
                }
                Err(_) => {}
            }
        }
        added
    }

    /// The files are about to be looked at: what happens beside them from now on is told again, once.
    pub(super) fn looks(&self) {
        self.nearby.store(false, Ordering::Release);
    }

    /// The next changes. Never returns while nothing happens; loses nothing when it is dropped.
    pub(super) async fn changes(&mut self) -> Vec<Change> {
        let Some(first) = self.queue.recv().await else {
            return std::future::pending().await;
        };
        self.drain(Some(first))
    }

    /// The changes that are known already.
    pub(super) fn pending(&mut self) -> Vec<Change> {
        let first = self.queue.try_recv().ok();
        self.drain(first)
    }

    fn drain(&mut self, first: Option<notify::Event>) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut next = first;
        while let Some(event) = next {
            self.forget_moved(&event);
            self.translate(&event, &mut changes);
            next = self.queue.try_recv().ok();
        }
        if self.overflow.swap(false, Ordering::AcqRel) {
            changes.push(Change::Unknown);
        }
        changes
    }

    /// A watched directory that went away is not watched any more, also when another one comes in its
    /// place and happens to get its inode number.
    fn forget_moved(&mut self, event: &notify::Event) {
        if !matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))) {
            return;
        }
        for path in &event.paths {
            if self.watched.remove(path).is_some()
                && let Some(events) = &mut self.events
            {
                let _ = events.unwatch(path);
            }
        }
    }

    fn translate(&self, event: &notify::Event, changes: &mut Vec<Change>) {
        if event.need_rescan() || event.paths.is_empty() {
            changes.push(Change::Unknown);
        }
        let chains = held(&self.chains);
        for path in &event.paths {
            changes.push(match event.kind {
                _ if !chains.concerns(path) => Change::Nearby,
                EventKind::Modify(ModifyKind::Data(_)) => Change::Written(path.clone()),
                EventKind::Create(CreateKind::File | CreateKind::Any) if has_writer(path) => {
                    Change::Written(path.clone())
                }
                _ => Change::Settled(path.clone()),
            });
        }
    }
}

fn held(chains: &Mutex<Chains>) -> MutexGuard<'_, Chains> {
    chains.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether it is surely about nothing that an input depends on.
fn is_beside(event: &notify::Event, chains: &Chains) -> bool {
    let known = !event.need_rescan() && !event.paths.is_empty();
    known && !event.paths.iter().any(|path| chains.concerns(path))
}

/// Reading the files makes events too; those must never wake us.
fn is_noise(event: &notify::Event) -> bool {
    match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => !event.need_rescan(),
        _ => false,
    }
}

/// Whether somebody will close the file that was just created: nobody closes a link.
fn has_writer(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file() && found.nlink() == 1)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// What is told until something surely happened to `path`.
    async fn until_settled(watcher: &mut Watcher, path: &Path) -> Vec<Change> {
        let mut told = Vec::new();
        while !told.contains(&Change::Settled(path.to_owned())) {
            let more = tokio::time::timeout(Duration::from_secs(20), watcher.changes()).await;
            told.extend(more.expect("a file that was closed is told of"));
        }
        told
    }

    fn nearby(told: &[Change]) -> usize {
        told.iter().filter(|change| **change == Change::Nearby).count()
    }

    #[tokio::test]
    async fn a_log_beside_the_inputs_is_told_of_once_for_each_look() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (input, log) = (root.join("lbd.kdl"), root.join("access.log"));
        fs::write(&input, "").unwrap();
        fs::write(&log, "").unwrap();
        let mut watcher = Watcher::new(true);
        assert!(watcher.look_at(Chains::of([input.as_path()].into_iter(), std::iter::empty())));
        for look in 0..2 {
            watcher.looks();
            for _ in 0..300 {
                fs::write(&log, "a line").unwrap();
            }
            fs::write(&input, "a line").unwrap();
            let told = until_settled(&mut watcher, &input).await;
            assert_eq!(nearby(&told), 1, "look {look}: {told:?}");
        }
    }
}
