//! The data path, in the order that a request meets it.

pub mod date;
pub mod head;
pub mod http1;
