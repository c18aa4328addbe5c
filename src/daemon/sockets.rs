//! The daemon's own sockets: the control sockets and the status endpoint, which follow the configuration as
//! the listeners do: new ones are bound before a generation is published, old ones close after.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::control_face::ControlFace;
use crate::admin::{self, Metrics, StatusSource};
use crate::config::model::{self, ListenAddress, Model};
use crate::control::{self, Access, Bound, ControlContext, Grants, Hold, SocketSettings};
use crate::drain::Drains;
use crate::observe::Events;

/// Where the control socket is when the file does not say.
const DEFAULT_SOCKET: &str = "/run/lbd/control.sock";

/// What the model says of the daemon's own sockets; equal means: leave them alone.
#[derive(Debug, Clone, PartialEq)]
struct Wanted<T>(T);

/// A served socket; dropping it stops accepting.
struct Served {
    stop: Option<watch::Sender<()>>,
    /// Ends when it accepts no more.
    silent: Option<oneshot::Receiver<()>>,
    task: JoinHandle<()>,
    hold: Held,
}

/// The same socket once more, to be handed to another process.
enum Held {
    Control(PathBuf, Option<Hold>),
    Status(ListenAddress, Option<OwnedFd>),
}

/// Of which of them a socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Own {
    Control(PathBuf),
    Status(ListenAddress),
}

/// All of them.
pub(super) struct Sockets {
    events: Arc<Events>,
    context: OnceCell<Rc<ControlContext>>,
    metrics: OnceCell<Metrics>,
    control: RefCell<Option<(Wanted<model::Control>, Vec<Served>)>>,
    status: RefCell<Option<(Wanted<model::Status>, Served)>>,
    ready: Rc<Cell<bool>>,
    delay: Cell<Duration>,
    /// Sockets of the process before this one.
    given: RefCell<Vec<(Own, OwnedFd)>>,
    /// Nothing is served before [`Sockets::begin`].
    holding: Cell<bool>,
    held: RefCell<Option<Prepared>>,
}

/// Sockets bound for a generation that is not published yet.
pub(super) struct Prepared {
    control: Option<(model::Control, Vec<Bound>)>,
    status: Option<Option<(model::Status, tokio::net::TcpListener)>>,
    delay: Duration,
}

impl Sockets {
    pub(super) fn new(events: Arc<Events>) -> Rc<Self> {
        Rc::new(Self {
            events,
            context: OnceCell::new(),
            metrics: OnceCell::new(),
            control: RefCell::default(),
            status: RefCell::default(),
            ready: Rc::new(Cell::new(true)),
            delay: Cell::new(Duration::ZERO),
            given: RefCell::default(),
            holding: Cell::new(false),
            held: RefCell::default(),
        })
    }

    /// Uses these instead of new ones, and serves nothing before [`Sockets::begin`].
    pub(super) fn hold(&self, given: Vec<(Own, OwnedFd)>) {
        self.given.replace(given);
        self.holding.set(true);
    }

    /// Serves from now on.
    pub(super) fn begin(&self) {
        self.holding.set(false);
        self.given.take();
        if let Some(prepared) = self.held.take() {
            prepared.control.iter().flat_map(|(_, bound)| bound).for_each(Bound::own);
            self.commit(prepared);
        }
    }

    /// What is served, for another process.
    pub(super) fn all(&self) -> Vec<(Own, OwnedFd)> {
        let (control, status) = (self.control.borrow(), self.status.borrow());
        let control = control.iter().flat_map(|(_, served)| served);
        let held = |served: &Served| match &served.hold {
            Held::Control(path, hold) => {
                Some((Own::Control(path.clone()), hold.as_ref()?.socket.try_clone().ok()?))
            }
            Held::Status(address, socket) => {
                Some((Own::Status(*address), socket.as_ref()?.try_clone().ok()?))
            }
        };
        control.chain(status.iter().map(|(_, served)| served)).filter_map(held).collect()
    }

    /// Another process serves them: nobody is accepted here when this returns. Replies under way are finished.
    pub(super) async fn fall_silent(&self) {
        let silent: Vec<_> = {
            let (mut control, mut status) = (self.control.borrow_mut(), self.status.borrow_mut());
            let control = control.iter_mut().flat_map(|(_, served)| served);
            let all = control.chain(status.iter_mut().map(|(_, served)| served));
            all.filter_map(Served::fall_silent).collect()
        };
        for silent in silent {
            // Nothing is ever sent: the other end goes with the last look for clients.
            let _ = tokio::time::timeout(Duration::from_secs(2), silent).await;
        }
    }

