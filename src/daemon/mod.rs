//! Owns every task and thread, and the order of start and stop. No logic of its own: it joins the rooms.
//!
//! Workers are threads; everything else (reloading, checks, drains, the control socket, the status endpoint,
//! signals) lives on the steering thread, which is the thread that calls [`run`].

mod activation;
mod admission;
mod control_face;
pub mod doctor;
mod effect;
mod ending;
mod explain;
mod keys;
mod leaving;
mod limits;
mod log;
mod memory;
pub mod online;
mod signals;
mod sockets;
mod steering;
mod upgrade;
mod wishes;

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tracing::{error, info};

use crate::admin::Metrics;
use crate::config::source::FsLoader;
use crate::discover::Discovery;
use crate::drain::Drains;
use crate::observe::{Events, Spans};
use crate::otlp::Exporter;
use crate::pool::KeyRing;
use crate::proxy::AccessLogWriter;
use crate::proxy::listeners::{Given, Listeners};
use crate::proxy::worker::{self, Order};
use crate::reload::{BootError, ReloadHandle, Reloader, Timing};
use crate::snapshot::Current;

use control_face::ControlFace;
use ending::Ending;
use signals::{End, Signals};
use sockets::Sockets;
use steering::{Helm, Steering};
use upgrade::{Heir, Inheritance, Invocation, Parts, Rest, Upgrader};
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

/// How long the last lines of the access log, and the last spans, may take at the end.
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
    fn start(
        count: usize,
        current: &Current,
        log: &AccessLogWriter,
        spans: &Arc<Spans>,
    ) -> std::io::Result<Self> {
        let mut workers = Self { orders: Vec::new(), threads: Vec::new() };
        for index in 0..count {
            let (sender, orders) = mpsc::unbounded_channel();
            let (current, told) = (current.clone(), (log.worker(), spans.sink()));
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            workers.threads.push(thread.spawn(move || worker::run(index, &current, told, orders))?);
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
    exporter: Rc<Exporter>,
    open_files: Option<u64>,
    /// The process before this one gave its sockets and its state.
    heir: Option<Heir>,
    /// Listening sockets that were made for this process.
    given: Vec<Given>,
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
        let mut heir = upgrade::inherit().map_err(failed("cannot take over from the process before"))?;
        let given = heir.as_mut().map_or_else(activation::sockets, Heir::listeners);
        let open_files = limits::raise_open_files();
        let keys = keys::load(options.state_dir.as_deref(), heir.as_ref().and_then(Heir::keys))?;
        let (current, events) = (Current::new(), Events::new());
        let log = AccessLogWriter::start().map_err(failed("cannot start the access log"))?;
        let exporter = Rc::new(Exporter::new(Arc::clone(&events)));
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let count = options.workers.unwrap_or_else(cores);
        let workers = Workers::start(count, &current, &log, exporter.spans())
            .map_err(failed("cannot start the workers"))?;
        Ok(Self { signals, keys, current, events, workers, log, exporter, open_files, heir, given })
    }
}

async fn steer(options: Options) -> Ended {
    let invocation = Invocation::own();
    let mut ground = match Ground::lay(&options) {
        Ok(ground) => ground,
        Err(ended) => return ended,
    };
    let heir = ground.heir.take();
    let mut house = House::build(ground, heir, invocation, &options);
    let (face, stopping) = house.show(&options);
    match house.reloader.boot().await {
        Ok(applied) => greet(applied.generation, house.workers.orders.len()),
        Err(refused) => return report(&refused, &options),
    }
    if let Err(error) = house.open().await {
        error!(%error, "this process does not take over: the one that runs goes on");
        return Ended::Failed;
    }
    house.live(&options, face, stopping).await
}

/// All parts, joined.
struct House {
    signals: Signals,
    current: Current,
    events: Arc<Events>,
    workers: Workers,
    log: AccessLogWriter,
    exporter: Rc<Exporter>,
    drains: Arc<Drains>,
    sockets: Rc<Sockets>,
    listeners: Shared<Listeners>,
    discovery: Rc<Discovery>,
    keeper: Rc<Keeper>,
    helm: Helm,
    reloader: Reloader<Helm>,
    handle: ReloadHandle,
    upgrader: Rc<Upgrader>,
    /// Whose sockets and state this process has, until it serves.
    heir: Option<Heir>,
}

