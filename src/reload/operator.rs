//! Changes that an operator asks for: weighed first, then published and written, both or neither.
//!
//! The new texts lie beside the files before anything runs; then the generation is published, then the files are
//! put in place by renames. What fails before leaves nothing behind; what fails after is taken back.

use std::sync::Arc;

use tracing::error;

use super::ask::{Answer, Ask, Confirmation, Refusal, Source};
use super::attempt::Attempt;
use super::fileset::{self, Edit, says};
use super::offer::Offered;
use super::plan::Plan;
use super::record::hex;
use super::refusal::{MEANT, closes, headline};
use super::reloader::Reloader;
use super::state::{By, Cause};
use super::{Files, World};
use crate::config::model::Model;
use crate::tls::Stage;

/// The longest that a change may wait for its confirmation.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// What an operator wants to run.
pub(super) struct Wanted {
    pub(super) source: Source,
    pub(super) verb: &'static str,
    pub(super) by: By,
    pub(super) confirm: Option<Confirmation>,
    pub(super) force: bool,
    pub(super) id: Option<String>,
}

impl Wanted {
    /// Whether nobody said that it may cut what is open: neither forced nor to be confirmed. Going back always may.
    fn is_casual(&self) -> bool {
        self.verb == "apply" && !self.force && self.confirm.is_none()
    }
}

impl<W: World> Reloader<W> {
    /// Answers one question, or makes one change.
    pub(super) async fn obey(&mut self, ask: Ask) -> Result<Answer, Refusal> {
        match ask {
            Ask::Plan { source } => self.plan(source).await,
            Ask::Apply { source, by, confirm, force, id } => {
                self.change(Wanted { source, verb: "apply", by, confirm, force, id }).await
            }
            Ask::Rollback { to, by, force } => self.roll_back(to, by, force).await,
            Ask::Confirm { by } => self.confirm(&by),
            Ask::Pin { generation, until_change, by } => self.pin_to(generation, until_change, by).await,
            Ask::Unpin { by } => self.unpin_by(by).await,
            Ask::Diff { from, to } => self.diff(from, to).await,
            Ask::Texts { generation } => self.texts(generation).await,
            Ask::Expanded { generation } => self.expanded(generation).await,
            Ask::Model { generation } => self.meaning(generation).await,
        }
    }

    async fn plan(&mut self, source: Source) -> Result<Answer, Refusal> {
        let (attempt, wanted) = self.candidate(source).await?;
        if !wanted.is_empty() {
            return Ok(Answer { wanted, generation: self.number_now(), ..Answer::default() });
        }
        self.weigh(attempt).map(|(answer, _)| answer)
    }

    /// The answer to a plan of a candidate without errors, and the candidate again.
    fn weigh(&self, attempt: Attempt) -> Result<(Answer, Attempt), Refusal> {
        let digest = attempt.record.digest();
        let id = format!("p{}-{}", self.number_now(), &hex(&digest)[..8]);
        let Attempt { record, texts, findings, outcome } = attempt;
        let (model, tls) = outcome.map_err(|reason| {
            let message = headline(&findings, reason, &self.options.main);
            let cause = Cause::Operator { verb: "plan", by: By::default() };
            Refusal::Rejected(self.rejection(&cause, reason, message, findings.clone(), &digest))
        })?;
        let answer = Answer {
            generation: self.number_now(),
            changed: self.running.as_ref().is_none_or(|running| running.digest != digest),
            plan: Plan::between(self.model_now(), &model),
            findings: Arc::new(findings.clone()),
            id,
            next: Some(Arc::new((model.clone(), tls.clone()))),
            ..Answer::default()
        };
        Ok((answer, Attempt { record, texts, findings, outcome: Ok((model, tls)) }))
    }

