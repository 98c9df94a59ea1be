//! libFuzzer's way to `wal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bizra_fuzz::wal::look(bytes));
