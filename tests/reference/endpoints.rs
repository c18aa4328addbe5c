//! Every call of the control protocol: what it takes and what it answers, by the types that travel.

use lbctl::protocol::*;
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// Makes the schema of a type.
pub(crate) type Of = fn(&mut SchemaGenerator) -> Schema;

/// What is answered.
#[derive(Clone, Copy)]
pub(crate) enum Reply {
    /// One value.
    Json(Of),
    /// One value; 202 when work goes on behind it.
    Accepted(Of),
    /// A value a line, for as long as the client listens.
    Lines(Of),
    /// Text.
    Text,
}

/// What is taken.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    /// No body.
    Nothing,
    /// One value.
    Json(Of),
    /// A value a line.
    Lines(Of),
}

/// One call.
pub(crate) struct Endpoint {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    pub(crate) role: &'static str,
    pub(crate) query: &'static [&'static str],
    pub(crate) ask: Ask,
    pub(crate) reply: Reply,
}

fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// What the daemon says before it ends.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its schema is wanted")]
struct ShuttingDown {
    /// Always true.
    shutting_down: bool,
    /// How long streams have, in milliseconds.
    drain_ms: u64,
}

/// Query parameters, with what they mean.
pub(crate) const QUERY: &[(&str, &str)] = &[
    ("age_ms", "only what is younger, in milliseconds"),
    ("all", "true: every entry"),
    ("code", "the close code of the WebSocket, 1000 to 4999"),
    ("cursor", "`next` of the page before"),
    ("dry_run", "true: say what would happen, do nothing"),
    ("every", "the pace, such as 1s"),
    ("follow", "false: end with what is there"),
    ("from", "of this network; of a diff, the earlier generation"),
    ("generation", "of this generation; without it, of the one that runs"),
    ("idle", "silent for longer than this, such as 10m"),
    ("key", "of this client"),
    ("kind", "only of this kind; several with commas for events"),
    ("limit", "so many at most"),
    ("lookup", "where this client belongs, in the table or not"),
    ("older", "older than this, such as 1h"),
    ("pool", "of this pool"),
    ("reason", "why; goes into log and events"),
    ("route", "of this route"),
    ("server", "of this server"),
    ("since", "only what came after the event of this number"),
    ("sort", "used, age or key"),
    ("to", "of a diff, the later generation"),
    ("wait", "answer when it ends, or after this time"),
];

const REASON: &[&str] = &["reason"];
const STREAMS: &[&str] = &["kind", "pool", "server", "from", "route", "older", "idle", "limit", "cursor"];

macro_rules! endpoints {
    ($($method:ident $path:literal $role:ident $query:expr, $ask:expr => $reply:expr, $about:literal;)*) => {
        &[$(Endpoint {
            method: stringify!($method), path: $path, about: $about, role: stringify!($role),
            query: $query, ask: $ask, reply: $reply,
        }),*]
    };
}

use self::Ask::Nothing;

