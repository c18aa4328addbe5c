//! `format` of tests/fuzzing/targets.rs.
#![no_main]
#![allow(dead_code, reason = "each target is a program, and they share what they do")]

#[path = "../../tests/fuzzing/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::format(data));
