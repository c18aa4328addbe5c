//! One file per noun of the protocol.

pub(super) mod certificates;
pub(super) mod config;
pub(super) mod daemon;
pub(super) mod events;
pub(super) mod operations;
pub(super) mod pools;
pub(super) mod routes;
pub(super) mod servers;
pub(super) mod sticky;
pub(super) mod stream;
