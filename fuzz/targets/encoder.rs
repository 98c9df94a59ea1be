//! libFuzzer's way to `encoder`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::encoder::look(bytes));
