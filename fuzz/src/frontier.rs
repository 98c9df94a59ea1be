//! A log's frontier and its header are read in one spelling only, and a frontier that was read can grow.

use bizra::receipts::log::LogHeader;
use bizra::receipts::merkle::Frontier;

pub fn look(bytes: &[u8]) {
    match Frontier::decode(bytes) {
        Ok(mut frontier) => {
            assert_eq!(frontier.encode().as_bytes(), bytes);
            let (size, root) = (frontier.size(), frontier.root());
            frontier.push([0; 32]);
            assert_eq!(frontier.size(), size + 1);
            assert_ne!(frontier.root(), root);
        }
        Err(error) => assert_ne!(error.to_string(), ""),
    }
    match LogHeader::decode(bytes) {
        Ok(header) => {
            assert_eq!(header.encode(), bytes);
            assert!(!header.verifier().is_ok_and(|verifier| verifier.name() != header.id().origin()));
        }
        Err(error) => assert_ne!(error.to_string(), ""),
    }
}
