//! The target `explain`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lbd_fuzz::run("explain", data));
