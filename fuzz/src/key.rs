//! Key files, public and private, are read or refused; what was read can be written and read again.

use bizra::receipts::keys::{PublicKey, SecretKey};

pub fn look(file: &[u8]) {
    match SecretKey::read(file) {
        Ok(key) => {
            let again = SecretKey::read(key.to_pkcs8_pem().as_bytes());
            assert_eq!(again.as_ref().map(SecretKey::public), Ok(key.public()));
        }
        Err(error) => assert_ne!(error.to_string(), ""),
    }
    let Ok(text) = std::str::from_utf8(file) else { return };
    match PublicKey::read(text) {
        Ok(key) => {
            assert_eq!(PublicKey::read(&key.to_pem()), Ok(key));
            assert_eq!(PublicKey::read(&key.to_openssh("")), Ok(key));
        }
        Err(error) => assert_ne!(error.to_string(), ""),
    }
}
