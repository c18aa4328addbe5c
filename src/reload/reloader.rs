//! The task that owns reloading: decides whether the files say something new, and publishes it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use tokio::sync::mpsc;
use tracing::{error, warn};

use super::attempt::{self, Attempt, on_reader_thread};
use super::chain::Chains;
use super::confirm::Pending;
use super::gate::{Change, Gate};
use super::generations::{Generations, Texts};
use super::handle::Command;
use super::journal::Journal;
use super::pin::Pin;
use super::plan::Plan;
use super::record::{Digest, Record, hex};
use super::refusal::{BootError, headline, removes_too_much, severs_streams};
use super::state::{Applied, Cause, Findings, GenerationInfo, Reason, Rejected};
use super::timing::until;
use super::watch::Watcher;
use super::{Files, Load, Options, ReloadHandle, World};
use crate::config::diagnostic::Severity;
use crate::config::model::{Model, Reload};
use crate::observe::Events;
use crate::tls::{Stage, Store};

/// Callers that may wait for a reload at one time.
const WAITING: usize = 16;
/// Readings until two in a row are equal.
const READINGS: usize = 20;

/// Owns the files' way into the process. Runs on the steering thread.
pub struct Reloader<W> {
    pub(super) options: Options,
    load: Load,
    pub(super) files: Files,
    pub(super) world: W,
    pub(super) store: Arc<Mutex<Store>>,
    commands: mpsc::Receiver<Command>,
    pub(super) journal: Journal,
    pub(super) generations: Generations,
    pub(super) running: Option<Running>,
    refused: Option<Refused>,
    pub(super) pending: Option<Pending>,
    pub(super) pin: Option<Pin>,
}

/// The generation that was published last.
pub(super) struct Running {
    pub(super) number: u64,
    pub(super) model: Arc<Model>,
    pub(super) record: Record,
    pub(super) digest: Digest,
    /// Texts of the configuration, without secrets.
    pub(super) texts: BTreeMap<PathBuf, Vec<u8>>,
}

/// The file set that was refused last, while the files still are that set.
struct Refused {
    record: Record,
    digest: Digest,
    info: Arc<Rejected>,
}

/// What the known inputs are now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Running,
    Refused,
    New,
}

impl<W: World> Reloader<W> {
    /// A reloader of `options.main`, and the handle to it. Nothing is read before [`Reloader::boot`].
    pub fn new(
        options: Options,
        load: Load,
        files: Files,
        world: W,
        events: Arc<Events>,
    ) -> (Self, ReloadHandle) {
        let (sender, commands) = mpsc::channel(WAITING);
        let generations = Generations::new(options.state_dir.as_deref());
        let (journal, state) = Journal::new(&options.main, options.timing, events, generations.list());
        let reloader = Self {
            options,
            load,
            files,
            world,
            store: Arc::default(),
            commands,
            journal,
            generations,
            running: None,
            refused: None,
            pending: None,
            pin: None,
        };
        (reloader, ReloadHandle { commands: sender, state })
    }

    /// The first reload: the files, or the last good generation when they are bad.
    pub async fn boot(&mut self) -> Result<Applied, BootError> {
        self.recover();
        if let Some(applied) = self.boot_pinned().await {
            return Ok(applied);
        }
        let rejected = match self.reload(&Cause::Boot, &mut || false).await {
            Ok(applied) => return Ok(applied),
            Err(rejected) => rejected,
        };
        if rejected.reason == Reason::Missing {
            return Err(BootError::Missing(rejected));
        }
        if !self.options.strict {
            for stored in self.generations.candidates(&self.options.main, &self.files) {
                let number = stored.info.number;
                let Some(attempt) = self.read(Arc::new(stored), Stage::Reload).await else { continue };
                if let Ok(applied) = self.publish_last_good(number, attempt, true).await {
                    error!(
                        generation = applied.generation,
                        "the files are bad: the last good generation runs instead\n{}", rejected.message
                    );
                    return Ok(applied);
                }
            }
        }
        Err(BootError::Rejected(rejected))
    }