    /// Ends what has fallen silent, with a moment for replies to leave.
    pub(super) async fn hand_over(&self) {
        self.fall_silent().await;
        self.close().await;
    }

    fn take_given(&self, own: &Own) -> Option<OwnedFd> {
        let given = self.given.borrow();
        let (_, socket) = given.iter().find(|(of, _)| of == own)?;
        socket.try_clone().ok()
    }

    /// Says who answers on them. Before this, nothing is served.
    pub(super) fn attach(&self, face: Rc<ControlFace>, drains: Arc<Drains>, metrics: Metrics) {
        let context = ControlContext::new(face, Arc::clone(&self.events), drains);
        // Attached once, at start.
        let _ = self.context.set(context);
        let _ = self.metrics.set(metrics);
    }

    /// Binds what is new in `model`; the error is a sentence.
    pub(super) fn prepare(&self, model: &Model) -> Result<Prepared, String> {
        let same = self.control.borrow().as_ref().is_some_and(|(wanted, _)| wanted.0 == model.control);
        let control =
            if same { None } else { Some((model.control.clone(), self.bind_control(&model.control)?)) };
        let known = self.status.borrow().as_ref().map(|(wanted, _)| wanted.0.clone()) == model.status;
        let status = match &model.status {
            _ if known => None,
            None => Some(None),
            // The port is shared while the old one still answers there with its old paths.
            Some(status) => {
                let given = self.take_given(&Own::Status(status.address));
                let listener = match given {
                    Some(socket) => {
                        adopt_status(socket).map_err(|error| format!("the status endpoint: {error}"))?
                    }
                    None => bind_status(status.address)?,
                };
                Some(Some((status.clone(), listener)))
            }
        };
        let delay = model.status.as_ref().map_or(Duration::ZERO, |status| status.drain_delay);
        Ok(Prepared { control, status, delay })
    }

    fn bind_control(&self, wanted: &model::Control) -> Result<Vec<Bound>, String> {
        let mut bound = Vec::new();
        let said = wanted.socket.is_some();
        let path = wanted.socket.clone().unwrap_or_else(default_socket);
        let ours = |path: &Path| {
            self.control.borrow().as_ref().is_some_and(|(before, _)| {
                before.0.socket.clone().unwrap_or_else(default_socket) == path
                    || before.0.read_socket.as_deref() == Some(path)
            })
        };
        match self.bind(&path, wanted.mode, wanted.group.as_deref(), Access::ByRole, ours(&path)) {
            Ok(socket) => bound.push(socket),
            Err(error) if said || matches!(error, control::BindError::AnotherRuns(_)) => {
                return Err(error.to_string());
            }
            Err(error) => {
                warn!(%error, "no control socket: lbctl cannot reach this daemon (control socket=\"PATH\" names another)");
            }
        }
        if let Some(path) = &wanted.read_socket {
            let socket =
                self.bind(path, wanted.read_mode, wanted.group.as_deref(), Access::ReadOnly, ours(path));
            bound.push(socket.map_err(|error| error.to_string())?);
        }
        Ok(bound)
    }

    /// The socket given for this path, or a new one.
    fn bind(
        &self,
        path: &Path,
        mode: u32,
        group: Option<&str>,
        access: Access,
        replace: bool,
    ) -> Result<Bound, control::BindError> {
        let settings = settings(path, mode, group, access, replace);
        let given = self.take_given(&Own::Control(path.to_path_buf()));
        match given.map(|socket| control::adopt(&settings, socket)) {
            Some(Ok(bound)) => Ok(bound),
            Some(Err(source)) => {
                Err(control::BindError::Io { doing: "take over", path: path.to_path_buf(), source })
            }
            None => control::bind(&settings),
        }
    }

    /// Serves what was prepared and stops serving what it replaces.
    pub(super) fn commit(&self, prepared: Prepared) {
        if self.holding.get() {
            self.held.replace(Some(prepared));
            return;
        }
        self.delay.set(prepared.delay);
        if let (Some((wanted, bound)), Some(context)) = (prepared.control, self.context.get()) {
            let served = bound
                .into_iter()
                .map(|bound| {
                    info!(socket = %bound.path().display(), "control socket");
                    let grants = Grants(
                        wanted.grants.iter().map(|(user, role)| (user.to_string(), role_of(*role))).collect(),
                    );
                    let hold = Held::Control(bound.path().to_path_buf(), bound.hold().ok());
                    Served::start(hold, |stop| control::serve(Rc::clone(context), bound, grants, stop))
                })
                .collect();
            if let Some((_, old)) = self.control.replace(Some((Wanted(wanted), served))) {
                old.into_iter().for_each(Served::stop);
            }
        }
        let face = self.metrics.get().zip(self.context.get());
        if let (Some(status), Some((metrics, context))) = (prepared.status, face) {
            let next = status.map(|(wanted, listener)| {
                if let Ok(address) = listener.local_addr() {
                    info!(%address, "status endpoint");
                }
                let source = StatusSource {
                    settings: wanted.clone(),
                    metrics: metrics.clone(),
                    ready: Rc::clone(&self.ready),
                    control: Rc::clone(context),
                };
                let hold = Held::Status(wanted.address, listener.as_fd().try_clone_to_owned().ok());
                (Wanted(wanted), Served::start(hold, |stop| admin::serve(listener, source, stop)))
            });
            if let Some((_, old)) = self.status.replace(next) {
                old.stop();
            }
        }
    }

