//! The tasks that check servers, kept in step with the generation that runs.
//!
//! One task per server, address, health port and check definition: while those are unchanged it goes on undisturbed
//! over any number of reloads; when they change it is aborted (by its guard) and another one starts. Neither this
//! nor a task holds a pool or a snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{info, warn};

use super::probe;
use crate::observe::Events;
use crate::pool::{CheckSpec, Direction, Pool, Server, State, Transition};

/// First checks of a new generation are spread over at most this long.
const FIRST_SPREAD: Duration = Duration::from_secs(1);
/// … and over no more than this for each of them: two servers need no second between them.
const FIRST_GAP: Duration = Duration::from_millis(10);

/// All checks of the running generation.
#[derive(Debug)]
pub struct Checkers {
    events: Arc<Events>,
    /// By [`Task::key`].
    tasks: HashMap<usize, Checker>,
}

impl Checkers {
    /// None yet.
    pub fn new(events: Arc<Events>) -> Self {
        Self { events, tasks: HashMap::new() }
    }

    /// Makes these pools the ones that are checked, and commits them ([`Pool::commit`]). Called with a generation
    /// that is sure to be published, within the steering thread's `LocalSet`.
    pub fn reconcile<'a>(&mut self, pools: impl IntoIterator<Item = &'a Pool>) {
        let mut wanted = Vec::new();
        for pool in pools {
            pool.commit();
            for member in &pool.members {
                if let Some(spec) = &pool.check {
                    let (server, spec) = (Arc::clone(&member.server), Arc::clone(spec));
                    wanted.push(Task { server, spec, health_port: member.health_port });
                }
            }
        }
        let (mut tasks, mut new) = (HashMap::new(), Vec::new());
        for task in wanted {
            match self.tasks.remove(&task.key()) {
                Some(running) if running.task == task => {
                    tasks.insert(task.key(), running);
                }
                _ => new.push(task),
            }
        }
        let count = u32::try_from(new.len()).unwrap_or(u32::MAX);
        let spread = FIRST_SPREAD.min(FIRST_GAP.saturating_mul(count));
        tasks.extend(new.into_iter().map(|task| (task.key(), Checker::start(task, spread, &self.events))));
        // What is left in the old map is wanted no more: its guards end it.
        self.tasks = tasks;
    }

    /// How many servers are checked.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether nothing is checked.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// What is checked, and how.
#[derive(Debug, Clone)]
struct Task {
    server: Arc<Server>,
    spec: Arc<CheckSpec>,
    health_port: Option<u16>,
}

/// The very same live server (not just one of its name), with an equal definition.
impl PartialEq for Task {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.server, &other.server)
            && self.health_port == other.health_port
            && self.spec == other.spec
    }
}

/// A running task; it ends with this.
#[derive(Debug)]
struct Checker {
    task: Task,
    abort: AbortHandle,
}

impl Checker {
    fn start(task: Task, spread: Duration, events: &Arc<Events>) -> Self {
        let first = spread.min(task.spec.interval).mul_f64(fastrand::f64());
        let run = task.clone().run(first, Arc::clone(events));
        Self { task, abort: tokio::task::spawn_local(run).abort_handle() }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl Task {
    /// The live server's own address: unique while this holds it.
    fn key(&self) -> usize {
        Arc::as_ptr(&self.server).addr()
    }

    async fn run(self, first: Duration, events: Arc<Events>) {
        tokio::time::sleep(first).await;
        loop {
            let start = Instant::now();
            let report = probe::check_once(&self.server, &self.spec, self.health_port).await;
            if let Some(transition) = self.server.observe(&report.outcome, Instant::now().into_std()) {
                tell(&self.server, &transition, &events);
            }
            tokio::time::sleep_until(start + self.pause()).await;
        }
    }

    /// From the start of one check to the start of the next.
    fn pause(&self) -> Duration {
        let spec = &self.spec;
        let interval = match self.server.health().state {
            State::Up => spec.interval,
            State::Down | State::Unknown => spec.down_interval,
        };
        let jitter = spec.jitter.clamp(0.0, 1.0) * (2.0 * fastrand::f64() - 1.0);
        // Never a busy loop, whatever the definition says.
        interval.mul_f64(1.0 + jitter).max(Duration::from_millis(1))
    }
}

/// One log line, one event.
fn tell(server: &Server, transition: &Transition, events: &Events) {
    let Transition { to, from, reason, after } = transition;
    let (pool, name) = (&*server.pool, &*server.name);
    let after = Duration::from_millis(after.as_millis() as u64);
    match to {
        Direction::Up => info!(pool, server = name, reason, ?after, from = from.as_str(), "server up"),
        Direction::Down => warn!(pool, server = name, reason, ?after, from = from.as_str(), "server down"),
        Direction::Drain => {
            warn!(pool, server = name, reason, ?after, from = from.as_str(), "server wants to drain")
        }
    }
    let data = json!({
        "pool": pool,
        "server": name,
        "reason": reason,
        "from": from.as_str(),
        "after_ms": after.as_millis() as u64,
    });
    events.emit(to.event(), format!("{pool}/{name}"), data, None);
}

#[cfg(test)]
mod tests;
