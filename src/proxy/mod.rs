//! The data path, in the order that a request meets it.
//!
//! [`worker`] owns a thread's share; `accept` takes connections; `arrival` knows who a connection comes from, and
//! `passage` passes on what is not for HTTP; `connection` reads heads, `http2` takes streams; `exchange` is one
//! request (read that first) over a `wire`, a client of either version, and a `server_wire`; `upstream` holds
//! this worker's connections to servers; `pump` moves bodies at a `pace`, `tunnel` upgraded streams, with what [`websocket`]
//! knows of their frames. `failure` is the table of every way out that is not the server's answer.

mod accept;
mod access_log;
mod affinity;
mod arrival;
mod beat;
mod buffer;
mod client_certificate;
pub mod client_hello;
mod compress;
mod connection;
pub mod date;
mod deadline;
mod decisions;
mod exchange;
mod failure;
mod forwarded;
pub mod head;
pub mod http1;
pub mod http2;
pub mod listeners;
mod pace;
mod passage;
pub mod proxy_protocol;
mod pump;
mod recent;
mod request_id;
mod scratch;
mod server_wire;
mod socket;
mod stream;
mod trace_context;
mod tunnel;
mod turns;
mod upstream;
pub mod websocket;
mod wire;
pub mod worker;

pub(crate) use affinity::RequestFacts;

pub use access_log::{AccessLog, AccessLogWriter};
pub use decisions::Decision;
pub(crate) use exchange::foresee;
pub use recent::{RoutingKey, mark};