    /// Publishes a candidate and makes the files say it.
    pub(super) async fn change(&mut self, wanted: Wanted) -> Result<Answer, Refusal> {
        self.may_change(wanted.confirm.as_ref())?;
        let casual = wanted.is_casual();
        let (attempt, lacking) = self.candidate(wanted.source).await?;
        if !lacking.is_empty() {
            return Ok(Answer { wanted: lacking, generation: self.number_now(), ..Answer::default() });
        }
        let (mut answer, attempt) = self.weigh(attempt)?;
        if wanted.id.as_ref().is_some_and(|id| *id != answer.id) {
            let message = format!("that plan is no longer true: it would be {} now", answer.id);
            return Err(Refusal::Guard(message, "look again: lbctl config plan".into()));
        }
        if let (true, Some(next)) = (casual, &answer.next)
            && let Some(message) = closes(&self.world.severed(&next.0))
        {
            return Err(Refusal::Guard(message, MEANT.into()));
        }
        let edits = self.edits(&attempt)?;
        let to_write = unwritten(&edits, wanted.force)?;
        if !answer.changed && to_write.is_empty() {
            return Ok(answer);
        }
        let prepared = fileset::prepare(&to_write).map_err(|error| unwritable(&to_write, &error))?;
        let previous = self.number_now();
        self.begin_writing(&to_write, previous).map_err(|error| {
            Refusal::Unwritable(format!("the state directory cannot be written: {error}"), String::new())
        })?;
        let (before, cause) =
            (self.world.vitals(), Cause::Operator { verb: wanted.verb, by: wanted.by.clone() });
        let digest = attempt.record.digest();
        let applied = match self.enact(&cause, digest, attempt).await {
            Ok(applied) => applied,
            Err(rejected) => {
                self.forget_kept();
                return Err(Refusal::Rejected(rejected));
            }
        };
        if let Err(error) = prepared.commit() {
            self.take_back(&edits, format!("the files could not be written: {error}")).await;
            return Err(unwritable(&to_write, &error));
        }
        answer.generation = applied.generation;
        answer.written = to_write.into_iter().map(|edit| edit.path).collect();
        answer.next = None;
        match wanted.confirm {
            Some(confirm) => {
                answer.until = Some(self.await_confirmation(&confirm, previous, edits, wanted.by, before));
            }
            None => self.forget_kept(),
        }
        Ok(answer)
    }

    fn may_change(&self, confirm: Option<&Confirmation>) -> Result<(), Refusal> {
        if let Some(pin) = &self.pin {
            let message = format!("generation {} is pinned", pin.info.generation);
            return Err(Refusal::Conflict(message, "lbctl config unpin".into()));
        }
        if let Some(pending) = &self.pending {
            let message = format!("generation {} waits for its confirmation", pending.info.generation);
            return Err(Refusal::Conflict(message, "lbctl config confirm, or lbctl config rollback".into()));
        }
        if confirm.is_some_and(|confirm| confirm.within > LONGEST || confirm.within.is_zero()) {
            let message = "a change can wait for its confirmation between 1s and 24h".to_owned();
            return Err(Refusal::Guard(message, "--confirm-within 5m".into()));
        }
        Ok(())
    }

    async fn roll_back(&mut self, to: Option<u64>, by: By, force: bool) -> Result<Answer, Refusal> {
        if to.is_none() && self.pending.is_some() {
            return self.give_back(Cause::Operator { verb: "rollback", by }).await;
        }
        let to = match to {
            Some(to) => to,
            None => {
                let state = self.journal.state();
                let before = state.history.iter().rev().find(|known| known.digest != state.digest);
                before.map(|known| known.number).ok_or_else(|| {
                    Refusal::Unknown("there is no generation before the one that runs".into())
                })?
            }
        };
        let source = Source::Generation(to);
        self.change(Wanted { source, verb: "rollback", by, confirm: None, force, id: None }).await
    }

    /// What the files must say for the candidate, and what they say for what runs.
    fn edits(&self, attempt: &Attempt) -> Result<Vec<Edit>, Refusal> {
        let running = self.running.as_ref().map(|running| &running.texts);
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let mut edits = Vec::new();
        for (path, bytes) in &attempt.texts {
            let old = match running.and_then(|texts| texts.get(path)) {
                Some(bytes) => Some(text(bytes)),
                None => says(path).flatten(),
            };
            let new = Some(text(bytes));
            if old != new || says(path).as_ref() != Some(&new) {
                edits.push(Edit { path: path.clone(), old, new });
            }
        }
        for (pattern, found) in attempt.record.globs() {
            for path in self.files.glob(pattern).unwrap_or_default() {
                if found.contains(&path) {
                    continue;
                }
                let Some(bytes) = running.and_then(|texts| texts.get(&path)) else {
                    let message = format!("{} is there and not part of the change", path.display());
                    return Err(Refusal::Guard(message, "add it to the change, or take it away".into()));
                };
                edits.push(Edit { path, old: Some(text(bytes)), new: None });
            }
        }
        Ok(edits)
    }

    /// Reads a candidate; and what its offer lacks.
    async fn candidate(&mut self, source: Source) -> Result<(Attempt, Vec<String>), Refusal> {
        let failed =
            || Refusal::Conflict("reading the candidate failed inside lbd".into(), "please report it".into());
        match source {
            Source::Files => {
                let attempt = self.read(self.files.clone(), Stage::Reload).await.ok_or_else(failed)?;
                Ok((attempt, Vec::new()))
            }
            Source::Offer(offer) => {
                let offered = Arc::new(Offered::new(offer, &self.options.main, self.files.clone()));
                let attempt =
                    self.read(Arc::clone(&offered) as Files, Stage::Reload).await.ok_or_else(failed)?;
                Ok((attempt, offered.wanted()))
            }
            Source::Generation(number) => {
                let stored = self.stored(number)?;
                let attempt = self.read(Arc::new(stored), Stage::Reload).await.ok_or_else(failed)?;
                Ok((attempt, Vec::new()))
            }
        }
    }

