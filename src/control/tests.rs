//! The control socket with real pools behind it, asked by the real client over a real socket.

mod changes;
mod daemon;
mod drains;
mod limits;
mod repeats;
mod roles;
mod servers;
mod sticky;

use super::role::Grants;
use super::socket::{Access, SocketSettings, bind};
use super::world::*;
use super::{ControlContext, serve};
use crate::drain::Drains;
use crate::observe::Events;
use crate::pool::testing::{check, check_spec, cookie_policy, settings, source};
use crate::pool::{OnDown, Pool, PoolSettings, StickySettings};
use crate::reload::{Ask, Refusal};
use http::Method;
use lbctl::client::{Client, Error};
use lbctl::protocol::Problem;
use serde::de::DeserializeOwned;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::task::{JoinSet, LocalSet};

/// A daemon without traffic: pools `app` (a, b, c up; sticky) and `solo` (one server), and what it was asked.
pub(super) struct Fake {
    pub(super) pools: RefCell<Vec<Arc<Pool>>>,
    pub(super) broken: Cell<bool>,
    pub(super) generation: Cell<u64>,
    pub(super) asked: RefCell<Vec<String>>,
}

impl Fake {
    fn new() -> Rc<Self> {
        let app = PoolSettings {
            check: Some(Arc::new(check_spec())),
            sticky: vec![StickySettings::Cookie(cookie_policy("LBD")), source(OnDown::Redispatch)],
            ..settings(&["a", "b", "c"])
        };
        let app = Pool::new(app, None, 1);
        for name in ["a", "b", "c"] {
            check(&app, name, true);
        }
        let solo = Pool::new(PoolSettings { name: "solo".into(), ..settings(&["only*10"]) }, None, 1);
        Rc::new(Self {
            pools: RefCell::new(vec![Arc::new(app), Arc::new(solo)]),
            broken: Cell::new(false),
            generation: Cell::new(42),
            asked: RefCell::default(),
        })
    }

    pub(super) fn pool(&self, name: &str) -> Arc<Pool> {
        self.pools.borrow().iter().find(|pool| &*pool.name == name).expect("a pool of the test").clone()
    }

    fn report(&self) -> ReportFacts {
        let (code, error) = if self.broken.get() { ("LB103", true) } else { ("LB603", false) };
        let finding = FindingFacts {
            code: code.into(),
            error,
            hint: false,
            message: "no pool is named `platfrom`".into(),
            place: Some("lbd.kdl:14:9".into()),
            help: vec!["did you mean `platform`?".into()],
        };
        ReportFacts { findings: vec![finding], rendered: "the whole report\n".into() }
    }
}

impl World for Fake {
    fn generation(&self) -> u64 {
        self.generation.get()
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools.borrow().clone()
    }

    fn listeners(&self) -> Vec<ListenerFacts> {
        let address = "127.0.0.1:443".parse().unwrap();
        vec![ListenerFacts {
            name: "https".into(),
            address,
            tls: true,
            redirect: false,
            connections: 3,
            accepted: 9,
            tcp: Vec::new(),
        }]
    }

    fn certificates(&self) -> Arc<[CertificateFacts]> {
        let certificate = |name: &str, host: &str| CertificateFacts {
            name: name.into(),
            chain: format!("/etc/lbd/tls/{name}.pem").into(),
            key: format!("/etc/lbd/tls/{name}.key").into(),
            used_by: vec!["listen/https".into()],
            names: vec![host.into()],
            subject: format!("CN={host}"),
            issuer: "CN=authority".into(),
            serial: "0a:1b".into(),
            not_before: 0,
            not_after: 86_400,
            fingerprint: "00".repeat(32),
            chain_length: 2,
        };
        [certificate("api", "api.test"), certificate("www", "www.test")].into()
    }

    fn upgrade(&self, ask: UpgradeAsk) -> LocalFuture<Result<Upgraded, UpgradeRefusal>> {
        let done = match ask.drain {
            Some(_) => Ok(Upgraded { pid: 4712, lbd: "0.1.1".into(), old_pid: 4711 }),
            None => {
                let (message, said) = ("the new process ended".into(), "no such option".into());
                Err(UpgradeRefusal::Failed { message, said })
            }
        };
        Box::pin(std::future::ready(done))
    }

