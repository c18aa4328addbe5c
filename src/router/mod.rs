//! Which route serves a request: pure, generic over what a route is, free of clocks and sockets.
//!
//! A listener asks a [`HostRouter`] for the site of a host, reads the request's path as a
//! [`NormalPath`], and asks the site's [`PathRouter`] for the route.
//!
//! # Patterns
//!
//! - `"/a/b"`, a prefix by *whole segments*: `/a/b` and `/a/b/c`, not `/a/bc`. `{name}` stands for one
//!   segment, `{*name}` at the end for all that are left.
//! - `(exact)"/a/b"`: this path and nothing below it.
//! - `(starts-with)"/Thingworx/WS"`, a raw string prefix: `/Thingworx/WS`, and also `/Thingworx/WSX/abc`.
//!   A route that names the whole segment, such as `"/Thingworx/WSTunnelServer"`, is closer and goes
//!   first. With a slash at its end, `(starts-with)"/a/"` takes every path with one more segment: `/a/`
//!   and `/a/b`, not `/a`.
//! - `(regex)"^/old/\d+$"`, over the whole path. It has to match from the begin to the end; end it in
//!   `.*` where anything may follow.
//!
//! # Which route wins
//!
//! The order in which routes are written never matters. Of all whose pattern matches, compare from the
//! left, segment by segment: a literal is closer than a begin of a segment (the longer the closer), then
//! a regex (which begins where its literal segments end), then `{name}`, then `{*name}`, then nothing
//! more. If all are equal, exact goes before prefix, then more conditions before fewer (of several
//! `match` nodes the smallest counts), then the greater `priority=`. When the conditions of the first do
//! not hold, the next is tried. Two routes that are equal in all of this, and not provably meant for
//! different requests, are a [`Tie`], which is an error.
//!
//! Paths are compared as [`NormalPath`] says: decoded, dot segments resolved, without `;params`. One that servers
//! read in several ways, with several routes, has none: [`PathRouter::find_surely`].

#[cfg(test)]
mod asked;
mod build;
mod condition;
mod cover;
mod doubt;
mod explain;
mod host;
#[cfg(test)]
mod oracle_tests;
mod path;
mod pattern;
mod regexp;
mod table;
mod tree;

pub use condition::{Conditions, Facts, ValueMatch, ValueRegex};
pub use cover::{Precedence, Shadowed, Winner};
pub use explain::{Candidate, Verdict};
pub use host::HostRouter;
pub use path::{NormalPath, PathError, PathOptions};
pub use pattern::{Pattern, PatternError, PatternKind};
pub use tree::{Found, PathRouter, RouteEntry, Tie};
