//! libFuzzer's way to `grammar`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::grammar::look(bytes));
