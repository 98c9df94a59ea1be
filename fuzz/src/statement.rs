//! A payload that is read is written back byte for byte, so nothing in it goes unseen.

use bizra::receipts::statement::Statement;

pub fn look(payload: &[u8]) {
    match Statement::parse(payload) {
        Ok(statement) => assert_eq!(statement.to_payload().as_deref(), Ok(payload)),
        Err(error) => assert_ne!(error.to_string(), ""),
    }
}
