//! Who is told what came of a reload: the log, the event stream, and the state that others read.
//!
//! A failure is logged once, however often the same files are looked at. One that was caused by watching
//! is a note at first and a warning only when it lasts: files of one save may be written one by one.

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use serde_json::json;
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use super::record::Record;
use super::state::{
    Applied, By, Cause, Findings, GenerationInfo, Pinned, Rejected, ReloadState, Unconfirmed,
};
use super::timing::Timing;
use crate::config::diagnostic::Severity;
use crate::config::render;
use crate::observe::Events;

/// Keeps the record.
pub(super) struct Journal {
    main: String,
    timing: Timing,
    events: Arc<Events>,
    state: watch::Sender<Arc<ReloadState>>,
    /// When the current rejection becomes worth a warning.
    warn_at: Option<Instant>,
    /// What was logged of the last rejection.
    logged: Option<String>,
}

impl Journal {
    /// An empty one; `history` is what earlier processes left.
    pub(super) fn new(
        main: &Path,
        timing: Timing,
        events: Arc<Events>,
        history: Vec<GenerationInfo>,
    ) -> (Self, watch::Receiver<Arc<ReloadState>>) {
        let state = ReloadState { history, ..ReloadState::default() };
        let (state, reader) = watch::channel(Arc::new(state));
        let main = main.display().to_string();
        (Self { main, timing, events, state, warn_at: None, logged: None }, reader)
    }

    /// What was recorded so far.
    pub(super) fn state(&self) -> Arc<ReloadState> {
        self.state.borrow().clone()
    }

    /// When [`Journal::insist`] is due.
    pub(super) fn warn_at(&self) -> Option<Instant> {
        self.warn_at
    }

    /// A generation was published.
    pub(super) fn applied(
        &mut self,
        info: GenerationInfo,
        cause: &Cause,
        findings: Arc<Findings>,
        last_good: bool,
        keep: usize,
    ) -> Applied {
        let (generation, summary) = (info.number, info.summary.clone());
        (self.warn_at, self.logged) = (None, None);
        self.events.set_generation(generation);
        self.change(|state| {
            state.generation = generation;
            state.since = SystemTime::now();
            state.cause = cause.clone();
            state.digest = info.digest.clone();
            state.findings = findings.clone();
            state.rejected = None;
            state.from_last_good = last_good;
            state.history.retain(|known| known.number != generation);
            state.history.push(info.clone());
            let surplus = state.history.len().saturating_sub(keep.max(1));
            state.history.drain(..surplus);
        });
        let warnings = findings.report.count(Severity::Warning);
        info!(generation, %cause, summary, warnings, file = self.main, "configuration applied");
        if warnings > 0 {
            let text = render::human(&findings.report, &findings.sources, false);
            warn!(generation, findings = below(text.trim_end()), "the configuration has warnings");
        }
        let data = json!({
            "generation": generation, "parent": info.parent, "cause": cause.name(), "summary": summary,
            "warnings": warnings, "digest": info.digest, "last_good": last_good, "reason": info.reason,
        });
        self.events.emit("config.applied", &*self.main, data, cause.actor().map(Into::into));
        Applied { generation, changed: true, summary, findings }
    }

    /// The files say what runs already.
    pub(super) fn same(&mut self) -> Applied {
        let state = self.state();
        if state.rejected.is_some() {
            (self.warn_at, self.logged) = (None, None);
            self.change(|state| {
                state.rejected = None;
                state.from_last_good = false;
            });
            info!(generation = state.generation, file = self.main, "the files are what runs again");
            let data = json!({ "generation": state.generation });
            self.events.emit("config.restored", &*self.main, data, None);
        }
        Applied {
            generation: state.generation,
            changed: false,
            summary: String::new(),
            findings: self.state().findings.clone(),
        }
    }

    /// Somebody wrote a file, and its bytes are those that were there (LB804).
    pub(super) fn says_the_same(&self, path: &Path) {
        let generation = self.state().generation;
        info!(generation, file = %path.display(), "the file was written and says what it said (LB804)");
    }

    /// A file set was refused. Says nothing new when it is the failure that was logged last.
    pub(super) fn rejected(&mut self, rejected: Arc<Rejected>) {
        let text = text(&rejected);
        let news = self.logged.as_ref() != Some(&text);
        self.change(|state| {
            state.findings = rejected.findings.clone();
            state.rejected = Some(rejected.clone());
            *state.rejected_total.entry(rejected.reason.name()).or_default() += 1;
        });
        let data = json!({
            "generation": rejected.generation, "cause": rejected.cause.name(), "reason": rejected.reason.name(),
            "message": rejected.message, "digest": rejected.digest,
            "errors": rejected.findings.report.count(Severity::Error),
        });
        let actor = rejected.cause.actor().map(Into::into);
        self.events.emit("config.rejected", &*self.main, data, actor);
        let (generation, cause, reason) = (rejected.generation, &rejected.cause, rejected.reason.name());
        match cause {
            _ if !news => debug!(generation, %cause, reason, "configuration rejected again"),
            Cause::Watch => {
                info!(generation, %cause, reason, "configuration not usable yet: {}", rejected.message);
                self.warn_at = Some(Instant::now() + self.timing.quiet);
            }
            Cause::Boot => {
                error!(%cause, reason, file = self.main, findings = below(&text), "configuration rejected");
            }
            _ => {
                let file = &*self.main;
                warn!(generation, %cause, reason, file, findings = below(&text), "configuration rejected");
            }
        }
        self.logged = Some(text);
    }

    /// A stored generation runs, and the files on disk are as bad as before.
    pub(super) fn still_rejected(&mut self, rejected: Option<Arc<Rejected>>) {
        self.change(|state| state.rejected = rejected);
    }

