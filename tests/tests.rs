//! Every integration test, in one binary: one link, and the support code is compiled once.
//!
//! Each module is a subject; each test's name is a sentence that it proves.
#![allow(clippy::unwrap_used, reason = "in a test a panic with its place is the report")]
#![allow(clippy::disallowed_methods, reason = "a test owns what it spawns, to its end")]

mod admission;
mod certificates;
mod changing;
mod checks;
mod control;
mod discovery;
mod docs;
mod doctoring;
mod draining;
mod edges;
mod editing;
mod endurance;
mod explaining;
mod formatting;
mod fuzzing;
mod guarantees;
mod hostile;
mod http2;
mod http2_servers;
mod importing;
mod installing;
mod language;
mod layers;
mod linting;
mod listening;
mod moving;
mod observing;
mod operators;
mod page;
mod process;
mod protocol;
mod proxying;
mod reference;
mod reloading;
mod routing;
mod saving;
mod showing;
mod stickiness;
mod support;
#[cfg(feature = "otlp")]
mod tracing;
mod upgrading;
