//! The target `request`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lbd_fuzz::run("request", data));
