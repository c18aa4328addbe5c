//! The old process: starts the new one, gives it everything, and is itself again when that fails.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Notify;
use tokio::time::timeout;
use tracing::{error, info};

use super::before::Before;
use super::child::{Invocation, Starting};
use super::state::{Estate, Handed, Hello, Ready, Serving, VERSION};
use super::wire::Wire;
use crate::config::model::ListenAddress;
use crate::control::world::{LocalFuture, UpgradeAsk, UpgradeRefusal, Upgraded};
use crate::daemon::sockets::{Own, Sockets};
use crate::daemon::steering::Helm;
use crate::daemon::wishes::Keeper;
use crate::daemon::{Shared, memory};
use crate::observe::Events;
use crate::pool::{Pool, Remembered};
use crate::proxy::listeners::Listeners;
use crate::reload::ReloadHandle;
use crate::snapshot::Current;
use crate::tls::Tickets;

/// How long the new process has to be ready, unless the caller says otherwise.
const READY: Duration = Duration::from_secs(60);
/// How long it has to begin, while nobody accepts.
const BEGIN: Duration = Duration::from_secs(15);
/// Processes before this one that may still end.
const MOST_BEFORE: usize = 4;

/// What an upgrade concerns.
pub(in crate::daemon) struct Parts {
    pub(in crate::daemon) invocation: Invocation,
    /// Whether there is a state directory.
    pub(in crate::daemon) keeps_state: bool,
    pub(in crate::daemon) current: Current,
    pub(in crate::daemon) events: Arc<Events>,
    pub(in crate::daemon) keeper: Rc<Keeper>,
    pub(in crate::daemon) helm: Helm,
    pub(in crate::daemon) tickets: Arc<Tickets>,
    pub(in crate::daemon) listeners: Shared<Listeners>,
    pub(in crate::daemon) sockets: Rc<Sockets>,
    pub(in crate::daemon) reload: ReloadHandle,
    pub(in crate::daemon) before: Rc<Before>,
}

/// Another process serves from now on.
#[derive(Debug)]
pub(in crate::daemon) struct Succession {
    /// The way to it.
    pub(super) stream: UnixStream,
    /// How long streams may go on here, at most, when somebody said so.
    pub(super) drain: Option<Duration>,
    /// Until when (unix seconds) it knows of every sticky entry.
    pub(super) told: u64,
}

/// Hands over, once at a time.
pub(in crate::daemon) struct Upgrader {
    parts: Parts,
    busy: Cell<bool>,
    done: RefCell<Option<Succession>>,
    wake: Notify,
}

impl Upgrader {
    /// Of this process.
    pub(in crate::daemon) fn new(parts: Parts) -> Rc<Self> {
        Rc::new(Self { parts, busy: Cell::new(false), done: RefCell::default(), wake: Notify::new() })
    }

    /// Waits until another process serves.
    pub(in crate::daemon) async fn succeeded(&self) -> Succession {
        loop {
            if let Some(succession) = self.done.take() {
                return succession;
            }
            self.wake.notified().await;
        }
    }

    /// The processes before this one that have not ended yet.
    pub(in crate::daemon) fn before(&self) -> &Rc<Before> {
        &self.parts.before
    }

    /// Upgrades. What was begun is finished, whether or not somebody waits for it.
    pub(in crate::daemon) fn upgrade(
        self: &Rc<Self>,
        ask: UpgradeAsk,
    ) -> LocalFuture<Result<Upgraded, UpgradeRefusal>> {
        let upgrader = Rc::clone(self);
        let work = tokio::task::spawn_local(async move { upgrader.run(ask).await });
        Box::pin(async move {
            work.await.unwrap_or_else(|error| {
                Err(UpgradeRefusal::Failed { message: error.to_string(), said: String::new() })
            })
        })
    }

    async fn run(&self, ask: UpgradeAsk) -> Result<Upgraded, UpgradeRefusal> {
        if let Some((message, help)) = self.obstacle() {
            error!(message, "no upgrade");
            return Err(UpgradeRefusal::Refused { message, help });
        }
        self.busy.set(true);
        let actor = ask.actor.clone();
        let result = self.hand_over(ask).await;
        match &result {
            Ok(upgraded) => {
                info!(
                    pid = upgraded.pid,
                    lbd = upgraded.lbd,
                    "another process serves: this one ends by pace"
                );
                // Whoever hears of the new process and asks again is answered by it.
                self.parts.sockets.fall_silent().await;
                self.wake.notify_one();
            }
            Err(refusal) => {
                self.busy.set(false);
                if let UpgradeRefusal::Failed { message, said } = refusal {
                    error!(message, "the upgrade failed: nothing has changed");
                    let facts = json!({ "message": message, "stderr": said });
                    self.parts.events.emit("daemon.upgrade-failed", "lbd", facts, actor);
                }
            }
        }
        result
    }

    /// Why there can be no upgrade now, and what to do.
    fn obstacle(&self) -> Option<(String, String)> {
        let state = self.parts.reload.state();
        let unsafe_kept = state.unconfirmed.is_some() || state.pinned.is_some();
        let (message, help) = if self.busy.get() {
            ("an upgrade goes on already", "wait for its end: lbctl events --kind daemon --follow")
        } else if std::process::id() == 1 {
            (
                "this lbd is the first process of its container, which would end with it",
                "start the container with an init (docker run --init), or start a new container",
            )
        } else if unsafe_kept && !self.parts.keeps_state {
            (
                "the configuration is unconfirmed or pinned, and without a state directory the new process would not know",
                "first lbctl config confirm, rollback or unpin; or run lbd with --state-dir",
            )
        } else if self.parts.before.count() >= MOST_BEFORE {
            (
                "too many processes of earlier upgrades still end",
                "lbctl status shows what they wait for; kill -TERM hurries one",
            )
        } else {
            return None;
        };
        Some((message.to_owned(), help.to_owned()))
    }

