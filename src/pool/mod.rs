//! Live state: the servers of a pool, who may take a request, and who gets it.
//!
//! A [`Pool`] is made at compile time and immutable; it points at what lives on across reloads ([`Server`]s, their
//! [`Admin`] wishes, [`Sessions`], sticky tables, counters, the balance position). Three writers only: requests
//! (through [`Lease`]s), checkers (through [`Server::observe`]), operators (through [`Admin`]). No sockets, no config.

mod acquire;
mod address;
pub mod admin;
pub mod balance;
pub mod check;
mod choice;
mod foretell;
pub mod health;
mod lease;
mod limits;
mod overload;
pub mod passive;
#[allow(clippy::module_inception)]
mod pool;
pub mod queue;
mod ramp;
mod server;
pub mod sessions;
pub mod sticky;
mod terms;
#[cfg(test)]
pub(crate) mod testing;

pub use acquire::{Acquired, Affinity, Ask, How, MOST_STICKY, Unavailable};
pub use admin::{Admin, AdminState, DrainSticky, Stamp, Wish};
pub use balance::{BalanceKind, Balancer, HashKey};
pub use check::{
    BodyMatch, CheckSpec, GrpcProbe, HttpProbe, ProbeKind, ProbeVersion, Statuses, TlsToServer,
    WebSocketProbe,
};
pub use choice::Choice;
pub use foretell::Foretold;
pub use health::{Direction, Outcome, State, Transition};
pub use lease::{IdleHold, Lease, SessionLease};
pub use overload::{Overload, QueuePolicy, ServerLimits};
pub use passive::{Ejection, PassiveSpec, Seen};
pub use pool::{
    DrainPolicy, Member, Pool, PoolSettings, Rate, ServerSettings, StickySettings, TableSettings,
};
pub use queue::{Place, Queue, Turn};
pub use server::{Eligibility, HealthView, Known, LastCheck, Origin, Server, ServerId, Why};
pub use sessions::{Carried, Closing, Session, SessionKind, Sessions, Traffic, WebSocketPolicy};
pub use sticky::{
    ClientEntry, ClientKey, ClientTable, CookiePolicy, KeyRing, LearnFrom, MarkedCookie, OnDown, OnReturn,
    Remembered, SameSite, Secure, SetCookie, Side, Sticky, TablePolicy, Ties,
};
pub use terms::{CloseOrder, DrainTerms, Pacing};
