//! Signing with a key that ssh-agent keeps: the two requests of its protocol that this takes, over a Unix socket.
//!
//! Only Ed25519 keys are seen; others are passed over. The socket's path comes from the caller.

use std::path::PathBuf;
use std::time::Duration;

use crate::receipts::keys::{PublicKey, SignError, Signer};

#[cfg(unix)]
#[cfg(test)]
mod tests;
#[cfg_attr(unix, path = "ssh_agent/unix.rs")]
#[cfg_attr(not(unix), path = "ssh_agent/absent.rs")]
mod transport;
mod wire;

/// An agent behind a socket.
#[derive(Debug, Clone)]
pub struct Agent {
    pub socket: PathBuf,
    /// How long one exchange may stall. An agent that asks its user before it signs needs time for that.
    pub timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub key: PublicKey,
    pub comment: String,
}

impl Agent {
    /// The Ed25519 keys that the agent holds.
    pub fn identities(&self) -> Result<Vec<Identity>, SignError> {
        let answer = transport::exchange(self, &wire::request_identities())?;
        wire::read_identities(&answer).map_err(|reason| self.garbled(reason))
    }

    /// A signer for one of the agent's keys, which must be there now.
    pub fn signer(&self, key: PublicKey) -> Result<AgentSigner, SignError> {
        if self.identities()?.iter().any(|identity| identity.key == key) {
            return Ok(AgentSigner { agent: self.clone(), key });
        }
        Err(SignError::Unavailable(format!(
            "the ssh-agent at {} does not hold {}",
            self.socket.display(),
            key.to_openssh("")
        )))
    }

    fn garbled(&self, reason: &str) -> SignError {
        SignError::Unavailable(format!("the ssh-agent at {} answered nonsense: {reason}", self.socket.display()))
    }
}

/// One of an agent's keys.
#[derive(Debug, Clone)]
pub struct AgentSigner {
    agent: Agent,
    key: PublicKey,
}

impl Signer for AgentSigner {
    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        let answer = transport::exchange(&self.agent, &wire::request_signature(&self.key, message))?;
        match wire::read_signature(&answer) {
            Ok(Some(signature)) if self.key.verify(message, &signature) => Ok(signature),
            Ok(Some(_)) => Err(SignError::Wrong),
            Ok(None) => Err(SignError::Refused("the ssh-agent would not sign".to_owned())),
            Err(reason) => Err(self.agent.garbled(reason)),
        }
    }
}