    async fn hand_over(&self, ask: UpgradeAsk) -> Result<Upgraded, UpgradeRefusal> {
        let Parts { invocation, current, listeners, .. } = &self.parts;
        let failed = |message: String| UpgradeRefusal::Failed { message, said: String::new() };
        let binary = ask.binary.unwrap_or_else(|| invocation.binary.clone());
        let generation = current.load().generation;
        let began = memory::now();
        let (hello, sockets) = self.hello().map_err(|error| failed(format!("cannot hand over: {error}")))?;
        info!(binary = %binary.display(), sockets = sockets.len(), "upgrade: starting the new process");
        let (starting, stream) = Starting::start(&binary, &invocation.arguments)
            .map_err(|error| failed(format!("cannot start {}: {error}", binary.display())))?;
        let pid = starting.pid();
        let pools = pools(current);
        let within = ask.ready_within.unwrap_or(READY);
        let first = tokio::task::spawn_blocking(move || introduce(stream, within, &hello, &sockets, &pools));
        let (wire, ready) = match timeout(within, first).await {
            Ok(Ok(Ok(ready))) => ready,
            Ok(result) => {
                let error = result.map_err(io::Error::other).and_then(|result| result);
                return Err(unready(starting, &error.err().unwrap_or_else(|| io::Error::other("?"))).await);
            }
            Err(_) => return Err(unready(starting, &io::ErrorKind::TimedOut.into()).await),
        };
        if current.load().generation != generation {
            drop(starting);
            return Err(failed("the configuration was changed meanwhile: ask again".to_owned()));
        }
        let listens: Vec<ListenAddress> = ready.listens.into_iter().map(Into::into).collect();
        let listens = dedup(listens);
        listeners.borrow().release(&listens);
        match self.give_estate(wire, began).await {
            Ok((stream, told)) => {
                starting.let_go();
                let _ = sd_notify::notify(&[sd_notify::NotifyState::MainPid(pid)]);
                self.done.replace(Some(Succession { stream, drain: ask.drain, told }));
                Ok(Upgraded { pid, lbd: ready.lbd, old_pid: std::process::id() })
            }
            Err(error) => {
                let refusal = unready(starting, &error).await;
                listeners.borrow_mut().resume(&listens);
                Err(refusal)
            }
        }
    }

    /// The last step, while nobody accepts.
    async fn give_estate(&self, wire: Wire, began: u64) -> io::Result<(UnixStream, u64)> {
        let (estate, pools) = (self.estate(), pools(&self.parts.current));
        let told = memory::now();
        let given = tokio::task::spawn_blocking(move || {
            let mut wire = Wire::new(wire.into_stream(), BEGIN)?;
            wire.send(&estate)?;
            wire.send_bytes(&Remembered::dump(&pools, told, began))?;
            let Serving {} = wire.receive()?;
            io::Result::Ok(wire.into_stream())
        });
        let given = timeout(BEGIN, given).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        Ok((given.map_err(io::Error::other)??, told))
    }

    fn estate(&self) -> Estate {
        Estate { wishes: self.parts.keeper.text(), events: self.parts.events.last() }
    }

    fn hello(&self) -> io::Result<(Hello, Vec<OwnedFd>)> {
        let Parts { current, listeners, sockets, helm, tickets, keeps_state, .. } = &self.parts;
        let mut all = Vec::new();
        for (address, socket) in listeners.borrow().sockets() {
            all.push((Handed::Listener(address.into()), socket.as_fd().try_clone_to_owned()?));
        }
        for (own, socket) in sockets.all() {
            let handed = match own {
                Own::Control(path) => Handed::Control(path),
                Own::Status(address) => Handed::Status(address.into()),
            };
            all.push((handed, socket));
        }
        all.push((Handed::Stderr, io::stderr().as_fd().try_clone_to_owned()?));
        let (kinds, sockets) = all.into_iter().unzip();
        let snapshot = current.load();
        let members = snapshot.pools.values().flat_map(|snap| &snap.pool.members);
        let hello = Hello {
            version: VERSION,
            lbd: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            sockets: kinds,
            keys: (!keeps_state).then(|| helm.keys().0.text()),
            tickets: tickets.text(),
            servers: members.map(|member| member.server.known()).collect(),
            estate: self.estate(),
        };
        Ok((hello, sockets))
    }
}

/// The first steps, to "ready".
fn introduce(
    stream: UnixStream,
    within: Duration,
    hello: &Hello,
    sockets: &[OwnedFd],
    pools: &[Arc<Pool>],
) -> io::Result<(Wire, Ready)> {
    let mut wire = Wire::new(stream, within)?;
    wire.send(hello)?;
    wire.send_sockets(&sockets.iter().map(AsFd::as_fd).collect::<Vec<_>>())?;
    wire.send_bytes(&Remembered::dump(pools, memory::now(), 0))?;
    let ready = wire.receive()?;
    Ok((wire, ready))
}

/// The new process is not wanted any more.
async fn unready(starting: Starting, error: &io::Error) -> UpgradeRefusal {
    let is_late = matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock);
    let (ended, said) = starting.end().await;
    let message = match ended {
        Some(status) => format!("the new process ended before it served: {status}"),
        None if is_late => "the new process was not ready in time and was ended".to_owned(),
        None => format!("the new process does not take over and was ended: {error}"),
    };
    UpgradeRefusal::Failed { message, said }
}

fn pools(current: &Current) -> Vec<Arc<Pool>> {
    current.load().pools.values().map(|snap| Arc::clone(&snap.pool)).collect()
}

fn dedup(mut addresses: Vec<ListenAddress>) -> Vec<ListenAddress> {
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}
