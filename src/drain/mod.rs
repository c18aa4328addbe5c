//! Drains: taking a server out of service without cutting anybody before the deadline.
//!
//! A drain is a resource that outlives whoever asked for it: [`Drains`] keeps them, [`Drains::run`] steps them,
//! [`Machine`] decides. Setting the wish itself is one store in the server's admin cell, so new clients go
//! elsewhere at once, whether or not anybody steps.

mod leaving;
mod machine;
mod operation;
mod pacer;
mod rebalance;
mod registry;

pub use leaving::Leaving;
pub use machine::{Act, Machine, Phase, Seen};
pub use operation::{Cause, Operation, Progress};
pub use pacer::{CATCH_UP, Pacer};
pub use rebalance::{Part, parts};
pub use registry::{DrainAsk, Drains};
