//! The target `expect`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lbd_fuzz::run("expect", data));
