//! libFuzzer's way to `document`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::document::look(bytes));
