//! libFuzzer's way to `pin`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::pin::look(bytes));
