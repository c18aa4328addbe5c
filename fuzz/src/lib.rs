//! The targets, for the programs of `fuzz_targets`: each is one of `tests/fuzzing/targets`, by its name.

#[path = "../../tests/fuzzing/targets/mod.rs"]
mod targets;

/// Gives bytes to a target.
pub fn run(name: &str, data: &[u8]) {
    let target = targets::ALL.iter().find(|target| target.name == name).expect("each program is a target");
    (target.check)(data);
}
