//! libFuzzer's way to `template`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::template::look(bytes));
