//! From a model to traffic: compile, prepare sockets (may fail), then reconcile, publish, commit (cannot).

use std::rc::Rc;
use std::sync::Arc;

use super::sockets::Sockets;
use super::wishes::Keeper;
use super::{Shared, limits, log};
use crate::config::diagnostic::{Diagnostic, Report, Severity};
use crate::config::model::{AccessTarget, Model};
use crate::drain::Drains;
use crate::health::Checkers;
use crate::observe::Events;
use crate::pool::KeyRing;
use crate::proxy::AccessLogWriter;
use crate::proxy::listeners::Listeners;
use crate::reload::World;
use crate::snapshot::{Context, Current, Snapshot, compile};
use crate::tls::TlsConfigs;

/// The world that the reloader publishes to.
pub(super) struct Steering {
    current: Current,
    keys: Arc<KeyRing>,
    keeper: Rc<Keeper>,
    listeners: Shared<Listeners>,
    sockets: Rc<Sockets>,
    checkers: Checkers,
    drains: Arc<Drains>,
    events: Arc<Events>,
    access_log: AccessLogWriter,
    access_target: Option<AccessTarget>,
    workers: usize,
    open_files: Option<u64>,
    /// Where this process stands.
    zone: Option<Arc<str>>,
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
        events: Arc<Events>,
        access_log: AccessLogWriter,
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
            events,
            access_log,
            access_target: None,
            workers,
            open_files,
            zone: None,
        }
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

impl World for Steering {
    fn apply(&mut self, model: Model, tls: TlsConfigs, generation: u64) -> Result<(), Report> {
        let previous = self.current.load();
        let context = Context {
            tls: &tls,
            previous: &previous,
            generation,
            keys: &self.keys,
            workers: self.workers,
            zone: self.zone.as_ref(),
        };
        let next = Arc::new(compile(&model, &context)?);
        // Who can connect can also ask: the daemon's own sockets come first.
        let sockets = self
            .sockets
            .prepare(&model)
            .map_err(|message| refused(message, "free the address, or name another"))?;
        let prepared = self.listeners.borrow().prepare(&next).map_err(|failed| {
            let message = format!("cannot listen on {}: {}", failed.listener, failed.error);
            refused(
                message,
                "free the port, or give the listener another; ports below 1024 need CAP_NET_BIND_SERVICE",
            )
        })?;
        // From here on nothing fails.
        limits::check_open_files(self.open_files, &previous, &next);
        log::apply(&model.log);
        let target = model.log.access.as_ref().map(|access| access.to.clone());
        if target != self.access_target {
            self.access_log.set_target(target.clone());
            self.access_target = target;
        }
        self.events.set_generation(generation);
        // Before anybody can be sent anywhere.
        self.keeper.turn(&previous, &next);
        self.checkers.reconcile(next.pools.values().map(|pool| &*pool.pool));
        self.current.publish(Arc::clone(&next));
        self.listeners.borrow_mut().commit(prepared, &next);
        self.sockets.commit(sockets);
        self.let_go(&previous, &next);
        Ok(())
    }
}

impl Steering {
    /// Servers that the files no longer name leave as if drained: nobody is cut before the pool's deadline.
    fn let_go(&self, previous: &Snapshot, next: &Snapshot) {
        for snap in next.pools.values() {
            let policy = &snap.pool.drain;
            snap.pool.leaving.iter().for_each(|server| drop(self.drains.let_go(server, policy)));
        }
        for (name, snap) in &previous.pools {
            if !next.pools.contains_key(name) {
                let policy = &snap.pool.drain;
                snap.pool.members.iter().for_each(|member| drop(self.drains.let_go(&member.server, policy)));
            }
        }
    }
}

fn refused(message: String, help: &str) -> Report {
    Report { findings: vec![Diagnostic::new("LB701", Severity::Error, None, message).help(help)] }
}
