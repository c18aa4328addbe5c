//! The seam between the control socket and the rest of the daemon.
//!
//! Everything that a handler asks of the running daemon stands in [`World`]; the daemon implements it over
//! the snapshot, the reloader and the checkers, tests implement it over pools of their own. The answers are
//! plain structs: they become wire types in `view` and nowhere else.

use crate::pool::Pool;
use crate::reload;
pub use crate::snapshot::CertificateFacts;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A future that stays on the thread of the control socket.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// What the control socket may ask of the running daemon.
pub trait World: 'static {
    /// The number of the snapshot that requests see now.
    fn generation(&self) -> u64;
    /// The pools of the present snapshot, by name.
    fn pools(&self) -> Vec<Arc<Pool>>;
    /// The listeners of the present snapshot.
    fn listeners(&self) -> Vec<ListenerFacts>;
    /// The certificates that the present snapshot shows, by name.
    fn certificates(&self) -> Arc<[CertificateFacts]>;
    /// Names of servers that have no answer now.
    fn unresolved(&self) -> Vec<UnresolvedFacts>;
    /// Every route of every site, in the order of the file.
    fn routes(&self) -> Vec<RouteFacts>;
    /// Where a request would go, and why. `Err` holds a sentence that says what is wrong with the question.
    fn explain(&self, ask: &ExplainAsk) -> Result<Explained, String>;
    /// Which files run, since when, and what the last attempt to read them found.
    fn config(&self) -> ConfigFacts;
    /// The files of the running generation as they were read, main file first; secrets excluded.
    fn config_text(&self) -> Vec<ConfigFile>;
    /// Reads the files again now. The answer comes when the new generation serves, or is refused.
    fn reload(&self, actor: String) -> LocalFuture<Result<Reloaded, ReportFacts>>;
    /// Plans or changes the configuration. What was begun is finished whether or not somebody waits for it.
    fn configure(&self, ask: reload::Ask) -> LocalFuture<Result<ConfigAnswer, ConfigRefusal>>;
    /// Probes one server once, now. `None`: the pool defines no check.
    fn check(&self, pool: &Pool, server: &str) -> LocalFuture<Option<ProbeFacts>>;
    /// What was decided of a request lately, by its id. `None`: nobody remembers it.
    fn decision(&self, id: &str) -> LocalFuture<Option<DecisionFacts>>;
    /// The log's filter, and until when an operator's holds.
    fn log(&self) -> (String, Option<SystemTime>);
    /// Logs by this filter for a while, or again as the files say. `Err` holds a sentence about the filter.
    fn set_log(&self, filter: Option<&str>, span: Duration) -> Result<(), String>;
    /// Begins an orderly end of the daemon; streams have `drain` to finish.
    fn shutdown(&self, drain: Duration);
    /// What is counted, as Prometheus reads it.
    fn metrics(&self) -> String;
    /// Lets another binary take over the sockets and the state. What was begun is finished whether or not somebody
    /// waits for it.
    fn upgrade(&self, ask: UpgradeAsk) -> LocalFuture<Result<Upgraded, UpgradeRefusal>>;
    /// Processes before this one that have not ended yet, the last one first.
    fn predecessors(&self) -> Vec<PredecessorFacts>;
    /// How many worker threads serve.
    fn workers(&self) -> usize;
}

/// How to upgrade.
#[derive(Clone, Debug, Default)]
pub struct UpgradeAsk {
    /// The new binary; the same path when it is not said.
    pub binary: Option<PathBuf>,
    /// How long streams of the old process may go on, when not as long as the pools say.
    pub drain: Option<Duration>,
    /// How long the new process has to be ready.
    pub ready_within: Option<Duration>,
    /// Who asks.
    pub actor: Option<String>,
}

/// Another process serves.
#[derive(Clone, Debug)]
pub struct Upgraded {
    /// Its number.
    pub pid: u32,
    /// Its version.
    pub lbd: String,
    /// The process that ends now.
    pub old_pid: u32,
}

/// Why this process goes on as before.
#[derive(Clone, Debug)]
pub enum UpgradeRefusal {
    /// It was not tried.
    Refused {
        /// Why.
        message: String,
        /// What to do.
        help: String,
    },
    /// The new process did not get as far as serving.
    Failed {
        /// Why.
        message: String,
        /// The end of what it said on stderr.
        said: String,
    },
}

/// A process that ends, and what it waits for.
#[derive(Clone, Debug, Default)]
pub struct PredecessorFacts {
    /// Its number.
    pub pid: u32,
    /// Its version.
    pub lbd: String,
    /// For how long it has been ending.
    pub since: Duration,
    /// How long it may go on.
    pub left: Duration,
    /// Open client connections.
    pub connections: u64,
    /// Requests in flight.
    pub requests: u64,
    /// WebSockets.
    pub websockets: u64,
    /// Other upgraded streams.
    pub tunnels: u64,
    /// TCP connections that are passed on.
    pub tcp: u64,
    /// Answers that stream for long.
    pub streams: u64,
}

