//! From a model to traffic: compile, prepare sockets (may fail), then reconcile, publish, commit (cannot).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tracing::error;

use super::sockets::Sockets;
use super::wishes::Keeper;
use super::{Shared, limits, log, memory};
use crate::config::diagnostic::{Diagnostic, Report, Severity};
use crate::config::model::{AccessTarget, Model};
use crate::discover::Discovery;
use crate::drain::Drains;
use crate::health::Checkers;
use crate::observe::Events;
use crate::otlp::{Exporter, Settings};
use crate::pool::{KeyRing, Known, Member, Pool, Remembered, State};
use crate::proxy::AccessLogWriter;
use crate::proxy::listeners::Listeners;
use crate::reload::{Severed, Vitals, World, give_way};
use crate::snapshot::{Context, Current, Discovered, Snapshot, compile};
use crate::tls::TlsConfigs;

/// What was published last, to be published again with other servers.
struct Running {
    model: Arc<Model>,
    tls: TlsConfigs,
    generation: u64,
    discovered: Discovered,
}

/// The world that the reloader publishes to. All that publishes is here, and nothing here waits: a reload and an
/// answer of DNS cannot meet half-way.
pub(super) struct Steering {
    current: Current,
    keys: Arc<KeyRing>,
    keeper: Rc<Keeper>,
    listeners: Shared<Listeners>,
    sockets: Rc<Sockets>,
    checkers: Checkers,
    drains: Arc<Drains>,
    discovery: Rc<Discovery>,
    running: Option<Running>,
    events: Arc<Events>,
    access_log: AccessLogWriter,
    access_target: Option<AccessTarget>,
    exporter: Rc<Exporter>,
    workers: usize,
    open_files: Option<u64>,
    /// Where this process stands.
    zone: Option<Arc<str>>,
    /// Sticky entries of the last process, until the first world has them.
    remembered: Option<Remembered>,
    /// Held once for each old world that is kept.
    retiring: Rc<()>,
    /// What the process before this one knows of servers, until this one serves.
    known: Vec<Known>,
}

impl Steering {
    #[allow(clippy::too_many_arguments, reason = "the parts of the process, joined once")]
    pub(super) fn new(
        current: Current,
        keys: Arc<KeyRing>,
        keeper: Rc<Keeper>,
        listeners: Listeners,
        sockets: Rc<Sockets>,
        drains: Arc<Drains>,
        discovery: Rc<Discovery>,
        events: Arc<Events>,
        (access_log, exporter): (AccessLogWriter, Rc<Exporter>),
        workers: usize,
        open_files: Option<u64>,
    ) -> Self {
        Self {
            current,
            keys,
            keeper,
            listeners: Rc::new(listeners.into()),
            sockets,
            checkers: Checkers::new(Arc::clone(&events)),
            drains,
            discovery,
            running: None,
            events,
            access_log,
            access_target: None,
            exporter,
            workers,
            open_files,
            zone: None,
            remembered: None,
            retiring: Rc::default(),
            known: Vec::new(),
        }
    }

    /// The first world starts with these sticky entries.
    pub(super) fn remembering(self, remembered: Remembered) -> Self {
        Self { remembered: Some(remembered), ..self }
    }

    /// Servers begin with what another process knows of them, until [`Helm::knows_enough`].
    pub(super) fn knowing(self, known: Vec<Known>) -> Self {
        Self { known, ..self }
    }

    /// Servers of this zone are preferred.
    pub(super) fn in_zone(self, zone: Option<Arc<str>>) -> Self {
        Self { zone, ..self }
    }

    /// The bound addresses, for whoever shows them.
    pub(super) fn bound(&self) -> Shared<Listeners> {
        Rc::clone(&self.listeners)
    }
}

/// The one [`Steering`], for those who may publish: the reloader, and whoever hears of new answers.
#[derive(Clone)]
pub(super) struct Helm(pub(super) Shared<Steering>);

impl World for Helm {
    fn apply(&mut self, model: Arc<Model>, tls: TlsConfigs, generation: u64) -> Result<(), Report> {
        self.0.borrow_mut().apply(model, tls, generation)
    }

