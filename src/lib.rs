//! lbd: a layer-7 load balancer for stateful applications.

pub mod cli;
pub mod config;
pub mod control;
pub mod drain;
pub mod health;
pub mod observe;
pub mod pool;
pub mod proxy;
pub mod reload;
pub mod router;
pub mod snapshot;
pub mod tls;
