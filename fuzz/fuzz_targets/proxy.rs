//! The target `proxy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lbd_fuzz::run("proxy", data));
