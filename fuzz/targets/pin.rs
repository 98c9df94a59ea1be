//! A file of pins that is read is written back byte for byte.
#![no_main]

use bizra::receipts::pin::Pins;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| match Pins::parse(file) {
    Ok(pins) => assert_eq!(pins.to_string().as_bytes(), file),
    Err(error) => assert_ne!(error.to_string(), ""),
});
