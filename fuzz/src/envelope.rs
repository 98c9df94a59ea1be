//! An envelope is read only in the one spelling that it is written in, and every refusal can be told.

use bizra::receipts::envelope::Envelope;

pub fn look(bytes: &[u8]) {
    match Envelope::parse(bytes) {
        Ok(envelope) => {
            assert_eq!(envelope.to_bytes(), bytes);
            assert_ne!(envelope.id().to_string(), "");
        }
        Err(error) => assert_ne!(format!("{} {error}", error.code()), " "),
    }
}
