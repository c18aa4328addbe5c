//! The target `http2`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lbd_fuzz::run("http2", data));
