//! Which route serves a request: pure, generic over what a route is, free of clocks and sockets.
//!
//! A listener asks a [`HostRouter`] for the site of a host, reads the request's path as a
//! [`NormalPath`], and asks the site's [`PathRouter`] for the route.

mod condition;
mod explain;
mod host;
mod path;
mod pattern;
mod tree;

pub use condition::{Conditions, Facts, ValueMatch, ValueRegex};
pub use explain::{Candidate, Verdict};
pub use host::HostRouter;
pub use path::{NormalPath, PathError, PathOptions};
pub use pattern::{Pattern, PatternError, PatternKind};
pub use tree::{Found, PathRouter, RouteEntry, Tie};