    /// The status endpoint answers "not ready" from now on; says how long to wait before the listeners close.
    pub(super) fn not_ready(&self) -> Duration {
        self.ready.set(false);
        self.delay.get()
    }

    /// Ends all of them, with a moment for replies to leave.
    pub(super) async fn close(&self) {
        let control = self.control.take().map(|(_, served)| served).unwrap_or_default();
        let status = self.status.take().map(|(_, served)| served);
        for served in control.into_iter().chain(status) {
            let Served { stop, task, hold, .. } = served;
            drop((stop, hold));
            let _ = tokio::time::timeout(Duration::from_secs(2), task).await;
        }
    }
}

impl Served {
    fn start<F: Future<Output = ()> + 'static>(
        hold: Held,
        serve: impl FnOnce(std::pin::Pin<Box<dyn Future<Output = ()>>>) -> F,
    ) -> Self {
        let (stop, mut stopped) = watch::channel(());
        let (accepting, silent) = oneshot::channel();
        let stopping = Box::pin(async move {
            while stopped.changed().await.is_ok() {}
            drop::<oneshot::Sender<()>>(accepting);
        });
        let task = tokio::task::spawn_local(serve(stopping));
        Self { stop: Some(stop), silent: Some(silent), task, hold }
    }

    /// Stops accepting and leaves the file to another process; once.
    fn fall_silent(&mut self) -> Option<oneshot::Receiver<()>> {
        if let Held::Control(_, Some(hold)) = &self.hold {
            hold.leave_file();
        }
        self.stop = None;
        self.silent.take()
    }

    /// Stops accepting; replies under way are finished by the task itself.
    fn stop(self) {
        drop(self.stop);
    }
}

fn role_of(role: model::Role) -> control::Role {
    match role {
        model::Role::Read => control::Role::Read,
        model::Role::Operate => control::Role::Operate,
        model::Role::Admin => control::Role::Admin,
    }
}

fn settings(path: &Path, mode: u32, group: Option<&str>, access: Access, replace: bool) -> SocketSettings {
    if let Some(parent) = path.parent() {
        // When this fails the bind says so, with the path.
        let _ = std::fs::create_dir_all(parent);
    }
    let group = group.map(str::to_owned).or_else(|| control::has_group("lbd").then(|| "lbd".to_owned()));
    SocketSettings { path: path.to_path_buf(), mode, group, access, replace }
}

/// `/run/lbd/control.sock`, or for a user who may not write there, the same below the user's own run directory.
pub(super) fn default_socket() -> PathBuf {
    if rustix::process::geteuid().is_root() {
        return PathBuf::from(DEFAULT_SOCKET);
    }
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if !Path::new("/run/lbd").is_dir() => PathBuf::from(dir).join("lbd/control.sock"),
        _ => PathBuf::from(DEFAULT_SOCKET),
    }
}

fn adopt_status(socket: OwnedFd) -> std::io::Result<tokio::net::TcpListener> {
    let listener = std::net::TcpListener::from(socket);
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

fn bind_status(address: ListenAddress) -> Result<tokio::net::TcpListener, String> {
    let candidates: Vec<SocketAddr> = match address.ip {
        Some(ip) => vec![SocketAddr::new(ip, address.port)],
        None => {
            vec![(Ipv6Addr::UNSPECIFIED, address.port).into(), (Ipv4Addr::UNSPECIFIED, address.port).into()]
        }
    };
    let mut last = String::new();
    for candidate in candidates {
        let socket = if candidate.is_ipv6() {
            tokio::net::TcpSocket::new_v6()
        } else {
            tokio::net::TcpSocket::new_v4()
        };
        let listener = socket.and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.set_reuseport(true)?;
            socket.bind(candidate)?;
            socket.listen(64)
        });
        match listener {
            Ok(listener) => return Ok(listener),
            Err(error) => last = format!("cannot bind the status endpoint to {candidate}: {error}"),
        }
    }
    Err(last)
}
