//! libFuzzer's way to `gguf`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::gguf::look(bytes));