    /// Watches and obeys until every [`ReloadHandle`] is gone.
    pub async fn run(mut self) {
        let mut watcher = Watcher::new(self.options.timing.events);
        let timing = self.options.timing;
        let mut gate = Gate::new(self.settings().settle, timing.settle_max, timing.writer);
        self.look_around(&mut watcher, &mut gate);
        let mut postponed = false;
        let mut next_poll = Instant::now() + self.settings().poll;
        loop {
            let polling = self.settings().watch.then_some(next_poll);
            let looking = self.look_due();
            tokio::select! {
                command = self.commands.recv() => {
                    let Some(command) = command else { return };
                    // Whoever asked may have gone; what came of it is in the state as well.
                    match command {
                        Command::Reload { cause, answer } => {
                            drop(gate.open());
                            watcher.looks();
                            let _ = answer.send(self.reload(&cause, &mut || false).await);
                        }
                        // An edit that waits to be read waits on: what is asked for may be about other texts.
                        Command::Ask { ask, answer } => drop(answer.send(self.obey(*ask).await)),
                    }
                }
                () = until(looking) => self.watch_over().await,
                changes = watcher.changes() => {
                    let now = Instant::now();
                    changes.into_iter().for_each(|change| gate.on(change, now));
                }
                () = until(gate.due()) => {
                    let touched = gate.open();
                    watcher.looks();
                    let mut is_written = || {
                        let now = Instant::now();
                        watcher.pending().into_iter().for_each(|change| gate.on(change, now));
                        // Once only: a file that is always being written must not hold us for ever.
                        let wait = gate.is_written() && !postponed;
                        postponed = wait;
                        wait
                    };
                    match (self.reload(&Cause::Watch, &mut is_written).await, touched) {
                        (Err(rejected), _) if rejected.reason == Reason::Unstable && gate.due().is_none() => {
                            gate.on(Change::Unknown, Instant::now());
                        }
                        (Ok(applied), Some(path)) if !applied.changed => self.journal.says_the_same(&path),
                        _ => {}
                    }
                }
                () = until(polling) => {
                    if gate.due().is_none() && self.is_news().await {
                        gate.on(Change::Unknown, Instant::now());
                    }
                    next_poll = Instant::now() + self.settings().poll;
                }
                () = until(self.journal.warn_at()) => self.journal.insist(),
            }
            gate.settle = self.settings().settle;
            self.look_around(&mut watcher, &mut gate);
        }
    }

    /// Reads the files and publishes what they say, unless they say nothing new, or `is_written` says at
    /// the last moment that somebody has begun to write.
    pub(super) async fn reload(
        &mut self,
        cause: &Cause,
        is_written: &mut dyn FnMut() -> bool,
    ) -> Result<Applied, Arc<Rejected>> {
        if self.is_held() {
            return Err(self.held(cause));
        }
        match self.look().await {
            Look::Running => return Ok(self.same()),
            Look::Refused if *cause == Cause::Watch => return self.refused_still(),
            Look::Refused | Look::New => {}
        }
        let stage = if self.running.is_some() { Stage::Reload } else { Stage::Start };
        for _ in 0..READINGS {
            let Some(attempt) = self.read(self.files.clone(), stage).await else {
                let message = "reading the files failed inside lbd; the old configuration goes on";
                return Err(self.unreadable(cause, Reason::Internal, message));
            };
            tokio::time::sleep(self.options.timing.reread).await;
            let (record, files) = (attempt.record.clone(), self.files.clone());
            let again = on_reader_thread(move || record.again(files.as_ref()) == record).await;
            if again != Some(true) {
                continue;
            }
            let digest = attempt.record.digest();
            if self.running.as_ref().is_some_and(|running| running.digest == digest) {
                return Ok(self.same());
            }
            if is_written() {
                let (message, nothing) = ("the files are being written".into(), Findings::default());
                return Err(self.rejection(cause, Reason::Unstable, message, nothing, &digest));
            }
            return self.publish(cause, digest, attempt).await;
        }
        Err(self.unreadable(cause, Reason::Unstable, "the files keep changing while they are read"))
    }

    /// Puts a stable reading of the files in place, or refuses it and remembers that.
    async fn publish(
        &mut self,
        cause: &Cause,
        digest: Digest,
        attempt: Attempt,
    ) -> Result<Applied, Arc<Rejected>> {
        let record = attempt.record.clone();
        let published = self.enact(cause, digest, attempt).await;
        match &published {
            // Whoever edits the files further stands to what was applied before.
            Ok(_) if *cause != Cause::Boot => self.settle_pending(None, "the files were changed again"),
            Ok(_) => {}
            Err(info) => {
                self.refused = Some(Refused { record, digest, info: info.clone() });
                self.journal.rejected(info.clone());
            }
        }
        published
    }

