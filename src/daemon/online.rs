//! What only the network tells about a configuration: `lbd lint --online` looks at every server from here, once, as
//! the daemon's own checks would, and changes nothing.
//!
//! LB901: a name has no address, or gives no servers. LB902: a server does not answer, or its check fails. LB903: a path
//! that nobody can have passes the check as well, so the check says little. LB609: a certificate lacks the address.
//! LB712: a port that may not be listened on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::diagnostic::{Diagnostic, Place, Report, Span};
use crate::config::model::{Model, Resolver};
use crate::config::source::Sources;
use crate::discover;
use crate::health::check_once;
use crate::pool::{CheckSpec, KeyRing, Outcome, ProbeKind, Server, TlsToServer};
use crate::snapshot::{Context, Discovered, Snapshot, compile};
use crate::tls::TlsConfigs;

mod certificates;
mod clock;
mod names;
mod ports;

pub use clock::{Clock, clocks};

/// Servers that are looked at at a time.
const AT_A_TIME: usize = 64;
/// Patience with a name, with a connection where there is no check, and at most with one check.
const PATIENCE: Duration = Duration::from_secs(5);
/// Patience with all of it.
const OVERALL: Duration = Duration::from_secs(60);
/// A path below a check's own that no application has.
const NOWHERE: &str = "/lbd-lint-looks-for-a-page-that-is-not-there";

/// One server and how it is checked.
struct Look {
    server: Arc<Server>,
    check: Option<Arc<CheckSpec>>,
    health_port: Option<u16>,
    /// What its traffic speaks.
    tls: Option<TlsToServer>,
    place: Option<Span>,
}

/// Looks at the servers that `model` names; the findings go to `report`.
pub fn look(model: &Model, tls: &TlsConfigs, sources: &Sources, report: &mut Report) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let until = Instant::now() + OVERALL;
    let named = runtime.block_on(names::look(model, sources, until));
    let looks = looks(model, tls, sources, &named.servers)?;
    let (found, in_time) = every(runtime, looks, until, |look| {
        let resolver = model.resolver.clone();
        async move { look.run(&resolver).await }
    });
    report.findings.extend(named.findings);
    report.findings.extend(found.into_iter().flatten());
    report.findings.extend(ports::look(model, sources));
    report.settle();
    match in_time && named.in_time {
        true => Ok(()),
        false => Err(std::io::Error::other(format!("not every server was looked at within {OVERALL:?}"))),
    }
}

/// What each look gives, so many at a time, and whether all were made before it was too late.
fn every<T: 'static, F: Future<Output = T> + 'static>(
    runtime: Runtime,
    looks: Vec<Look>,
    until: Instant,
    run: impl Fn(Look) -> F,
) -> (Vec<T>, bool) {
    let given = LocalSet::new().block_on(&runtime, async {
        let turns = Arc::new(Semaphore::new(AT_A_TIME));
        let mut tasks = JoinSet::new();
        for look in looks.into_iter().map(run) {
            let turns = Arc::clone(&turns);
            tasks.spawn_local(async move {
                // The semaphore is never closed.
                let _turn = turns.acquire().await;
                look.await
            });
        }
        let mut given = Vec::new();
        let all = async {
            while let Some(done) = tasks.join_next().await {
                given.extend(done.ok());
            }
        };
        let in_time = timeout_at(until, all).await.is_ok();
        (given, in_time)
    });
    // A thread that asks for a name cannot be called back; nobody waits for it.
    runtime.shutdown_background();
    given
}

/// Every server of the file, and those that DNS gives, with its check, as the daemon would make them.
fn looks(
    model: &Model,
    tls: &TlsConfigs,
    sources: &Sources,
    discovered: &Discovered,
) -> std::io::Result<Vec<Look>> {
    let context = Context {
        tls,
        previous: &Snapshot::empty(),
        generation: 1,
        keys: &KeyRing::ephemeral(0)?,
        workers: 1,
        zone: None,
        discovered,
    };
    let Ok(snapshot) = compile(model, &context) else { return Ok(Vec::new()) };
    let mut looks = Vec::new();
    for snap in snapshot.pools.values() {
        let written = model.pools.get(&snap.pool.name);
        for member in &snap.pool.members {
            let server =
                written.and_then(|pool| pool.servers.iter().find(|s| *s.name == *member.server.name));
            looks.push(Look {
                server: Arc::clone(&member.server),
                check: snap.pool.check.clone(),
                health_port: member.health_port,
                tls: snap.connect.tls.clone(),
                place: match (server, &member.origin, written) {
                    (Some(server), ..) => line(&server.place, sources),
                    (None, Some(origin), Some(pool)) => Some(names::place(pool, &origin.source, sources)),
                    _ => None,
                },
            });
        }
    }
    Ok(looks)
}