impl House {
    fn build(ground: Ground, mut heir: Option<Heir>, invocation: Invocation, options: &Options) -> Self {
        let Ground { signals, keys, current, events, workers, log, exporter, open_files, given, .. } = ground;
        let state_dir = options.state_dir.as_deref();
        let drains = Drains::new(Arc::clone(&events));
        let sockets = Sockets::new(Arc::clone(&events));
        if let Some(heir) = &mut heir {
            sockets.hold(heir.own());
        }
        let discovery = Discovery::new(Arc::clone(&events));
        let said = heir.as_ref().map(Heir::wishes);
        let keeper = Keeper::open(state_dir, said, current.clone(), Arc::clone(&events), Arc::clone(&drains));
        let steering = Steering::new(
            current.clone(),
            keys,
            Rc::clone(&keeper),
            Listeners::new(workers.orders.clone()).using(given, heir.is_some()),
            Rc::clone(&sockets),
            Arc::clone(&drains),
            Rc::clone(&discovery),
            Arc::clone(&events),
            (log.clone(), Rc::clone(&exporter)),
            workers.orders.len(),
            open_files,
        )
        .in_zone(options.zone.as_deref().map(Arc::from))
        .knowing(heir.as_ref().map(Heir::servers).unwrap_or_default())
        .remembering(heir.as_mut().map_or_else(|| memory::load(state_dir), Heir::sticky));
        let (listeners, helm) = (steering.bound(), Helm(Rc::new(steering.into())));
        let load: crate::reload::Load = Arc::new(crate::config::load_here);
        let reading = reading(options, heir.is_some());
        let (reloader, handle) =
            Reloader::new(reading, load, Arc::new(FsLoader), helm.clone(), Arc::clone(&events));
        let tickets = reloader.tickets();
        heir.iter().for_each(|heir| tickets.take_over(heir.tickets()));
        let upgrader = Upgrader::new(Parts {
            invocation,
            keeps_state: state_dir.is_some(),
            current: current.clone(),
            events: Arc::clone(&events),
            keeper: Rc::clone(&keeper),
            helm: helm.clone(),
            tickets,
            listeners: Rc::clone(&listeners),
            sockets: Rc::clone(&sockets),
            reload: handle.clone(),
            before: Rc::default(),
        });
        Self {
            signals,
            current,
            events,
            workers,
            log,
            exporter,
            drains,
            sockets,
            listeners,
            discovery,
            keeper,
            helm,
            reloader,
            handle,
            upgrader,
            heir,
        }
    }

    /// Lets the control sockets see all of it. Gives what they see, and how they ask for the end.
    fn show(&self, options: &Options) -> (Rc<ControlFace>, watch::Receiver<Option<Duration>>) {
        let (stop, stopping) = watch::channel(None);
        let metrics = Metrics {
            current: self.current.clone(),
            reload: self.handle.clone(),
            events: Arc::clone(&self.events),
            log: Arc::clone(self.log.lines()),
            spans: Arc::clone(self.exporter.spans()),
        };
        let face = ControlFace::new(
            self.current.clone(),
            self.handle.clone(),
            options.config.clone(),
            Rc::clone(&self.listeners),
            Rc::clone(&self.discovery),
            self.workers.orders.clone(),
            Rc::new(stop),
            self.helm.clone(),
            Rc::clone(&self.upgrader),
            metrics.clone(),
        );
        self.sockets.attach(Rc::clone(&face), Arc::clone(&self.drains), metrics);
        (face, stopping)
    }

    /// Serves from now on; instead of another process, if this one was started to take over.
    async fn open(&mut self) -> std::io::Result<()> {
        let Some(heir) = self.heir.take() else {
            self.listeners.borrow_mut().begin().into_iter().for_each(activation::unused);
            return Ok(());
        };
        let estate = Inheritance {
            current: &self.current,
            listeners: &self.listeners,
            sockets: &self.sockets,
            keeper: &self.keeper,
            events: &self.events,
        };
        let (stream, pid) = heir.begin(estate).await?;
        let before = Rc::clone(self.upgrader.before());
        tokio::task::spawn_local(before.follow(stream, pid, self.current.clone()));
        self.helm.knows_enough();
        Ok(())
    }

    /// To the end.
    async fn live(
        self,
        options: &Options,
        face: Rc<ControlFace>,
        stopping: watch::Receiver<Option<Duration>>,
    ) -> Ended {
        let Self {
            mut signals,
            current,
            workers,
            log,
            exporter,
            drains,
            sockets,
            listeners,
            keeper,
            helm,
            ..
        } = self;
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
        tokio::task::spawn_local(Arc::clone(&drains).run());
        tokio::task::spawn_local(admission::watch(current.clone(), self.events));
        tokio::task::spawn_local(helm.clone().follow(self.discovery));
        tokio::task::spawn_local(ControlFace::keep_texts(face, self.handle.clone()));
        // What writes into the state directory, which another process may take over.
        let mut writers = tokio::task::JoinSet::new();
        writers.spawn_local(self.reloader.run());
        writers.spawn_local(keys::follow(helm, options.state_dir.clone()));
        writers.spawn_local(Rc::clone(&keeper).run());
        writers.spawn_local(memory::run(current.clone(), options.state_dir.clone()));
        match signals.obey(&self.handle, &log, stopping, &self.upgrader).await {
            End::Stop(deadline) => {
                let (workers, sockets) = (&workers, &*sockets);
                let ending =
                    Ending { workers, sockets, listeners: &listeners, current: &current, drains: &drains };
                ending.run(&mut signals, deadline).await;
                keeper.close();
                memory::finish(&current, options.state_dir.as_deref());
            }
            End::Succeeded(succession) => {
                drop(writers);
                sockets.hand_over().await;
                listeners.borrow_mut().close();
                let (workers, before) = (&workers, &**self.upgrader.before());
                let rest = Rest { current: &current, drains: &drains, workers, before };
                upgrade::farewell(succession, rest, &mut signals).await;
                ending::cut(workers).await;
                info!("ended: another process serves");
            }
        }
        log.finish(LOG_PATIENCE);
        exporter.finish(LOG_PATIENCE);
        Ended::Stopped
    }
}

/// How the files are read. Who takes over from a process that runs needs good ones.
fn reading(options: &Options, takes_over: bool) -> crate::reload::Options {
    crate::reload::Options {
        main: options.config.clone(),
        state_dir: options.state_dir.clone(),
        strict: options.strict || takes_over,
        timing: Timing::default(),
    }
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

/// A cell on the steering thread.
type Shared<T> = Rc<RefCell<T>>;
