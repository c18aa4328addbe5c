//! The access log: one line for each exchange, formatted by hand into the worker's own chunk, which a
//! writer thread takes. A worker never waits for the writer: when its queue is full, chunks are dropped
//! and counted.

mod line;
mod syslog;
mod target;

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tracing::warn;

use crate::config::model::{AccessFormat, AccessLog as Settings, AccessTarget};
use crate::observe::LogLines;

pub(crate) use line::{Carried, Entry, Times};
use target::Output;

/// A chunk is handed over when it is this large, and at each sweep.
const CHUNK: usize = 64 * 1024;
/// Chunks that may wait for the writer.
const QUEUE: usize = 256;

/// Where finished chunks go; shared by the workers.
#[derive(Debug, Clone)]
pub struct AccessLogWriter {
    sender: SyncSender<Chunk>,
    lines: Arc<LogLines>,
    target: Arc<Target>,
}

/// Where lines are to go, as the steering thread says and the writer reads before each chunk.
#[derive(Debug, Default)]
struct Target {
    wanted: Mutex<Option<AccessTarget>>,
    /// Open the target (again): it changed, or a log rotation asked for it.
    reopen: AtomicBool,
}

#[derive(Debug)]
enum Chunk {
    /// Whole lines, and how many.
    Lines(Vec<u8>, u64),
    /// Nothing to write: the target is to be looked at.
    Wake,
    /// All that came before is written: say so.
    Told(SyncSender<()>),
}

impl AccessLogWriter {
    /// Starts the writer thread. It ends when the last handle is dropped.
    pub fn start() -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel::<Chunk>(QUEUE);
        let target = Arc::new(Target::default());
        let lines = Arc::<LogLines>::default();
        let (shared, counts) = (Arc::clone(&target), Arc::clone(&lines));
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            let mut output = Output::default();
            for chunk in receiver {
                if shared.reopen.swap(false, Ordering::AcqRel) {
                    let wanted = shared.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    output.set(wanted);
                }
                match chunk {
                    Chunk::Wake => {}
                    Chunk::Told(told) => drop(told.send(())),
                    Chunk::Lines(text, lines) => {
                        let lost = output.write(&text, lines);
                        counts.wrote(lines - lost);
                        counts.dropped(lost);
                    }
                }
            }
        })?;
        Ok(Self { sender, lines, target })
    }

    /// Writes to `target` from now on. The same file again opens it anew, for log rotation.
    pub fn set_target(&self, target: Option<AccessTarget>) {
        *self.target.wanted.lock().unwrap_or_else(PoisonError::into_inner) = target;
        self.reopen();
    }

    /// Opens the target anew: a log rotation moved the file.
    ///
    /// Never waits for the writer, which may wait for a disk or for a reader: when its queue is full, the next
    /// chunk that it takes reminds it as well.
    pub fn reopen(&self) {
        self.target.reopen.store(true, Ordering::Release);
        let _ = self.sender.try_send(Chunk::Wake);
    }

    /// Waits until all that was handed over is written, but no longer than `patience`: the process is about to
    /// end. Blocks its thread.
    pub fn finish(&self, patience: Duration) {
        let began = Instant::now();
        let (told, done) = sync_channel(1);
        while self.sender.try_send(Chunk::Told(told.clone())).is_err() {
            if began.elapsed() > patience {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(told);
        if done.recv_timeout(patience.saturating_sub(began.elapsed())).is_err() {
            warn!("the access log is written too slowly: its last lines are lost");
        }
    }

    /// How many lines were written, and how many were lost.
    pub fn lines(&self) -> &Arc<LogLines> {
        &self.lines
    }

    /// A worker's end.
    pub fn worker(&self) -> AccessLog {
        AccessLog {
            chunk: RefCell::default(),
            lines: Cell::new(0),
            clock: RefCell::default(),
            writer: self.clone(),
            warned: Cell::new(false),
        }
    }
}

/// One worker's lines on their way out.
#[derive(Debug)]
pub struct AccessLog {
    chunk: RefCell<Vec<u8>>,
    lines: Cell<u64>,
    clock: RefCell<line::Clock>,
    writer: AccessLogWriter,
    warned: Cell<bool>,
}

impl AccessLog {
    /// Adds a line, unless sampling leaves it out.
    pub(crate) fn record(&self, settings: &Settings, entry: &Entry<'_>) {
        if settings.sample_percent < 100.0 && fastrand::f64() * 100.0 >= settings.sample_percent {
            return;
        }
        let mut chunk = self.chunk.borrow_mut();
        match settings.format {
            AccessFormat::Json => {
                line::json(entry, SystemTime::now(), &mut self.clock.borrow_mut(), &mut chunk);
            }
            AccessFormat::Combined => {
                line::combined(entry, SystemTime::now(), &mut self.clock.borrow_mut(), &mut chunk);
            }
        }
        self.lines.set(self.lines.get() + 1);
        let full = chunk.len() >= CHUNK;
        drop(chunk);
        if full {
            self.flush();
        }
    }

    /// Hands over what there is.
    pub(crate) fn flush(&self) {
        if self.chunk.borrow().is_empty() {
            return;
        }
        let (text, lines) = (self.chunk.take(), self.lines.take());
        if let Err(TrySendError::Full(_)) = self.writer.sender.try_send(Chunk::Lines(text, lines)) {
            self.writer.lines.dropped(lines);
            if !self.warned.replace(true) {
                warn!("the access log is written too slowly: lines are dropped");
            }
        }
    }
}