/// The text of a line, to point at.
fn line(place: &Place, sources: &Sources) -> Option<Span> {
    let (id, file) = sources.files().find(|(_, file)| file.path() == place.file.as_path())?;
    let lines = file.text().split_inclusive('\n');
    let start: usize = lines.clone().take(place.line.saturating_sub(1) as usize).map(str::len).sum();
    let text = lines.clone().nth(place.line.saturating_sub(1) as usize)?;
    let blanks = text.len() - text.trim_start().len();
    let end = start + text.trim_end().len();
    Some(Span::new(id, start + blanks..end.max(start + blanks)))
}

impl Look {
    async fn run(self, resolver: &Resolver) -> Vec<Diagnostic> {
        if let Some(finding) = self.resolve(resolver).await {
            return vec![finding];
        }
        if let Some(finding) = self.misnamed().await {
            return vec![finding];
        }
        let Some(check) = &self.check else {
            return self.connect().await.into_iter().collect();
        };
        let spec = CheckSpec { timeout: check.timeout.min(PATIENCE), ..(**check).clone() };
        match check_once(&self.server, &spec, self.health_port).await.outcome {
            Outcome::CheckFailed { reason, .. } => vec![self.failed(&format!("its check fails: {reason}"))],
            _ => self.catch_all(&spec).await.into_iter().collect(),
        }
    }

    /// LB901. Asks whom the daemon would ask.
    async fn resolve(&self, resolver: &Resolver) -> Option<Diagnostic> {
        if !self.server.needs_resolving() {
            return None;
        }
        let why = match timeout(PATIENCE, discover::addresses(resolver, &self.server.host)).await {
            Ok(Ok(found)) => {
                let found: Vec<SocketAddr> =
                    found.into_iter().map(|ip| (ip, self.server.port).into()).collect();
                self.server.set_resolved(found);
                return None;
            }
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        let finding =
            self.warning("LB901", format!("`{}` does not resolve from here: {why}", self.server.host));
        Some(finding.label("it would start down").help("mend the name, or give the server's address"))
    }

    /// LB902 where there is no check.
    async fn connect(&self) -> Option<Diagnostic> {
        let endpoint = self.server.endpoint()?;
        let why = match timeout(PATIENCE, tokio::net::TcpStream::connect(endpoint)).await {
            Ok(Ok(_)) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        Some(self.failed(&format!("it cannot be connected to: {why}")))
    }

    /// LB902.
    fn failed(&self, why: &str) -> Diagnostic {
        let message = format!("server `{}` does not answer from here; {why}", self.server.name);
        let finding = self.warning("LB902", message);
        let help = "if it can be reached only from where lbd will run, lint there";
        finding.label("would be down, if this is where lbd runs").help(help)
    }

    /// LB903.
    async fn catch_all(&self, spec: &CheckSpec) -> Option<Diagnostic> {
        let ProbeKind::Http(probe) = &spec.probe else { return None };
        if probe.body.is_some() {
            return None;
        }
        let path = probe.path.split(['?', '#']).next().unwrap_or_default();
        let mut nowhere = probe.clone();
        nowhere.path = format!("{}{NOWHERE}", path.trim_end_matches('/')).into();
        let spec = CheckSpec { probe: ProbeKind::Http(nowhere), ..spec.clone() };
        let outcome = check_once(&self.server, &spec, self.health_port).await.outcome;
        matches!(outcome, Outcome::CheckPassed { .. }).then(|| {
            let message = format!(
                "server `{}` passes its check with a path that it cannot have; `{path}` may be no check at all",
                self.server.name
            );
            let help = "ask for a path that the application answers itself, or say what the body holds: `body=\"…\"`";
            self.warning("LB903", message).label("a page for everything: a login, or an error with status 200").help(help)
        })
    }

    fn warning(&self, code: &'static str, message: String) -> Diagnostic {
        let severity = crate::config::diagnostic::Severity::Warning;
        let subject = format!("pool/{}/server/{}", self.server.pool, self.server.name);
        Diagnostic::new(code, severity, self.place, message).subject(subject)
    }
}
