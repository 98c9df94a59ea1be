//! libFuzzer's way to `listing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::listing::look(bytes));
