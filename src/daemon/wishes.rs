//! Keeps what operators want: takes it up when servers come, and writes it down when it changes.
//!
//! The disk is asked off the steering thread; a disk that fails is warned of and tried again.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tracing::{error, info, warn};

use crate::drain::Drains;
use crate::observe::Events;
use crate::pool::{Pool, Wish};
use crate::snapshot::{Current, Snapshot};
use crate::state::{Restored, Wishes, file};

/// How often it is looked at least; what an operator does is written at once.
const LOOK: Duration = Duration::from_secs(5);

/// The keeper of the book.
pub(super) struct Keeper {
    book: RefCell<Wishes>,
    state_dir: Option<PathBuf>,
    current: Current,
    events: Arc<Events>,
    drains: Arc<Drains>,
}

impl Keeper {
    /// With what an earlier process wrote, or says itself.
    pub(super) fn open(
        state_dir: Option<&Path>,
        said: Option<&str>,
        current: Current,
        events: Arc<Events>,
        drains: Arc<Drains>,
    ) -> Rc<Self> {
        let book = match said {
            Some(said) => spoken(said),
            None => state_dir.map(open).unwrap_or_default(),
        };
        let state_dir = state_dir.map(Path::to_path_buf);
        Rc::new(Self { book: RefCell::new(book), state_dir, current, events, drains })
    }

    /// One generation is about to give way to the next.
    pub(super) fn turn(&self, previous: &Snapshot, next: &Snapshot) {
        let (previous, next) = (pools(previous), pools(next));
        let restored = self.book.borrow_mut().turn(&previous, &next, SystemTime::now());
        for one in restored {
            self.tell(&one);
            let pool = next.iter().find(|pool| *pool.name == *one.pool);
            let Some(pool) = pool else { continue };
            if let Some(member) = pool.member(&one.server) {
                self.drains.resume(&member.server, &pool.drain);
            }
        }
    }

    /// All of it, in the form of the file.
    pub(super) fn text(&self) -> String {
        let snapshot = self.current.load();
        self.book.borrow_mut().now(&pools(&snapshot), SystemTime::now())
    }

    /// What operators want by now, in the form of the file, of the process that this one follows.
    pub(super) fn take_up(&self, text: &str) {
        let book = spoken(text);
        for pool in pools(&self.current.load()) {
            for member in &pool.members {
                let wanted = book.of(&pool.name, &member.server.name);
                if member.server.admin.get() != wanted {
                    member.server.admin.restore(wanted);
                    self.drains.resume(&member.server, &pool.drain);
                }
            }
        }
    }

    fn tell(&self, one: &Restored) {
        let subject = format!("{}/{}", one.pool, one.server);
        let wish = one.state.wish.as_str();
        let stamp = match one.state.wish {
            Wish::Ready => one.state.weight_stamp.as_ref(),
            _ => one.state.stamp.as_ref(),
        };
        let by = stamp.and_then(|stamp| stamp.by.clone());
        let reason = stamp.and_then(|stamp| stamp.reason.clone());
        let weight = one.state.weight;
        info!(server = subject, wish, weight, by, reason, "an operator's wish holds again");
        let facts = json!({ "wish": wish, "weight": weight, "reason": reason });
        self.events.emit("server.wish-restored", subject, facts, by);
    }

    /// Writes whatever changes, until the daemon ends.
    pub(super) async fn run(self: Rc<Self>) {
        let mut news = self.events.subscribe();
        let mut failed = None;
        loop {
            if let Some((dir, text)) = self.stale() {
                let (written, text) = tokio::task::spawn_blocking(move || (file::write(&dir, &text), text))
                    .await
                    .unwrap_or_else(|error| (Err(std::io::Error::other(error)), String::new()));
                match written {
                    Ok(()) => {
                        self.book.borrow_mut().saved(text);
                        failed = None;
                    }
                    Err(error) => {
                        let error = error.to_string();
                        if failed.as_ref() != Some(&error) {
                            warn!(%error, "cannot save what operators want: it would not survive a restart");
                        }
                        failed = Some(error);
                        tokio::time::sleep(LOOK).await;
                    }
                }
                continue;
            }
            // Every change by an operator is an event; what else changes is seen with the next look.
            let _ = tokio::time::timeout(LOOK, news.changed()).await;
        }
    }

    /// The last look, when nothing is served any more.
    pub(super) fn close(&self) {
        if let Some((dir, text)) = self.stale()
            && let Err(error) = file::write(&dir, &text)
        {
            error!(%error, "cannot save what operators want");
        }
    }

    fn stale(&self) -> Option<(PathBuf, String)> {
        let dir = self.state_dir.clone()?;
        let snapshot = self.current.load();
        let text = self.book.borrow_mut().stale(&pools(&snapshot), SystemTime::now())?;
        Some((dir, text))
    }
}

fn pools(snapshot: &Snapshot) -> Vec<&Pool> {
    snapshot.pools.values().map(|snap| &*snap.pool).collect()
}

/// The book that another process says it has; the file may be older.
fn spoken(text: &str) -> Wishes {
    if text.is_empty() {
        return Wishes::default();
    }
    let mut book = Wishes::parse(text, SystemTime::now()).unwrap_or_else(|reason| {
        warn!(reason, "what operators want was not understood: every server is ready");
        Wishes::default()
    });
    book.saved(String::new());
    book
}

/// The book of an earlier process, or an empty one. A file that cannot be understood is kept beside.
fn open(state_dir: &Path) -> Wishes {
    let text = match file::read(state_dir) {
        Ok(None) => return Wishes::default(),
        Ok(Some(text)) => Wishes::parse(&text, SystemTime::now()),
        Err(error) => Err(error.to_string()),
    };
    text.unwrap_or_else(|reason| {
        match file::set_aside(state_dir) {
            Ok(aside) => {
                warn!(reason, kept = %aside.display(), "what operators wanted cannot be read: every server is ready");
            }
            Err(error) => warn!(reason, %error, "what operators wanted cannot be read, nor kept aside"),
        }
        Wishes::default()
    })
}