    fn predecessors(&self) -> Vec<PredecessorFacts> {
        let facts = PredecessorFacts { pid: 4711, websockets: 3, ..PredecessorFacts::default() };
        if self.broken.get() { vec![facts] } else { Vec::new() }
    }

    fn unresolved(&self) -> Vec<UnresolvedFacts> {
        if !self.broken.get() {
            return Vec::new();
        }
        let (name, reason) = ("app.test".into(), "no such name".into());
        vec![UnresolvedFacts { name, kind: "a", reason, since: SystemTime::now(), known: 2 }]
    }

    fn routes(&self) -> Vec<RouteFacts> {
        let route = |name: &str, place: &str| RouteFacts {
            name: name.into(),
            hosts: vec!["example.com".into()],
            patterns: vec!["/x".into()],
            action: "pool app".into(),
            pool: Some("app".into()),
            place: place.into(),
            ..RouteFacts::default()
        };
        vec![route("first", "lbd.kdl:3"), route("second", "lbd.kdl:4")]
    }

    fn explain(&self, ask: &ExplainAsk) -> Result<Explained, String> {
        let (path, nowhere) = match ask.url.strip_prefix("http://example.com") {
            Some(path) => (path, path == "/none"),
            None => return Err(format!("`{}` is not a URL", ask.url)),
        };
        let route = self.routes().into_iter().find(|_| !nowhere);
        let candidate = CandidateFacts { route: "first".into(), wins: !nowhere, ..CandidateFacts::default() };
        Ok(Explained { path: path.into(), route, candidates: vec![candidate], ..Explained::default() })
    }

    fn config(&self) -> ConfigFacts {
        let generation = |number| GenerationFacts {
            number,
            since: SystemTime::now() - Duration::from_secs(60),
            cause: "watch".into(),
            actor: None,
            summary: "~1 pool".into(),
            digest: "abc".into(),
            reason: None,
        };
        ConfigFacts {
            main: "lbd.kdl".into(),
            running: generation(42),
            report: self.report(),
            rejected: self.broken.get().then(|| (SystemTime::now(), 3)),
            history: vec![generation(41), generation(42)],
            unconfirmed: None,
            pinned: None,
        }
    }

    fn config_text(&self) -> Vec<ConfigFile> {
        vec![ConfigFile { path: PathBuf::from("lbd.kdl"), text: "listen 80\n".into() }]
    }

    fn reload(&self, actor: String) -> LocalFuture<Result<Reloaded, ReportFacts>> {
        self.asked.borrow_mut().push(format!("reload by {actor}"));
        let result = if self.broken.get() {
            Err(self.report())
        } else {
            Ok(Reloaded {
                generation: 43,
                changed: true,
                summary: "~1 pool".into(),
                report: ReportFacts::default(),
            })
        };
        Box::pin(async move { result })
    }

    fn configure(&self, ask: Ask) -> LocalFuture<Result<ConfigAnswer, ConfigRefusal>> {
        let told = match &ask {
            Ask::Apply { by, confirm, force, .. } => {
                format!("apply by {} confirm {} force {force}", by.actor, confirm.is_some())
            }
            ask => format!("{ask:?}").split([' ', '{']).next().unwrap_or_default().to_owned(),
        };
        self.asked.borrow_mut().push(told);
        let result = match ask {
            _ if self.broken.get() => Err(ConfigRefusal::Rejected(self.report())),
            Ask::Rollback { to: Some(1), .. } => {
                Err(ConfigRefusal::Refused(Refusal::Unknown("generation 1 is not kept".into())))
            }
            Ask::Confirm { .. } => {
                Err(ConfigRefusal::Refused(Refusal::Conflict("nothing waits".into(), String::new())))
            }
            _ => Ok(ConfigAnswer::default()),
        };
        Box::pin(async move { result })
    }

