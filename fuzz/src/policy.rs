//! A trust policy opens only under a signature of its own keys, and every refusal can be told.

use bizra::receipts::policy::SignedPolicy;

pub fn look(file: &[u8]) {
    match SignedPolicy::open(file, None) {
        Ok(signed) => {
            assert!(signed.policy.policy_keys.iter().any(|key| key.id() == signed.signer));
            assert!(SignedPolicy::open(file, Some(signed.signer)).is_ok());
        }
        Err(error) => assert_ne!(error.to_string(), ""),
    }
}
