//! The `lbctl` command.
fn main() {}
