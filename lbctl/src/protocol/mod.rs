//! What travels over the control socket, version 1: JSON bodies, one type each.
//!
//! Within a major version fields are added, never renamed or removed; enums that a reader may meet carry
//! `#[serde(other)]` where a new word is to be expected. Instants are RFC 3339 in UTC, spans of time are
//! integers of milliseconds with the suffix `_ms`; in requests a span is text such as `30m`.

mod certificate;
mod change;
mod choice;
mod config;
mod connection;
mod event;
mod look;
mod metrics;
mod operation;
mod problem;
mod route;
mod server;
mod status;
mod sticky;
mod traffic;
pub mod units;

pub use certificate::Certificate;
pub use change::{ApplyAsk, Change, Offer, PinAsk, PlanAsk, Planned, ReasonAsk, RollbackAsk, Setting, What};
pub use choice::Choice;
pub use config::{
    ConfigFile, ConfigState, Finding, Generation, Part, Pinned, Rejected, ReloadDone, Report, Severity,
    Unconfirmed,
};
pub use connection::{Connection, Connections, Rebalance, Rebalanced, Share};
pub use event::{Event, LAGGED};
pub use look::{Look, Past};
pub use metrics::{CONTENT_TYPE as METRICS_CONTENT_TYPE, Family, Sample};
pub use operation::{Left, Operation, Phase};
pub use problem::{CONTENT_TYPE as PROBLEM_CONTENT_TYPE, Exit, Kind, PROBLEM_BASE, Problem};
pub use route::{Candidate, Decision, Explain, Explanation, Field, Route};
pub use server::{
    Admin, AdminState, Changed, CloseOrder, DrainSticky, Effect, Forecast, Health, HealthState, Probe,
    Server, SetAdmin, SetWeight, Weight,
};
pub use status::{
    Api, ConfigSummary, Listener, LogFilter, Passage, Pool, PoolSummary, Predecessor, Role, SetLog, Shutdown,
    Status, Unresolved, Upgrade, Upgraded,
};
pub use sticky::{
    StickyCleared, StickyEntries, StickyEntry, StickyImported, StickyLine, StickyLookup, StickyMove,
    StickyMoved, StickyTable,
};
pub use traffic::{Leaving, Move, Replay, Traffic};

/// The version of the protocol that this library speaks.
pub const API: &str = "1.0";
/// The header of every reply that bears the generation.
pub const GENERATION_HEADER: &str = "lbd-generation";
/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/lbd/control.sock";
