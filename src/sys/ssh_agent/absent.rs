//! Where there are no Unix sockets, no agent can be reached.

use super::{Agent, SignError};

pub(super) fn exchange(agent: &Agent, _request: &[u8]) -> Result<Vec<u8>, SignError> {
    Err(SignError::Unavailable(format!("{}: ssh-agent is not available on this system", agent.socket.display())))
}
