//! libFuzzer's way to `bundle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::bundle::look(bytes));
