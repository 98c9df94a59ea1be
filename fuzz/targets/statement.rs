//! A payload that is read is written back byte for byte, so nothing in it goes unseen.
#![no_main]

use bizra::receipts::statement::Statement;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| match Statement::parse(payload) {
    Ok(statement) => assert_eq!(statement.to_payload().as_deref(), Ok(payload)),
    Err(error) => assert_ne!(error.to_string(), ""),
});