/// One listener and its live counts.
#[derive(Clone, Debug)]
pub struct ListenerFacts {
    /// The name given in the file, or the address.
    pub name: Arc<str>,
    /// The bound address.
    pub address: SocketAddr,
    /// Whether TLS ends here.
    pub tls: bool,
    /// Whether every request is redirected to HTTPS.
    pub redirect: bool,
    /// Client connections that are open now.
    pub connections: u64,
    /// Client connections since the listener opened.
    pub accepted: u64,
    /// Connections that are passed on as they are: the name in their hello, and the pool.
    pub tcp: Vec<(Option<Arc<str>>, Arc<str>)>,
}

/// A name that has no answer.
#[derive(Clone, Debug)]
pub struct UnresolvedFacts {
    /// The name.
    pub name: String,
    /// `a` or `srv`.
    pub kind: &'static str,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: SystemTime,
    /// Addresses of the last answer; 0 when there never was one.
    pub known: usize,
}

/// One route as the file means it.
#[derive(Clone, Debug, Default)]
pub struct RouteFacts {
    /// Its name: as written, or site and pattern.
    pub name: String,
    /// The hosts of its site; empty is the default site.
    pub hosts: Vec<String>,
    /// Patterns as written, with their kind when it is not the default.
    pub patterns: Vec<String>,
    /// Each alternative set of conditions in words.
    pub conditions: Vec<String>,
    /// What happens, in words: `pool platform`, `redirect 308 …`, `respond 404`.
    pub action: String,
    /// The pool, when the action is one.
    pub pool: Option<Arc<str>>,
    /// `file:line`.
    pub place: String,
}

/// The question "where would this request go?".
#[derive(Clone, Debug)]
pub struct ExplainAsk {
    /// The method, upper case.
    pub method: String,
    /// The URL: absolute, or a path when a Host header is among the headers.
    pub url: String,
    /// Further header fields in order.
    pub headers: Vec<(String, String)>,
    /// The client's address; the loopback address when it was not given.
    pub client_ip: IpAddr,
    /// The name of the listener on which it would arrive; any when it was not given.
    pub listener: Option<String>,
}

/// The answer to [`ExplainAsk`].
#[derive(Clone, Debug, Default)]
pub struct Explained {
    /// The listener that would take it.
    pub listener: Option<String>,
    /// The site, by its first host, or `default`; `None`: no site answers to that host.
    pub site: Option<String>,
    /// The path as it is compared.
    pub path: String,
    /// The route that wins; `None`: nothing matches.
    pub route: Option<RouteFacts>,
    /// The pattern of that route that matched.
    pub pattern: Option<String>,
    /// Path parameters, by name.
    pub params: Vec<(String, String)>,
    /// What each `sticky` of the pool knows of the client, in sentences.
    pub sticky: Vec<String>,
    /// The server that it would go to, where that is certain.
    pub goes_to: Option<Arc<str>>,
    /// How a server would be found, in sentences; empty when the route asks no server.
    pub server: Vec<String>,
    /// Every route that was looked at, best first, the winner included.
    pub candidates: Vec<CandidateFacts>,
}

/// One route that was looked at.
#[derive(Clone, Debug, Default)]
pub struct CandidateFacts {
    /// The route's name.
    pub route: String,
    /// The pattern that was compared.
    pub pattern: String,
    /// Whether it wins.
    pub wins: bool,
    /// Why it won or lost, in words.
    pub why: String,
    /// `file:line`.
    pub place: String,
}

/// What became of one request.
#[derive(Clone, Debug)]
pub struct DecisionFacts {
    /// Its `X-Request-Id`.
    pub id: String,
    /// When it ended, or became a long-lived stream.
    pub at: SystemTime,
    /// The client.
    pub client: IpAddr,
    /// The listener.
    pub listener: String,
    /// The generation that it saw.
    pub generation: u64,
    /// The route; `None`: none matched.
    pub route: Option<String>,
    /// The pool.
    pub pool: Option<String>,
    /// The last server that it was sent to.
    pub server: Option<String>,
    /// How the server was chosen, or `lbd` when none was.
    pub how: String,
    /// How often it was sent again.
    pub retries: u32,
    /// The answer's status; 0 when there was none.
    pub status: u16,
    /// Why it failed.
    pub reason: Option<String>,
    /// Until the first byte of the answer.
    pub first_byte: Option<Duration>,
    /// Until its end.
    pub took: Duration,
}