    /// Puts a reading in place; or says why not, and nothing has changed.
    pub(super) async fn enact(
        &mut self,
        cause: &Cause,
        digest: Digest,
        attempt: Attempt,
    ) -> Result<Applied, Arc<Rejected>> {
        let Attempt { record, texts, mut findings, outcome } = attempt;
        let prepared = outcome.and_then(|(model, tls)| {
            let plan = Plan::between(self.running.as_ref().map(|running| &*running.model), &model);
            let guarded = removes_too_much(cause, self.settings(), &plan);
            match guarded.or_else(|| severs_streams(cause, &self.world.severed(&model))) {
                Some(finding) => {
                    findings.report.push(finding);
                    Err(Reason::Removal)
                }
                None => Ok((model, tls, plan)),
            }
        });
        let (number, goes_on) = self.number(cause, &digest);
        let applied =
            prepared.and_then(|(model, tls, plan)| match self.world.apply(Arc::clone(&model), tls, number) {
                Ok(()) => Ok((model, plan)),
                Err(report) => {
                    findings.report.findings.extend(report.findings);
                    Err(Reason::Apply)
                }
            });
        let (model, plan) = match applied {
            Ok(published) => published,
            Err(reason) => {
                let message = headline(&findings, reason, &self.options.main);
                return Err(self.rejection(cause, reason, message, findings, &digest));
            }
        };
        let is_new = goes_on.is_none();
        let warnings = findings.report.count(Severity::Warning);
        let info = goes_on.unwrap_or_else(|| self.describe(number, cause, &digest, &plan, warnings));
        let keep = model.reload.history as usize;
        let globs = record.globs().clone();
        let kept = Texts { main: self.options.main.clone(), files: texts.clone(), globs };
        self.adopt(number, model, record, digest, texts);
        self.refused = None;
        let applied = self.journal.applied(info.clone(), cause, Arc::new(findings), false, keep);
        if is_new {
            self.save(info, kept, keep).await;
        }
        Ok(applied)
    }

    /// Runs a stored generation under its own number; the refused files stay the ones looked at.
    pub(super) async fn publish_last_good(
        &mut self,
        number: u64,
        attempt: Attempt,
        last_good: bool,
    ) -> Result<Applied, Reason> {
        let rejected = self.journal.state().rejected.clone();
        let (model, tls) = attempt.outcome?;
        self.world.apply(Arc::clone(&model), tls, number).map_err(|_| Reason::Apply)?;
        let digest = attempt.record.digest();
        let stored = self.generations.list().into_iter().find(|info| info.number == number);
        let plan = Plan::between(None, &model);
        let info = stored.unwrap_or_else(|| self.describe(number, &Cause::Boot, &digest, &plan, 0));
        let keep = model.reload.history as usize;
        self.adopt(number, model, attempt.record, digest, attempt.texts);
        let applied = self.journal.applied(info, &Cause::Boot, Arc::new(attempt.findings), last_good, keep);
        self.journal.still_rejected(rejected);
        Ok(applied)
    }

    fn adopt(
        &mut self,
        number: u64,
        model: Arc<Model>,
        record: Record,
        digest: Digest,
        texts: BTreeMap<PathBuf, Vec<u8>>,
    ) {
        self.store.lock().unwrap_or_else(PoisonError::into_inner).commit();
        self.running = Some(Running { number, model, record, digest, texts });
    }

    pub(super) async fn read(&self, files: Files, stage: Stage) -> Option<Attempt> {
        let (load, main, store) = (self.load.clone(), self.options.main.clone(), self.store.clone());
        on_reader_thread(move || attempt::read(&load, &files, &main, &store, stage)).await
    }

    /// Whether the known inputs are those of the running generation, or of the refused set, again.
    async fn look(&self) -> Look {
        let running = self.running.as_ref().map(|running| running.record.clone());
        let refused = self.refused.as_ref().map(|refused| refused.record.clone());
        let files = self.files.clone();
        let is_now = move |record: &Record| record.again(files.as_ref()) == *record;
        let look = on_reader_thread(move || match (refused, running) {
            (Some(refused), _) if is_now(&refused) => Look::Refused,
            (_, Some(running)) if is_now(&running) => Look::Running,
            _ => Look::New,
        });
        look.await.unwrap_or(Look::New)
    }

    async fn is_news(&mut self) -> bool {
        if self.is_held() {
            return false;
        }
        match self.look().await {
            Look::Running => self.journal.state().rejected.is_some(),
            Look::Refused => false,
            Look::New => true,
        }
    }

