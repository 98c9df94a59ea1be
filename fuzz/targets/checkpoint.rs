//! libFuzzer's way to `checkpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::checkpoint::look(bytes));
