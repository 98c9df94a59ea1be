//! Salted commitments: how a receipt can hold on to a text without containing it.
//!
//! HMAC-SHA-256 with the salt as its key. Whoever is given text and salt can check; whoever deletes the salt has erased
//! what the receipt said, since the text can no longer be guessed from it. Each text gets a salt of its own.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::Hash;

pub type Salt = [u8; 32];

pub fn commit(salt: &Salt, text: &[u8]) -> Hash {
    mac(salt, text).finalize().into_bytes().into()
}

pub fn opens(commitment: &Hash, salt: &Salt, text: &[u8]) -> bool {
    mac(salt, text).verify_slice(commitment).is_ok()
}

fn mac(salt: &Salt, text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).expect("invariant: HMAC takes keys of any length");
    mac.update(text);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_plain_hmac() {
        // Python: hmac.new(bytes(range(32)), b"Sample message for keylen<blocklen", "sha256")
        let salt = std::array::from_fn(|at| at as u8);
        let text = b"Sample message for keylen<blocklen";
        let commitment = commit(&salt, text);
        assert_eq!(super::super::hex::encode(&commitment), EXPECTED);
        assert!(opens(&commitment, &salt, text));
        assert!(!opens(&commitment, &salt, b"another text"));
        assert!(!opens(&commitment, &[0; 32], text));
    }

    const EXPECTED: &str = "a28cf43130ee696a98f14a37678b56bcfcbdd9e5cf69717fecf5480f0ebdf790";
}