    fn severed(&self, model: &Model) -> Vec<Severed> {
        let stays = |address| model.listeners.iter().any(|listener| listener.address == address);
        let snapshot = self.0.borrow().current.load();
        let leaving = snapshot.listeners.iter().filter(|l| l.live.streams() > 0 && !stays(l.address));
        leaving.map(|l| Severed { listener: l.name.to_string(), streams: l.live.streams().into() }).collect()
    }

    fn vitals(&self) -> Vec<Vitals> {
        self.0.borrow().current.load().pools.values().map(|snap| vitals(&snap.pool)).collect()
    }
}

/// How a pool is. A server that is not healthy is down, whatever an operator wants of it.
fn vitals(pool: &Pool) -> Vitals {
    let totals = pool.counters.total();
    let name = |member: &Member| Arc::clone(&member.server.name);
    let is_up = |member: &&Member| {
        let health = member.server.health();
        !health.checked || health.state == State::Up
    };
    Vitals {
        pool: Arc::clone(&pool.name),
        responses: totals.responses(),
        errors: totals.classes[5],
        up: pool.members.iter().filter(is_up).map(name).collect(),
        servers: pool.members.iter().map(name).collect(),
    }
}

impl Helm {
    /// What serves, and what a candidate would be; it is not published.
    pub(super) fn weigh(&self, next: &(Arc<Model>, TlsConfigs)) -> Option<(Arc<Snapshot>, Snapshot)> {
        let steering = self.0.borrow();
        let now = steering.current.load();
        let (model, tls) = next.clone();
        let discovered = steering.discovery.servers(&model, &now);
        let next = Running { model, tls, generation: now.generation, discovered };
        let compiled = steering.compile(&next, &now).ok()?;
        Some((now, compiled))
    }

    /// Publishes what DNS says of the running generation's pools, as often as it says something new. Ends never.
    pub(super) async fn follow(self, discovery: Rc<Discovery>) {
        loop {
            discovery.changed().await;
            // What comes together is published together.
            tokio::time::sleep(TOGETHER).await;
            self.0.borrow_mut().publish_again();
        }
    }
}

impl Helm {
    /// This process serves: what another one knew is of no use any more.
    pub(super) fn knows_enough(&self) {
        self.0.borrow_mut().known = Vec::new();
    }

    /// The keys of sticky cookies, and the longest life of a cookie.
    pub(super) fn keys(&self) -> (Arc<KeyRing>, Duration) {
        let steering = self.0.borrow();
        let lives =
            steering.current.load().pools.values().filter_map(|snap| snap.pool.longest_cookie()).max();
        (Arc::clone(&steering.keys), lives.unwrap_or_default())
    }

    /// Publishes the running generation with other keys.
    pub(super) fn publish_keys(&self, keys: Arc<KeyRing>) {
        let mut steering = self.0.borrow_mut();
        steering.keys = keys;
        if let Some(running) = steering.running.take() {
            steering.publish_anew(running);
        }
    }
}

/// How long an old world is held after the next one was published: each request takes the new one.
const RETIRED: Duration = Duration::from_secs(3);
/// Old worlds that are held at once.
const MOST_RETIRING: usize = 4;

/// Answers that arrive within this are one change.
const TOGETHER: Duration = Duration::from_millis(20);

impl Steering {
    fn apply(&mut self, model: Arc<Model>, tls: TlsConfigs, generation: u64) -> Result<(), Report> {
        let previous = self.current.load();
        let next = Running { discovered: self.discovery.servers(&model, &previous), model, tls, generation };
        let snapshot = Arc::new(self.compile(&next, &previous)?);
        // Who can connect can also ask: the daemon's own sockets come first.
        let sockets = self
            .sockets
            .prepare(&next.model)
            .map_err(|message| refused(message, "free the address, or name another"))?;
        let prepared = self.listeners.borrow().prepare(&snapshot).map_err(|failed| {
            let message = format!("cannot listen on {}: {}", failed.listener, failed.error);
            refused(
                message,
                "free the port, or give the listener another; ports below 1024 need CAP_NET_BIND_SERVICE",
            )
        })?;
        // From here on nothing fails.
        limits::check_open_files(self.open_files, &previous, &snapshot);
        log::apply(&next.model.log);
        let target = next.model.log.access.as_ref().map(|access| access.to.clone());
        if target != self.access_target {
            self.access_log.set_target(target.clone());
            self.access_target = target;
        }
        let collector = next.tls.collector.clone();
        let traced = next.model.trace.clone().map(|trace| Settings { trace, tls: collector });
        self.exporter.set(traced);
        self.events.set_generation(generation);
        self.publish(next, &previous, &snapshot);
        self.listeners.borrow_mut().commit(prepared, &snapshot);
        self.sockets.commit(sockets);
        self.let_go(&previous, &snapshot, "the server was removed from the configuration");
        self.discovery.tell(&previous, &snapshot);
        Ok(())
    }

