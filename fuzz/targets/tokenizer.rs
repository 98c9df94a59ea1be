//! libFuzzer's way to `tokenizer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::tokenizer::look(bytes));
