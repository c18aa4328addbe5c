//! A reloader on its own thread, real files, and a world that writes down what it is given.

use std::path::{Path, PathBuf};
use std::process::Command as Process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use super::*;
use crate::config::diagnostic::{Diagnostic, FileId, Place, Severity, Span};
use crate::config::model::{
    Balance, Connections, Control, Drain, DrainSticky, Level, Log, Pool, Reload, Server, ServerHttp,
    TlsVersion, UpstreamTls, Verify, WebSocket,
};
use crate::config::node::{Node, Scalar};
use crate::config::source::{FsLoader, Loader};
use crate::config::syntax;
use crate::config::values::Rate;
use crate::observe::Events;

mod boot;
mod changes;
mod matrix;
mod outcomes;

/// Longer than any machine needs; only a failing test waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a world was given: the servers' names, and the generation.
type Applied = (Vec<String>, u64);

/// Writes down every model; refuses those with a server of the name `unbindable`.
#[derive(Clone, Default)]
struct Notebook(Arc<Mutex<Vec<Applied>>>);

impl World for Notebook {
    fn apply(&mut self, model: Arc<Model>, _: TlsConfigs, generation: u64) -> Result<(), Report> {
        let servers = model.pools.values().flat_map(|pool| &pool.servers);
        let names: Vec<String> = servers.map(|server| server.name.to_string()).collect();
        if names.iter().any(|name| name == "unbindable") {
            let mut report = Report::default();
            report.push(Diagnostic::new("LB701", Severity::Error, None, "port 80 is taken"));
            return Err(report);
        }
        self.0.lock().unwrap().push((names, generation));
        Ok(())
    }
}

/// The file system, counting how often the main file was read.
struct Counting {
    main: PathBuf,
    reads: Arc<AtomicUsize>,
}

impl Loader for Counting {
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        let read = FsLoader.read(path);
        // Afterwards: whoever waits for a look may write as soon as it is counted.
        if path == self.main {
            self.reads.fetch_add(1, Ordering::SeqCst);
        }
        read
    }
    fn glob(&self, pattern: &Path) -> std::io::Result<Vec<PathBuf>> {
        FsLoader.glob(pattern)
    }
    fn env(&self, _: &str) -> Option<String> {
        None
    }
}

/// A small language over the real syntax: `server NAME`, `ca FILE`, `max-removal N`, `watch-not`,
/// `wrong` for a mistake of the writer and `panic` for one of lbd.
fn load(main: &Path, loader: &dyn Loader) -> Loaded {
    let (nodes, mut report, sources) = syntax::read(main, loader);
    assert!(nodes.iter().all(|node| node.name.value != "panic"), "as the text asks");
    for node in nodes.iter().filter(|node| node.name.value == "wrong") {
        report.push(Diagnostic::error("LB101", node.span, "unknown node `wrong`"));
    }
    let model = (!report.has_errors()).then(|| model(&nodes));
    Loaded { model, report, sources }
}

/// The model of a text that stands alone.
pub(super) fn model_of(text: &str) -> Model {
    let loader = crate::config::source::MemLoader::new().file("lbd.kdl", text);
    load(Path::new("lbd.kdl"), &loader).model.expect("a text without mistakes")
}

fn argument(node: &Node) -> String {
    match &node.args.first().expect("an argument").scalar {
        Scalar::String { text, .. } => text.clone(),
        Scalar::Integer(number) => number.to_string(),
        other => panic!("{other:?} is no argument here"),
    }
}

fn leaving() -> Drain {
    let close_rate = Rate { count: 50, per: PATIENCE };
    Drain { deadline: PATIENCE, sticky: DrainSticky::Keep, close_rate, close_code: 1012 }
}

fn control() -> Control {
    Control {
        socket: None,
        mode: 0,
        group: None,
        read_socket: None,
        read_mode: 0,
        grants: std::collections::BTreeMap::new(),
    }
}

fn model(nodes: &[Node]) -> Model {
    let named = |name: &'static str| nodes.iter().filter(move |node| node.name.value == name);
    let place = Place { file: Arc::default(), line: nodes.first().map_or(0, |node| node.span.start) };
    let tls = named("ca").next().map(|node| UpstreamTls {
        ca: Some(argument(node).into()),
        server_name: None,
        verify: Verify::Full,
        certificate: None,
        min_version: TlsVersion::V1_2,
        span: node.span,
    });
    let server = |node: &Node| Server {
        name: argument(node).into(),
        host: "127.0.0.1".into(),
        port: 1,
        weight: 1,
        backup: false,
        health_port: None,
        max_requests: None,
        max_connections: None,
        zone: None,
        place: place.clone(),
    };
    let span = nodes.first().map_or(Span::new(FileId(0), 0..0), |node| node.span);
    let pool = Pool {
        name: "app".into(),
        servers: named("server").map(server).collect(),
        discover: Vec::new(),
        balance: Balance::RoundRobin,
        sticky: Vec::new(),
        health: None,
        tls,
        connections: Connections {
            http: ServerHttp::Http1,
            idle_timeout: PATIENCE,
            max_idle: 1,
            max_uses: None,
            send_proxy: None,
        },
        drain: leaving(),
        websocket: WebSocket { ping: None, lost_code: 1012 },
        passive: None,
        queue: None,
        admission: None,
        slow_start: None,
        panic_percent: None,
        place: place.clone(),
        span,
    };
    Model {
        error_pages: Vec::new(),
        listeners: Vec::new(),
        sites: Vec::new(),
        pools: [("app".into(), pool)].into(),
        status: None,
        control: control(),
        log: Log { level: Level::Info, json: false, access: None },
        trace: None,
        lint: crate::config::model::LintSettings::default(),
        resolver: crate::config::model::Resolver::default(),
        reload: Reload {
            watch: named("watch-not").next().is_none(),
            settle: Duration::from_millis(100),
            poll: Duration::from_secs(3600),
            history: 3,
            max_removal_percent: named("max-removal").next().map(|node| argument(node).parse().unwrap()),
            replay: true,
        },
    }
}

