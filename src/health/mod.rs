//! Asking servers whether they are well: one task per server and check, on the steering thread.
//!
//! [`Checkers::reconcile`] starts and stops them as generations come and go; what a [`probe`] finds goes through
//! [`crate::pool::Server::observe`], and a transition is told once, as a log line and an event.

mod checkers;
pub mod probe;

pub use checkers::Checkers;
pub use probe::{ProbeReport, check_once};
