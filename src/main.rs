//! The `lbd` command.
fn main() {}
