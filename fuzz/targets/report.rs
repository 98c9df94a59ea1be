//! libFuzzer's way to `report`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::report::look(bytes));
