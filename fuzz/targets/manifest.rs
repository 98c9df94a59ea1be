//! libFuzzer's way to `manifest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::manifest::look(bytes));