    /// The rejection lasts: now it is a warning, with everything.
    pub(super) fn insist(&mut self) {
        self.warn_at = None;
        if let Some(rejected) = &self.state().rejected {
            let (generation, reason) = (rejected.generation, rejected.reason.name());
            let text = text(rejected);
            warn!(
                generation,
                reason,
                file = self.main,
                findings = below(&text),
                "configuration rejected; the old one goes on"
            );
        }
    }

    /// What is looked at from now on.
    pub(super) fn files(&mut self, records: &[&Record]) {
        let all = records.iter().flat_map(|record| record.files()).map(Path::to_owned);
        let files: Vec<_> = all.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
        if self.state.borrow().files != files {
            self.change(|state| state.files = files);
        }
    }

    /// What runs waits for a confirmation from now on, or no more: `event` says which of these.
    pub(super) fn unconfirmed(
        &mut self,
        now: Option<Unconfirmed>,
        event: &'static str,
        by: Option<By>,
        why: &str,
    ) {
        let subject = now.clone().or_else(|| self.state().unconfirmed.clone());
        let Some(subject) = subject else { return };
        self.change(|state| state.unconfirmed = now);
        let (generation, previous) = (subject.generation, subject.previous);
        let left = subject.until.duration_since(SystemTime::now()).unwrap_or_default();
        warn!(generation, previous, seconds_left = left.as_secs(), why, event, "confirmation");
        let by = by.unwrap_or_default();
        let data = json!({
            "generation": generation, "previous": previous, "seconds_left": left.as_secs(), "why": why,
            "reason": by.reason,
        });
        self.events.emit(event, &*self.main, data, (!by.actor.is_empty()).then_some(by.actor));
    }

    /// A generation is pinned from now on, or none.
    pub(super) fn pinned(&mut self, now: Option<Pinned>, by: Option<By>, why: &str) {
        let event = if now.is_some() { "config.pinned" } else { "config.unpinned" };
        let Some(subject) = now.clone().or_else(|| self.state().pinned.clone()) else { return };
        self.change(|state| state.pinned = now);
        warn!(generation = subject.generation, why, event, "pin");
        let by = by.unwrap_or_default();
        let data = json!({
            "generation": subject.generation, "until_change": subject.until_change, "why": why,
            "reason": by.reason,
        });
        self.events.emit(event, &*self.main, data, (!by.actor.is_empty()).then_some(by.actor));
    }

    fn change(&self, edit: impl FnOnce(&mut ReloadState)) {
        self.state.send_modify(|state| edit(Arc::make_mut(state)));
    }
}

fn text(rejected: &Rejected) -> String {
    let text = render::human(&rejected.findings.report, &rejected.findings.sources, false);
    if text.trim().is_empty() { rejected.message.clone() } else { text.trim_end().to_owned() }
}

/// A drawing as the last field of a log line: it begins on a line of its own.
fn below(text: &str) -> impl tracing::Value {
    tracing::field::display(format!("\n{text}"))
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use tracing_subscriber::fmt::MakeWriter;

    use super::super::state::Reason;
    use super::*;
    use crate::config::diagnostic::{Diagnostic, Report};

    /// Log lines, for a test to read.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Lines {
        /// What was logged since the last call.
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    fn refusal(cause: Cause, message: &str) -> Arc<Rejected> {
        let mut report = Report::default();
        report.push(Diagnostic::new("LB101", Severity::Error, None, message));
        Arc::new(Rejected {
            since: SystemTime::now(),
            cause,
            reason: Reason::Findings,
            message: message.into(),
            findings: Arc::new(Findings { report, sources: Arc::default() }),
            digest: "00".into(),
            generation: 7,
        })
    }

    fn with_journal(test: impl FnOnce(&mut Journal, &Lines)) {
        let lines = Lines::default();
        let log = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::INFO)
            .with_ansi(false)
            .with_writer(lines.clone())
            .finish();
        tracing::subscriber::with_default(log, || {
            let (mut journal, _state) =
                Journal::new(Path::new("lbd.kdl"), Timing::default(), Events::new(), Vec::new());
            test(&mut journal, &lines);
        });
    }

    #[test]
    fn a_refusal_by_watching_is_a_note_first_and_a_warning_when_it_lasts() {
        with_journal(|journal, lines| {
            journal.rejected(refusal(Cause::Watch, "unknown node"));
            let note = lines.take();
            assert!(
                note.contains("INFO") && !note.contains("WARN") && note.contains("unknown node"),
                "{note}"
            );
            assert!(journal.warn_at().is_some());
            journal.insist();
            let warning = lines.take();
            assert!(warning.contains("WARN") && warning.contains("error[LB101]"), "{warning}");
            assert_eq!(journal.warn_at(), None);
            journal.rejected(refusal(Cause::Watch, "unknown node"));
            assert_eq!((lines.take(), journal.warn_at()), (String::new(), None), "the same is said once");
            journal.rejected(refusal(Cause::Watch, "another one"));
            assert!(lines.take().contains("another one"));
        });
    }

    #[test]
    fn a_refusal_that_is_mended_in_time_is_never_a_warning() {
        with_journal(|journal, lines| {
            journal.rejected(refusal(Cause::Watch, "unknown node"));
            journal.same();
            assert_eq!(journal.warn_at(), None);
            journal.insist();
            assert!(!lines.take().contains("WARN"));
        });
    }

    #[test]
    fn who_asked_is_warned_at_once() {
        with_journal(|journal, lines| {
            journal.rejected(refusal(Cause::Signal, "unknown node"));
            assert!(lines.take().contains("WARN"));
            assert_eq!(journal.warn_at(), None);
        });
    }
}
