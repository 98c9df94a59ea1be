//! libFuzzer's way to `key`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::key::look(bytes));
