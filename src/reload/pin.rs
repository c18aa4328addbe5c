//! A generation that runs whatever the files say, for files that are not ours to write.
//!
//! `STATE_DIR/pin.json` keeps it over restarts. It ends with `unpin`, or with the next other file set where that
//! was asked for.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::World;
use super::ask::{Answer, Refusal};
use super::confirm::{forget_json, keep_json, kept_json};
use super::plan::Plan;
use super::record::{Record, hex};
use super::reloader::Reloader;
use super::state::{Applied, By, Cause, Findings, Pinned, Reason, Rejected};
use crate::tls::Stage;

const KEPT: &str = "pin.json";

/// What is pinned, and what the files said then.
pub(super) struct Pin {
    pub(super) info: Pinned,
    pub(super) record: Record,
}

/// The same on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u32,
    /// The number that it runs under.
    running: u64,
    generation: u64,
    since: SystemTime,
    until_change: bool,
    by: By,
    /// Of the files.
    digest: String,
}

impl<W: World> Reloader<W> {
    /// Runs a generation that is kept, and leaves the files alone.
    pub(super) async fn pin_to(
        &mut self,
        generation: u64,
        until_change: bool,
        by: By,
    ) -> Result<Answer, Refusal> {
        let stored = Arc::new(self.stored(generation)?);
        let unreadable = || {
            let message = format!("generation {generation} cannot be used today");
            Refusal::Conflict(message, "lbctl config history".into())
        };
        let attempt = self.read(stored, Stage::Reload).await.ok_or_else(unreadable)?;
        let digest = attempt.record.digest();
        let plan = match &attempt.outcome {
            Ok((model, _)) => Plan::between(self.running.as_ref().map(|now| &*now.model), model),
            Err(_) => return Err(unreadable()),
        };
        self.settle_pending(Some(by.clone()), "another generation is pinned");
        let changed = self.running.as_ref().is_none_or(|running| running.digest != digest);
        if changed {
            let cause = Cause::Operator { verb: "pin", by: by.clone() };
            self.enact(&cause, digest, attempt).await.map_err(Refusal::Rejected)?;
        }
        let info = Pinned { generation, since: SystemTime::now(), until_change, by };
        self.hold(info, "asked for").await;
        Ok(Answer { generation: self.number_now(), changed, plan, ..Answer::default() })
    }

    /// What runs stays, whatever the files say.
    pub(super) async fn hold(&mut self, info: Pinned, why: &str) {
        let record = self.read(self.files.clone(), Stage::Reload).await.map(|attempt| attempt.record);
        let record = record.unwrap_or_default();
        let kept = Kept {
            version: 1,
            running: self.number_now(),
            generation: info.generation,
            since: info.since,
            until_change: info.until_change,
            by: info.by.clone(),
            digest: hex(&record.digest()),
        };
        if let Err(error) = keep_json(self.options.state_dir.as_deref(), KEPT, &kept) {
            warn!(%error, "that a generation is pinned could not be stored: a restart reads the files");
        }
        self.journal.pinned(Some(info.clone()), Some(info.by.clone()), why);
        self.pin = Some(Pin { info, record });
    }

    /// The files count again: they are read, and run if they are good.
    pub(super) async fn unpin_by(&mut self, by: By) -> Result<Answer, Refusal> {
        if self.pin.is_none() {
            return Err(Refusal::Conflict("no generation is pinned".into(), "lbctl status".into()));
        }
        self.let_loose(Some(by.clone()), "asked for");
        let cause = Cause::Operator { verb: "unpin", by };
        let applied = self.reload(&cause, &mut || false).await.map_err(Refusal::Rejected)?;
        Ok(Answer {
            generation: applied.generation,
            changed: applied.changed,
            findings: applied.findings,
            ..Answer::default()
        })
    }

    fn let_loose(&mut self, by: Option<By>, why: &str) {
        if self.pin.take().is_some() {
            forget_json(self.options.state_dir.as_deref(), KEPT);
            self.journal.pinned(None, by, why);
        }
    }

    /// Whether the files are not to be read now; a pin that lasts until they change ends here when they have.
    pub(super) fn is_held(&mut self) -> bool {
        let Some(pin) = &self.pin else { return false };
        if pin.info.until_change && pin.record.again(self.files.as_ref()) != pin.record {
            self.let_loose(None, "the files have changed");
            return false;
        }
        true
    }

    /// The answer to who wants the files read while a generation is pinned.
    pub(super) fn held(&self, cause: &Cause) -> Arc<Rejected> {
        let generation = self.pin.as_ref().map_or(0, |pin| pin.info.generation);
        let message = format!("generation {generation} is pinned, so files are not read: lbctl config unpin");
        self.rejection(cause, Reason::Pinned, message, Findings::default(), &[0; 32])
    }

    /// At start: the pinned generation, unless the files have changed and it was to last until then.
    pub(super) async fn boot_pinned(&mut self) -> Option<Applied> {
        let kept: Kept = kept_json(self.options.state_dir.as_deref(), KEPT)?;
        let record = self.read(self.files.clone(), Stage::Start).await.map(|attempt| attempt.record)?;
        let forget = |why: &str| {
            warn!(generation = kept.generation, why, "the pinned generation is not run");
            forget_json(self.options.state_dir.as_deref(), KEPT);
        };
        if kept.until_change && hex(&record.digest()) != kept.digest {
            forget("the files have changed");
            return None;
        }
        let Some(stored) = self.generations.find(kept.running, &self.files) else {
            forget("it is not kept any more");
            return None;
        };
        let attempt = self.read(Arc::new(stored), Stage::Start).await?;
        let applied = self.publish_last_good(kept.running, attempt, false).await.ok()?;
        let info = Pinned {
            generation: kept.generation,
            since: kept.since,
            until_change: kept.until_change,
            by: kept.by,
        };
        self.journal.pinned(Some(info.clone()), None, "after a restart");
        self.pin = Some(Pin { info, record });
        Some(applied)
    }
}
