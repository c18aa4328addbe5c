//! Other balancers' configurations, made into lbd's: a text goes in, texts and a verdict on each line come out.
//!
//! Pure: files that a configuration names are asked for through a [`Loader`](crate::config::source::Loader), nothing
//! is written, and no text makes it panic or work without a bound. What cannot be said in lbd's language is refused
//! aloud; a meaning that shifts is called approximated, with what differs.

pub mod haproxy;
mod kdl;
mod verdict;

pub use verdict::{Kind, Line, Report};

/// What an import gives.
#[derive(Debug)]
pub struct Imported {
    /// The configuration, formatted.
    pub config: String,
    /// Expectations about it: which request goes where.
    pub tests: String,
    /// What became of each line.
    pub report: Report,
}
