//! What a hub lists, the file that pins models, and the settings that a clone brings.

use bizra::config::{Config, File};
use bizra::env::Vars;
use bizra::model::listing::Listing;
use bizra::model::lock::Lock;

pub fn look(bytes: &[u8]) {
    if let Err(fault) = Listing::parse(bytes) {
        assert_ne!(fault.to_string(), "");
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Lock::parse(text) {
        Ok(lock) => assert_eq!(Lock::parse(&lock.render()).as_ref().map(Lock::files), Ok(lock.files())),
        Err(fault) => assert!(fault.offset <= text.len() && !fault.reason.is_empty()),
    }
    let file = File { path: "bizra.toml".into(), text: text.into(), of_repository: true };
    match Config::resolve(&[], &Vars::default(), &[file]) {
        Ok(config) => assert!(!config.switch("no-receipt"), "a clone may not switch receipts off"),
        Err(error) => assert_ne!(error.to_string(), ""),
    }
}
