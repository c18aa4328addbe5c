//! HTTP/2 from clients and to servers: framing, flow control and header compression by `h2` and hyper, everything
//! else as HTTP/1.
//!
//! `activity` counts what goes on; `connection` drives a connection and starts an exchange for each of its
//! streams, in a task of `seats`; `head` turns heads into ours and back; `stream` is the client's side of one
//! exchange; `deferred` gathers what the streams write into one system call; `frames` and `patience` count there what
//! a client sends that asks for nothing; `recurring` reads the lines of heads that come again and again. `client` is
//! the other side: connections to servers, and one request on them.

mod activity;
mod client;
mod connection;
mod deferred;
mod frames;
pub mod head;
mod patience;
mod piece;
mod recurring;
mod seats;
mod stream;

pub(crate) use client::{Http2Connection, ServerStream};
pub(crate) use connection::serve;
pub(crate) use deferred::Outs;
pub use recurring::Recurring;
pub(crate) use seats::Seats;
pub(crate) use stream::Http2Stream;
