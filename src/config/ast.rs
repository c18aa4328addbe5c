//! What was written, section by section: each file reads one kind of block.
//!
//! What needs nothing from elsewhere becomes its part of the model at once; what names other parts
//! (routes, sites, pools) stays as written, with places, until [`super::resolve`] ties it together.

pub(crate) mod balance;
mod compress;
pub(crate) mod control;
mod discover;
pub(crate) mod error_page;
pub(crate) mod headers;
pub(crate) mod health;
pub(crate) mod lint;
pub(crate) mod listen;
pub(crate) mod log;
pub(crate) mod matches;
mod mirror;
pub(crate) mod overload;
pub(crate) mod policy;
pub(crate) mod pool;
mod protocols;
mod rate_limit;
pub(crate) mod reload;
pub(crate) mod resolver;
mod rewrite;
pub(crate) mod route;
pub(crate) mod server;
pub(crate) mod site;
mod split;
pub(crate) mod status;
pub(crate) mod sticky;
pub(crate) mod tcp;
pub(crate) mod timeout;
pub(crate) mod trace;
pub(crate) mod upstream_tls;
mod websocket;
