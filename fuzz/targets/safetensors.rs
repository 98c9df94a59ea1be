//! libFuzzer's way to `safetensors`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::safetensors::look(bytes));
