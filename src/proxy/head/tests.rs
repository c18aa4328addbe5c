//! Heads that mean something, and heads that are refused.
