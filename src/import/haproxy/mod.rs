//! HAProxy's configuration (`haproxy.cfg`, as of 2.6) made into lbd's.
//!
//! Lines become words (`words`), words sections (`section`); a backend becomes a pool (`backend`), a `bind` a
//! listener (`bind`), and what chooses between backends an ordered list of rules (`proxy`, `rule`). The order is
//! the difficult part, as lbd's routes have none: `decide` makes routes that mean the same without it.

mod acl;
mod allowed;
mod backend;
mod bind;
mod check;
mod cond;
mod decide;
mod differs;
mod emit;
mod expr;
mod fetch;
mod global;
mod http;
mod passing;
mod paths;
mod proxy;
mod relations;
mod rule;
mod sample;
mod section;
mod server;
mod site;
mod stick;
mod template;
mod units;
mod whole;
mod words;

#[cfg(test)]
mod tests;

pub use whole::import;
