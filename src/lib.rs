//! lbd: a layer-7 load balancer for stateful applications.
//!
//! One idea: **text becomes a [model](config::model::Model), a model becomes a
//! [snapshot](snapshot::Snapshot), one atomic pointer ([`snapshot::Current`]) names the current snapshot.**
//! The model is what a file means: plain data. The snapshot is immutable and compiled, and *points at* live
//! pools. A request sees one snapshot to its end. Live state (health, wishes of operators, sessions, counts)
//! lives in small cells below the snapshot and keeps its place over reloads by its key.
//!
//! # The map, from the ground up
//!
//! | module | what it is |
//! |---|---|
//! | [`router`] | pattern, host, path, conditions: which route serves a request; pure |
//! | [`config`] | text -> model, or a report that says all that keeps it from becoming one; pure |
//! | [`observe`] | per-worker counters, the ring of events |
//! | [`pool`] | live state: servers, health, leases, balancing, stickiness, sessions |
//! | [`limit`] | live state: token buckets by client |
//! | [`state`] | what operators want, kept over restarts |
//! | [`tls`] | certificates by name, trust towards servers, tickets |
//! | [`snapshot`] | model x live pools -> snapshot; the one atomic pointer |
//! | [`proxy`] | the data path: workers, HTTP/1 and HTTP/2, exchanges, tunnels, the access log |
//! | [`explain`] | what a configuration would do with requests that nobody sends |
//! | [`health`], [`drain`] | checks; servers on their way out |
//! | [`otlp`] | spans of requests, to a collector |
//! | [`discover`] | names: their addresses, and the servers that DNS gives to pools |
//! | [`reload`] | files -> published, or refused with nothing changed |
//! | [`control`] | the control socket |
//! | [`admin`] | the status endpoint: probes, metrics, and the page, which asks `control` |
//! | [`daemon`] | owns every task and thread; joins the rooms |
//! | [`import`] | other balancers' configurations, made into ours; pure |
//! | [`cli`] | the `lbd` command |
//!
//! A module imports only from above itself in this table; `tests/layers.rs` keeps that.
//!
//! # Journeys
//!
//! 1. **Reload**: [`reload::Reloader`] wakes, settles, reads -> [`config::load`] (source, lexer, nodes, schema,
//!    resolve, model) -> [`tls::prepare`] -> [`snapshot::compile`] -> [`proxy::listeners::Listeners::prepare`] ->
//!    [`health::Checkers::reconcile`] -> [`snapshot::Current::publish`] ->
//!    [`proxy::listeners::Listeners::commit`]. Any error before publish is logged, shown by `lbctl status` and in
//!    a metric, and the old world goes on. Start is the first reload.
//!    An operator's change ([`reload::Ask`]) comes the same way from other texts, and writes the files behind it.
//! 2. **Request**: accept -> head ([`proxy::http1`], [`proxy::head`]) -> `proxy/exchange.rs` -> snapshot ->
//!    [`router`] -> [`limit`] -> [`pool::Pool::acquire`] -> a connection to the server -> the answer's head and body, or a
//!    tunnel -> access log. Each way out that is not the server's answer passes `proxy/failure.rs`.
//!    What a `tcp` of the listener takes leaves after accept: `proxy/arrival.rs` -> `proxy/passage.rs` -> a tunnel.
//! 3. **Health**: a checker probes ([`health::probe`]) -> [`pool::Server::observe`] -> the pure state machine
//!    ([`pool::health`]) -> a transition -> one log line, one event.
//! 4. **Discovery**: a name is asked for ([`discover::Discovery`]) -> its answer differs -> the model that runs is
//!    compiled and published again, with the servers that DNS gives now, by the owner of [`snapshot::Current`].
//! 5. **Control**: `lbctl` -> the socket ([`control`]) -> a handler -> pools, reloader, drains -> `control/view`.
//! 6. **Drain**: a control call -> [`pool::Admin`] says draining -> new clients go elsewhere, sticky ones stay (or
//!    move) -> [`drain::Drains`] watches requests and sessions end, cuts what is left at the deadline -> event.
//!
//! # Invariants
//!
//! 1. A request sees exactly one snapshot.
//! 2. A failed reload changes nothing; a reload touches no stream whose listener, route and server are unchanged.
//! 3. There is one `ArcSwap`.
//! 4. [`config`] and [`router`] do no I/O of their own.
//! 5. Live state is reached only through the snapshot: no globals on the hot path.
//! 6. Whether a server may take a request is computed ([`pool::Server::eligibility`]), never stored.
//! 7. The operator's wish and the probe's finding never share a variable.
//! 8. Counts rise and fall by guards only ([`pool::Lease`], [`pool::SessionLease`]).
//! 9. Wire types do not pass `control/view`.
//! 10. Nothing on the data path panics on input, blocks, or waits without a deadline; every queue, table and
//!     buffer has a bound.
//! 11. A server takes no traffic before its first good check, when it has a check.
//! 12. A request that may have reached a server is never sent again unless it is idempotent.
//! 13. What goes to a server is written anew from what was parsed: one request in, one request out.

pub mod admin;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod discover;
pub mod drain;
pub mod explain;
pub mod health;
pub mod import;
pub mod limit;
pub mod observe;
pub mod otlp;
pub mod pool;
pub mod proxy;
pub mod reload;
pub mod router;
pub mod snapshot;
pub mod state;
pub mod tls;
