//! The control socket: HTTP/1.1 with JSON on a Unix socket, for `lbctl` and for `curl --unix-socket`.
//!
//! [`bind`] gives birth to a socket without a moment of wrong modes; [`serve`] answers on it, on one thread, within
//! a `LocalSet`. What a handler knows of the daemon comes through [`World`]; what it answers is made in `view`.
//! Every change asks for a role, passes its guards, and leaves an event and a line in the log with uid and pid.

mod call;
mod dispatch;
mod guard;
mod handlers;
mod idempotency;
mod patient;
mod rates;
mod reply;
mod role;
mod server;
mod socket;
mod view;
mod within;
pub mod world;

pub use patient::Patient;
pub use reply::{Lines, Reply};
pub use role::{Grants, Role, has_group};
pub use server::serve;
pub use socket::{Access, BindError, Bound, Hold, SocketSettings, adopt, bind};
pub use world::World;

use crate::drain::Drains;
use crate::observe::Events;
use rates::Rates;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

/// What every handler may use. Shared by all sockets of the daemon; lives on the steering thread.
pub struct ControlContext {
    world: Rc<dyn World>,
    events: Arc<Events>,
    drains: Arc<Drains>,
    started: SystemTime,
    instance: String,
    rates: RefCell<Rates>,
    remembered: RefCell<idempotency::Remembered>,
}

impl ControlContext {
    /// A context for a daemon that starts now.
    pub fn new(world: Rc<dyn World>, events: Arc<Events>, drains: Arc<Drains>) -> Rc<Self> {
        let instance = format!("{:016x}", fastrand::u64(..));
        let started = SystemTime::now();
        Rc::new(Self {
            world,
            events,
            drains,
            started,
            instance,
            rates: RefCell::default(),
            remembered: RefCell::default(),
        })
    }
}

#[cfg(test)]
mod tests;