    /// The same generation with the servers that DNS gives its pools now.
    fn publish_again(&mut self) {
        let Some(running) = self.running.take() else { return };
        let previous = self.current.load();
        let discovered = self.discovery.servers(&running.model, &previous);
        if discovered == running.discovered {
            self.running = Some(running);
            return;
        }
        self.publish_anew(Running { discovered, ..running });
    }

    /// The same generation, compiled again.
    fn publish_anew(&mut self, next: Running) {
        let previous = self.current.load();
        match self.compile(&next, &previous) {
            Ok(snapshot) => {
                let snapshot = Arc::new(Snapshot { since: previous.since, ..snapshot });
                self.publish(next, &previous, &snapshot);
                self.let_go(&previous, &snapshot, "its name no longer leads to it");
                self.discovery.tell(&previous, &snapshot);
            }
            Err(report) => {
                let findings = report.findings.len();
                error!(findings, "what was published once cannot be published again; please report it");
                self.running = Some(next);
            }
        }
    }

    fn compile(&self, next: &Running, previous: &Snapshot) -> Result<Snapshot, Report> {
        let context = Context {
            tls: &next.tls,
            previous,
            generation: next.generation,
            keys: &self.keys,
            workers: self.workers,
            zone: self.zone.as_ref(),
            discovered: &next.discovered,
        };
        let work = || {
            give_way();
            compile(&next.model, &context)
        };
        std::thread::scope(|scope| {
            match std::thread::Builder::new().name("compile".into()).spawn_scoped(scope, work) {
                Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(_) => compile(&next.model, &context),
            }
        })
    }

    /// Who drops the last hold on a world frees it, which with thousands of routes takes milliseconds. That is to
    /// be no worker: the old world is held until the workers have looked at the new one.
    fn retire(&self, previous: Arc<Snapshot>) {
        if Rc::strong_count(&self.retiring) > MOST_RETIRING {
            return;
        }
        let place = Rc::clone(&self.retiring);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(RETIRED).await;
            let free = move || {
                give_way();
                drop(previous);
            };
            // Without a thread it is freed here.
            drop(std::thread::Builder::new().name("retired".into()).spawn(free));
            drop(place);
        });
    }

    fn publish(&mut self, next: Running, previous: &Arc<Snapshot>, snapshot: &Arc<Snapshot>) {
        // Before anybody can be sent anywhere.
        self.keeper.turn(previous, snapshot);
        for known in &self.known {
            let pool = snapshot.pools.get(&*known.pool);
            if let Some(member) = pool.and_then(|snap| snap.pool.member(&known.name)) {
                member.server.take_up(known);
            }
        }
        self.checkers.reconcile(snapshot.pools.values().map(|pool| &*pool.pool));
        self.discovery.reconcile(&next.model, snapshot);
        if let Some(remembered) = self.remembered.take() {
            memory::recall(&remembered, snapshot.pools.values().map(|pool| &*pool.pool));
        }
        self.current.publish(Arc::clone(snapshot));
        self.retire(Arc::clone(previous));
        self.running = Some(next);
    }

    /// Servers that are no longer named leave as if drained: nobody is cut before the pool's deadline.
    fn let_go(&self, previous: &Snapshot, next: &Snapshot, reason: &str) {
        for snap in next.pools.values() {
            let policy = &snap.pool.drain;
            snap.pool.leaving.iter().for_each(|server| drop(self.drains.let_go(server, policy, reason)));
        }
        for (name, snap) in &previous.pools {
            if !next.pools.contains_key(name) {
                let policy = &snap.pool.drain;
                snap.pool
                    .members
                    .iter()
                    .for_each(|member| drop(self.drains.let_go(&member.server, policy, reason)));
            }
        }
    }
}

fn refused(message: String, help: &str) -> Report {
    let finding = Diagnostic::new("LB701", Severity::Error, None, message).help(help);
    Report { findings: vec![finding], ..Report::default() }
}
