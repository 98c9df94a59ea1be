//! A safetensors file is read or refused; what is read lies inside the file.

use bizra::infer::safetensors::parse;

pub fn look(file: &[u8]) {
    match parse(file) {
        Ok(entries) => assert!(entries.iter().map(|entry| entry.data.len()).sum::<usize>() <= file.len()),
        Err(error) => assert_ne!(error.to_string(), ""),
    }
}
