//! Wire types as text for people. Pure: colour is a parameter, nothing is read, nothing is printed.

mod certificate;
mod check;
mod config;
mod connection;
mod effect;
mod event;
mod operation;
mod paint;
mod plan;
mod route;
mod server;
mod status;
mod sticky;
mod table;
mod time;
mod topic;

pub use certificate::{certificate, certificates};
pub use check::{Verdict, check, judge};
pub use config::{config_banner, config_state, generations, reload_done, report};
pub use connection::{connection, connections, rebalanced};
pub use effect::effect;
pub use event::event;
pub use operation::{forecast, outcome, progress};
pub use paint::{Paint, Tone};
pub use plan::{applied, config_files, confirmed, diff, model, pinned, plan, unpinned};
pub use route::{decision, explanation, routes};
pub use server::{pool, pools, probe, server, server_state, servers};
pub use status::{api, micros, status, upgraded};
pub use sticky::{entries, lookup, tables};
pub use table::{Cell, Table};
pub use time::{show_times_in, time};
pub use topic::topic;
