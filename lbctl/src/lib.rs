//! The wire types and the client of lbd's control protocol.
//!
//! The daemon and the `lbctl` command share [`protocol`]: what stands there is what travels over the socket.
//! Within `/v1` fields are only added; both sides ignore what they do not know. [`client`] speaks HTTP/1.1
//! over the Unix socket. [`render`] turns wire types into the text that a person reads. [`version`] and [`completions`]
//! are what both programs tell of themselves.

pub mod args;
pub mod client;
pub mod completions;
pub mod protocol;
pub mod render;
pub mod target;
pub mod topic;
pub mod until;
pub mod version;
