//! What is written, and what it parses to.
