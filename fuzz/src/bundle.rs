//! A bundle's entries are all of its bytes; a tile is 256 hashes or refused.

use bizra::receipts::tiles::{WIDTH, bundle, bundle_entries, full_bundle, full_tile, tile};

pub fn look(bytes: &[u8]) {
    let entries: Result<Vec<_>, _> = bundle_entries(bytes).collect();
    match &entries {
        Ok(entries) => assert_eq!(bundle(entries).as_deref(), Ok(bytes)),
        Err(error) => assert_ne!(error.to_string(), ""),
    }
    let is_full = entries.is_ok_and(|entries| entries.len() as u64 == WIDTH);
    assert_eq!(full_bundle(bytes).is_ok(), is_full);
    if let Ok(hashes) = full_tile("tile/0/000", bytes) {
        assert_eq!(tile(hashes), bytes);
    }
}
