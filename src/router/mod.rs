//! Which route serves a request: pure, generic over what a route is.

/// How paths are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathOptions {
    /// Any case.
    pub ignore_case: bool,
    /// `//` is `/`.
    pub merge_slashes: bool,
    /// `%2F` is refused.
    pub reject_encoded_slash: bool,
}

/// A path pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern;

/// Conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions;
