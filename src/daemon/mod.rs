//! Owns every task and thread, and the order of start and stop. No logic of its own: it joins the rooms.
//!
//! Workers are threads; everything else (reloading, checks, drains, the control socket, the status endpoint,
//! signals) lives on the steering thread, which is the thread that calls [`run`].

mod admission;
mod control_face;
mod effect;
mod explain;
mod keys;
mod limits;
mod log;
mod memory;
pub mod online;
mod sockets;
mod steering;
mod wishes;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

use crate::config::source::FsLoader;
use crate::discover::Discovery;
use crate::drain::Drains;
use crate::observe::Events;
use crate::pool::KeyRing;
use crate::proxy::AccessLogWriter;
use crate::proxy::listeners::Listeners;
use crate::proxy::worker::{self, Order};
use crate::reload::{BootError, Cause, ReloadHandle, Reloader, Timing};
use crate::snapshot::Current;

use control_face::ControlFace;
use sockets::Sockets;
use steering::{Helm, Steering};
use wishes::Keeper;

/// What `lbd run` was told.
#[derive(Debug, Clone)]
pub struct Options {
    /// The main file.
    pub config: PathBuf,
    /// Worker threads; one for each core when not said.
    pub workers: Option<usize>,
    /// Where keys, generations and wishes are kept.
    pub state_dir: Option<PathBuf>,
    /// Bad files at start end the process, even if a last good generation is stored.
    pub strict: bool,
    /// Where this process stands: servers of the same zone are preferred.
    pub zone: Option<String>,
}

/// Why the daemon did not start, or how it ended.
#[derive(Debug)]
pub enum Ended {
    /// In order, as it was told to.
    Stopped,
    /// The files were bad at start.
    BadConfig,
    /// The main file is missing.
    MissingConfig,
    /// Something of the machine is missing.
    Failed,
}

/// How long streams may go on after a stop was asked for, unless the caller says otherwise.
const STOP_DEADLINE: Duration = Duration::from_secs(30);

/// How long the last lines of the access log may take at the end.
const LOG_PATIENCE: Duration = Duration::from_secs(3);

/// Runs until a signal, or the control socket, ends it.
pub fn run(options: Options) -> Ended {
    log::start();
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => tokio::task::LocalSet::new().block_on(&runtime, steer(options)),
        Err(error) => {
            error!(%error, "cannot start the steering thread");
            Ended::Failed
        }
    }
}

/// The threads of the data path.
struct Workers {
    orders: Vec<mpsc::UnboundedSender<Order>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Workers {
    fn start(count: usize, current: &Current, log: &AccessLogWriter) -> std::io::Result<Self> {
        let mut workers = Self { orders: Vec::new(), threads: Vec::new() };
        for index in 0..count {
            let (sender, orders) = mpsc::unbounded_channel();
            let (current, log) = (current.clone(), log.worker());
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            workers.threads.push(thread.spawn(move || worker::run(index, &current, log, orders))?);
            workers.orders.push(sender);
        }
        Ok(workers)
    }

    fn tell(&self, order: fn() -> Order) {
        self.orders.iter().for_each(|worker| drop(worker.send(order())));
    }

    fn are_done(&self) -> bool {
        self.threads.iter().all(std::thread::JoinHandle::is_finished)
    }
}

/// What there is before the first file is read.
struct Ground {
    signals: Signals,
    keys: Arc<KeyRing>,
    current: Current,
    events: Arc<Events>,
    workers: Workers,
    log: AccessLogWriter,
    open_files: Option<u64>,
}

impl Ground {
    fn lay(options: &Options) -> Result<Self, Ended> {
        let failed = |doing: &'static str| {
            move |error: std::io::Error| {
                error!(%error, "{doing}");
                Ended::Failed
            }
        };
        let signals = Signals::listen().map_err(failed("cannot listen for signals"))?;
        let open_files = limits::raise_open_files();
        let keys = keys::load(options.state_dir.as_deref())?;
        let (current, events) = (Current::new(), Events::new());
        let log = AccessLogWriter::start().map_err(failed("cannot start the access log"))?;
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let workers = Workers::start(options.workers.unwrap_or_else(cores), &current, &log)
            .map_err(failed("cannot start the workers"))?;
        Ok(Self { signals, keys, current, events, workers, log, open_files })
    }
}

