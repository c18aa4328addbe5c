//! A change that must be confirmed: kept on disk, watched over, taken back in time.
//!
//! `STATE_DIR/unconfirmed.json` holds the texts of before and after. It is written before the first file is, so
//! that a process that ends between two renames leaves a way back; a start looks at it first.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::{error, warn};

use super::World;
use super::ask::{Answer, Confirmation, Refusal};
use super::fileset::{self, Edit, says};
use super::offer::Restored;
use super::plan::Plan;
use super::reloader::Reloader;
use super::state::{By, Cause, Pinned, Unconfirmed};
use super::vitals::{Limits, Vitals, Watchdog};
use crate::tls::Stage;

const KEPT: &str = "unconfirmed.json";
/// Between two looks at the pools.
const LOOK: Duration = Duration::from_secs(1);

/// What waits for a confirmation.
pub(super) struct Pending {
    pub(super) info: Unconfirmed,
    edits: Vec<Edit>,
    due: Instant,
    next_look: Instant,
    watchdog: Watchdog,
}

/// What is kept of a change on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// Absent while files are being put in place.
    until_ms: Option<u64>,
    generation: u64,
    previous: u64,
    by: By,
    edits: Vec<Edit>,
}

impl<W: World> Reloader<W> {
    /// Keeps the way back before the first file changes.
    pub(super) fn begin_writing(&self, edits: &[Edit], previous: u64) -> io::Result<()> {
        if edits.is_empty() {
            return Ok(());
        }
        let (generation, by, edits) = (0, By::default(), edits.to_vec());
        self.keep(&Kept { version: 1, until_ms: None, generation, previous, by, edits })
    }

    /// The generation that has just been published waits from now on; until when.
    pub(super) fn await_confirmation(
        &mut self,
        confirm: &Confirmation,
        previous: u64,
        edits: Vec<Edit>,
        by: By,
        before: Vec<Vitals>,
    ) -> SystemTime {
        let (until, now) = (SystemTime::now() + confirm.within, Instant::now());
        let info = Unconfirmed { generation: self.number_now(), previous, until, by };
        let watchdog = Watchdog::new(confirm.limits, before, now);
        let pending = Pending { info, edits, due: now + confirm.within, next_look: now + LOOK, watchdog };
        self.keep_waiting(&pending);
        let by = Some(pending.info.by.clone());
        self.journal.unconfirmed(
            Some(pending.info.clone()),
            "config.unconfirmed",
            by,
            "applied to be confirmed",
        );
        self.pending = Some(pending);
        until
    }

    fn keep_waiting(&self, pending: &Pending) {
        let Unconfirmed { generation, previous, until, by } = pending.info.clone();
        let kept = Kept {
            version: 1,
            until_ms: Some(millis(until)),
            generation,
            previous,
            by,
            edits: pending.edits.clone(),
        };
        if let Err(error) = self.keep(&kept) {
            warn!(%error, "that a confirmation is due could not be stored: a restart would confirm it");
        }
    }

    /// When [`Reloader::watch_over`] is due.
    pub(super) fn look_due(&self) -> Option<Instant> {
        self.pending.as_ref().map(|pending| pending.due.min(pending.next_look))
    }

    /// Takes an unconfirmed change back when its time is over or it does harm.
    pub(super) async fn watch_over(&mut self) {
        let now = Instant::now();
        let vitals = self.world.vitals();
        let Some(pending) = &mut self.pending else { return };
        pending.next_look = now + LOOK;
        let harm = pending.watchdog.judge(&vitals, now);
        let why = harm.or_else(|| (now >= pending.due).then(|| "nobody confirmed it in time".to_owned()));
        if let Some(why) = why
            && let Err(refusal) = self.give_back(Cause::Return { why }).await
        {
            error!(%refusal, "what ran before cannot come back; trying again in 10 s");
            if let Some(pending) = &mut self.pending {
                pending.due = now + 10 * LOOK;
                pending.next_look = pending.due;
            }
        }
    }

    pub(super) fn confirm(&mut self, by: &By) -> Result<Answer, Refusal> {
        let generation = self.number_now();
        if self.pending.is_none() {
            let message = format!("generation {generation} needs no confirmation");
            return Err(Refusal::Conflict(message, "lbctl config history".into()));
        }
        self.settle_pending(Some(by.clone()), "confirmed");
        Ok(Answer { generation, ..Answer::default() })
    }

    /// What waited stays: it was confirmed, or something newer runs.
    pub(super) fn settle_pending(&mut self, by: Option<By>, why: &str) {
        if self.pending.take().is_some() {
            self.forget_kept();
            self.journal.unconfirmed(None, "config.confirmed", by, why);
        }
    }

