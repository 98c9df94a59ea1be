//! A file of pins that is read is written back byte for byte.

use bizra::receipts::pin::Pins;

pub fn look(file: &[u8]) {
    match Pins::parse(file) {
        Ok(pins) => assert_eq!(pins.to_string().as_bytes(), file),
        Err(error) => assert_ne!(error.to_string(), ""),
    }
}
