//! What the control socket sees of the running daemon: [`control::World`](crate::control::World) over the
//! snapshot, the reloader and the checks.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot, watch};

use super::steering::Helm;
use super::upgrade::Upgrader;
use super::{Shared, effect, explain, log};
use crate::admin::{Format, Metrics};
use crate::config::diagnostic::{Report, Severity};
use crate::config::render;
use crate::config::source::Sources;
use crate::control::World;
use crate::control::world::{
    ConfigAnswer, ConfigFacts, ConfigFile, ConfigRefusal, DecisionFacts, ExplainAsk, Explained, FindingFacts,
    GenerationFacts, ListenerFacts, LocalFuture, PredecessorFacts, ProbeFacts, Reloaded, ReportFacts,
    RouteFacts, UnresolvedFacts, UpgradeAsk, UpgradeRefusal, Upgraded,
};
use crate::discover::Discovery;
use crate::health::{ProbeReport, check_once};
use crate::pool::{CheckSpec, Outcome, Pool, ProbeKind};
use crate::proxy::listeners::Listeners;
use crate::proxy::worker::Order;
use crate::proxy::{Decision, RoutingKey};
use crate::reload::{self, Cause, Findings, GenerationInfo, ReloadHandle};
use crate::snapshot::{CertificateFacts, Current};

/// How long a worker may take to look into its memory.
const PATIENCE: Duration = Duration::from_secs(2);

/// The seam's implementation.
pub(super) struct ControlFace {
    current: Current,
    reload: ReloadHandle,
    main: PathBuf,
    bound: Shared<Listeners>,
    discovery: Rc<Discovery>,
    workers: Vec<mpsc::UnboundedSender<Order>>,
    stop: Rc<watch::Sender<Option<Duration>>>,
    helm: Helm,
    upgrader: Rc<Upgrader>,
    metrics: Metrics,
    /// The texts of the running generation.
    running: RefCell<Arc<Sources>>,
    /// Until when an operator's filter of the log holds.
    log_until: Rc<Cell<Option<SystemTime>>>,
}

impl ControlFace {
    #[allow(clippy::too_many_arguments, reason = "the parts of the process, joined once")]
    pub(super) fn new(
        current: Current,
        reload: ReloadHandle,
        main: PathBuf,
        bound: Shared<Listeners>,
        discovery: Rc<Discovery>,
        workers: Vec<mpsc::UnboundedSender<Order>>,
        stop: Rc<watch::Sender<Option<Duration>>>,
        helm: Helm,
        upgrader: Rc<Upgrader>,
        metrics: Metrics,
    ) -> Rc<Self> {
        Rc::new(Self {
            current,
            reload,
            main,
            bound,
            discovery,
            workers,
            stop,
            helm,
            upgrader,
            metrics,
            running: RefCell::default(),
            log_until: Rc::default(),
        })
    }

    /// By what requests were routed lately, over all workers. One that has ended, or is late, tells nothing.
    fn recent(&self) -> impl Future<Output = Vec<RoutingKey>> + use<> {
        let ask = |worker: &mpsc::UnboundedSender<Order>| {
            let (to, told) = oneshot::channel();
            let _ = worker.send(Order::Recall(to));
            told
        };
        let asked: Vec<_> = self.workers.iter().map(ask).collect();
        async move {
            let mut all = Vec::new();
            for told in asked {
                all.extend(
                    tokio::time::timeout(PATIENCE, told).await.ok().and_then(Result::ok).unwrap_or_default(),
                );
            }
            all
        }
    }