    pub(super) fn stored(&self, number: u64) -> Result<super::generations::Stored, Refusal> {
        self.generations.find(number, &self.files).ok_or_else(|| {
            let kept: Vec<String> =
                self.generations.list().iter().map(|kept| kept.number.to_string()).collect();
            Refusal::Unknown(match kept.as_slice() {
                [] => "no generations are kept: lbd needs a state directory for that (--state-dir)".into(),
                kept => format!("generation {number} is not kept; there are {}", kept.join(", ")),
            })
        })
    }

    async fn diff(&mut self, from: Option<u64>, to: Option<u64>) -> Result<Answer, Refusal> {
        let both = |older: Option<&Model>, newer: &Model| {
            let plan = Plan::between(older, newer);
            Answer { changed: !plan.is_empty(), plan, generation: self.number_now(), ..Answer::default() }
        };
        let Some(from) = from else {
            let source = to.map_or(Source::Files, Source::Generation);
            return self.plan(source).await.map(|answer| Answer { next: None, ..answer });
        };
        let older = self.model_of(from).await?;
        match (to, self.model_now()) {
            (Some(to), _) => {
                let newer = self.model_of(to).await?;
                Ok(both(Some(&older), &newer))
            }
            (None, Some(running)) => Ok(both(Some(&older), running)),
            (None, None) => Ok(Answer::default()),
        }
    }

    /// What a generation that is kept means.
    pub(super) async fn model_of(&self, number: u64) -> Result<Arc<Model>, Refusal> {
        let stored = Arc::new(self.stored(number)?);
        let attempt = self.read(stored, Stage::Reload).await;
        let unreadable = || {
            Refusal::Conflict(
                format!("generation {number} cannot be read today"),
                "lbctl config history".into(),
            )
        };
        attempt.and_then(|attempt| attempt.outcome.ok()).map(|(model, _)| model).ok_or_else(unreadable)
    }

    async fn texts(&self, number: u64) -> Result<Answer, Refusal> {
        let texts = self.stored(number)?.texts();
        Ok(Answer { generation: number, texts, ..Answer::default() })
    }

    /// What was published is not to run after all: the texts before are published again.
    pub(super) async fn take_back(&mut self, edits: &[Edit], why: String) {
        let restored = super::offer::Restored::new(
            edits.iter().map(|edit| (edit.path.clone(), edit.old.clone())),
            self.files.clone(),
        );
        let cause = Cause::Return { why };
        if let Some(attempt) = self.read(Arc::new(restored), Stage::Reload).await {
            let digest = attempt.record.digest();
            if let Err(rejected) = self.enact(&cause, digest, attempt).await {
                error!(%rejected, "what ran before cannot be published again");
            }
        }
        self.forget_kept();
    }

    pub(super) fn number_now(&self) -> u64 {
        self.running.as_ref().map_or(0, |running| running.number)
    }

    fn model_now(&self) -> Option<&Model> {
        self.running.as_ref().map(|running| &*running.model)
    }
}

/// Those of the edits that the files do not say yet. A file that says neither what runs nor what is to run was
/// edited by somebody, and is overwritten with `force` only.
fn unwritten(edits: &[Edit], force: bool) -> Result<Vec<Edit>, Refusal> {
    let mut unwritten = Vec::new();
    for edit in edits {
        let now = says(&edit.path);
        if now.as_ref() == Some(&edit.new) {
            continue;
        }
        if !force && now.as_ref() != Some(&edit.old) {
            let message = format!("{} was edited, and what it says does not run", edit.path.display());
            let help =
                "look at it first: lbctl config diff, lbctl config show-report; --force writes over it";
            return Err(Refusal::Guard(message, help.into()));
        }
        unwritten.push(edit.clone());
    }
    Ok(unwritten)
}

fn unwritable(edits: &[Edit], error: &std::io::Error) -> Refusal {
    let paths: Vec<String> = edits.iter().map(|edit| edit.path.display().to_string()).collect();
    let help = "nothing has changed; where the files are not lbd's to write, change them at their source, \
                or run a kept generation with lbctl config pin";
    Refusal::Unwritable(format!("cannot write {}: {error}", paths.join(", ")), help.into())
}