/// A directory with a configuration, and a reloader that looks at it.
struct Bench {
    dir: tempfile::TempDir,
    notebook: Notebook,
    handle: ReloadHandle,
    events: Arc<Events>,
    reads: Arc<AtomicUsize>,
    runtime: tokio::runtime::Runtime,
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn options(main: PathBuf) -> Options {
    Options { main, state_dir: None, strict: false, timing: Timing::default() }
}

impl Bench {
    /// With `text` as the main file, events, and no poll worth the name.
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("lbd.kdl"), text).unwrap();
        Self::on(dir, Timing::default())
    }

    /// On a directory that holds `lbd.kdl` already.
    fn on(dir: tempfile::TempDir, timing: Timing) -> Self {
        let options = Options { timing, ..options(dir.path().join("lbd.kdl")) };
        let (bench, booted) = Self::start(dir, options);
        booted.expect("the first file set is good");
        // Two readings at boot; the third look says that the directories are watched.
        let watches = !std::fs::read_to_string(bench.path("lbd.kdl")).unwrap().contains("watch-not");
        bench.wait("watching", || !watches || bench.reads.load(Ordering::SeqCst) > 2);
        bench
    }

    fn start(dir: tempfile::TempDir, options: Options) -> (Self, Result<super::Applied, BootError>) {
        let (notebook, events, reads) = (Notebook::default(), Events::new(), Arc::new(AtomicUsize::new(0)));
        let (world, witness) = (notebook.clone(), events.clone());
        let files = Counting { main: options.main.clone(), reads: reads.clone() };
        let (ready, started) = mpsc::channel();
        std::thread::spawn(move || {
            runtime().block_on(async {
                let (mut reloader, handle) =
                    Reloader::new(options, Arc::new(load), Arc::new(files), world, witness);
                let booted = reloader.boot().await;
                let is_running = booted.is_ok();
                ready.send((handle, booted)).unwrap();
                if is_running {
                    reloader.run().await;
                }
            });
        });
        let (handle, booted) = started.recv_timeout(PATIENCE).expect("it boots, well or not");
        (Self { dir, notebook, handle, events, reads, runtime: runtime() }, booted)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn reload(&self, cause: Cause) -> Result<super::Applied, Arc<Rejected>> {
        self.runtime.block_on(self.handle.reload(cause))
    }

    /// Names of the servers of every model that was published, oldest first.
    fn published(&self) -> Vec<String> {
        self.notebook.0.lock().unwrap().iter().map(|(servers, _)| servers.join(" ")).collect()
    }

    /// Waits until the newest published model has exactly these servers, and the state says so.
    fn wait_for(&self, servers: &str) {
        self.wait(&format!("servers {servers}"), || {
            let generation = self.handle.state().generation;
            self.notebook
                .0
                .lock()
                .unwrap()
                .last()
                .is_some_and(|(names, number)| names.join(" ") == servers && *number == generation)
        });
    }

    /// Waits until the files were looked at after `action`.
    fn looked_after(&self, action: impl FnOnce()) {
        let before = self.reads.load(Ordering::SeqCst);
        action();
        self.wait("a look at the files", || self.reads.load(Ordering::SeqCst) > before);
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            let state = self.handle.state();
            assert!(
                Instant::now() < deadline,
                "no {what}: published {:?}, {:?}",
                self.published(),
                state.rejected
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn rejected(&self) -> Arc<Rejected> {
        self.wait("rejection", || self.handle.state().rejected.is_some());
        self.handle.state().rejected.clone().unwrap()
    }

    /// Waits for as many events, which must be these.
    fn wait_for_kinds(&self, kinds: &[&str]) {
        self.wait("events", || self.events.since(0).len() >= kinds.len());
        let emitted: Vec<_> = self.events.since(0).iter().map(|event| event.kind).collect();
        assert_eq!(emitted, kinds);
    }
}

/// Runs a shell script in `dir`, with `TEXT` set.
fn shell(dir: &Path, script: &str, text: &str) {
    let done = Process::new("sh")
        .args(["-euc", script])
        .current_dir(dir)
        .env("TEXT", text)
        .env("N", text.replace(' ', "-"))
        .output()
        .expect("a shell");
    assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
}
