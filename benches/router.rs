//! Benchmarks of the router.

fn main() {}
