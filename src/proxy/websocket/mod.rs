//! What a tunnel knows of WebSockets: where frames end ([`Frames`]), which of them are ours (`follow`), how one
//! is closed in order (`closing`), and the few frames that we write ourselves (`compose`).
//!
//! Nothing here touches a socket or a clock: `tunnel` moves the bytes and asks here what to do with them.

pub(crate) mod closing;
pub(crate) mod compose;
pub(crate) mod follow;
mod frames;

pub use frames::{Answer, Frames, Sender};
