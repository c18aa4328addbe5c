//! One thread of the data path: its listener sockets, its connections to servers, its buffers, its view
//! of the snapshot. Nothing here is shared with another worker; what must be shared is behind the snapshot.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error};

use super::accept::{self, Stop};
use super::access_log::AccessLog;
use super::beat::Beat;
use super::buffer::BufferPool;
use super::compress::Encoders;
use super::date::DateCache;
use super::deadline::{Deadlines, TICK};
use super::decisions::{Decision, Decisions};
use super::http2::Seats;
use super::recent::{Recent, RoutingKey};
use super::scratch::{Answer, Scratch};
use super::turns::Turns;
use super::upstream::Upstreams;
use crate::config::model::ListenAddress;
use crate::observe::SpanSink;
use crate::snapshot::{Current, Reader, Snapshot};

/// What the steering thread tells a worker.
#[derive(Debug)]
pub enum Order {
    /// Accept on this socket.
    Listen(ListenAddress, std::net::TcpListener),
    /// Take what waits on that address, then accept there no more.
    Unlisten(ListenAddress),
    /// Accept there no more, and leave what waits: somebody else has the same sockets.
    Release(ListenAddress),
    /// Accept nowhere; end connections with their next answer, without haste: somebody else serves.
    Leave,
    /// Accept nowhere; end connections as they become idle.
    Drain,
    /// End what is left.
    Cut,
    /// Say what was decided of the request of this name.
    Tell(Arc<str>, oneshot::Sender<Option<Decision>>),
    /// Say by what requests were routed lately.
    Recall(oneshot::Sender<Vec<RoutingKey>>),
}

/// How far the worker's end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Not at all.
    Serving,
    /// Connections end with their next answer.
    Leaving,
    /// Connections end after their current exchange.
    Draining,
    /// Everything ends now.
    Cutting,
}

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Its number, from 0: its shard of every counter.
    pub(crate) index: usize,
    /// Spare buffers.
    pub(crate) buffers: BufferPool,
    /// What compresses answers.
    pub(crate) encoders: Rc<Encoders>,
    /// Unused connections to servers.
    pub(crate) upstreams: Upstreams,
    /// Clocks of its connections.
    pub(crate) deadlines: Rc<Deadlines>,
    /// Futures that wait for a request of HTTP/1.
    pub(crate) turns: Turns,
    /// Tasks that wait for a stream of HTTP/2.
    pub(crate) seats: Seats,
    /// Access-log lines on their way out.
    pub(crate) access_log: AccessLog,
    /// Spans on their way out.
    pub(crate) spans: SpanSink,
    /// What was decided lately.
    pub(crate) decisions: RefCell<Decisions>,
    /// By what requests were routed lately.
    pub(crate) recent: RefCell<Recent>,
    /// Lines of heads that were read lately, of requests and of answers.
    pub(crate) seen: RefCell<super::http1::SeenLines>,
    #[allow(clippy::vec_box, reason = "lent and returned whole: the move of a pointer, not of a kilobyte")]
    scratches: RefCell<Vec<Box<Scratch>>>,
    /// What the next answer is read into.
    answer: RefCell<Box<Answer>>,
    reader: RefCell<Reader>,
    date: RefCell<DateCache>,
    unix: Cell<u64>,
    phase: Cell<Phase>,
    open: Cell<usize>,
}

/// Scratches that a worker keeps when nobody needs them: as many as a few busy connections of HTTP/2 use.
const SCRATCHES_KEPT: usize = 512;

impl Worker {
    pub(crate) fn new(index: usize, current: &Current, access_log: AccessLog, spans: SpanSink) -> Rc<Self> {
        Rc::new(Self {
            index,
            buffers: BufferPool::default(),
            encoders: Rc::default(),
            upstreams: Upstreams::default(),
            deadlines: Deadlines::new(),
            turns: Turns::default(),
            seats: Seats::default(),
            access_log,
            spans,
            decisions: RefCell::default(),
            recent: RefCell::default(),
            seen: RefCell::new(super::http1::SeenLines::new()),
            scratches: RefCell::default(),
            answer: RefCell::default(),
            reader: RefCell::new(current.reader()),
            date: RefCell::default(),
            unix: Cell::new(unix_seconds()),
            phase: Cell::new(Phase::Serving),
            open: Cell::new(0),
        })
    }

    /// Looks at the world now.
    pub(crate) fn with_snapshot<T>(&self, look: impl FnOnce(&Arc<Snapshot>) -> T) -> T {
        look(self.reader.borrow_mut().snapshot())
    }

    /// Seconds since 1970, as of the last sweep.
    pub(crate) fn unix_seconds(&self) -> u64 {
        self.unix.get()
    }

    /// The `Date` of an answer made now.
    pub(crate) fn date(&self) -> [u8; 29] {
        *self.date.borrow_mut().at(self.unix.get())
    }

    /// Whether connections are to end after their current exchange.
    pub(crate) fn is_draining(&self) -> bool {
        self.phase.get() >= Phase::Leaving
    }

    /// Whether connections without a request are to end at once, too.
    pub(crate) fn is_in_haste(&self) -> bool {
        self.phase.get() >= Phase::Draining
    }

