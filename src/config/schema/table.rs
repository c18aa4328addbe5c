//! The table of the language: every node, its place, its arguments and properties, their types and
//! defaults, and whether this version has it.

mod expectations;
mod listen;
mod pools;
mod process;
mod routing;
mod text;

pub use expectations::EXPECTATIONS;

use super::Since::Implemented;
use super::{ArgSpec, NodeSpec, Peers, PropSpec, Type};

/// Top-level words kept for later versions.
pub const RESERVED: &[&str] = &["acme", "cache", "cluster", "udp", "wasm"];

const NOBODY: Peers = Peers { haproxy: "", nginx: "", envoy: "" };

const fn node(name: &'static str, parents: &'static [&'static str], doc: &'static str) -> NodeSpec {
    NodeSpec { name, parents, doc, args: &[], props: &[], peers: NOBODY, many: false, since: Implemented }
}

impl NodeSpec {
    const fn args(mut self, args: &'static [ArgSpec]) -> Self {
        self.args = args;
        self
    }
    const fn props(mut self, props: &'static [PropSpec]) -> Self {
        self.props = props;
        self
    }
    const fn peers(mut self, haproxy: &'static str, nginx: &'static str, envoy: &'static str) -> Self {
        self.peers = Peers { haproxy, nginx, envoy };
        self
    }
    const fn many(mut self) -> Self {
        self.many = true;
        self
    }
}

const fn arg(name: &'static str, ty: Type) -> ArgSpec {
    ArgSpec { name, ty, optional: false, repeat: false }
}

impl ArgSpec {
    const fn opt(mut self) -> Self {
        self.optional = true;
        self
    }
    const fn rep(mut self) -> Self {
        self.repeat = true;
        self
    }
}

const fn prop(name: &'static str, ty: Type, default: &'static str) -> PropSpec {
    PropSpec { name, ty, default, without: "", doc: "", unit: "", peers: NOBODY, since: Implemented }
}

impl PropSpec {
    const fn doc(mut self, doc: &'static str) -> Self {
        self.doc = doc;
        self
    }
    const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }
    const fn without(mut self, without: &'static str) -> Self {
        self.without = without;
        self
    }
    const fn peers(mut self, haproxy: &'static str, nginx: &'static str, envoy: &'static str) -> Self {
        self.peers = Peers { haproxy, nginx, envoy };
        self
    }
}

const fn int(min: i64, max: i64) -> Type {
    Type::Int { min, max, off: false }
}
const fn int_off(min: i64, max: i64) -> Type {
    Type::Int { min, max, off: true }
}
const fn one_of(now: &'static [&'static str]) -> Type {
    Type::Choice { now, later: &[] }
}
const fn one_of_some(now: &'static [&'static str], later: &'static [&'static str]) -> Type {
    Type::Choice { now, later }
}
const TIME: Type = Type::Duration { zero: false, off: false };
const TIME_0: Type = Type::Duration { zero: true, off: false };
const TIME_OFF: Type = Type::Duration { zero: false, off: true };
const PERCENT: Type = Type::Percent { off: false };
const FILE: Type = Type::File { off: false };
const COUNT: i64 = u32::MAX as i64;
const PORT: Type = int(1, 65535);
const REDIRECTS: Type = one_of(&["301", "302", "303", "307", "308"]);
const TLS_VERSIONS: Type = one_of(&["1.2", "1.3"]);

/// The areas of the language, in the order in which they are told.
const AREAS: [&[NodeSpec]; 5] = [text::TEXT, listen::LISTEN, routing::ROUTING, pools::POOL, process::PROCESS];

/// Every node of the language. A `static`, so that a row has one address and can be told from others by it.
pub static SCHEMA: &[NodeSpec] = &joined::<{ rows() }>();

const fn rows() -> usize {
    let (mut area, mut rows) = (0, 0);
    while area < AREAS.len() {
        rows += AREAS[area].len();
        area += 1;
    }
    rows
}

const fn joined<const ROWS: usize>() -> [NodeSpec; ROWS] {
    let mut all = [node("", &[], ""); ROWS];
    let (mut area, mut row, mut next) = (0, 0, 0);
    while next < ROWS {
        if row == AREAS[area].len() {
            (area, row) = (area + 1, 0);
        } else {
            all[next] = AREAS[area][row];
            (row, next) = (row + 1, next + 1);
        }
    }
    all
}
