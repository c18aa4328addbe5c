//! One question, asked again and again for as long as somebody wants it. What came of it is kept here; servers whose
//! host the name is learn it at once, pools with the next publication.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::json;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::{info, warn};

use super::answer::{Answer, Target};
use super::dns::{Dns, Failure, MOST, Memory};
use super::pace::{Pace, jittered};
use crate::observe::Events;
use crate::pool::Server;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Question {
    /// Of which name.
    pub(super) name: Arc<str>,
    /// Services, or addresses.
    pub(super) is_service: bool,
}

impl Question {
    /// The kind of records, as `discover` calls it.
    pub(super) fn kind(&self) -> &'static str {
        if self.is_service { "srv" } else { "a" }
    }
}

/// Who wants to know.
#[derive(Debug, Clone, Default)]
pub(super) struct Wants {
    /// The shortest time between two questions that any of them says.
    pub(super) refresh: Duration,
    /// Servers that it is the host of.
    pub(super) servers: Vec<Arc<Server>>,
    /// Whether pools take servers from it.
    pub(super) is_discovered: bool,
}

/// What is known.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// The last answer; none before the first.
    pub(super) targets: Option<Vec<Target>>,
    /// Since when there is none, and why.
    pub(super) failing: Option<(SystemTime, Failure)>,
    /// Beyond the bound.
    dropped: usize,
}

/// What all askers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) dns: RefCell<Rc<Dns>>,
    pub(super) events: Arc<Events>,
    /// Somebody's pool has other servers now.
    pub(super) changed: Notify,
}

/// A question in progress. Its task ends with this.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) cell: Rc<Cell>,
    abort: AbortHandle,
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

/// What an asker and its task share.
#[derive(Debug)]
pub(super) struct Cell {
    question: Question,
    wants: RefCell<Wants>,
    known: RefCell<Known>,
    memory: Memory,
    hurry: Notify,
}

impl Asker {
    /// Begins to ask. Within the steering thread's `LocalSet`.
    pub(super) fn start(question: Question, wants: Wants, shared: &Rc<Shared>) -> Self {
        let cell = Rc::new(Cell {
            question,
            wants: RefCell::new(wants),
            known: RefCell::default(),
            memory: RefCell::default(),
            hurry: Notify::new(),
        });
        let run = Rc::clone(&cell).run(Rc::clone(shared));
        Self { cell, abort: tokio::task::spawn_local(run).abort_handle() }
    }
}

impl Cell {
    /// Others want to know it now. Those that are new are told what is known.
    pub(super) fn want(&self, wants: Wants, shared: &Shared) {
        let sooner = wants.refresh < self.wants.borrow().refresh;
        self.wants.replace(wants);
        self.tell_servers(&shared.events);
        if sooner {
            self.hurry.notify_one();
        }
    }

    /// Asks now.
    pub(super) fn ask_now(&self) {
        self.hurry.notify_one();
    }

    /// Looks at what is known.
    pub(super) fn known<T>(&self, look: impl FnOnce(&Known) -> T) -> T {
        look(&self.known.borrow())
    }

    async fn run(self: Rc<Self>, shared: Rc<Shared>) {
        let mut pace = Pace::default();
        loop {
            let dns = Rc::clone(&shared.dns.borrow());
            let name = &self.question.name;
            let heard = match self.question.is_service {
                true => dns.services(name, &self.memory).await,
                false => dns.hosts(name, &self.memory).await,
            };
            let refresh = self.wants.borrow().refresh;
            let pause = match heard {
                Ok(answer) => {
                    let pause = pace.answered(answer.ttl, refresh);
                    self.answered(answer, &shared);
                    pause
                }
                Err(failure) => {
                    self.failed(failure, &shared);
                    pace.failed(refresh)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(jittered(pause)) => {}
                () = self.hurry.notified() => {}
            }
        }
    }

    fn answered(&self, answer: Answer, shared: &Shared) {
        let mut known = self.known.borrow_mut();
        let Question { name, .. } = &self.question;
        let was_failing = known.failing.take();
        if was_failing.is_some() {
            info!(name = &**name, kind = self.question.kind(), "name resolves again");
            let data = json!({ "name": **name, "kind": self.question.kind() });
            shared.events.emit("resolver.recovered", &**name, data, None);
        }
        if answer.dropped != known.dropped && answer.dropped > 0 {
            let (used, dropped) = (MOST, answer.dropped);
            warn!(name = &**name, used, dropped, "answer too long; only the first servers are used");
        }
        known.dropped = answer.dropped;
        let is_news = known.targets.as_ref() != Some(&answer.targets) || was_failing.is_some();
        known.targets = Some(answer.targets);
        drop(known);
        if is_news {
            self.tell_servers(&shared.events);
            self.tell_pools(shared);
        }
    }

    /// Told once, when it begins. What was known stays; a pool may want it empty.
    fn failed(&self, failure: Failure, shared: &Shared) {
        let mut known = self.known.borrow_mut();
        if let Some((_, why)) = &mut known.failing {
            *why = failure;
            return;
        }
        let (name, kind) = (&*self.question.name, self.question.kind());
        let last = known.targets.as_ref().map_or(0, Vec::len);
        warn!(name, kind, error = %failure, known = last, "name does not resolve");
        let data = json!({ "name": name, "kind": kind, "reason": failure.to_string(), "known": last });
        shared.events.emit("resolver.failed", name, data, None);
        known.failing = Some((SystemTime::now(), failure));
        drop(known);
        self.tell_pools(shared);
    }

    fn tell_pools(&self, shared: &Shared) {
        if self.wants.borrow().is_discovered {
            shared.changed.notify_one();
        }
    }

    fn tell_servers(&self, events: &Events) {
        let known = self.known.borrow();
        let Some(targets) = &known.targets else { return };
        for server in &self.wants.borrow().servers {
            let found = targets.iter().map(|target| (target.ip, server.port).into()).collect();
            if !server.set_resolved(found) {
                continue;
            }
            let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
            let (pool, name, host) = (&*server.pool, &*server.name, &*server.host);
            info!(pool, server = name, host, ?addresses, "name resolved");
            let data = json!({ "pool": pool, "server": name, "host": host, "addresses": addresses });
            events.emit("server.resolved", format!("{pool}/{name}"), data, None);
        }
    }
}