    /// Whether connections are to end now.
    pub(crate) fn is_cutting(&self) -> bool {
        self.phase.get() >= Phase::Cutting
    }

    /// Working memory for one exchange.
    pub(crate) fn scratch(&self) -> Box<Scratch> {
        self.scratches.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes working memory back.
    pub(crate) fn give_scratch(&self, mut scratch: Box<Scratch>) {
        scratch.clear();
        std::mem::swap(&mut scratch.answer, &mut *self.answer.borrow_mut());
        let mut scratches = self.scratches.borrow_mut();
        if scratches.len() < SCRATCHES_KEPT {
            scratches.push(scratch);
        }
    }

    /// Swaps the answer's part for the one that was used last, and so is still in the cache. To be called when an
    /// answer comes. What it held is gone: the next to have it serves somebody else.
    pub(crate) fn swap_answer(&self, scratch: &mut Scratch) {
        scratch.answer.clear();
        std::mem::swap(&mut scratch.answer, &mut *self.answer.borrow_mut());
    }

    /// Counts an open connection until the guard is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Open {
        self.open.set(self.open.get() + 1);
        Open(Rc::clone(self))
    }

    /// Hands over what there is to tell.
    fn flush(&self) {
        self.access_log.flush();
        self.spans.flush();
    }

    fn set_phase(&self, phase: Phase) {
        self.phase.set(self.phase.get().max(phase));
        self.deadlines.wake_all();
    }
}

/// One open connection of a worker.
#[derive(Debug)]
pub(crate) struct Open(Rc<Worker>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get() - 1);
    }
}

/// Runs a worker on this thread until it was told to drain and its last connection ended.
pub fn run(
    index: usize,
    current: &Current,
    (access_log, spans): (AccessLog, SpanSink),
    orders: mpsc::UnboundedReceiver<Order>,
) {
    // A local runtime, not a `LocalSet` in a runtime: one queue of tasks instead of one inside another.
    let runtime =
        match tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
        {
            Ok(runtime) => runtime,
            Err(error) => {
                error!(index, %error, "worker cannot start");
                return;
            }
        };
    let worker = Worker::new(index, current, access_log, spans);
    runtime.block_on(steer(worker, orders));
}

/// Obeys orders, sweeps clocks. Ends when draining and empty, or cut.
async fn steer(worker: Rc<Worker>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let mut accepting: HashMap<ListenAddress, Vec<Rc<Stop>>> = HashMap::new();
    let beat = match Beat::new(TICK) {
        Ok(beat) => beat,
        Err(error) => {
            error!(index = worker.index, %error, "worker has no timer");
            return;
        }
    };
    let mut ticks = 0u64;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Listen(address, socket)) => {
                    let stop = Rc::new(Stop::default());
                    match tokio::net::TcpListener::from_std(socket) {
                        Ok(listener) => {
                            tokio::task::spawn_local(accept::run(Rc::clone(&worker), address, listener, Rc::clone(&stop)));
                            accepting.entry(address).or_default().push(stop);
                        }
                        Err(error) => error!(?address, %error, "listener cannot be used"),
                    }
                }
                Some(Order::Unlisten(address)) => {
                    accepting.remove(&address).into_iter().flatten().for_each(|stop| stop.now(false));
                }
                Some(Order::Release(address)) => {
                    accepting.remove(&address).into_iter().flatten().for_each(|stop| stop.now(true));
                }
                Some(Order::Leave) => {
                    accepting.drain().flat_map(|(_, stops)| stops).for_each(|stop| stop.now(false));
                    worker.set_phase(Phase::Leaving);
                }
                // Who asked may have gone.
                Some(Order::Tell(id, to)) => drop(to.send(worker.decisions.borrow().find(&id))),
                Some(Order::Recall(to)) => drop(to.send(worker.recent.borrow().all())),
                Some(Order::Drain) => {
                    accepting.drain().flat_map(|(_, stops)| stops).for_each(|stop| stop.now(false));
                    worker.set_phase(Phase::Draining);
                    worker.upstreams.clear();
                }
                Some(Order::Cut) | None => {
                    worker.set_phase(Phase::Cutting);
                    settle(&worker).await;
                    return;
                }
            },
            beaten = beat.next() => {
                if let Err(error) = beaten {
                    error!(index = worker.index, %error, "worker's timer is broken");
                    return;
                }
                ticks += 1;
                worker.deadlines.sweep();
                worker.unix.set(unix_seconds());
                worker.flush();
                if ticks.is_multiple_of(Duration::from_secs(1).as_millis() as u64 / TICK.as_millis() as u64) {
                    worker.upstreams.sweep(worker.deadlines.now());
                }
                if worker.is_draining() && worker.open.get() == 0 {
                    debug!(index = worker.index, "worker empty");
                    worker.flush();
                    return;
                }
            }
        }
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// After a cut: gives connections a moment to write their last bytes and log lines.
async fn settle(worker: &Rc<Worker>) {
    for _ in 0..20 {
        if worker.open.get() == 0 {
            break;
        }
        tokio::time::sleep(TICK).await;
        worker.deadlines.sweep();
    }
    worker.flush();
}