/// Which configuration runs.
#[derive(Clone, Debug)]
pub struct ConfigFacts {
    /// The main file.
    pub main: PathBuf,
    /// The running generation, which is also the last of `history`.
    pub running: GenerationFacts,
    /// The findings of the last attempt, good or bad.
    pub report: ReportFacts,
    /// When the last attempt was refused: when that was, and how many attempts in a row were.
    pub rejected: Option<(SystemTime, u32)>,
    /// Generations, oldest first.
    pub history: Vec<GenerationFacts>,
    /// Set while what runs waits for a confirmation.
    pub unconfirmed: Option<reload::Unconfirmed>,
    /// Set while a generation is pinned.
    pub pinned: Option<reload::Pinned>,
}

/// What came of a plan or a change.
#[derive(Clone, Debug, Default)]
pub struct ConfigAnswer {
    /// The reloader's part.
    pub answer: reload::Answer,
    /// Its findings.
    pub report: ReportFacts,
    /// What a plan means for what is going on.
    pub traffic: Option<TrafficFacts>,
}

/// Why a plan or a change came to nothing.
#[derive(Clone, Debug)]
pub enum ConfigRefusal {
    /// The candidate has errors.
    Rejected(ReportFacts),
    /// Anything else.
    Refused(reload::Refusal),
}

/// The effect of a change, as of now.
#[derive(Clone, Debug, Default)]
pub struct TrafficFacts {
    /// Addresses that would be listened on.
    pub opened: Vec<String>,
    /// Listeners that would close; their connections count as requests.
    pub closed: Vec<LeavingFacts>,
    /// Servers that would leave.
    pub leaving: Vec<LeavingFacts>,
    /// Entries of sticky tables that would be kept.
    pub sticky_kept: u64,
    /// All entries of sticky tables.
    pub sticky: u64,
    /// Servers that would be checked from the beginning.
    pub rechecked: Vec<String>,
    /// Recent requests, routed again.
    pub replay: Option<ReplayFacts>,
    /// What is worth a second look.
    pub findings: Vec<FindingFacts>,
}

/// Something that would go, with what is open on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeavingFacts {
    /// Its name.
    pub name: String,
    /// Requests in flight.
    pub requests: u64,
    /// Long-lived streams.
    pub sessions: u64,
}

/// Recent requests, as they would be routed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplayFacts {
    /// How many.
    pub requests: u64,
    /// How many no route would match any more.
    pub lost: u64,
    /// How many would be matched that are not now.
    pub found: u64,
    /// How many would go elsewhere.
    pub moved: u64,
    /// How many depend on what is not remembered.
    pub unknown: u64,
    /// Where those would go, most first.
    pub moves: Vec<MoveFacts>,
}

/// Requests that would go elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoveFacts {
    /// The target now.
    pub from: String,
    /// The target then.
    pub to: String,
    /// How many.
    pub requests: u64,
    /// Host and path of one.
    pub example: String,
}

/// One generation.
#[derive(Clone, Debug)]
pub struct GenerationFacts {
    /// Its number.
    pub number: u64,
    /// When it began to serve.
    pub since: SystemTime,
    /// Why it came: [`reload::Cause::name`].
    pub cause: String,
    /// Who asked, when someone did.
    pub actor: Option<String>,
    /// What changed, in words.
    pub summary: String,
    /// The digest of its files, in hexadecimal.
    pub digest: String,
    /// Why, when someone said.
    pub reason: Option<String>,
}

/// The findings of one attempt to read the files.
#[derive(Clone, Debug, Default)]
pub struct ReportFacts {
    /// The findings, errors first.
    pub findings: Vec<FindingFacts>,
    /// The whole report as a human reads it, without colour.
    pub rendered: String,
}

/// One finding.
#[derive(Clone, Debug, Default)]
pub struct FindingFacts {
    /// `LB103`.
    pub code: String,
    /// Whether it keeps the files from running.
    pub error: bool,
    /// Whether it is no more than a hint.
    pub hint: bool,
    /// The sentence.
    pub message: String,
    /// `file:line:column`, when it has a place.
    pub place: Option<String>,
    /// How to mend it.
    pub help: Vec<String>,
}

/// One file of the running generation.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// Its path.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// What a reload on request did.
#[derive(Clone, Debug)]
pub struct Reloaded {
    /// The generation that serves now.
    pub generation: u64,
    /// Whether the files differed from those that ran.
    pub changed: bool,
    /// What changed, in words.
    pub summary: String,
    /// Warnings.
    pub report: ReportFacts,
}

/// One probe, made on request.
#[derive(Clone, Debug, Default)]
pub struct ProbeFacts {
    /// Whether the server passed.
    pub passed: bool,
    /// What was asked, in words: `GET /ready on 10.0.0.21:8080`.
    pub asked: String,
    /// The verdict in words: `200 in 3 ms`, `connect refused`.
    pub verdict: String,
    /// The response status.
    pub status: Option<u16>,
    /// How long it took.
    pub took: Duration,
    /// The TLS version, when TLS was spoken.
    pub tls: Option<String>,
    /// Response header fields.
    pub headers: Vec<(String, String)>,
}
