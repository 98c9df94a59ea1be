//! A safetensors file is read or refused; what is read lies inside the file.
#![no_main]

use bizra::infer::safetensors::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| match parse(file) {
    Ok(entries) => assert!(entries.iter().map(|entry| entry.data.len()).sum::<usize>() <= file.len()),
    Err(error) => assert_ne!(error.to_string(), ""),
});