/// All of them, in the order of their paths.
pub(crate) const ENDPOINTS: &[Endpoint] = endpoints! {
    GET "/v1" read &[], Nothing => Reply::Json(of::<Api>), "which daemon this is, what it can do, what the caller may do";
    GET "/v1/certificates" read &[], Nothing => Reply::Json(of::<Vec<Certificate>>), "certificates in use";
    POST "/v1/certificates/reload" admin REASON, Nothing => Reply::Json(of::<ReloadDone>), "read their files again now";
    GET "/v1/certificates/{name}" read &[], Nothing => Reply::Json(of::<Vec<Certificate>>), "those of this file's name, or for this host";
    GET "/v1/config" read &[], Nothing => Reply::Json(of::<ConfigState>), "the generation that runs, and its files";
    POST "/v1/config/apply" admin &[], Ask::Json(of::<ApplyAsk>) => Reply::Json(of::<Planned>), "run these texts and write them into the files";
    POST "/v1/config/confirm" admin &[], Ask::Json(of::<ReasonAsk>) => Reply::Json(of::<Planned>), "keep what was applied for a time";
    GET "/v1/config/diff" operate &["from", "to"], Nothing => Reply::Json(of::<Planned>), "what differs between two generations";
    GET "/v1/config/expanded" operate &["generation"], Nothing => Reply::Json(of::<Vec<ConfigFile>>), "the files as one text, without what is secret";
    GET "/v1/config/generations" read &[], Nothing => Reply::Json(of::<Vec<Generation>>), "generations, the newest first";
    GET "/v1/config/generations/{number}" read &[], Nothing => Reply::Json(of::<Generation>), "one generation";
    GET "/v1/config/generations/{number}/files" operate &[], Nothing => Reply::Json(of::<Vec<ConfigFile>>), "its files";
    GET "/v1/config/model" operate &["generation"], Nothing => Reply::Json(of::<Vec<Part>>), "every setting of what runs, written or not";
    POST "/v1/config/pin" admin &[], Ask::Json(of::<PinAsk>) => Reply::Json(of::<Planned>), "run an earlier generation, whatever the files say";
    POST "/v1/config/plan" operate &[], Ask::Json(of::<PlanAsk>) => Reply::Json(of::<Planned>), "what texts would change; nothing is done";
    POST "/v1/config/reload" admin REASON, Nothing => Reply::Json(of::<ReloadDone>), "read the files now";
    GET "/v1/config/report" read &[], Nothing => Reply::Json(of::<Report>), "findings of the last attempt to load";
    POST "/v1/config/rollback" admin &[], Ask::Json(of::<RollbackAsk>) => Reply::Json(of::<Planned>), "apply an earlier generation";
    POST "/v1/config/unpin" admin &[], Ask::Json(of::<ReasonAsk>) => Reply::Json(of::<Planned>), "run what the files say again";
    GET "/v1/connections" read STREAMS, Nothing => Reply::Json(of::<Connections>), "open WebSockets, tunnels and TCP connections";
    GET "/v1/connections/{id}" read &[], Nothing => Reply::Json(of::<Connection>), "one of them";
    DELETE "/v1/connections/{id}" operate &["code", "reason"], Nothing => Reply::Json(of::<Connection>), "close it";
    GET "/v1/events" read &["since", "age_ms", "kind", "follow"], Nothing => Reply::Lines(of::<Event>), "what happened, and what happens";
    GET "/v1/log" read &[], Nothing => Reply::Json(of::<LogFilter>), "which lines are logged";
    PUT "/v1/log" admin &[], Ask::Json(of::<SetLog>) => Reply::Json(of::<LogFilter>), "other ones, for a while";
    GET "/v1/metrics" read &[], Nothing => Reply::Text, "metrics in the text format of Prometheus";
    GET "/v1/operations" read &[], Nothing => Reply::Json(of::<Vec<Operation>>), "drains that go on, and those of late";
    GET "/v1/operations/{id}" read &["wait"], Nothing => Reply::Json(of::<Operation>), "one of them";
    DELETE "/v1/operations/{id}" operate REASON, Nothing => Reply::Json(of::<Operation>), "cancel it";
    GET "/v1/operations/{id}/events" read &[], Nothing => Reply::Lines(of::<Operation>), "its progress, to its end";
    POST "/v1/operations/{id}/pause" operate REASON, Nothing => Reply::Json(of::<Operation>), "close no more streams";
    POST "/v1/operations/{id}/resume" operate REASON, Nothing => Reply::Json(of::<Operation>), "go on closing";
    GET "/v1/pools" read &[], Nothing => Reply::Json(of::<Vec<PoolSummary>>), "all pools";
    GET "/v1/pools/{pool}" read &[], Nothing => Reply::Json(of::<Pool>), "one pool and its servers";
    POST "/v1/pools/{pool}/rebalance" operate &[], Ask::Json(of::<Rebalance>) => Reply::Json(of::<Rebalanced>), "spread its WebSockets anew, at a pace";
    GET "/v1/pools/{pool}/servers/{server}" read &[], Nothing => Reply::Json(of::<Server>), "one server and its streams";
    PUT "/v1/pools/{pool}/servers/{server}/admin" operate &[], Ask::Json(of::<SetAdmin>) => Reply::Accepted(of::<Changed>), "drain it, give it back, or take it out";
    POST "/v1/pools/{pool}/servers/{server}/check" operate &[], Nothing => Reply::Json(of::<Probe>), "probe it once, now";
    PUT "/v1/pools/{pool}/servers/{server}/weight" operate &[], Ask::Json(of::<SetWeight>) => Reply::Json(of::<Changed>), "another share of new clients";
    DELETE "/v1/pools/{pool}/servers/{server}/weight" operate REASON, Nothing => Reply::Json(of::<Changed>), "back to what the file says";
    GET "/v1/requests/{id}" read &[], Nothing => Reply::Json(of::<Decision>), "why a request went where it went";
    GET "/v1/routes" read &[], Nothing => Reply::Json(of::<Vec<Route>>), "all routes";
    POST "/v1/routes/explain" read &[], Ask::Json(of::<Explain>) => Reply::Json(of::<Explanation>), "where a request would go, and why";
    GET "/v1/servers" read &[], Nothing => Reply::Json(of::<Vec<Server>>), "all servers of all pools";
    POST "/v1/shutdown" admin &[], Ask::Json(of::<Shutdown>) => Reply::Json(of::<ShuttingDown>), "end the daemon in order";
    GET "/v1/status" read &[], Nothing => Reply::Json(of::<Status>), "everything on one screen";
    GET "/v1/sticky" read &[], Nothing => Reply::Json(of::<Vec<StickyTable>>), "which pools remember how many clients";
    GET "/v1/sticky/{pool}" read &["key", "server", "older", "sort", "limit", "lookup"], Nothing => Reply::Json(of::<StickyEntries>), "entries of its tables; with lookup, where one client belongs";
    DELETE "/v1/sticky/{pool}" operate &["key", "server", "older", "all", "dry_run", "reason"], Nothing => Reply::Json(of::<StickyCleared>), "forget clients";
    GET "/v1/sticky/{pool}/export" operate &[], Nothing => Reply::Lines(of::<StickyLine>), "all entries, for another lbd";
    POST "/v1/sticky/{pool}/import" operate REASON, Ask::Lines(of::<StickyLine>) => Reply::Json(of::<StickyImported>), "take entries in";
    POST "/v1/sticky/{pool}/move" operate &[], Ask::Json(of::<StickyMove>) => Reply::Json(of::<StickyMoved>), "send clients to another server";
    GET "/v1/stream" read &["every"], Nothing => Reply::Lines(of::<Look>), "status, servers and rates, again and again";
    POST "/v1/upgrade" admin &[], Ask::Json(of::<Upgrade>) => Reply::Json(of::<Upgraded>), "let another binary take over";
};
