//! HTTP/2 from clients: framing, flow control and header compression by `h2`, everything else as HTTP/1.
//!
//! `activity` counts what goes on; `connection` drives a connection and starts an exchange for each of its
//! streams, in a task of `seats`; `head` turns heads into ours and back; `stream` is the client's side of one
//! exchange; `deferred` gathers what the streams write into one system call.

mod activity;
mod connection;
mod deferred;
mod head;
mod seats;
mod stream;

pub(crate) use connection::serve;
pub(crate) use seats::Seats;
pub(crate) use stream::Http2Stream;
