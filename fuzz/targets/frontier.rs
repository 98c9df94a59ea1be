//! libFuzzer's way to `frontier`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::frontier::look(bytes));
