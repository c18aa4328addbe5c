//! Names of servers, resolved in the background, so that nothing on the data path ever asks a name server.
//!
//! [`Discovery`] asks for each name that the running generation has: hosts of servers, whose addresses go straight
//! to the live [`Server`](crate::pool::Server), and sources of `discover`, whose answers are servers. For those it
//! only says that something [changed](Discovery::changed); who publishes the world publishes it again. A name
//! without an answer delays nothing and takes nothing away, unless the configuration says so.

mod answer;
mod asker;
mod dns;
mod hold;
mod once;
mod pace;
mod registry;

pub use once::{addresses, once};
pub use registry::{Discovery, Unresolved};
