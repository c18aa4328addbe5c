//! Upgrade without loss: another binary takes over the listening sockets and the live state, and this process ends
//! by pace.
//!
//! ```text
//! old: starts new, with one end of a socket pair as its standard input
//! old -> new: hello, every listening socket, sticky entries      old serves
//! new -> old: ready                                               old serves
//! old accepts no more; new connections wait in the queues of the sockets
//! old -> new: what changed meanwhile
//! new accepts; new -> old: serving
//! old ends by pace, tells how far it is, and which sticky entries came meanwhile
//! ```
//!
//! Whatever goes wrong before "serving" leaves the old process as it was: it still has the same sockets. None is ever
//! closed by all: what waits in its queue would be reset.

mod before;
mod child;
mod farewell;
mod hand_over;
mod heir;
mod state;
mod wire;

pub(super) use child::Invocation;
pub(super) use farewell::{Rest, farewell};
pub(super) use hand_over::{Parts, Succession, Upgrader};
pub(super) use heir::{Heir, Inheritance, inherit};

/// Names the process to take over from, for its child.
const VARIABLE: &str = "LBD_TAKES_OVER_FROM";
