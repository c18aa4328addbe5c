//! Refuses, before anything recurses, what would hang or overflow a parser.

/// Largest file, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
