//! libFuzzer's way to `plan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::plan::look(bytes));
