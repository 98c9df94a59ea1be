//! A checkpoint's three lines, and a log's verifier key, are read in one spelling only.

use bizra::receipts::checkpoint::{Checkpoint, NoteVerifier};

pub fn look(bytes: &[u8]) {
    match Checkpoint::parse_unverified(bytes) {
        Ok(checkpoint) => assert!(bytes.starts_with(checkpoint.body().as_bytes())),
        Err(error) => assert_ne!(format!("{} {error}", error.code()), " "),
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(verifier) = NoteVerifier::parse(text)
    {
        assert_eq!(verifier.to_string(), text);
        assert!(Checkpoint::open(bytes, &verifier).is_err(), "a verifier key is no checkpoint");
    }
}
