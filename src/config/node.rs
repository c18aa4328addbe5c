//! One node of a configuration after syntax, includes, templates and expansion: what the schema check
//! and the readers in `config::ast` work on. Not the KDL crate's node: values here are expanded, and
//! every part knows the file it came from.

use super::diagnostic::{Span, Spanned};

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name and where that stands.
    pub name: Spanned<String>,
    /// Arguments, in order.
    pub args: Vec<Value>,
    /// Properties, in order, repeated ones included.
    pub props: Vec<(Spanned<String>, Value)>,
    /// Children; `None` when there is no block, `Some(empty)` for `{}`.
    pub children: Option<Vec<Node>>,
    /// The whole node, its block included.
    pub span: Span,
    /// How it came here.
    pub origin: Origin,
}

/// How a node came to stand where it stands. An explicit single-valued node beats one from `use`,
/// which beats one from `defaults`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Spliced from the top-level `defaults` block.
    Defaults,
    /// Spliced from a template.
    Template,
    /// Written here.
    Written,
}

/// One argument or property value.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// What it says, after expansion.
    pub scalar: Scalar,
    /// A type annotation, `(regex)`.
    pub ty: Option<Spanned<String>>,
    /// Where the value stands (its annotation not included).
    pub span: Span,
    /// True when this text was repaired or failed to expand: a finding exists already, so readers say nothing more.
    pub poisoned: bool,
    /// True when the text was made (in part) from `${file:…}`; never shown.
    pub secret: bool,
    /// True when the text was made (in part) from `${env:…}`; not shown where secrets usually stand.
    pub from_env: bool,
}

impl Value {
    /// Whether this is to be kept from whoever reads what a configuration means, standing where secrets usually do.
    pub fn is_private(&self) -> bool {
        self.secret || self.from_env
    }
}

/// A value as KDL knows it.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A string. `quoted` is false for a bare word.
    String {
        /// The text after expansion.
        text: String,
        /// Whether quotes stood around it.
        quoted: bool,
        /// Whether `${}` made any part of it; such a string may stand where a number or bool is due.
        expanded: bool,
    },
    /// An integer.
    Integer(i128),
    /// A decimal.
    Decimal(f64),
    /// `#true`, `#false`.
    Bool(bool),
    /// `#null`.
    Null,
}
