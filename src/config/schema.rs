//! What may be written where: one table ([`SCHEMA`]) that the check, the readers, the suggestions and
//! the documentation share, so that none of them can drift from the others.
//!
//! A node that is not in the table does not exist; a node, property or value that is in the table but
//! not in this version is refused by name. Nothing is ever ignored.
//!
//! # Which node wins
//!
//! A block may be filled from three sources ([`Origin`](super::node::Origin)): what is written in it,
//! what `use` splices, what `defaults` gives.
//! - A single-valued node: the strongest source wins, the node as a whole. Twice from one source is an error.
//! - `sticky`: the group of the strongest source replaces the weaker groups, because their order has meaning.
//! - `request-headers`, `response-headers`: the edits add up, weaker sources first.
//! - Every other node that may be repeated (`server`, `certificate`, `route`, `match`, ...) adds up.

mod check;
mod renamed;
mod table;
#[cfg(test)]
mod tests;

pub use check::{check, check_in};
pub(in crate::config) use renamed::rename;
pub use renamed::{RENAMED, Renamed};
pub use table::{EXPECTATIONS, RESERVED, SCHEMA};

/// One node of the language.
#[derive(Debug, Clone, Copy)]
pub struct NodeSpec {
    /// Its name.
    pub name: &'static str,
    /// Where it may stand: `root`, a node's name, or `tls@listen` (the `tls` that stands in `listen`).
    pub parents: &'static [&'static str],
    /// What it means.
    pub doc: &'static str,
    /// Its arguments, in order; only the last may repeat or be left out.
    pub args: &'static [ArgSpec],
    /// Its properties.
    pub props: &'static [PropSpec],
    /// What does the same elsewhere.
    pub peers: Peers,
    /// Whether a block may hold several.
    pub many: bool,
    /// Whether this version has it.
    pub since: Since,
}

/// A positional argument.
#[derive(Debug)]
pub struct ArgSpec {
    /// What it is called in messages.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be given several times.
    pub repeat: bool,
}

/// A property.
#[derive(Debug)]
pub struct PropSpec {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// What holds when it is not written, in words or as it would be written; empty when nothing does.
    pub default: &'static str,
    /// What holds when it is not written and there is no default, in words.
    pub without: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// What a whole number counts.
    pub unit: &'static str,
    /// What does the same elsewhere.
    pub peers: Peers,
    /// Whether this version has it.
    pub since: Since,
}

/// What other balancers call a setting, so that a reader who knows them finds it; empty where they have none that is
/// near. The nearest one is named: its meaning may differ in detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peers {
    /// A keyword, option or fetch method of HAProxy.
    pub haproxy: &'static str,
    /// A directive, parameter or variable of nginx; `(Plus)` where only the commercial one has it.
    pub nginx: &'static str,
    /// A field, message, filter or option of Envoy.
    pub envoy: &'static str,
}

/// Whether this version has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// It works.
    Implemented,
    /// Known, documented, refused by name.
    NotYet,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Whatever KDL knows.
    Any,
    /// A string.
    Text,
    /// A string to compare with; the annotations `(exact)`, `(prefix)` and `(regex)` say how.
    Match,
    /// `#true`, `#false`.
    Bool,
    /// A whole number within bounds, perhaps `off`.
    Int {
        /// Least.
        min: i64,
        /// Most.
        max: i64,
        /// Whether `off` may stand for it.
        off: bool,
    },
    /// `"250ms"`, `"1h30m"`, perhaps `"0s"`, perhaps `off`.
    Duration {
        /// Whether zero makes sense.
        zero: bool,
        /// Whether `off` may stand for it.
        off: bool,
    },
    /// `"64KiB"`, perhaps `off`.
    Size {
        /// Whether `off` may stand for it.
        off: bool,
    },
    /// `"100/s"`.
    Rate,
    /// `"5%"`, perhaps `off`.
    Percent {
        /// Whether `off` may stand for it.
        off: bool,
    },
    /// `200`, `"200-299"`, `"200,204"`.
    Status,
    /// `"10.0.0.0/8"`; a bare address is that address alone.
    Cidr,
    /// `":80"`, `"127.0.0.1:80"`, `"[::1]:80"`.
    Address,
    /// `"tw1:8443"`, `"10.0.0.1:8080"`, `"[::1]:80"`.
    Upstream,
    /// `"shop.example.com"`, `"*.example.com"`.
    Host,
    /// A host without a wildcard: `"shop.example.com"`, `"10.0.0.1"`.
    HostName,
    /// `[a-z0-9][a-z0-9._-]*`
    Name,
    /// A server's name, or its address when that is all there is.
    ServerName,
    /// A cookie's or query parameter's name.
    Token,
    /// A header field's name.
    HeaderName,
    /// A header field's value.
    HeaderValue,
    /// A user or group of the operating system.
    Account,
    /// A file, relative to the file that names it; perhaps `off`.
    File {
        /// Whether `off` may stand for it.
        off: bool,
    },
    /// Files by wildcard.
    Glob,
    /// A path of a URL: it starts with `/`.
    Path,
    /// A route's pattern; the annotations `(prefix)`, `(exact)`, `(regex)`, `(starts-with)` say which kind.
    Pattern,
    /// `source-ip`, `header:NAME`, `cookie:NAME`, `query:NAME`, `path`, `host`.
    Key,
    /// A path of a URL, or the word `tcp`.
    Probe,
    /// A file mode in octal, quoted.
    Mode,
    /// A lint rule: `LB204`.
    Rule,
    /// The name of a pool.
    Pool,
    /// The name of a listener.
    Listener,
    /// One of some words.
    Choice {
        /// Those that work.
        now: &'static [&'static str],
        /// Those that this version refuses by name.
        later: &'static [&'static str],
    },
}

impl NodeSpec {
    /// Whether `parent` (`None` is the top level) may hold this node.
    pub fn stands_in(&self, parent: Option<&NodeSpec>) -> bool {
        match parent {
            None => self.parents.contains(&"root"),
            Some(parent) => self.parents.iter().any(|p| match p.split_once('@') {
                Some((name, place)) => name == parent.name && parent.parents.contains(&place),
                None => *p == parent.name,
            }),
        }
    }

    /// The property of this name.
    pub fn prop(&self, name: &str) -> Option<&'static PropSpec> {
        self.props.iter().find(|p| p.name == name)
    }

    /// The argument at `index`, a repeated last one included.
    pub fn arg(&self, index: usize) -> Option<&'static ArgSpec> {
        self.args.get(index).or_else(|| self.args.last().filter(|a| a.repeat))
    }
}

/// The row for a node called `name` inside `parent` (`None` is the top level).
pub fn find(parent: Option<&NodeSpec>, name: &str) -> Option<&'static NodeSpec> {
    find_in(SCHEMA, parent, name)
}

/// The same in a table.
pub fn find_in(
    table: &'static [NodeSpec],
    parent: Option<&NodeSpec>,
    name: &str,
) -> Option<&'static NodeSpec> {
    table.iter().find(|s| s.name == name && s.stands_in(parent))
}

/// The rows of what may stand inside `parent` (`None` is the top level).
pub fn children(parent: Option<&NodeSpec>) -> impl Iterator<Item = &'static NodeSpec> {
    children_in(SCHEMA, parent)
}

/// The same in a table.
pub fn children_in(
    table: &'static [NodeSpec],
    parent: Option<&NodeSpec>,
) -> impl Iterator<Item = &'static NodeSpec> {
    table.iter().filter(move |s| s.stands_in(parent))
}
