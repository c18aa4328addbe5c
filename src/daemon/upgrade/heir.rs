//! The new process: takes sockets and state before it reads its files, and begins when all is prepared.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use super::VARIABLE;
use super::state::{Estate, Handed, Hello, Ready, Serving, VERSION};
use super::wire::Wire;
use crate::daemon::Shared;
use crate::daemon::memory;
use crate::daemon::sockets::{Own, Sockets};
use crate::daemon::wishes::Keeper;
use crate::observe::Events;
use crate::pool::{Eligibility, KeyRing, Known, Remembered};
use crate::proxy::listeners::{Given, Listeners};
use crate::snapshot::Current;

/// How long each step of the old process may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long servers that only DNS names may take to be known here too.
const SERVERS: Duration = Duration::from_secs(5);

/// What was taken from the old process, which still serves.
#[derive(Debug)]
pub(in crate::daemon) struct Heir {
    wire: Wire,
    hello: Hello,
    sticky: Vec<u8>,
    listeners: Vec<Given>,
    own: Vec<(Own, OwnedFd)>,
    stderr: Option<OwnedFd>,
}

/// Takes over, if this process was started to do so.
pub(in crate::daemon) fn inherit() -> io::Result<Option<Heir>> {
    let named = std::env::var(VARIABLE).ok().and_then(|pid| pid.parse().ok());
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    // The variable may have come further than it was meant to.
    if named.is_none() || named != parent {
        return Ok(None);
    }
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut wire = Wire::new(stream, PATIENCE)?;
    rustix::stdio::dup2_stdin(std::fs::File::open("/dev/null")?)?;
    let hello: Hello = wire.receive()?;
    if hello.version != VERSION {
        let message =
            format!("lbd {} hands over in another way than lbd {}", hello.lbd, env!("CARGO_PKG_VERSION"));
        return Err(io::Error::other(message));
    }
    let sockets = wire.receive_sockets(hello.sockets.len())?;
    let sticky = wire.receive_bytes()?;
    let mut heir = Heir { wire, sticky, listeners: Vec::new(), own: Vec::new(), stderr: None, hello };
    for (handed, socket) in heir.hello.sockets.iter().zip(sockets) {
        match handed {
            Handed::Listener(address) => {
                heir.listeners.push(Given { wanted: Some((*address).into()), socket: socket.into() });
            }
            Handed::Status(address) => heir.own.push((Own::Status((*address).into()), socket)),
            Handed::Control(path) => heir.own.push((Own::Control(path.clone()), socket)),
            Handed::Stderr => heir.stderr = Some(socket),
        }
    }
    Ok(Some(heir))
}

/// What the new process joins what it took with.
pub(in crate::daemon) struct Inheritance<'a> {
    pub(in crate::daemon) current: &'a Current,
    pub(in crate::daemon) listeners: &'a Shared<Listeners>,
    pub(in crate::daemon) sockets: &'a Sockets,
    pub(in crate::daemon) keeper: &'a Keeper,
    pub(in crate::daemon) events: &'a Arc<Events>,
}

impl Heir {
    /// The sockets of clients.
    pub(in crate::daemon) fn listeners(&mut self) -> Vec<Given> {
        std::mem::take(&mut self.listeners)
    }

    /// The daemon's own sockets.
    pub(in crate::daemon) fn own(&mut self) -> Vec<(Own, OwnedFd)> {
        std::mem::take(&mut self.own)
    }

    /// What operators want.
    pub(in crate::daemon) fn wishes(&self) -> &str {
        &self.hello.estate.wishes
    }

    /// What is known of servers.
    pub(in crate::daemon) fn servers(&self) -> Vec<Known> {
        self.hello.servers.clone()
    }

    /// The keys of sticky cookies, where no state directory has them.
    pub(in crate::daemon) fn keys(&self) -> Option<Result<Arc<KeyRing>, String>> {
        self.hello.keys.as_deref().map(KeyRing::of_text)
    }

    /// The keys of TLS session tickets.
    pub(in crate::daemon) fn tickets(&self) -> &str {
        &self.hello.tickets
    }

    /// Who is where.
    pub(in crate::daemon) fn sticky(&mut self) -> Remembered {
        Remembered::read(std::mem::take(&mut self.sticky)).unwrap_or_else(|| {
            warn!("the sticky entries of the old process are not whole: clients are balanced anew");
            Remembered::default()
        })
    }

    /// Begins. An error says that the old process goes on instead; then nothing was served here.
    pub(in crate::daemon) async fn begin(self, house: Inheritance<'_>) -> io::Result<(UnixStream, u32)> {
        self.wait_for_servers(house.current).await;
        let listens = house.listeners.borrow().sockets().map(|(address, _)| address.into()).collect();
        let ready = Ready { lbd: env!("CARGO_PKG_VERSION").to_owned(), listens };
        let mut wire = self.wire;
        let answered = tokio::task::spawn_blocking(move || {
            wire.send(&ready)?;
            let estate: Estate = wire.receive()?;
            let sticky = wire.receive_bytes()?;
            io::Result::Ok((wire, estate, sticky))
        });
        let (mut wire, estate, sticky) = answered.await.map_err(io::Error::other)??;
        house.events.follow_on(estate.events);
        house.keeper.take_up(&estate.wishes);
        memory::merge(house.current, sticky);
        let unused = house.listeners.borrow_mut().begin();
        house.sockets.begin();
        if !unused.is_empty() {
            warn!(?unused, "the files no longer name these addresses: the old process closes them");
        }
        // Some bytes to somebody who waits for them. Should it have died just now, this process serves all the same.
        if let Err(error) = wire.send(&Serving {}) {
            warn!(%error, "the old process does not listen any more");
        }
        if let Some(stderr) = self.stderr
            && let Err(error) = rustix::stdio::dup2_stderr(stderr)
        {
            warn!(%error, "the log of the old process cannot be continued");
        }
        let pid = self.hello.pid;
        info!(pid, lbd = self.hello.lbd, "took over from the process that ran before");
        let facts = serde_json::json!({ "pid": std::process::id(), "old_pid": pid, "old": self.hello.lbd });
        house.events.emit("daemon.upgraded", "lbd", facts, None);
        Ok((wire.into_stream(), pid))
    }

    /// Until whatever took new clients there takes them here.
    async fn wait_for_servers(&self, current: &Current) {
        let give_up = Instant::now() + SERVERS;
        loop {
            let snapshot = current.load();
            let is_missing = |known: &&Known| {
                let member = snapshot.pools.get(&*known.pool).and_then(|snap| snap.pool.member(&known.name));
                member.is_none_or(|member| member.server.eligibility() != Eligibility::Ready)
            };
            let missing =
                self.hello.servers.iter().filter(|known| known.takes_clients).filter(is_missing).count();
            if missing == 0 {
                return;
            }
            if Instant::now() >= give_up {
                return warn!(missing, "servers that took clients are not there yet");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