    /// Keeps the texts of whatever generation runs. Ends with the reloader.
    pub(super) async fn keep_texts(self: Rc<Self>, reload: ReloadHandle) {
        let mut changes = reload.subscribe();
        loop {
            let state = changes.borrow_and_update().clone();
            if state.rejected.is_none() {
                self.running.replace(Arc::clone(&state.findings.sources));
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

impl World for ControlFace {
    fn generation(&self) -> u64 {
        self.current.load().generation
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        self.current.load().pools.values().map(|snap| Arc::clone(&snap.pool)).collect()
    }

    fn listeners(&self) -> Vec<ListenerFacts> {
        let bound = self.bound.borrow();
        let facts = |listener: &Arc<crate::snapshot::ListenerSnap>| {
            let any = SocketAddr::new(
                listener.address.ip.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
                listener.address.port,
            );
            ListenerFacts {
                name: Arc::clone(&listener.name),
                address: bound.bound(listener.address).unwrap_or(any),
                tls: listener.tls.is_some(),
                redirect: listener.redirect_to_https.is_some(),
                connections: listener.live.open().into(),
                accepted: listener.live.accepted.load(Ordering::Relaxed),
                tcp: listener.tcp.iter().flat_map(crate::snapshot::TcpSnap::passages).collect(),
            }
        };
        self.current.load().listeners.iter().map(facts).collect()
    }

    fn certificates(&self) -> Arc<[CertificateFacts]> {
        Arc::clone(&self.current.load().certificates)
    }

    fn unresolved(&self) -> Vec<UnresolvedFacts> {
        let facts = |name: crate::discover::Unresolved| UnresolvedFacts {
            name: name.name.to_string(),
            kind: name.kind,
            reason: name.reason,
            since: name.since,
            known: name.known,
        };
        self.discovery.unresolved().into_iter().map(facts).collect()
    }

    fn routes(&self) -> Vec<RouteFacts> {
        explain::routes(&self.current.load())
    }

    fn explain(&self, ask: &ExplainAsk) -> Result<Explained, String> {
        explain::explain(&self.current.load(), ask)
    }

    fn config(&self) -> ConfigFacts {
        let state = self.reload.state();
        let running = state.history.last().map_or_else(
            || GenerationFacts {
                number: state.generation,
                since: state.since,
                cause: state.cause.to_string(),
                actor: None,
                summary: String::new(),
                digest: state.digest.clone(),
                reason: None,
            },
            generation,
        );
        let rejected = state.rejected.as_ref().map(|rejected| {
            let count: u64 = state.rejected_total.values().sum();
            (rejected.since, u32::try_from(count).unwrap_or(u32::MAX))
        });
        ConfigFacts {
            main: self.main.clone(),
            running,
            report: match &state.rejected {
                Some(rejected) => report_or(&rejected.findings, &rejected.message),
                None => report(&reload::judged(&state.findings, &self.current.load())),
            },
            rejected,
            history: state.history.iter().map(generation).collect(),
            unconfirmed: state.unconfirmed.clone(),
            pinned: state.pinned.clone(),
        }
    }

    fn config_text(&self) -> Vec<ConfigFile> {
        let sources = self.running.borrow();
        sources
            .files()
            .map(|(_, file)| ConfigFile { path: file.path().to_path_buf(), text: file.text().to_owned() })
            .collect()
    }

    fn reload(&self, actor: String) -> LocalFuture<Result<Reloaded, ReportFacts>> {
        let handle = self.reload.clone();
        Box::pin(async move {
            match handle.reload(Cause::Api { actor }).await {
                Ok(applied) => Ok(Reloaded {
                    generation: applied.generation,
                    changed: applied.changed,
                    summary: applied.summary,
                    report: report(&applied.findings),
                }),
                Err(rejected) => Err(report_or(&rejected.findings, &rejected.message)),
            }
        })
    }

    fn configure(&self, ask: reload::Ask) -> LocalFuture<Result<ConfigAnswer, ConfigRefusal>> {
        let (handle, helm) = (self.reload.clone(), self.helm.clone());
        let recent = matches!(ask, reload::Ask::Plan { .. }).then(|| self.recent());
        Box::pin(async move {
            match handle.ask(ask).await {
                Ok(answer) => {
                    let mut traffic = None;
                    if let (Some(recent), Some(next)) = (recent, &answer.next) {
                        let recent = recent.await;
                        traffic = helm.weigh(next).map(|(now, next)| effect::weigh(&now, &next, recent));
                    }
                    let report = report(&answer.findings);
                    Ok(ConfigAnswer { answer, report, traffic })
                }
                Err(reload::Refusal::Rejected(rejected)) => {
                    Err(ConfigRefusal::Rejected(report_or(&rejected.findings, &rejected.message)))
                }
                Err(refusal) => Err(ConfigRefusal::Refused(refusal)),
            }
        })
    }

    fn check(&self, pool: &Pool, server: &str) -> LocalFuture<Option<ProbeFacts>> {
        let found = pool.member(server).map(|member| (Arc::clone(&member.server), member.health_port));
        let (Some(spec), Some((server, port))) = (pool.check.clone(), found) else {
            return Box::pin(std::future::ready(None));
        };
        Box::pin(async move {
            let report = check_once(&server, &spec, port).await;
            Some(probe_facts(&spec, report))
        })
    }

    fn shutdown(&self, drain: Duration) {
        self.stop.send_replace(Some(drain));
    }

    fn decision(&self, id: &str) -> LocalFuture<Option<DecisionFacts>> {
        let id: Arc<str> = id.into();
        let ask = |worker: &mpsc::UnboundedSender<Order>| {
            let (to, told) = oneshot::channel();
            // A worker that has ended tells nothing.
            let _ = worker.send(Order::Tell(Arc::clone(&id), to));
            told
        };
        let asked: Vec<_> = self.workers.iter().map(ask).collect();
        Box::pin(async move {
            let mut latest: Option<Decision> = None;
            for told in asked {
                let told = tokio::time::timeout(PATIENCE, told).await.ok().and_then(Result::ok).flatten();
                latest = latest.into_iter().chain(told).max_by_key(|decision| decision.at);
            }
            latest.map(decision)
        })
    }

    fn log(&self) -> (String, Option<SystemTime>) {
        (log::current(), self.log_until.get())
    }

    fn set_log(&self, filter: Option<&str>, span: Duration) -> Result<(), String> {
        log::force(filter)?;
        let until = filter.and_then(|_| SystemTime::now().checked_add(span));
        self.log_until.set(until);
        if until.is_some() {
            let held = Rc::clone(&self.log_until);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(span).await;
                // Unless it was changed again meanwhile.
                if held.get() == until && log::force(None).is_ok() {
                    held.set(None);
                }
            });
        }
        Ok(())
    }

    fn metrics(&self) -> String {
        self.metrics.page(Format::Prometheus)
    }

    fn upgrade(&self, ask: UpgradeAsk) -> LocalFuture<Result<Upgraded, UpgradeRefusal>> {
        self.upgrader.upgrade(ask)
    }

    fn predecessors(&self) -> Vec<PredecessorFacts> {
        self.upgrader.before().facts()
    }

    fn workers(&self) -> usize {
        self.workers.len()
    }
}

fn decision(told: Decision) -> DecisionFacts {
    let Decision { id, at, client, listener, generation, route, pool, server, retries, status, .. } = told;
    DecisionFacts {
        id,
        at,
        client,
        listener,
        generation,
        route,
        pool,
        server,
        how: told.how.to_owned(),
        retries,
        status,
        reason: told.reason.map(str::to_owned),
        first_byte: told.first_byte,
        took: told.took,
    }
}

fn generation(info: &GenerationInfo) -> GenerationFacts {
    GenerationFacts {
        number: info.number,
        since: info.time,
        cause: info.cause.clone(),
        actor: info.actor.clone(),
        summary: info.summary.clone(),
        digest: info.digest.clone(),
        reason: info.reason.clone(),
    }
}

fn report(findings: &Findings) -> ReportFacts {
    let Findings { report: Report { findings: all, .. }, sources } = findings;
    let mut facts: Vec<FindingFacts> = all
        .iter()
        .map(|finding| FindingFacts {
            code: finding.code.to_owned(),
            error: finding.severity == Severity::Error,
            hint: finding.severity == Severity::Hint,
            message: finding.message.clone(),
            place: finding.span.map(|span| {
                let (line, column) = sources.line_column(span);
                format!("{}:{line}:{column}", sources.place(span).file.display())
            }),
            help: finding.help.clone(),
        })
        .collect();
    facts.sort_by_key(|finding| !finding.error);
    ReportFacts { findings: facts, rendered: render::human(&findings.report, sources, false) }
}

/// A refusal that has no finding of its own still has a message.
fn report_or(findings: &Findings, message: &str) -> ReportFacts {
    let mut facts = report(findings);
    if !facts.findings.iter().any(|finding| finding.error) {
        facts.findings.insert(
            0,
            FindingFacts {
                code: "LB800".into(),
                error: true,
                message: message.to_owned(),
                ..FindingFacts::default()
            },
        );
        facts.rendered = format!("error: {message}\n{}", facts.rendered);
    }
    facts
}

fn probe_facts(spec: &CheckSpec, report: ProbeReport) -> ProbeFacts {
    let at = report.endpoint.map_or_else(|| "an unresolved name".to_owned(), |endpoint| endpoint.to_string());
    let asked = match &spec.probe {
        ProbeKind::Tcp => format!("connect to {at}"),
        ProbeKind::Grpc(grpc) if grpc.service.is_empty() => format!("gRPC health on {at}"),
        ProbeKind::Grpc(grpc) => format!("gRPC health of {} on {at}", grpc.service),
        ProbeKind::WebSocket(socket) => format!("WebSocket {} on {at}", socket.path),
        ProbeKind::Http(http) => format!("{} {} on {at}", http.method, http.path),
    };
    let took = report.outcome.took();
    let passed = !matches!(report.outcome, Outcome::CheckFailed { .. });
    let verdict = match (report.outcome.reason(), report.status) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(status)) => format!("{status} in {} ms", took.as_millis()),
        (None, None) => format!("connected in {} ms", took.as_millis()),
    };
    ProbeFacts {
        passed,
        asked,
        verdict,
        status: report.status,
        took,
        tls: report.tls_version,
        headers: report.headers,
    }
}
