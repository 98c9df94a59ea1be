//! libFuzzer's way to `envelope`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::envelope::look(bytes));
