//! libFuzzer's way to `claim`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::claim::look(bytes));