    fn same(&mut self) -> Applied {
        self.refused = None;
        self.journal.same()
    }

    fn refused_still(&self) -> Result<Applied, Arc<Rejected>> {
        let refused = self.refused.as_ref().expect("the files were just found to be the refused ones");
        Err(refused.info.clone())
    }

    /// A failure that says nothing about the files; they are tried again at the next occasion.
    fn unreadable(&mut self, cause: &Cause, reason: Reason, message: &str) -> Arc<Rejected> {
        let info = self.rejection(cause, reason, message.into(), Findings::default(), &[0; 32]);
        self.journal.rejected(info.clone());
        info
    }

    pub(super) fn rejection(
        &self,
        cause: &Cause,
        reason: Reason,
        message: String,
        findings: Findings,
        digest: &Digest,
    ) -> Arc<Rejected> {
        let before = self.refused.as_ref().filter(|refused| refused.digest == *digest);
        Arc::new(Rejected {
            since: before.map_or_else(SystemTime::now, |refused| refused.info.since),
            cause: cause.clone(),
            reason,
            message,
            findings: Arc::new(findings),
            digest: hex(digest),
            generation: self.running.as_ref().map_or(0, |running| running.number),
        })
    }

    /// The number of the next generation. At start, files that are the newest stored generation go on
    /// as that one, which is given too.
    fn number(&self, cause: &Cause, digest: &Digest) -> (u64, Option<GenerationInfo>) {
        let state = self.journal.state();
        let newest = state.history.iter().max_by_key(|info| info.number);
        let goes_on = newest.filter(|newest| *cause == Cause::Boot && newest.digest == hex(digest));
        match goes_on {
            Some(newest) => (newest.number, Some(newest.clone())),
            None => (self.generations.highest().max(state.generation) + 1, None),
        }
    }

    pub(super) fn describe(
        &self,
        number: u64,
        cause: &Cause,
        digest: &Digest,
        plan: &Plan,
        warnings: usize,
    ) -> GenerationInfo {
        GenerationInfo {
            number,
            parent: self.journal.state().history.last().map_or(0, |before| before.number),
            digest: hex(digest),
            cause: cause.name().into(),
            actor: cause.actor().map(Into::into),
            time: SystemTime::now(),
            summary: plan.to_string(),
            warnings,
            reason: cause.reason().map(Into::into),
        }
    }

    async fn save(&self, info: GenerationInfo, texts: Texts, keep: usize) {
        let generations = self.generations.clone();
        let number = info.number;
        let saved = on_reader_thread(move || generations.save(&info, &texts, keep)).await;
        match saved {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                let effect = "a start with bad files cannot fall back to it";
                warn!(generation = number, %error, effect, "this generation could not be stored");
            }
            None => warn!(generation = number, "storing this generation failed inside lbd"),
        }
    }

    /// Watches what the running and the refused set are made of: mending an include that broke the set
    /// must be seen, and so must going back to what runs.
    fn look_around(&mut self, watcher: &mut Watcher, gate: &mut Gate) {
        let running = self.running.as_ref().map(|running| &running.record);
        let refused = self.refused.as_ref().map(|refused| &refused.record);
        let pinned = self.pin.as_ref().map(|pin| &pin.record);
        let records: Vec<&Record> = running.into_iter().chain(refused).chain(pinned).collect();
        self.journal.files(&records);
        if !self.settings().watch {
            watcher.look_at(Chains::default());
            drop(gate.open());
            return;
        }
        let files = records.iter().flat_map(|record| record.files());
        let roots: Vec<_> = records.iter().flat_map(|record| record.roots()).collect();
        if watcher.look_at(Chains::of(files, roots.iter().map(|root| root.as_path()))) {
            // Something may have happened there before it was watched.
            gate.on(Change::Unknown, Instant::now());
        }
    }

    /// The running configuration's `reload`, with what the options override.
    fn settings(&self) -> Reload {
        let mut reload = self.running.as_ref().map_or(DEFAULTS, |running| running.model.reload);
        let timing = &self.options.timing;
        reload.settle = timing.settle.unwrap_or(reload.settle);
        reload.poll = timing.poll.unwrap_or(reload.poll);
        reload
    }
}

/// `reload` of a configuration that does not say.
pub(super) const DEFAULTS: Reload = Reload {
    watch: true,
    settle: std::time::Duration::from_millis(100),
    poll: std::time::Duration::from_secs(2),
    history: 20,
    max_removal_percent: None,
    replay: true,
};
