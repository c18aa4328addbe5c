//! Text becomes a [`model::Model`], or a [`diagnostic::Report`] that says all that keeps it from becoming one.
//!
//! Pure: files are read through [`source::Loader`] only; no clock, no sockets.

mod ast;
pub mod diagnostic;
pub mod model;
pub mod node;
mod reader;
pub mod resolve;
pub mod schema;
pub mod suggest;
pub mod values;