async fn steer(options: Options) -> Ended {
    let ground = match Ground::lay(&options) {
        Ok(ground) => ground,
        Err(ended) => return ended,
    };
    let Ground { mut signals, keys, current, events, workers, log, open_files } = ground;
    let count = workers.orders.len();
    let drains = Drains::new(Arc::clone(&events));
    let sockets = Sockets::new(Arc::clone(&events), current.clone());
    let discovery = Discovery::new(Arc::clone(&events));
    let state_dir = options.state_dir.as_deref();
    let keeper = Keeper::open(state_dir, current.clone(), Arc::clone(&events), Arc::clone(&drains));
    let steering = Steering::new(
        current.clone(),
        keys,
        Rc::clone(&keeper),
        Listeners::new(workers.orders.clone()),
        Rc::clone(&sockets),
        Arc::clone(&drains),
        Rc::clone(&discovery),
        Arc::clone(&events),
        log.clone(),
        count,
        open_files,
    )
    .in_zone(options.zone.as_deref().map(Arc::from))
    .remembering(memory::load(options.state_dir.as_deref()));
    let bound = steering.bound();
    let helm = Helm(Rc::new(steering.into()));
    let reload_options = crate::reload::Options {
        main: options.config.clone(),
        state_dir: options.state_dir.clone(),
        strict: options.strict,
        timing: Timing::default(),
    };
    let admissions = admission::watch(current.clone(), Arc::clone(&events));
    let load: crate::reload::Load = Arc::new(crate::config::load);
    let (mut reloader, handle) =
        Reloader::new(reload_options, load, Arc::new(FsLoader), helm.clone(), events);
    let (stop, stopping) = watch::channel(None);
    let (face_current, main, names) = (current.clone(), options.config.clone(), Rc::clone(&discovery));
    let orders = workers.orders.clone();
    let (stop, weigher) = (Rc::new(stop), helm.clone());
    let face = ControlFace::new(face_current, handle.clone(), main, bound, names, orders, stop, weigher);
    sockets.attach(Rc::clone(&face), Arc::clone(&drains), handle.clone());
    match reloader.boot().await {
        Ok(applied) => greet(applied.generation, count),
        Err(refused) => return report(&refused, &options),
    }
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    tokio::task::spawn_local(drains.run());
    tokio::task::spawn_local(admissions);
    tokio::task::spawn_local(reloader.run());
    tokio::task::spawn_local(keys::follow(helm.clone(), options.state_dir.clone()));
    tokio::task::spawn_local(helm.follow(discovery));
    tokio::task::spawn_local(Rc::clone(&keeper).run());
    tokio::task::spawn_local(memory::run(current.clone(), options.state_dir.clone()));
    tokio::task::spawn_local(ControlFace::keep_texts(face, handle.clone()));
    let deadline = signals.obey(&handle, &log, stopping).await;
    let ended = stop_in_order(&workers, &sockets, &mut signals, deadline).await;
    keeper.close();
    memory::finish(&current, options.state_dir.as_deref());
    log.finish(LOG_PATIENCE);
    ended
}

fn greet(generation: u64, workers: usize) {
    info!(generation, workers, "lbd {} serves", env!("CARGO_PKG_VERSION"));
}

/// Says on stderr why the daemon did not start.
fn report(refused: &BootError, options: &Options) -> Ended {
    // The log has said what is wrong, and drawn it.
    let ended = match refused {
        BootError::Missing(_) => Ended::MissingConfig,
        BootError::Rejected(_) => Ended::BadConfig,
    };
    let path = options.config.display();
    eprintln!("lbd: not started: {path} cannot be used; `lbd lint {path}` looks at it again");
    ended
}

/// The signals that the daemon obeys. Made before anything else: one that comes while the first files are read
/// is kept, not deadly.
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// SIGTERM or SIGINT.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Obeys until one of them, or the control socket, asks for the end; says how long streams may go on.
    async fn obey(
        &mut self,
        handle: &ReloadHandle,
        log: &AccessLogWriter,
        mut stopping: watch::Receiver<Option<Duration>>,
    ) -> Duration {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    log.reopen();
                    let handle = handle.clone();
                    // Not awaited: a second signal must not wait for a slow disk.
                    tokio::task::spawn_local(async move { drop(handle.reload(Cause::Signal).await) });
                }
                _ = self.terminate.recv() => return STOP_DEADLINE,
                _ = self.interrupt.recv() => return STOP_DEADLINE,
                asked = stopping.wait_for(Option::is_some) => {
                    if let Ok(deadline) = asked {
                        return deadline.unwrap_or(STOP_DEADLINE);
                    }
                }
            }
        }
    }
}

/// Not ready first, then no new connections, then the end of what is left; a second signal hurries.
async fn stop_in_order(
    workers: &Workers,
    sockets: &Rc<Sockets>,
    signals: &mut Signals,
    deadline: Duration,
) -> Ended {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    let delay = sockets.not_ready();
    info!(?delay, ?deadline, "stopping: not ready");
    let orderly = async {
        tokio::time::sleep(delay).await;
        workers.tell(|| Order::Drain);
        let drained = async {
            while !workers.are_done() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(deadline, drained).await.is_err() {
            warn!("deadline reached: what is left is cut");
        }
    };
    tokio::select! {
        () = orderly => {}
        () = signals.end() => warn!("second signal: what is left is cut"),
    }
    workers.tell(|| Order::Cut);
    for _ in 0..100 {
        if workers.are_done() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sockets.close().await;
    info!("stopped");
    Ended::Stopped
}

/// A cell on the steering thread.
type Shared<T> = Rc<RefCell<T>>;
