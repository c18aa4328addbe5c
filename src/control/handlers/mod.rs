//! One file per noun of the protocol.

pub(super) mod certificates;
pub(super) mod changes;
mod choice;
pub(super) mod config;
pub(super) mod connections;
pub(super) mod daemon;
mod drains;
pub(super) mod events;
pub(super) mod operations;
pub(super) mod pools;
pub(super) mod routes;
pub(super) mod servers;
pub(super) mod sticky;
pub(super) mod stream;
