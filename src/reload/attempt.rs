//! One reading of the files, from bytes to everything that a publish needs. Has no effect on what runs.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use super::record::{Capture, Record};
use super::state::{Findings, Reason};
use super::{Files, Load};
use crate::config::READER_STACK;
use crate::config::model::Model;
use crate::tls::{self, Stage, Store, TlsConfigs};

/// Nesting is bounded by the language's guard; this is deep enough for all that it lets through.
const STACK: usize = READER_STACK;

/// What one reading gave.
pub(super) struct Attempt {
    /// All inputs, certificates included.
    pub(super) record: Record,
    /// Texts of the configuration, without secrets.
    pub(super) texts: BTreeMap<PathBuf, Vec<u8>>,
    pub(super) findings: Findings,
    /// What to publish, or why there is nothing.
    pub(super) outcome: Result<(Arc<Model>, TlsConfigs), Reason>,
}

/// Reads `main` and all that it names.
pub(super) fn read(load: &Load, files: &Files, main: &Path, store: &Mutex<Store>, stage: Stage) -> Attempt {
    let capture = Capture::new(files.as_ref());
    let loaded = catch_unwind(AssertUnwindSafe(|| load(main, &capture)));
    let (mut record, mut texts) = capture.finish();
    let Ok(loaded) = loaded else {
        // What was read up to there is known: the same bytes are not tried again and again.
        return Attempt { record, texts, findings: Findings::default(), outcome: Err(Reason::Internal) };
    };
    let mut report = loaded.report;
    let outcome = match loaded.model {
        _ if !record.has(main) => Err(Reason::Missing),
        Some(model) if !report.has_errors() => {
            // Noted before they are parsed: what changes in between is seen by the second reading.
            tls::inputs(&model).iter().for_each(|path| record.read(path, files.as_ref()));
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            let configs = tls::prepare(&mut store, &model, stage, &mut report);
            if report.has_errors() { Err(Reason::Tls) } else { Ok((Arc::new(model), configs)) }
        }
        _ => Err(Reason::Findings),
    };
    report.judge_allowances(&loaded.sources, true);
    let sources = Arc::new(loaded.sources);
    texts.retain(|path, _| sources.files().any(|(_, file)| file.path() == path));
    Attempt { record, texts, findings: Findings { report, sources }, outcome }
}

/// Runs `work` on a thread with a deep stack, off the steering thread; `None` when it panicked.
pub(super) async fn on_reader_thread<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = oneshot::channel();
    let reader = std::thread::Builder::new().name("reload".into()).stack_size(STACK);
    let work = move || {
        give_way();
        drop(done.send(work()));
    };
    reader.spawn(work).ok()?;
    result.await.ok()
}

/// From now on this thread gives way to all that carry requests: with one core for all, a large configuration that
/// is read at their priority takes whole turns of the scheduler from them, milliseconds each. On Linux a priority
/// is a thread's own; it cannot be raised again, so only a thread that ends with its work may ask for this.
pub(crate) fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(5) {
        tracing::debug!(%error, "cannot lower the priority of a thread");
    }
}
