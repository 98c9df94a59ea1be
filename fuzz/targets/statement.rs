//! libFuzzer's way to `statement`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::statement::look(bytes));