    /// What ran before runs again, and the files say so. A file that somebody has edited since is left as it is;
    /// then what runs is pinned until the files change.
    pub(super) async fn give_back(&mut self, cause: Cause) -> Result<Answer, Refusal> {
        let Some(pending) = self.pending.take() else { return Ok(Answer::default()) };
        let (ours, edited): (Vec<&Edit>, Vec<&Edit>) =
            pending.edits.iter().partition(|edit| says(&edit.path).as_ref() == Some(&edit.new));
        let undone: Vec<Edit> = ours.into_iter().map(Edit::undone).collect();
        let edited: Vec<PathBuf> =
            edited.into_iter().filter(|edit| !edit.is_old()).map(|edit| edit.path.clone()).collect();
        let before = pending.edits.iter().map(|edit| (edit.path.clone(), edit.old.clone()));
        let restored = Arc::new(Restored::new(before, self.files.clone()));
        let attempt = self.read(restored, Stage::Reload).await;
        let model = attempt.as_ref().and_then(|attempt| attempt.outcome.as_ref().ok());
        let plan = model.map(|(model, _)| Plan::between(self.running.as_ref().map(|now| &*now.model), model));
        let (Some(attempt), Some(plan)) = (attempt, plan) else {
            self.pending = Some(pending);
            return Err(Refusal::Conflict(
                "what ran before is no longer usable".into(),
                "lbctl config show-report".into(),
            ));
        };
        let prepared = fileset::prepare(&undone);
        let digest = attempt.record.digest();
        let applied = match self.enact(&cause, digest, attempt).await {
            Ok(applied) => applied,
            Err(rejected) => {
                self.pending = Some(pending);
                return Err(Refusal::Rejected(rejected));
            }
        };
        let written = prepared.and_then(fileset::Prepared::commit);
        let by = match &cause {
            Cause::Operator { by, .. } => Some(by.clone()),
            _ => None,
        };
        let why = cause.reason().unwrap_or("rolled back").to_owned();
        self.journal.unconfirmed(None, "config.returned", by, &why);
        self.forget_kept();
        if let Err(error) = &written {
            error!(%error, "the files of before could not be written; what ran before runs, and is pinned");
        }
        if written.is_err() || !edited.is_empty() {
            self.pin_what_runs("the files could not be put back").await;
        }
        let written = undone.into_iter().map(|edit| edit.path).collect();
        Ok(Answer { generation: applied.generation, changed: true, plan, written, ..Answer::default() })
    }

    async fn pin_what_runs(&mut self, why: &str) {
        let info = Pinned {
            generation: self.number_now(),
            since: SystemTime::now(),
            until_change: true,
            by: By { actor: "lbd".into(), reason: Some(why.to_owned()) },
        };
        self.hold(info, why).await;
    }

    /// At start, before anything is read: files that were being put in place are put back, and so is what nobody
    /// confirmed in time. What has time left goes on waiting.
    pub(super) fn recover(&mut self) {
        let Some(kept) = self.kept() else { return };
        let until = kept.until_ms.map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
        let left = until.and_then(|until| until.duration_since(SystemTime::now()).ok());
        if let (Some(until), Some(left)) = (until, left.filter(|left| !left.is_zero())) {
            let now = Instant::now();
            let info =
                Unconfirmed { generation: kept.generation, previous: kept.previous, until, by: kept.by };
            // How the pools were before is not known any more: only the time counts.
            let never = Limits { errors_percent: 100.0, down_percent: 100.0 };
            let watchdog = Watchdog::new(never, Vec::new(), now);
            let pending =
                Pending { info, edits: kept.edits, due: now + left, next_look: now + LOOK, watchdog };
            self.journal.unconfirmed(
                Some(pending.info.clone()),
                "config.unconfirmed",
                None,
                "after a restart",
            );
            self.pending = Some(pending);
            return;
        }
        let undone: Vec<Edit> = kept
            .edits
            .iter()
            .filter(|edit| says(&edit.path).as_ref() == Some(&edit.new))
            .map(Edit::undone)
            .collect();
        match fileset::prepare(&undone).and_then(fileset::Prepared::commit) {
            Ok(()) => {
                let files = undone.len();
                warn!(
                    files,
                    previous = kept.previous,
                    "a change that was not finished or not confirmed was taken back"
                );
                self.forget_kept();
            }
            Err(error) => error!(%error, "a change that was not confirmed cannot be taken back"),
        }
    }

    fn keep(&self, kept: &Kept) -> io::Result<()> {
        keep_json(self.options.state_dir.as_deref(), KEPT, kept)
    }

    fn kept(&self) -> Option<Kept> {
        kept_json(self.options.state_dir.as_deref(), KEPT).filter(|kept: &Kept| kept.version == 1)
    }

    pub(super) fn forget_kept(&self) {
        forget_json(self.options.state_dir.as_deref(), KEPT);
    }
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64)
}

/// Stores a value in the state directory, whole or not at all; nothing without one.
pub(super) fn keep_json<T: Serialize>(state_dir: Option<&Path>, name: &str, value: &T) -> io::Result<()> {
    let Some(dir) = state_dir else { return Ok(()) };
    fs::create_dir_all(dir)?;
    let new = dir.join(format!("{name}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(new, dir.join(name))?;
    fs::File::open(dir)?.sync_all()
}

/// What was stored, when it can be read.
pub(super) fn kept_json<T: DeserializeOwned>(state_dir: Option<&Path>, name: &str) -> Option<T> {
    let bytes = fs::read(state_dir?.join(name)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Takes away what was stored.
pub(super) fn forget_json(state_dir: Option<&Path>, name: &str) {
    let Some(dir) = state_dir else { return };
    match fs::remove_file(dir.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(name, %error, "cannot be removed from the state directory");
        }
        _ => {}
    }
}