    fn check(&self, pool: &Pool, server: &str) -> LocalFuture<Option<ProbeFacts>> {
        let probe = pool.check.as_ref().map(|_| ProbeFacts {
            passed: server == "a",
            asked: "GET /ready".into(),
            verdict: "200 in 3 ms".into(),
            status: Some(200),
            took: Duration::from_millis(3),
            ..ProbeFacts::default()
        });
        Box::pin(async move { probe })
    }

    fn decision(&self, id: &str) -> LocalFuture<Option<DecisionFacts>> {
        let found = (id == "4bf92f").then(|| DecisionFacts {
            id: id.to_owned(),
            at: SystemTime::now(),
            client: "203.0.113.9".parse().unwrap(),
            listener: "https".into(),
            generation: 42,
            route: Some("/x".into()),
            pool: Some("app".into()),
            server: Some("a".into()),
            how: "balanced".into(),
            retries: 1,
            status: 200,
            reason: None,
            first_byte: Some(Duration::from_millis(2)),
            took: Duration::from_millis(3),
        });
        Box::pin(async move { found })
    }

    fn log(&self) -> (String, Option<SystemTime>) {
        ("info".into(), None)
    }

    fn set_log(&self, filter: Option<&str>, span: Duration) -> Result<(), String> {
        self.asked.borrow_mut().push(format!("log {filter:?} {span:?}"));
        if filter == Some("=") { Err("`=` is not a filter".into()) } else { Ok(()) }
    }

    fn shutdown(&self, drain: Duration) {
        self.asked.borrow_mut().push(format!("shutdown {drain:?}"));
    }

    fn metrics(&self) -> String {
        "# HELP lbd_up Up.\n# TYPE lbd_up gauge\nlbd_up 1\n".into()
    }

    fn workers(&self) -> usize {
        1
    }
}

/// A daemon with both sockets.
pub(super) struct Daemon {
    pub(super) world: Rc<Fake>,
    pub(super) context: Rc<ControlContext>,
    pub(super) client: Client,
    pub(super) reader: Client,
    pub(super) dir: TempDir,
}

impl Daemon {
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        self.client.get(path).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The kind and the exit code of the problem that a call gives.
    pub(super) async fn refused(&self, method: Method, path: &str, body: &str) -> (String, u16, u8) {
        let problem = self.problem(method, path, body).await;
        let kind = problem.known().map_or("unknown", |kind| kind.key()).to_owned();
        (kind, problem.status, problem.exit().code())
    }

    pub(super) async fn problem(&self, method: Method, path: &str, body: &str) -> Problem {
        let reply = self.client.call(method, path, Some(body.into())).await.expect("an answer");
        assert!(!reply.status.is_success(), "{path}: {:?}", reply.body);
        match reply.read::<serde_json::Value>() {
            Err(Error::Problem(problem)) => *problem,
            other => panic!("{path}: {other:?}"),
        }
    }

    /// The kinds of all events so far.
    pub(super) fn kinds(&self) -> Vec<&'static str> {
        self.context.events.since(0).iter().map(|event| event.kind).collect()
    }
}

/// Runs a test against a daemon.
pub(super) fn run(test: impl AsyncFnOnce(&Daemon)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let dir = tempfile::tempdir().unwrap();
        let events = Events::new();
        let drains = Drains::new(Arc::clone(&events));
        let world = Fake::new();
        let context = ControlContext::new(Rc::clone(&world) as Rc<dyn World>, events, Arc::clone(&drains));
        let mut tasks = JoinSet::new();
        tasks.spawn_local(drains.run());
        let mut open = |name: &str, access: Access| {
            let path = dir.path().join(name);
            let settings =
                SocketSettings { path: path.clone(), mode: 0o600, group: None, access, replace: false };
            let bound = bind(&settings).unwrap();
            tasks.spawn_local(serve(Rc::clone(&context), bound, Grants::default(), std::future::pending()));
            client(&path)
        };
        let client = open("control.sock", Access::ByRole);
        let reader = open("read.sock", Access::ReadOnly);
        let daemon = Daemon { world, context, client, reader, dir };
        tokio::time::timeout(Duration::from_secs(120), test(&daemon)).await.expect("the test ends in time");
    });
}

pub(super) fn client(path: &Path) -> Client {
    Client::new(path).timeout(Some(Duration::from_secs(60)))
}
